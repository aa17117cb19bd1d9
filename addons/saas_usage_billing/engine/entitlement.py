# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What a customer may use: rows of plan, products and subscription come together."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from .money import ZERO, add, subtract, times

#: What beats what: an agreed row beats that of a product, this one that of the plan.
SCOPES = ("subscription", "product", "plan")


@dataclass(frozen=True, slots=True)
class EntitlementRow:
    """A row of a plan, product or subscription, in force on ``[start, end)``.

    ``limit``: None for none. ``is_per_quantity``: the limit is granted as often as the
    subscription has the ``product``, which is the key of the quantities. ``is_soft``:
    more may be used than the limit.
    """

    feature: str
    scope: str
    is_granted: bool = True
    limit: Decimal | None = None
    text: str = ""
    is_soft: bool = False
    product: int | None = None
    is_per_quantity: bool = False
    start: date | None = None
    end: date | None = None

    def is_in_force(self, day: date) -> bool:
        """Return whether the row counts on a day.

        :param day: local day of the subscription
        """
        begun = self.start is None or self.start <= day
        return begun and (self.end is None or day < self.end)


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What the rows come to for one feature; ``limit`` None: there is none."""

    is_granted: bool
    limit: Decimal | None = ZERO
    text: str = ""
    is_soft: bool = False


#: What nobody has granted.
NOTHING = Entitlement(False)


def resolve(
    rows: Iterable[EntitlementRow], quantities: Mapping[int, Decimal], day: date
) -> dict[str, Entitlement]:
    """Return what is granted on a day, per feature with rows in force.

    Subscription beats product beats plan. Limits of several products add up, and one
    without a limit lifts it; it may be exceeded as soon as one of them says so.

    :param rows: of the plan, of any products, of the subscription
    :param quantities: how much of each product the subscription has on that day; rows
        of others do not count
    :param day: local day of the subscription
    """
    found: dict[str, dict[str, list[EntitlementRow]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for row in rows:
        if row.product is not None and quantities.get(row.product, ZERO) <= 0:
            continue
        if row.is_in_force(day):
            found[row.feature][row.scope].append(row)
    return {
        feature: _add_up(
            next(scopes[scope] for scope in SCOPES if scope in scopes), quantities
        )
        for feature, scopes in found.items()
    }


def _add_up(
    rows: list[EntitlementRow], quantities: Mapping[int, Decimal]
) -> Entitlement:
    granted = [row for row in rows if row.is_granted]
    if not granted:
        return NOTHING
    limits = [_get_limit(row, quantities) for row in granted]
    known = [limit for limit in limits if limit is not None]
    return Entitlement(
        True,
        add(known) if len(known) == len(limits) else None,
        next((row.text for row in granted if row.text), ""),
        any(row.is_soft for row in granted),
    )


def _get_limit(
    row: EntitlementRow, quantities: Mapping[int, Decimal]
) -> Decimal | None:
    if row.limit is None or not row.is_per_quantity or row.product is None:
        return row.limit
    return times(row.limit, quantities[row.product])


def remaining(entitlement: Entitlement, used: Decimal) -> Decimal | None:
    """Return what is left of a limit, never below nothing.

    :param entitlement: what is granted
    :param used: quantity used so far
    :return: None without a limit
    """
    if entitlement.limit is None:
        return None
    return max(subtract(entitlement.limit, used), ZERO)
