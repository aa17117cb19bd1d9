# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Step 5, its end: another price is tried on the real usage of past months."""

from decimal import Decimal

from .billing import money
from .metering import MONTHS, Metered, amount_of, minutes_of
from .odoo_client import wait_for
from .usage_feed import LATE_RUNS, MINUTES_LATE, months_before, runs_of_month
from .world import World

NAME = "Fewer tiers, lower price"
#: What a minute would cost instead: one tier less, cheaper for who uses much.
OTHER_TIERS = ((2000, Decimal("0.05")), (None, Decimal("0.02")))
PRICE = "saas_demo.saas_usage_price_workflow_minutes"


def play(world: World, customer: Metered) -> None:
    """Compare a draft of the price with what the billed months have cost."""
    report, operator = world.report, world.as_("billing_operator")
    known = operator.search("saas.usage.simulation", [("name", "=", NAME)], limit=1)
    simulation = known[0] if known else simulate(world, customer)
    fields = ["state", "current_total", "simulated_total", "problem_count"]

    def done():
        row = operator.row("saas.usage.simulation", simulation, fields)
        return row if row["state"] == "done" else None

    row = wait_for(done, 120) or operator.row(
        "saas.usage.simulation", simulation, fields
    )
    months = minutes_by_month(world)
    report.same(
        "simulation, problems", (row["state"], row["problem_count"]), ("done", 0)
    )
    report.same(
        "the billed months cost, and would cost",
        (str(money(row["current_total"])), str(money(row["simulated_total"]))),
        (
            str(sum(map(amount_of, months))),
            str(sum(amount_of(minutes, OTHER_TIERS) for minutes in months)),
        ),
    )
    report.link("Simulation", operator.link("usage-simulations", simulation))


def simulate(world: World, customer: Metered) -> int:
    """Draft another price and start a simulation with it; return its id."""
    operator = world.as_("billing_operator")
    action = operator.call(
        "saas.usage.price", "action_new_version", [operator.ref(PRICE)]
    )
    draft = action["res_id"]
    tiers = [
        (0, 0, {"up_to": upper or 0, "unit_price": float(price)})
        for upper, price in OTHER_TIERS
    ]
    operator.write("saas.usage.price", draft, {"tier_ids": [(5, 0, 0), *tiers]})
    simulation = operator.create(
        "saas.usage.simulation",
        {
            "name": NAME,
            "price_ids": [(6, 0, [draft])],
            "partner_ids": [(6, 0, [customer.partner_id])],
            "date_from": customer.start.isoformat(),
            "date_to": world.month.isoformat(),
        },
    )
    operator.call("saas.usage.simulation", "action_run", [simulation])
    return simulation


def minutes_by_month(world: World) -> list[int]:
    """Return the minutes of the billed months, what came late included."""
    months = [months_before(world.month, back) for back in range(MONTHS, 0, -1)]
    minutes = [minutes_of(runs_of_month(month, world.month)) for month in months]
    minutes[-2] += LATE_RUNS * MINUTES_LATE
    return minutes
