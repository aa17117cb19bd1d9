# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The main job over HTTP: the demo's story, step by step, and what it must leave.

The steps check themselves as they go and raise ``StoryError``; the tests here add
what a reader of the demo would not want to see.
"""

import dataclasses
import threading
from datetime import timedelta

import pytest

from tools.story import billing, kpis, sales, support, tell, usage
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
        "saas.usage.event",
        "saas.usage.quarantine",
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
