# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Package: units are sold in packages, a started one is paid in full."""

from decimal import Decimal

from ..errors import TermsError
from ..money import CONTEXT, ZERO, check_quantity, round_unit, times
from ..tiers import RatedLine


def packages(quantity: Decimal, size: Decimal, mode: str = "ceil") -> Decimal:
    """Count packages.

    :param quantity: units >= 0
    :param size: units per package, > 0
    :param mode: ``ceil`` counts a started package, ``floor`` only full ones
    :return: whole number of packages
    :raise TermsError: size not positive
    :raise QuantityError: unknown mode, negative quantity
    """
    check_quantity(quantity)
    if not size.is_finite() or size <= 0:
        raise TermsError(f"package size must be positive: {size}")
    return CONTEXT.divide(round_unit(quantity, size, mode), size)


def price(
    quantity: Decimal, size: Decimal, package_price: Decimal, mode: str = "ceil"
) -> list[RatedLine]:
    """Price a quantity by packages.

    :param quantity: billed units >= 0, free units already taken off
    :param size: units per package, > 0
    :param package_price: price of a package
    :param mode: see :func:`packages`
    :return: one line whose ``quantity`` are the units and ``unit`` the package price;
        no rounding
    :raise TermsError: size not positive
    :raise QuantityError: negative or not finite quantity
    """
    amount = times(packages(quantity, size, mode), package_price)
    return [RatedLine(ZERO, None, quantity, package_price, ZERO, amount, size)]
