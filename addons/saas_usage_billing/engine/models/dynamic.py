# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Dynamic: the events carry their own amounts, or a cost to mark up."""

from collections.abc import Iterable
from decimal import Decimal

from ..money import CONTEXT, ZERO, add, check_quantity, times


def price(
    amounts: Iterable[Decimal], multiplier: Decimal = Decimal(1)
) -> tuple[Decimal, int]:
    """Add the amounts of events and mark them up.

    :param amounts: one amount >= 0 per event, in currency units
    :param multiplier: factor on the sum, e.g. ``1.2`` for 20 % on top
    :return: exact amount, number of events
    :raise QuantityError: negative or not finite amount
    """
    rows = [check_quantity(amount, "amount") for amount in amounts]
    return times(add(rows), multiplier), len(rows)


def unit_amount(amount: Decimal, quantity: Decimal) -> Decimal:
    """Return the average amount of a unit.

    :param amount: total amount
    :param quantity: units >= 0
    :return: ``amount / quantity``, zero without units; 60 significant digits
    """
    return CONTEXT.divide(amount, quantity) if quantity else ZERO
