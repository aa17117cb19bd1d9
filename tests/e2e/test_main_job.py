# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The main job over HTTP: the demo's story, step by step, and what it must leave.

The steps check themselves as they go and raise ``StoryError``; the tests here add
what a reader of the demo would not want to see.
"""

import dataclasses
import threading
from datetime import timedelta

import pytest

from tools.story import (
    billing,
    documents,
    kpis,
    metering,
    renewals,
    sales,
    simulation,
    support,
    tell,
    usage,
    usage_feed,
)
from tools.story.odoo_client import Odoo, ServerError, wait_for
from tools.story.usage_client import UsageClient, replay, with_duplicates


def earlier(world, months):
    """Return the stage some months before, where nothing of the story is stored."""
    month = world.month
    for _step in range(months):
        month = (month - timedelta(days=1)).replace(day=1)
    return dataclasses.replace(world, month=month)


class TestQuoteToSubscription:
    def test_every_customer_has_one_active_subscription(self, world, signed):
        admin = world.as_("administrator")
        states = admin.rows(
            "saas.subscription",
            [("id", "in", [d.subscription_id for d in signed.deals.values()])],
            ["state", "partner_id"],
        )
        assert [row["state"] for row in states] == ["active"] * len(world.customers)
        partners = sorted(row["partner_id"][0] for row in states)
        assert partners == sorted(c.partner_id for c in world.customers)

    def test_a_rule_the_administrator_can_edit_started_it(self, world, signed):
        rules = world.as_("administrator").rows(
            "base.automation",
            [("model_id.model", "=", "sale.order"), ("active", "=", True)],
            ["name", "action_server_ids", "trigger"],
        )
        (rule,) = [rule for rule in rules if "SaaS" in rule["name"]]
        assert len(rule["action_server_ids"]) == len(sales.WORKFLOW)

    def test_signing_needs_the_token(self, world, signed):
        visitor = Odoo(world.url)
        answer = visitor.jsonrpc(
            f"/my/orders/{signed.deals[0].order_id}/accept",
            access_token="0" * 36,
            name="Nobody",
            signature=sales.signature_png(),
        )
        assert answer.get("error")

    def test_the_workflow_writes_one_process(self, world, signed):
        deal = signed.deals[1]
        events = sales.events_of(world, deal)
        assert len({event["correlation_id"] for event in events}) == 1


class TestOnboarding:
    """What the customer handed in, read as others see it."""

    @pytest.fixture
    def project(self, signed):
        return signed.deals[0].project_id

    def test_the_main_customer_has_one_project_of_two_packages(self, world, project):
        packages = world.as_("csm").rows(
            "saas.onboarding.package", [("project_id", "=", project)], ["name"]
        )
        assert len(packages) == 2

    def test_documents_stand_where_the_story_left_them(self, world, project):
        rows = documents.documents(world.as_("csm"), project)
        states = {name: row["state"] for name, row in rows.items()}
        accepted = dict.fromkeys((*documents.ACCEPTED, documents.MENDED), "accepted")
        named = {documents.REFUSED: "refused", documents.RECEIVED: "received"}
        assert states == dict.fromkeys(states, "requested") | accepted | named
        assert rows[documents.REFUSED]["refuse_reason"] == documents.REASON

    def test_every_version_is_kept_with_who_sent_it(self, world, project):
        versions = world.as_("csm").rows(
            "saas.onboarding.document.version",
            [("document_id.name", "=", documents.MENDED), ("project_id", "=", project)],
            ["state", "is_from_portal"],
            order="number",
        )
        assert [row["state"] for row in versions] == ["refused", "accepted"]
        assert all(row["is_from_portal"] for row in versions)

    def test_the_customer_reads_nothing_but_the_own_page(self, world, project):
        customer = world.as_("customer")
        # Odoo's own right to shared projects: an onboarding is never shared.
        assert not customer.count("project.project", [])
        for model in ("saas.onboarding.document", "saas.handover", "saas.renewal"):
            with pytest.raises(ServerError) as refusal:
                customer.count(model, [])
            assert refusal.value.name.endswith("AccessError"), model

    def test_the_reached_milestone_waits_for_finance(self, world, project):
        rows = world.as_("billing_operator").rows(
            "project.milestone",
            [("project_id", "=", project), ("is_reached", "=", True)],
            ["name", "saas_billing_state", "saas_amount"],
        )
        shown = [(row["name"], row["saas_billing_state"]) for row in rows]
        assert shown == [(documents.MILESTONE, "to_bill")]
        assert billing.money(rows[0]["saas_amount"]) == 960

    def test_earlier_customers_wait_are_checked_and_live(self, world, signed):
        rows = world.as_("csm").rows(
            "project.project",
            [("partner_id.ref", "in", ["N01", "N02", "N03"])],
            ["saas_live_on", "saas_waiting_on"],
            order="id",
        )
        assert [bool(row["saas_live_on"]) for row in rows].count(True) == 1
        assert {row["saas_waiting_on"] for row in rows} >= {"customer", "both"}


class TestUsage:
    def test_duplicates_and_order_change_nothing(self, world, metered):
        assert usage.stored_in_month(world) == usage.counted_total(world)

    def test_unassigned_addresses_wait_in_quarantine(self, world, metered):
        waiting = {row["subject"] for row in usage.quarantine(world)}
        free = set(world.counts.free) - {usage.adopted_address(world)}
        assert waiting == free

    def test_events_cannot_be_changed(self, world, metered):
        admin = world.as_("administrator")
        event = admin.search("saas.usage.event", [], limit=1)
        with pytest.raises(ServerError):
            admin.write("saas.usage.event", event[0], {"subject": "other"})

    def test_two_replays_at_once_store_every_event_once(self, world, metered):
        stage = earlier(world, 2)
        sent = [with_duplicates(usage.events(stage), 0.03, seed) for seed in (1, 2)]
        totals = [None, None]

        def send(number):
            client = UsageClient(world.url, world.access.usage_key)
            totals[number] = replay(client, sent[number], usage.BATCH, patience=120)
            client.close()

        threads = [threading.Thread(target=send, args=(n,)) for n in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wanted = usage.expected(sent[0], usage.adopted_address(world)).stored
        assert totals[0] and totals[1]
        assert sum(t.counts["stored"] for t in totals) == wanted
        assert usage.stored_in_month(stage) == wanted


class TestBillingRun:
    def test_invoices_are_posted_and_balanced(self, world, billed):
        operator = world.as_("billing_operator")
        lines = operator.rows(
            "saas.billing.run.line", [("run_id", "=", billed.run_id)], ["move_id"]
        )
        moves = operator.rows(
            "account.move",
            [("id", "in", [line["move_id"][0] for line in lines])],
            ["state", "amount_untaxed"],
        )
        assert {move["state"] for move in moves} == {"posted"}
        total = sum(billing.money(move["amount_untaxed"]) for move in moves)
        assert total == billing.expected_total(world)

    def test_posting_again_posts_nothing(self, world, billed):
        before = billing.invoice_count(world)
        operator = world.as_("billing_operator")
        operator.call("saas.billing.run", "action_post", [billed.run_id])
        assert billing.invoice_count(world) == before

    def test_who_took_part_may_not_approve(self, world, billed):
        # The administrator holds both roles, and is refused all the same.
        admin = world.as_("administrator")
        cutoff = world.month_end.isoformat()
        dates = {"date_cutoff": cutoff, "date_invoice": cutoff}
        run_id = admin.create("saas.billing.run", dates)
        admin.call("saas.billing.run", "action_compute", [run_id])
        admin.call("saas.billing.run", "action_review", [run_id])
        with pytest.raises(ServerError, match="took part"):
            admin.call("saas.billing.run", "action_approve", [run_id])
        admin.call("saas.billing.run", "action_reset", [run_id])
        admin.call("saas.billing.run", "unlink", [run_id])

    def test_a_support_agent_may_not_see_a_run(self, world, billed):
        with pytest.raises(ServerError):
            world.as_("support_agent_1").call(
                "saas.billing.run", "action_post", [billed.run_id]
            )

    def test_the_auditor_reads_and_writes_nothing(self, world, billed):
        auditor = world.as_("auditor")
        assert auditor.row("saas.billing.run", billed.run_id, ["state"])
        with pytest.raises(ServerError) as refusal:
            auditor.write(
                "saas.subscription", billed.deals[0].subscription_id, {"tz": "UTC"}
            )
        assert refusal.value.name.endswith("AccessError")


class TestMetering:
    """The feed in a shape of its own, and what it set off."""

    def test_playing_it_again_changes_nothing(self, world, watched):
        before = snapshot(world)
        simulation.play(world, metering.play(world, watched.deals))
        assert snapshot(world) == before

    def test_the_correction_is_a_document_of_its_own(self, world, watched):
        operator = world.as_("billing_operator")
        moves = operator.rows(
            "saas.billing.run.line",
            [
                ("run_id.usage_scope", "=", "corrections"),
                ("partner_id", "=", watched.metered.partner_id),
            ],
            ["move_id", "amount"],
        )
        assert [billing.money(row["amount"]) for row in moves] == [15]
        move = operator.row(
            "account.move", moves[0]["move_id"][0], ["state", "amount_untaxed"]
        )
        assert (move["state"], move["amount_untaxed"]) == ("posted", 15)

    def test_the_unusual_month_waits_for_a_person(self, world, watched):
        metered = watched.metered
        run = metering.find_run(world, metered, world.month_end, "regular")
        assert run["state"] == "computed"
        month = [
            ("subscription_id", "=", metered.subscription_id),
            ("base_kind", "=", "usage"),
            ("service_start", "=", str(world.month)),
        ]
        assert not world.as_("billing_operator").count("saas.charge", month)

    def test_its_customer_success_has_something_to_do(self, world, watched):
        alerts = world.as_("csm").rows(
            "saas.usage.alert",
            [("subscription_id", "=", watched.metered.subscription_id)],
            ["state", "kind"],
        )
        assert ("new", "threshold") in [(row["state"], row["kind"]) for row in alerts]

    def test_the_auditor_reads_the_mapping_and_changes_nothing(self, world, watched):
        auditor = world.as_("auditor")
        [mapping] = auditor.search(
            "saas.usage.mapping", [("source_id.code", "=", usage_feed.SOURCE)]
        )
        assert auditor.row("saas.usage.mapping", mapping, ["problem"]) == {
            "id": mapping,
            "problem": False,
        }
        with pytest.raises(ServerError) as refusal:
            auditor.write("saas.usage.mapping", mapping, {"name": "mine"})
        assert refusal.value.name.endswith("AccessError")

    def test_the_report_says_so(self, world, story):
        rows = dict(world.report.rows)
        assert rows["Correction for late usage"] == "15.00"
        assert rows["Prepaid credit left"] == "110.00"


class TestRenewal:
    def test_the_term_is_extended_once(self, world, renewed):
        contract = renewals.find_contract(world)
        rows = world.as_("sales").rows(
            "saas.renewal",
            [("subscription_id", "=", contract.subscription_id)],
            ["outcome", "is_on_time", "amount_renewed"],
        )
        assert [(row["outcome"], row["is_on_time"]) for row in rows] == [
            ("renewed", True)
        ]
        assert billing.money(rows[0]["amount_renewed"]) == billing.money(8112.0)

    def test_its_opportunity_is_won(self, world, renewed):
        contract = renewals.find_contract(world)
        renewal = renewals.find_renewal(world.as_("sales"), contract)
        lead = world.as_("sales").row(
            "crm.lead", renewal["lead_id"][0], ["saas_lead_kind", "won_status"]
        )
        assert (lead["saas_lead_kind"], lead["won_status"]) == ("renewal", "won")

    def test_renewing_again_changes_nothing(self, world, renewed):
        before = snapshot(world)
        renewals.play(world)
        assert snapshot(world) == before

    def test_open_renewals_of_earlier_customers_are_in_every_category(
        self, world, renewed
    ):
        rows = world.as_("sales").rows(
            "saas.renewal", [("outcome", "=", "open")], ["category", "amount_available"]
        )
        assert {row["category"] for row in rows} == {
            "commit",
            "best_case",
            "at_risk",
            "lost",
        }
        assert all(row["amount_available"] for row in rows)

    def test_the_report_says_so(self, world, story):
        rows = dict(world.report.rows)
        assert rows[f"Milestone to bill, {world.main.name}"] == "960.00"
        assert rows["Renewed for a year, with uplift"] == "8,112.00"
        end = renewals.next_term(renewals.find_contract(world).end)
        assert rows["Renewed term ends on"] == str(end)


class TestSupport:
    def test_each_thing_happened_once(self, world, escalated):
        rows = support.log(world.as_("administrator"), escalated.tickets[0])
        assert sorted(row["kind"] for row in rows) == support.KINDS

    def test_events_of_the_breach_are_in_the_ledger(self, world, escalated):
        names = [
            row["name"]
            for row in world.as_("administrator").rows(
                "saas.event",
                [("res_model", "=", "helpdesk.ticket")]
                + [("res_id", "=", escalated.tickets[0])],
                ["name"],
            )
        ]
        for name in ("ticket.sla_warning", "ticket.sla_breached", "ticket.escalated"):
            assert names.count(name) == 1, names

    def test_the_same_mail_again_makes_no_second_ticket(self, world, escalated):
        admin = world.as_("administrator")
        before = admin.count("helpdesk.ticket", [])
        _index, subject, text, _answer = support.MAILS[0]
        support.deliver(world, support.write_mail(world, world.main, subject, text))
        assert admin.count("helpdesk.ticket", []) == before


class TestFigures:
    def test_stored_values_equal_independent_ones(self, world, story):
        kpis.compute(world)
        stored, wanted = kpis.stored(world), kpis.independent(world)
        assert {code: stored[code] for code in wanted} == wanted

    def test_the_ledger_of_events_is_intact(self, world, story):
        findings = kpis.verify_ledger(world)
        assert findings
        assert all(found["ok"] for found in findings), findings

    def test_telling_the_story_again_changes_nothing(self, world, story):
        before = snapshot(world)
        tell.tell(world)
        assert snapshot(world) == before


def snapshot(world):
    """Count what a second telling could have made again."""
    admin = world.as_("administrator")
    models = (
        "sale.order",
        "saas.subscription",
        "project.project",
        "project.task",
        "saas.onboarding.document.version",
        "saas.renewal",
        "crm.lead",
        "saas.amendment",
        "saas.usage.event",
        "saas.usage.quarantine",
        "saas.usage.upload",
        "saas.usage.threshold",
        "saas.usage.price",
        "saas.usage.simulation",
        "saas.wallet.transaction",
        "saas.external.id",
        "saas.billing.run",
        "saas.charge",
        "account.move",
        "helpdesk.ticket",
        "saas.sla.escalation.log",
        "saas.kpi.value",
    )
    return {model: admin.count(model, []) for model in models}


class TestKilledServer:
    """Last: it restarts the server all the others use."""

    def test_every_event_is_stored_once_after_kill_9(self, world, server, story):
        stage = earlier(world, 1)
        sent = usage.shuffled(stage)
        client = UsageClient(world.url, world.access.usage_key, timeout=30)
        result = {}

        def send():
            try:
                result["totals"] = replay(client, sent, 50, patience=180)
            except Exception as error:  # noqa: BLE001 - shown by the assert below
                result["error"] = error

        sender = threading.Thread(target=send)
        sender.start()
        assert wait_for(lambda: usage.stored_in_month(stage) > 1500, 60, pause=0.05)
        server.kill()
        server.start()
        sender.join(timeout=300)
        assert not sender.is_alive() and "error" not in result, result
        client.close()
        wanted = usage.expected(sent, usage.adopted_address(world))
        assert client.repeats > 0
        assert usage.stored_in_month(stage) == wanted.stored
        totals = result["totals"]
        assert totals.sent == wanted.sent
        assert totals.counts["quarantined"] == wanted.quarantined
        # What was stored but not answered comes back as a duplicate: never lost,
        # never twice.
        answered = totals.counts["stored"] + totals.counts["duplicate"]
        assert answered == wanted.stored + wanted.duplicate
