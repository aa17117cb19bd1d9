# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Per unit: every unit costs the same."""

from decimal import Decimal

from ..money import ZERO, check_quantity, times
from ..tiers import RatedLine


def price(quantity: Decimal, unit: Decimal) -> list[RatedLine]:
    """Price a quantity at one price per unit.

    :param quantity: billed units >= 0
    :param unit: price of one unit
    :return: one line; no rounding
    :raise QuantityError: negative or not finite quantity
    """
    check_quantity(quantity)
    return [RatedLine(ZERO, None, quantity, unit, ZERO, times(quantity, unit))]
