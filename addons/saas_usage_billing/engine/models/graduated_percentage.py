# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Graduated percentage: each part of a transacted amount pays its tier's rate."""

from collections.abc import Sequence
from decimal import Decimal

from ..money import add, check_quantity, percent_of
from ..tiers import RatedLine, Tier, spans


def price(amount: Decimal, tiers: Sequence[Tier]) -> list[RatedLine]:
    """Charge a percentage per tier of an amount.

    :param amount: transacted amount >= 0 (the metered quantity)
    :param tiers: ascending by ``up_to`` (inclusive), the last one open; ``unit`` is
        the rate in percent, ``flat`` as in the graduated model
    :return: one line per touched tier; no rounding
    :raise TierError: unordered tiers or no open last tier
    :raise QuantityError: negative or not finite amount
    """
    check_quantity(amount, "amount")
    lines: list[RatedLine] = []
    for span in spans(tiers):
        if lines and amount <= span.lower:
            break
        part = span.share(amount)
        fee = add((percent_of(part, span.tier.unit), span.tier.flat))
        lines.append(
            RatedLine(span.lower, span.upper, part, span.tier.unit, span.tier.flat, fee)
        )
    return lines
