# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Volume: the total picks a tier, whose price holds for all units."""

from collections.abc import Sequence
from decimal import Decimal

from ..money import add, check_quantity, times
from ..tiers import RatedLine, Tier, find_span


def price(
    quantity: Decimal, tiers: Sequence[Tier], priced: Decimal | None = None
) -> list[RatedLine]:
    """Price a whole quantity at the tier its total falls in.

    A larger quantity may cost less: that is how volume prices work.

    :param quantity: units >= 0 that choose the tier
    :param tiers: ascending by ``up_to`` (inclusive), the last one open
    :param priced: units to price when they differ (prorated units); default all
    :return: one line; no rounding
    :raise TierError: unordered tiers or no open last tier
    :raise QuantityError: negative or not finite quantity
    """
    check_quantity(quantity)
    units = quantity if priced is None else check_quantity(priced, "priced quantity")
    span = find_span(tiers, quantity)
    amount = add((times(units, span.tier.unit), span.tier.flat))
    return [
        RatedLine(span.lower, span.upper, units, span.tier.unit, span.tier.flat, amount)
    ]
