# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Step 5: usage of another system, in its own shape, from the feed to the signals.

One customer runs workflows. Months of them come through a mapping and are billed; the
last month is unlike the others and waits for a person, a file comes late and corrects
what was invoiced, and what runs now is watched: threshold, prepaid credit, control.
Everything that is expected is added up here, apart from the suite.
"""

import base64
import csv
import io
import json
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timezone
from decimal import Decimal

from . import billing, sales
from .odoo_client import wait_for
from .report import StoryError
from .usage_client import UsageClient, replay
from .usage_feed import (
    CALLS_NOW,
    GATEWAY,
    LATE_RUNS,
    MINUTES_LATE,
    SOURCE,
    SUBJECT,
    Run,
    broken_payloads,
    calls_of_now,
    months_before,
    payload,
    runs_of_month,
    runs_of_now,
)
from .world import World, next_month

CUSTOMER = "U01"
PRODUCTS = ("product_workflow_plan", "product_workflow_minutes")
CREDIT, CREDIT_AMOUNT = "product_prepaid_credit", Decimal("250.00")
PLATFORM_PRICE = Decimal("90.00")
#: Free minutes, then upper ends of the tiers and the price of a minute in each.
FREE_MINUTES = 1000
MINUTE_TIERS = ((4000, Decimal("0.04")), (None, Decimal("0.025")))
#: Months the customer is with us when the story begins, before the month of the log.
MONTHS = 4
THRESHOLD, THRESHOLD_PERCENT = "Three times what is included", 300
LOW_BALANCE = 50
COUNTING = "saas_usage_billing.ir_cron_saas_usage_count"
CONTROL = "saas_usage_billing.ir_cron_saas_usage_control"


@dataclass(frozen=True)
class Metered:
    """The customer of the workflows.

    :ivar start: first day of the subscription
    """

    partner_id: int
    subscription_id: int
    start: date


def amount_of(minutes: int, steps: tuple = MINUTE_TIERS) -> Decimal:
    """Return what the workflow minutes of a month cost, apart from the suite."""
    parts = billing.tiers(max(0, minutes - FREE_MINUTES), steps)
    return sum((part.amount for part in parts), Decimal("0.00"))


def minutes_of(runs: list[Run]) -> int:
    """Return the minutes of some runs."""
    return sum(run.minutes for run in runs)


def play(world: World, deals: dict[int, sales.Deal]) -> Metered:
    """Sell, meter, bill, correct and watch; what was done before is only checked."""
    report = world.report
    report.step(5, "A feed in its own shape, and what it sets off")
    customer = sell(world)
    set_threshold(world)
    receive(world, customer)
    bill_months(world, customer)
    correct(world, customer)
    find_unusual(world, customer)
    use_now(world, deals)
    watch(world, customer)
    control(world)
    return customer


# --- sale and feed ------------------------------------------------------------


def sell(world: World) -> Metered:
    """Sell workflows and prepaid credit, as of some months ago."""
    seller = world.as_("sales")
    [partner] = seller.rows(
        "res.partner", [("ref", "=", CUSTOMER), ("is_company", "=", True)], ["name"]
    )
    start = months_before(world.month, MONTHS)
    orders = [("partner_id", "=", partner["id"]), ("state", "=", "sale")]
    found = seller.search("sale.order", orders, limit=1)
    if not found:
        products = [seller.ref(f"saas_demo.{name}") for name in (*PRODUCTS, CREDIT)]
        order_id = seller.create(
            "sale.order",
            {
                "partner_id": partner["id"],
                "saas_start_date": start.isoformat(),
                "order_line": [(0, 0, {"product_id": one}) for one in products],
            },
        )
        seller.call("sale.order", "action_confirm", [order_id])
        found = [order_id]
    subscriptions = seller.row("sale.order", found[0], ["saas_subscription_ids"])
    [subscription] = subscriptions["saas_subscription_ids"]
    tie(world, SOURCE, SUBJECT, partner["id"], subscription)
    link = world.as_("billing_operator").link
    world.report.fact(f"{partner['name']} runs workflows since {start:%B %Y}")
    world.report.link("Metered subscription", link("saas-subscriptions", subscription))
    return Metered(partner["id"], subscription, start)


def tie(world: World, source: str, value: str, partner: int, subscription: int):
    """Tie a subject of a source to a subscription, unless it is."""
    admin = world.as_("administrator")
    known = [("source", "=", source), ("kind", "=", "subject"), ("value", "=", value)]
    if not admin.count("saas.external.id", known):
        admin.create(
            "saas.external.id",
            {
                "source": source,
                "kind": "subject",
                "value": value,
                "partner_id": partner,
                "subscription_id": subscription,
            },
        )


def receive(world: World, customer: Metered) -> None:
    """Send months of runs as their system writes them, and what cannot be read."""
    report, admin = world.report, world.as_("administrator")
    months = [months_before(world.month, back) for back in range(MONTHS, -1, -1)]
    runs = [run for month in months for run in runs_of_month(month, world.month)]
    runs += runs_of_now(month_of(world.today))
    stored = [("source_id.code", "=", SOURCE), ("event_id", "=like", "W-%")]
    known = admin.count("saas.usage.event", [*stored, ("event_id", "not like", "late")])
    if known:
        report.fact(f"{known:,} runs are stored already: they are not sent again")
    else:
        counts = send(world, [payload(runs), *broken_payloads(world.month)])
        report.same("runs stored through the mapping", counts["stored"], len(runs))
        report.same("runs nobody could read or place", counts["quarantined"], 3)
        known = len(runs)
    of_month = usage_domain(customer, world.month)
    report.same(
        f"runs of {world.month:%B %Y}",
        admin.count("saas.usage.event", of_month),
        len(runs_of_month(world.month, world.month)),
    )
    waiting = admin.rows(
        "saas.usage.quarantine",
        [("source_id.code", "=", SOURCE), ("state", "=", "open")],
        ["reason"],
    )
    report.same(
        "reasons in the quarantine of the feed",
        dict(sorted(Counter(row["reason"] for row in waiting).items())),
        {"bad_value": 1, "mapping_failed": 1, "unknown_subject": 1},
    )
    report.link("Mappings", admin.link("usage-mappings"))


def send(world: World, payloads: list[dict]) -> Counter:
    """Post payloads to the feed of the source; return what the server counted.

    :raise StoryError: it refused one
    """
    client, counts = UsageClient(world.url, world.access.usage_key), Counter()
    for one in payloads:
        answer = client.post(
            json.dumps(one).encode(),
            "application/json",
            path=f"/saas/v1/usage/feeds/{SOURCE}",
        )
        if answer.status != 200:
            raise StoryError(f"The feed was refused: {answer}")
        counts.update({k: n for k, n in answer.body.items() if type(n) is int})
    client.close()
    return counts


def usage_domain(customer: Metered, month: date) -> list:
    """Return the domain of the customer's events of a month, without the late ones."""
    return [
        ("subscription_id", "=", customer.subscription_id),
        ("event_time", ">=", f"{month} 00:00:00"),
        ("event_time", "<", f"{next_month(month)} 00:00:00"),
        ("event_id", "not like", "late"),
    ]


def month_of(day: date) -> date:
    """Return the first day of the month of a day."""
    return day.replace(day=1)


# --- billing ------------------------------------------------------------------


def find_run(world: World, customer: Metered, cutoff: date, scope: str) -> dict | None:
    """Return the customer's own run of a cut-off, if there is one."""
    rows = world.as_("billing_operator").rows(
        "saas.billing.run",
        [
            ("partner_ids", "in", [customer.partner_id]),
            ("date_cutoff", "=", cutoff.isoformat()),
            ("usage_scope", "=", scope),
        ],
        ["name", "state"],
        limit=1,
    )
    return rows[0] if rows else None


def prepare(world: World, customer: Metered, cutoff: date, scope: str) -> int:
    """Compute a run of the customer alone; return its id."""
    operator = world.as_("billing_operator")
    known = find_run(world, customer, cutoff, scope)
    run_id = (
        known["id"]
        if known
        else operator.create(
            "saas.billing.run",
            {
                "date_cutoff": cutoff.isoformat(),
                "date_invoice": world.month_end.isoformat(),
                "partner_ids": [(6, 0, [customer.partner_id])],
                "usage_scope": scope,
            },
        )
    )
    operator.call("saas.billing.run", "action_compute", [run_id])
    return run_id


def bill_and_post(world: World, customer: Metered, scope: str) -> int:
    """Bill what is due before the month of the log, once; return the run's id."""
    known = find_run(world, customer, world.month, scope)
    if known and known["state"] == "done":
        return known["id"]
    run_id = prepare(world, customer, world.month, scope)
    operator = world.as_("billing_operator")
    operator.call("saas.billing.run", "action_review", [run_id])
    world.as_("billing_approver").call("saas.billing.run", "action_approve", [run_id])
    run = billing.post(world, run_id)
    world.report.same(
        "invoices posted", (run["done_count"], run["failed_count"]), (1, 0)
    )
    return run_id


def charges_of(world: World, run_id: int) -> dict[str, Decimal]:
    """Return the usage charges of a run by the first day of their period."""
    rows = world.as_("billing_operator").rows(
        "saas.charge",
        [("run_id", "=", run_id), ("base_kind", "=", "usage")],
        ["service_start", "amount"],
    )
    return {row["service_start"]: billing.money(row["amount"]) for row in rows}


def bill_months(world: World, customer: Metered) -> None:
    """Bill the months before the log's and check each against the tiers."""
    run_id = bill_and_post(world, customer, "regular")
    months = [months_before(world.month, back) for back in range(MONTHS, 0, -1)]
    wanted = {
        str(month): amount_of(minutes_of(runs_of_month(month, world.month)))
        for month in months
    }
    got = charges_of(world, run_id)
    world.report.same(
        "workflow minutes by month",
        {day: str(amount) for day, amount in sorted(got.items())},
        {day: str(amount) for day, amount in wanted.items()},
    )


def correct(world: World, customer: Metered) -> None:
    """Upload a file of an invoiced month; a correction follows, to the cent."""
    report, operator = world.report, world.as_("billing_operator")
    month = months_before(world.month, 2)
    upload_late(world, month)
    run_id = bill_and_post(world, customer, "corrections")
    before = minutes_of(runs_of_month(month, world.month))
    more = amount_of(before + MINUTES_LATE * LATE_RUNS) - amount_of(before)
    report.same(
        f"correction of {month:%B %Y}",
        {day: str(amount) for day, amount in charges_of(world, run_id).items()},
        {str(month): str(more)},
    )
    report.row("Correction for late usage", more)
    report.link("Run of corrections", operator.link("saas-billing-runs", run_id))


def upload_late(world: World, month: date) -> None:
    """Upload the late runs as a person does, and wait for the job."""
    report, operator = world.report, world.as_("billing_operator")
    name = f"late-{month:%Y-%m}.csv"
    rows = operator.rows("saas.usage.upload", [("name", "=", name)], ["state"], limit=1)
    if rows:
        upload = rows[0]["id"]
    else:
        [source] = operator.search("saas.usage.source", [("code", "=", SOURCE)])
        upload = operator.create(
            "saas.usage.upload",
            {
                "source_id": source,
                "file": base64.b64encode(late_file(month)).decode(),
                "file_name": name,
                "is_late_feed": True,
            },
        )
        operator.call("saas.usage.upload", "action_check", [upload])
        operator.call("saas.usage.upload", "action_import", [upload])
    fields = ["state", "stored", "quarantined"]

    def done():
        row = operator.row("saas.usage.upload", upload, fields)
        return row if row["state"] in ("done", "failed") else None

    row = wait_for(done, 120) or operator.row("saas.usage.upload", upload, fields)
    report.same(
        f"{name}: state, stored, quarantined",
        (row["state"], row["stored"], row["quarantined"]),
        ("done", LATE_RUNS, 0),
    )


def late_file(month: date) -> bytes:
    """Return the late runs as a CSV file."""
    text = io.StringIO()
    out = csv.writer(text)
    out.writerow(["id", "type", "subject", "time", "minutes", "region"])
    for number in range(LATE_RUNS):
        at = datetime(month.year, month.month, 10 + number, 12, tzinfo=timezone.utc)
        key = f"late/{month:%Y-%m}/{number}"
        time = at.isoformat().replace("+00:00", "Z")
        out.writerow([key, "workflow.run", SUBJECT, time, MINUTES_LATE, "eu"])
    return text.getvalue().encode()


def find_unusual(world: World, customer: Metered) -> None:
    """Preview the month of the log: its usage is unlike the months before."""
    report, operator = world.report, world.as_("billing_operator")
    run = find_run(world, customer, world.month_end, "regular")
    run_id = run["id"] if run else prepare(world, customer, world.month_end, "regular")
    line = billing.preview(world, run_id)[0]
    report.same("the line of the unusual month is", line["state"], "held")
    report.true(
        "it says what is usual",
        "usual are" in (line["check_results"] or ""),
        str(line["check_results"]),
    )
    report.detail((line["check_results"] or "").splitlines()[0])
    report.link("Run with unusual usage", operator.link("saas-billing-runs", run_id))


# --- signals ------------------------------------------------------------------


def use_now(world: World, deals: dict[int, sales.Deal]) -> None:
    """Let some customers call the API this month, and ask what they used."""
    report, admin = world.report, world.as_("administrator")
    for index in CALLS_NOW:
        customer = world.customers[index]
        deal = deals[index].subscription_id
        tie(world, GATEWAY, customer.ref, customer.partner_id, deal)
    stored = [("source_id.code", "=", GATEWAY)]
    is_new = not admin.count("saas.usage.event", stored)
    client = UsageClient(world.url, world.access.usage_key)
    if is_new:
        month = month_of(world.today)
        events = [
            event
            for index, calls in CALLS_NOW.items()
            for event in calls_of_now(month, world.customers[index].ref, calls)
        ]
        sent = replay(client, events, 1000)
        report.same("calls of this month", sent.counts["stored"], len(events))
    admin.run_job(COUNTING)
    if is_new:
        # Told again in another month, nothing of that month was sent.
        check_current(world, client)
    client.close()


def check_current(world: World, client: UsageClient) -> None:
    """Compare what the API says of the running month with what was sent."""
    calls = CALLS_NOW[world.main.index]
    cost = sum((part.amount for part in billing.tiers(calls)), Decimal("0.00"))
    path = f"/saas/v1/usage/current?source={GATEWAY}&subject={world.main.ref}"

    def counted():
        answer = client.get(path)
        rows = answer.body["usage"] if answer.status == 200 else ()
        got = {row["meter"]: row for row in rows}.get("api_calls")
        return got if got and Decimal(got["quantity"]) == calls else None

    got = wait_for(counted, 90)
    world.report.true(f"{calls} calls of {world.main.name} within a minute", got)
    world.report.same(
        "they cost so far", Decimal(got["amount"]).quantize(billing.CENT), cost
    )


def watch(world: World, customer: Metered) -> None:
    """Look at what runs now: threshold, prepaid credit."""
    report, operator = world.report, world.as_("billing_operator")
    used = minutes_of(runs_of_now(month_of(world.today)))

    def told():
        return operator.rows(
            "saas.usage.alert",
            [
                ("subscription_id", "=", customer.subscription_id),
                ("kind", "=", "threshold"),
            ],
            ["quantity", "notified_at", "lead_id"],
            order="id desc",
            limit=1,
        )

    alerts = wait_for(told, 90)
    report.true("reaching the threshold is an alert", alerts)
    report.same("minutes it tells", int(alerts[0]["quantity"]), used)
    report.true("the customer's CSM was told", alerts[0]["notified_at"])
    report.true("there is an upsell opportunity", alerts[0]["lead_id"])
    report.link("Usage alerts", operator.link("usage-alerts"))
    check_wallet(world, customer, used)


def set_threshold(world: World) -> None:
    """Agree with Customer Success what is to be told."""
    operator = world.as_("billing_operator")
    if operator.count("saas.usage.threshold", [("name", "=", THRESHOLD)]):
        return
    product = operator.ref("saas_demo.product_workflow_minutes_product_template")
    operator.create(
        "saas.usage.threshold",
        {
            "name": THRESHOLD,
            "kind": "allowance",
            "value": THRESHOLD_PERCENT,
            "product_tmpl_id": product,
            "plan_id": operator.ref("saas_demo.saas_plan_metered"),
            "open_upsell": True,
        },
    )


def check_wallet(world: World, customer: Metered, used: int) -> None:
    """Compare the live balance with the credit less what was used since."""
    report, operator = world.report, world.as_("billing_operator")
    [wallet] = operator.rows(
        "saas.wallet",
        [("partner_id", "=", customer.partner_id)],
        ["balance", "live_balance", "low_balance"],
    )
    if not wallet["low_balance"]:
        operator.write("saas.wallet", wallet["id"], {"low_balance": LOW_BALANCE})
    report.same("prepaid credit", billing.money(wallet["balance"]), CREDIT_AMOUNT)
    report.same(
        "less what was used this month",
        billing.money(wallet["live_balance"]),
        CREDIT_AMOUNT - amount_of(used),
    )
    report.row("Prepaid credit left", CREDIT_AMOUNT - amount_of(used))
    report.link("Wallet", operator.link("wallets", wallet["id"]))


def control(world: World) -> None:
    """Run the daily control: nothing between request and ledger may be missing."""
    admin = world.as_("administrator")
    admin.run_job(CONTROL)
    rows = admin.count("saas.usage.control", [])
    world.report.true(f"the daily control has {rows} rows", rows)
    world.report.same(
        "differences between requests, store and ledger",
        admin.count("saas.usage.control", [("has_difference", "=", True)]),
        0,
    )
    world.report.link("Usage control", admin.link("usage-control"))
