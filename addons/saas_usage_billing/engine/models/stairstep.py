# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Stairstep: the total picks a tier, whose flat amount is the whole price."""

from collections.abc import Sequence
from decimal import Decimal

from ..money import ZERO, check_quantity
from ..tiers import RatedLine, Tier, find_span


def price(quantity: Decimal, tiers: Sequence[Tier]) -> list[RatedLine]:
    """Price a quantity by the flat amount of its tier.

    :param quantity: billed units >= 0
    :param tiers: ascending by ``up_to`` (inclusive), the last one open; unit prices
        are not used
    :return: one line; no rounding
    :raise TierError: unordered tiers or no open last tier
    :raise QuantityError: negative or not finite quantity
    """
    check_quantity(quantity)
    span = find_span(tiers, quantity)
    flat = span.tier.flat
    return [RatedLine(span.lower, span.upper, quantity, ZERO, flat, flat)]
