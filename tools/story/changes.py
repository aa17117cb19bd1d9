# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Customers change their contracts: more seats, a pause, a cancellation, an undo.

All of it takes effect after the months the figures are about, so that the story's
sums stay what the log file says.
"""

from datetime import date, timedelta
from decimal import Decimal

from .billing import PLAN_PRICE, money
from .odoo_client import Odoo
from .sales import Deal
from .world import World, next_month

SEATS, PAUSED, CANCELLED = 1, 2, 3
NEW_SEATS = 3


def play(world: World, deals: dict[int, Deal]) -> None:
    """Make the changes, or find them made, and check what they do to the terms."""
    manager = world.as_("administrator")
    start = next_month(next_month(world.month))
    grow(world, manager, deals[SEATS].subscription_id, start)
    rest(world, manager, deals[PAUSED].subscription_id, start + timedelta(days=14))
    leave(world, manager, deals[CANCELLED].subscription_id)
    world.report.link("Amendments", manager.link("saas-amendments"))


def grow(world: World, manager: Odoo, subscription: int, start: date) -> None:
    """Schedule more seats, change one's mind once, and see the MRR that follows."""
    report = world.report
    if not amendments(manager, subscription, "quantity"):
        line = plan_line(manager, subscription)
        wrong = amend(manager, subscription, line, NEW_SEATS * 10, start)
        manager.call("saas.amendment", "action_undo", [wrong])
        amend(manager, subscription, line, NEW_SEATS, start)
    rows = amendments(manager, subscription, "quantity")
    report.true(
        "a change of seats was undone, the next one is scheduled",
        rows[0]["state"] == "undone"
        and [row["state"] for row in rows[1:]] in (["scheduled"], ["applied"]),
        str(rows),
    )
    report.same(
        "MRR before and after more seats",
        (money(rows[-1]["mrr_before"]), money(rows[-1]["mrr_after"])),
        (PLAN_PRICE, PLAN_PRICE * Decimal(NEW_SEATS)),
    )


def amend(
    manager: Odoo, subscription: int, line: int, quantity: int, start: date
) -> int:
    """Schedule another quantity; return the amendment."""
    made = manager.call(
        "saas.subscription",
        "amend",
        [subscription],
        "quantity",
        date_effective=str(start),
        lines=[{"line_id": line, "quantity": quantity}],
        reason="More people use it",
    )
    return made[0] if isinstance(made, list) else made


def rest(world: World, manager: Odoo, subscription: int, start: date) -> None:
    """Plan a pause with a day to resume; asking twice makes one."""
    for _attempt in range(2):
        manager.call(
            "saas.subscription",
            "pause",
            [subscription],
            date_effective=str(start),
            date_resume=str(start + timedelta(days=30)),
            reason="The project waits for its budget",
        )
    planned = amendments(manager, subscription, "pause")
    world.report.same("pauses planned", len(planned), 1)


def leave(world: World, manager: Odoo, subscription: int) -> None:
    """Cancel at the end of the term."""
    if not amendments(manager, subscription, "cancel"):
        manager.call(
            "saas.subscription",
            "cancel",
            [subscription],
            reason="Bought by a competitor",
        )
    terms = manager.row("saas.subscription", subscription, ["date_end", "term_end"])
    world.report.same(
        "cancelled subscription ends with its term",
        terms["date_end"],
        terms["term_end"],
    )


def plan_line(manager: Odoo, subscription: int) -> int:
    """Return the first recurring line of a subscription."""
    return manager.search(
        "saas.subscription.line",
        [("subscription_id", "=", subscription), ("kind", "=", "recurring")],
        order="id",
        limit=1,
    )[0]


def amendments(manager: Odoo, subscription: int, kind: str) -> list[dict]:
    """Return the amendments of a kind, oldest first."""
    return manager.rows(
        "saas.amendment",
        [("subscription_id", "=", subscription), ("kind", "=", kind)],
        ["state", "mrr_before", "mrr_after"],
        order="id",
    )
