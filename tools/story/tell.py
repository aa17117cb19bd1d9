# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The eight steps in their order, with what they show and check."""

from decimal import Decimal

from . import (
    billing,
    changes,
    documents,
    kpis,
    metering,
    onboarding,
    renewals,
    sales,
    simulation,
    support,
    usage,
)
from .report import StoryError
from .sales import Deal
from .world import World


def tell(world: World) -> None:
    """Play and check the whole main job.

    :raise StoryError: a figure or state is not what it must be
    """
    open_story(world)
    deals = {0: win_and_sign(world)}
    # The clock of the waiting ticket runs while everything else goes on.
    tickets = support.customers_write(world)
    deals |= confirm_others(world)
    work_on_projects(world, deals)
    receive_usage(world, deals)
    bill(world, deals)
    changes.play(world, deals)
    simulation.play(world, metering.play(world, deals))
    renewals.play(world)
    watch_clock(world, tickets)
    compare_figures(world)
    close_story(world)


def open_story(world: World) -> None:
    """Settle the month and introduce the customers and the log."""
    earlier = sales.find_month(world)
    if earlier and world.month and earlier != world.month:
        raise StoryError(
            f"The story has been told for {earlier:%Y-%m} on this database. Leave out "
            f"--month, or start again with an empty database for {world.month:%Y-%m}."
        )
    world.month = world.month or earlier or world.default_month()
    report = world.report
    report.say(f"Northwind Cloud on {world.url}, database {world.database}")
    report.fact(
        f"{world.origin}: {world.counts.total:,} requests of {world.counts.clients:,} "
        f"clients, moved to {world.month:%B %Y} (day and time of day kept)"
    )
    report.fact(
        f"{len(world.customers)} customers; a client belongs to the one its octets' "
        f"sum modulo {len(world.customers)} gives; addresses ending in .250 to nobody"
    )


# --- 1 ------------------------------------------------------------------------


def win_and_sign(world: World) -> Deal:
    """Step 1: the main customer's opportunity, quotation, signature and workflow."""
    world.report.step(1, "Quote to subscription")
    deal = sign_main(world)
    check_deal(world, deal)
    check_repeats(world, deal)
    return deal


def confirm_others(world: World) -> dict[int, Deal]:
    """Confirm the other customers' quotations, as the salesperson does by phone."""
    others = world.customers[1:]
    deals = {customer.index: confirm_other(world, customer) for customer in others}
    world.report.fact(f"{len(deals)} other customers have a confirmed order")
    return deals


def sign_main(world: World) -> Deal:
    """Win the main customer's opportunity and have the quotation signed."""
    report, customer = world.report, world.main
    order = sales.find_order(world, customer)
    if order and order["state"] == "sale":
        report.fact(f"{customer.name} signed {order['name']} earlier: nothing to do")
    else:
        order_id = order["id"] if order else sales.quote(world, customer)
        path = sales.portal_path(world, order_id)
        report.fact(f"opportunity of {customer.name} won, quotation sent")
        report.link("Quotation in the portal", world.url + path)
        answer = sales.sign(world, order_id, customer.signatory)
        report.true(
            f"{customer.signatory} signed in the portal",
            answer.get("force_refresh"),
            str(answer),
        )
        order = sales.find_order(world, customer)
    report.same("order is confirmed", order["state"], "sale")
    report.same("signed by", order["signed_by"], customer.signatory)
    sales.wait_for_document(world, order["id"])
    deal = sales.read_deal(world, order["id"])
    link = world.as_("sales").link
    report.link("Order", link("orders", deal.order_id))
    report.link("Subscription", link("saas-subscriptions", deal.subscription_id))
    report.link("Onboarding project", link("project", f"{deal.project_id}/tasks"))
    return deal


def check_deal(world: World, deal: Deal) -> None:
    """Check what the rule has made of the signed order."""
    report, admin = world.report, world.as_("administrator")
    subscription = admin.row(
        "saas.subscription",
        deal.subscription_id,
        ["name", "state", "date_start", "mrr"],
    )
    report.same("subscription is", subscription["state"], "active")
    report.same("it starts on", subscription["date_start"], str(world.month))
    report.same("its MRR", billing.money(subscription["mrr"]), billing.PLAN_PRICE)
    check_project(world, deal)
    account = admin.row("res.partner", world.main.partner_id, ["saas_lifecycle"])
    report.true(
        f"account is {account['saas_lifecycle']}",
        account["saas_lifecycle"] in ("onboarding", "live"),
    )
    events = sales.events_of(world, deal)
    names = [event["name"] for event in events]
    for name in sales.EVENTS:
        report.true(f"event {name}, once", names.count(name) == 1, str(names))
    report.same(
        "correlation ids of the workflow's events",
        len({event["correlation_id"] for event in events}),
        1,
    )


def check_project(world: World, deal: Deal) -> None:
    """Check tasks, people, milestones and the signed document of the project."""
    report, admin = world.report, world.as_("administrator")
    plan = sales.TASKS, sales.MILESTONES
    if not sales.is_sold_with_migration(world, deal):
        plan = sales.FORMER_TASKS, sales.FORMER_MILESTONES
    tasks = sales.tasks_of(admin, deal)
    dated = [task for task in tasks if task["date_deadline"]]
    report.same("tasks with a deadline", len(dated), plan[0])
    staffed = [task for task in tasks if task["user_ids"]]
    report.same("tasks with somebody to do them", len(staffed), plan[0])
    milestones = admin.rows(
        "project.milestone",
        [("project_id", "=", deal.project_id), ("deadline", "!=", False)],
        ["deadline"],
    )
    report.same("milestones with a date", len(milestones), plan[1])
    papers = sales.signed_documents(admin, deal)
    report.same("signed PDF files on the project", len(papers), 1)
    told = sales.people_told(admin, deal)
    report.true(f"told: {', '.join(told)}", told)


def check_repeats(world: World, deal: Deal) -> None:
    """Check that confirming and running the rule again makes nothing new."""
    before = sales.fingerprint(world, deal)
    sales.run_again(world, deal)
    after = sales.fingerprint(world, deal)
    world.report.same("counts after running everything again", after, before)


def confirm_other(world: World, customer) -> Deal:
    """Confirm another customer's quotation as the salesperson."""
    order = sales.find_order(world, customer)
    if not order or order["state"] != "sale":
        order_id = order["id"] if order else sales.quote(world, customer)
        world.as_("sales").call("sale.order", "action_confirm", [order_id])
        order = {"id": order_id}
    return sales.read_deal(world, order["id"])


# --- 2 ------------------------------------------------------------------------


def work_on_projects(world: World, deals: dict[int, Deal]) -> None:
    """Step 2: people work on the onboarding projects, the customer too."""
    world.report.step(2, "Onboarding")
    if sales.is_sold_with_migration(world, deals[0]):
        documents.play(world, deals)
    else:
        world.report.fact(
            f"{world.main.name} was sold no migration when this demo was made, so it "
            "has no documents: make clean, then make demo"
        )
    live = onboarding.work(world, deals)
    world.report.fact(f"onboarding goes on: {live} customers are live")


# --- 3 ------------------------------------------------------------------------


def receive_usage(world: World, deals: dict[int, Deal]) -> None:
    """Step 3: send the log, send it again, adopt one unknown address."""
    report = world.report
    report.step(3, "Usage")
    subscriptions = {index: deal.subscription_id for index, deal in deals.items()}
    tied = usage.tie_addresses(world, subscriptions)
    report.fact(f"{tied:,} client addresses tied to their customers' subscriptions")
    whole = usage.counted_total(world)
    present = usage.stored_count(world)
    if present >= whole:
        report.fact(f"{present:,} events are stored already: the log is not sent again")
    else:
        send_log(world)
        adopt_address(world, deals[0])
    report.same("events stored of the log", usage.stored_in_month(world), whole)
    admin = world.as_("administrator")
    report.link("Usage events", admin.link("usage-events"))
    report.link("Quarantine", admin.link("usage-quarantine"))
    for customer in world.customers[:1]:
        calls, _size = usage.counted(world, customer.index)
        got = admin.count(
            "saas.usage.event",
            [("subscription_id", "=", deals[customer.index].subscription_id)]
            + usage.month_domain(world),
        )
        report.same(f"events of {customer.name}", got, calls)
    report.row("Usage events stored", whole)


def send_log(world: World) -> None:
    """Send the log with repeats, then once more."""
    report = world.report
    sent = usage.shuffled(world)
    wanted = usage.expected(sent)
    report.fact(
        f"{wanted.sent:,} events in batches of {usage.BATCH}: "
        f"{usage.DUPLICATE_SHARE:.0%} of them twice, all shuffled"
    )
    totals = usage.send(world, sent)
    speed = totals.sent / max(totals.seconds, 0.001)
    report.fact(f"sent in {totals.seconds:.1f} s ({speed:,.0f} events a second)")
    report.same("stored", totals.counts["stored"], wanted.stored)
    report.same("duplicates", totals.counts["duplicate"], wanted.duplicate)
    report.same(
        "quarantined: unknown subject", totals.counts["quarantined"], wanted.quarantined
    )
    again = usage.send(world, usage.events(world))
    report.same("second replay stored", again.counts["stored"], 0)


def adopt_address(world: World, deal: Deal) -> None:
    """Give one unknown address to the main customer and replay its events."""
    report, before = world.report, usage.stored_count(world)
    host = usage.adopt(world, deal.subscription_id)
    report.fact(
        f"{host} is given to {world.main.name}, its quarantined events replayed"
    )
    report.same(
        "stored by the replay from quarantine",
        usage.stored_count(world) - before,
        world.counts.free[host],
    )


# --- 4 ------------------------------------------------------------------------


def bill(world: World, deals: dict[int, Deal]) -> int:
    """Step 4: preview, approval by another person, posting, checks.

    :return: id of the billing run
    """
    report = world.report
    report.step(4, f"Billing run for {world.month:%B %Y}")
    run = billing.find_run(world)
    if run:
        run_id = run["id"]
        report.fact(f"{run['name']} is posted already")
    else:
        run_id = prepare_and_post(world)
    operator = world.as_("billing_operator")
    report.link("Billing run", operator.link("saas-billing-runs", run_id))
    check_invoices(world, run_id)
    check_second_run(world, deals)
    return run_id


def prepare_and_post(world: World) -> int:
    """Prepare, approve and post a run; return its id."""
    report = world.report
    run_id = billing.prepare(world)
    report.fact("preview computed by the billing operator")
    rows = billing.preview(world, run_id)
    for row in rows:
        report.detail(
            f"{row['partner_id'][1]:<24} {row['subscription_id'][1]:<12} "
            f"{billing.money(row['amount']):>10,}  {row['state']} "
            f"{row['check_results'] or ''}".rstrip()
        )
    total = sum((billing.money(row["amount"]) for row in rows), Decimal(0))
    report.same("subscriptions in the preview", len(rows), len(world.customers))
    report.same("preview total", total, billing.expected_total(world))
    billing.approve(world, run_id)
    report.fact("approved by the finance lead, posted by jobs")
    run = billing.post(world, run_id)
    report.same("invoices posted", run["done_count"], len(rows))
    report.same("failed", run["failed_count"], 0)
    return run_id


def check_invoices(world: World, run_id: int) -> None:
    """Compare quantities and amounts with counts of the log file."""
    report = world.report
    charges = billing.usage_charges(world, run_id)
    report.fact(f"calls and bytes counted in the log file with {world.counts.tool}")
    for customer in world.customers:
        calls, size = usage.counted(world, customer.index)
        amounts = billing.usage_amounts(calls, size)
        got = charges[customer.partner_id, "calls"]
        packed = charges[customer.partner_id, "bytes"]
        report.same(
            f"{customer.name}: calls, amount of calls, amount of data",
            (
                int(got["quantity"]),
                str(billing.money(got["amount"])),
                str(billing.money(packed["amount"])),
            ),
            (calls, str(amounts[0]), str(amounts[1])),
        )
    check_main_invoice(world, run_id, charges)
    report.row("Invoiced usage", sum(billing.expected_usage(world).values()))
    report.row("Billing run total", billing.expected_total(world))


def check_main_invoice(world: World, run_id: int, charges: dict) -> None:
    """Show the main customer's tiers and check that they make up the invoice."""
    report, customer = world.report, world.main
    charge = charges[customer.partner_id, "calls"]
    calls, size = usage.counted(world, customer.index)
    parts = billing.tiers(calls)
    got = billing.charge_tiers(charge)
    for part in parts:
        report.detail(
            f"{part.quantity:>6,} calls at {part.price:<5} = {part.amount:>8,}"
        )
    report.same(
        "tiers as booked",
        [(q, str(amount)) for q, amount in got],
        [(part.quantity, str(part.amount)) for part in parts],
    )
    invoice = billing.invoice_of(world, run_id, customer.partner_id)
    report.same("invoice is", invoice["state"], "posted")
    wanted = billing.PLAN_PRICE + billing.ONBOARDING_PRICE
    wanted += sum(billing.usage_amounts(calls, size))
    report.same(
        f"{invoice['name']} untaxed", billing.money(invoice["amount_untaxed"]), wanted
    )
    link = world.as_("billing_operator").link
    report.link("Invoice", link("customer-invoices", invoice["id"]))
    report.row(f"Invoice of {customer.name}, untaxed", wanted)


def check_second_run(world: World, deals: dict[int, Deal]) -> None:
    """Compute another run of the same month: it must have nothing to post."""
    before = billing.invoice_count(world)
    subscriptions = [deal.subscription_id for deal in deals.values()]
    run_id, rows = billing.prepare_again(world, subscriptions)
    world.report.same("subscriptions a second run would bill", len(rows), 0)
    world.report.same("invoices after it", billing.invoice_count(world), before)
    billing.drop(world, run_id)


# --- 7 ------------------------------------------------------------------------


def watch_clock(world: World, tickets: list[int]) -> None:
    """Step 7: tier, policy, clock; then warning, breach and escalation, once."""
    report, admin = world.report, world.as_("administrator")
    report.step(7, "Support")
    ticket_id = tickets[0]
    ticket = support.ticket(admin, ticket_id)
    report.fact(
        f"mail to {support.ADDRESS} became {ticket['number']}: {ticket['name']}"
    )
    report.link("Ticket", admin.link("saas-tickets", ticket_id))
    report.same("customer", ticket["commercial_partner_id"][0], world.main.partner_id)
    report.same("support tier", ticket["saas_support_tier_id"][1], "Enterprise")
    report.same("SLA policy", ticket["saas_policy_id"][1], support.POLICY)
    clock = support.clocks(admin, ticket_id)["first_response"]
    report.fact(f"first response due at {clock['due_at']} UTC; nobody answers")
    rows = support.wait_for_escalation(world, ticket_id)
    kinds = sorted(row["kind"] for row in rows)
    report.same("warning, breach and escalation, once each", kinds, support.KINDS)
    state = support.clocks(admin, ticket_id)["first_response"]["state"]
    report.same("first response is", state, "breached")
    support.run_cron(world, times=2)
    again = sorted(row["kind"] for row in support.log(admin, ticket_id))
    report.same("after two more runs of the cron", again, support.KINDS)
    answered = support.answered(admin, tickets[1:])
    report.same("tickets of others answered in time", answered, len(tickets) - 1)


# --- 8 ------------------------------------------------------------------------


def compare_figures(world: World) -> None:
    """Step 8: stored KPI values equal the same figures computed here."""
    report = world.report
    report.step(8, "Executive dashboard")
    kpis.compute(world)
    kpis.compute_history(world)
    stored, wanted = kpis.stored(world), kpis.independent(world)
    for code, value in wanted.items():
        report.same(code, stored.get(code), value)
        report.row(code, value)
    dashboard = world.as_("administrator").ref(kpis.DASHBOARD)
    report.link("Dashboard", f"{world.url}/odoo/dashboards?dashboard_id={dashboard}")
    report.link("Exceptions", world.as_("administrator").link("saas-exceptions"))


def close_story(world: World) -> None:
    """Print the table, the addresses and the logins."""
    report = world.report
    report.table()
    report.say("\n   Logins (password of all: " + world.access.password + ")")
    for role, login in world.access.users.items():
        report.say(f"   {login:<12} {role.replace('_', ' ')}")
    report.say(
        f"\n   {report.checks} checks held, {report.seconds:.0f} s. Open {world.url}"
    )
