# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Graduated: every unit costs the price of the tier it falls in."""

from collections.abc import Sequence
from decimal import Decimal

from ..money import add, check_quantity, times
from ..tiers import RatedLine, Tier, spans


def price(quantity: Decimal, tiers: Sequence[Tier]) -> list[RatedLine]:
    """Split a quantity over graduated tiers.

    The flat amount of the first tier is due even without usage, that of a later tier
    as soon as a unit lies above the bound before it; exactly at a bound the next tier
    is not touched.

    :param quantity: billed units >= 0
    :param tiers: ascending by ``up_to`` (inclusive), the last one open
    :return: one line per touched tier; quantities sum to ``quantity``; no rounding
    :raise TierError: unordered tiers or no open last tier
    :raise QuantityError: negative or not finite quantity
    """
    check_quantity(quantity)
    lines: list[RatedLine] = []
    for span in spans(tiers):
        if lines and quantity <= span.lower:
            break
        units = span.share(quantity)
        amount = add((times(units, span.tier.unit), span.tier.flat))
        lines.append(
            RatedLine(
                span.lower, span.upper, units, span.tier.unit, span.tier.flat, amount
            )
        )
    return lines
