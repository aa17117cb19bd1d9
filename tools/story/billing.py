# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Step 4: one person prepares the billing run, another approves, jobs post it."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from .odoo_client import ServerError, wait_for
from .report import StoryError
from .usage import counted
from .world import World

CENT = Decimal("0.01")
PLAN_PRICE = Decimal("500.00")
ONBOARDING_PRICE = Decimal("1500.00")
#: Upper ends of the graduated tiers of API calls and the price of one call in each.
API_TIERS = (
    (100, Decimal("0")),
    (500, Decimal("0.05")),
    (None, Decimal("0.02")),
)
#: Bytes in one package of data transfer, and its price; a started one counts.
PACKAGE_BYTES = 100_000_000
PACKAGE_PRICE = Decimal("0.50")


@dataclass(frozen=True)
class Tier:
    """Part of a quantity that has one price.

    :ivar amount: quantity times price, rounded to the cent
    """

    quantity: int
    price: Decimal
    amount: Decimal


def tiers(quantity: int, steps: tuple = API_TIERS) -> list[Tier]:
    """Split a quantity over graduated tiers, apart from the suite's engine.

    :param steps: upper end (None: no end) and price of a unit of each tier
    """
    parts, lower = [], 0
    for upper, price in steps:
        inside = max(0, min(quantity, upper or quantity) - lower)
        if inside:
            amount = (inside * price).quantize(CENT, ROUND_HALF_UP)
            parts.append(Tier(inside, price, amount))
        lower = upper or lower
    return parts


def usage_amounts(calls: int, size: int) -> tuple[Decimal, Decimal]:
    """Return what calls and bytes cost."""
    packages = -(-size // PACKAGE_BYTES)
    return sum((t.amount for t in tiers(calls)), Decimal("0.00")), (
        packages * PACKAGE_PRICE
    )


def expected_usage(world: World) -> dict[int, Decimal]:
    """Return the usage amount of each customer index, from the log alone."""
    return {
        customer.index: sum(usage_amounts(*counted(world, customer.index)))
        for customer in world.customers
    }


def expected_total(world: World) -> Decimal:
    """Return what the whole run must come to."""
    fixed = PLAN_PRICE + ONBOARDING_PRICE
    return sum(expected_usage(world).values()) + fixed * len(world.customers)


def find_run(world: World, done: bool = True) -> dict | None:
    """Return the run of all in the story's month, finished or not, if there is one."""
    domain = [
        ("partner_ids", "=", False),
        ("date_cutoff", "=", world.month_end.isoformat()),
        ("state", "=" if done else "!=", "done"),
    ]
    rows = world.as_("billing_operator").rows(
        "saas.billing.run", domain, ["name", "state"], order="id", limit=1
    )
    return rows[0] if rows else None


def prepare(world: World) -> int:
    """Compute the preview of a run for the month; return the run's id.

    A run an earlier telling has left unfinished is taken up again.
    """
    operator = world.as_("billing_operator")
    run = find_run(world, done=False)
    if run and run["state"] == "approved":
        operator.call("saas.billing.run", "action_reset", [run["id"]])
    run_id = run["id"] if run else _create_run(world)
    operator.call("saas.billing.run", "action_compute", [run_id])
    return run_id


def _create_run(world: World) -> int:
    return world.as_("billing_operator").create(
        "saas.billing.run",
        {
            "date_cutoff": world.month_end.isoformat(),
            "date_invoice": world.month_end.isoformat(),
        },
    )


def preview(world: World, run_id: int) -> list[dict]:
    """Return the preview: one row per subscription, the largest first."""
    return world.as_("billing_operator").rows(
        "saas.billing.run.line",
        [("run_id", "=", run_id)],
        [
            "partner_id",
            "subscription_id",
            "amount",
            "state",
            "check_results",
            "move_id",
        ],
        order="amount desc, id",
    )


def money(value: float) -> Decimal:
    """Return an amount read over JSON as exact cents."""
    return Decimal(repr(value)).quantize(CENT, ROUND_HALF_UP)


def approve(world: World, run_id: int) -> None:
    """Have the operator refused, then the approver approve.

    :raise StoryError: the person who prepared the run could approve it
    """
    world.as_("billing_operator").call("saas.billing.run", "action_review", [run_id])
    try:
        world.as_("billing_operator").call(
            "saas.billing.run", "action_approve", [run_id]
        )
    except ServerError as refusal:
        world.report.true(
            "the operator may not approve the own run", True, str(refusal)
        )
        world.report.detail(str(refusal).splitlines()[0])
    else:
        raise StoryError("The operator could approve the run they prepared.")
    world.as_("billing_approver").call("saas.billing.run", "action_approve", [run_id])


def post(world: World, run_id: int, patience: float = 300.0) -> dict:
    """Post the run through the job queue and wait for its end.

    :raise StoryError: the jobs did not finish in time
    """
    operator = world.as_("billing_operator")
    operator.call("saas.billing.run", "action_post", [run_id])

    def done():
        run = operator.row(
            "saas.billing.run",
            run_id,
            ["state", "done_count", "failed_count", "total_count", "progress"],
        )
        return run if run["state"] == "done" else None

    run = wait_for(done, patience)
    if not run:
        raise StoryError(
            f"The billing run {run_id} was not posted within {patience:.0f} s. Look at "
            "the queue jobs: is the job runner of the server on?"
        )
    return run


def invoice_of(world: World, run_id: int, partner_id: int) -> dict:
    """Return the posted invoice of a customer in a run.

    :raise StoryError: there is none, or several
    """
    operator = world.as_("billing_operator")
    lines = operator.rows(
        "saas.billing.run.line",
        [("run_id", "=", run_id), ("partner_id", "=", partner_id)],
        ["move_id", "state", "reason"],
    )
    if len(lines) != 1 or not lines[0]["move_id"]:
        raise StoryError(
            f"Run {run_id} has no single invoice for {partner_id}: {lines}"
        )
    return operator.row(
        "account.move",
        lines[0]["move_id"][0],
        ["name", "state", "amount_untaxed", "amount_tax", "amount_total"],
    )


def usage_charges(world: World, run_id: int) -> dict[tuple[int, str], dict]:
    """Return the usage charges of a run by account and product code."""
    operator = world.as_("billing_operator")
    rows = operator.rows(
        "saas.charge",
        [("run_id", "=", run_id), ("kind", "=", "usage")],
        ["partner_id", "product_id", "quantity", "amount", "details", "move_line_id"],
    )
    products = {
        world.as_("administrator").ref("saas_demo.product_api_calls"): "calls",
        world.as_("administrator").ref("saas_demo.product_data_transfer"): "bytes",
    }
    return {(row["partner_id"][0], products[row["product_id"][0]]): row for row in rows}


def charge_tiers(charge: dict) -> list[tuple[int, Decimal]]:
    """Return quantity and amount of each tier as the ledger has booked them."""
    return [
        (
            int(Decimal(str(tier["quantity"]))),
            Decimal(str(tier["amount"])).quantize(CENT),
        )
        for tier in charge["details"]["tiers"]
    ]


def invoice_count(world: World) -> int:
    """Return how many customer invoices there are."""
    return world.as_("billing_operator").count(
        "account.move", [("move_type", "in", ["out_invoice", "out_refund"])]
    )


def prepare_again(world: World, subscriptions: list[int]) -> tuple[int, list[dict]]:
    """Compute another run of the same month.

    :return: its id, and what it would bill to some subscriptions
    """
    run_id = prepare(world)
    rows = preview(world, run_id)
    return run_id, [row for row in rows if row["subscription_id"][0] in subscriptions]


def drop(world: World, run_id: int) -> None:
    """Delete a run nobody needs."""
    world.as_("billing_operator").call("saas.billing.run", "unlink", [run_id])
