# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Exact quantities and amounts for rating.

Rating does not round: amounts stay exact until a currency rounding unit is given,
which is a parameter. Ties go away from zero. The caller's decimal context is ignored.
"""

from collections.abc import Iterable, Sequence
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_UP,
    Context,
    Decimal,
    InvalidOperation,
)

from .errors import QuantityError

ZERO = Decimal(0)
HUNDRED = Decimal(100)
CONTEXT = Context(prec=60, rounding=ROUND_HALF_UP)
ROUNDING_MODES = ("half_up", "floor", "ceil")
_MODES = {"half_up": ROUND_HALF_UP, "floor": ROUND_FLOOR, "ceil": ROUND_CEILING}


def to_decimal(value: object) -> Decimal:
    """Convert an exact number to a finite Decimal.

    :param value: Decimal, int or decimal text; binary floats are refused
    :return: the same number
    :raise QuantityError: float, bool, text that is no number, NaN or infinity
    """
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise QuantityError(f"not an exact number: {value!r}")
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise QuantityError(f"not an exact number: {value!r}") from error
    if not number.is_finite():
        raise QuantityError(f"not a finite number: {value!r}")
    return number


def check_quantity(quantity: Decimal, what: str = "quantity") -> Decimal:
    """Return a quantity that can be priced.

    :param quantity: units, must be finite and >= 0
    :param what: name used in the error
    :return: the quantity
    :raise QuantityError: negative, NaN or infinite
    """
    if not quantity.is_finite() or quantity < 0:
        raise QuantityError(f"{what} must be zero or more: {quantity}")
    return quantity


def round_unit(value: Decimal, unit: Decimal, mode: str = "half_up") -> Decimal:
    """Round to a multiple of a unit.

    :param value: finite number
    :param unit: rounding unit > 0, e.g. ``0.01``
    :param mode: one of :data:`ROUNDING_MODES`; ``half_up`` sends ties away from zero
    :return: the rounded number
    :raise QuantityError: unit not positive, unknown mode, value not finite
    """
    if not unit.is_finite() or unit <= 0:
        raise QuantityError(f"rounding unit must be positive: {unit}")
    if mode not in _MODES:
        raise QuantityError(f"unknown rounding mode: {mode}")
    if not value.is_finite():
        raise QuantityError(f"not a finite number: {value}")
    whole = CONTEXT.divide(value, unit).to_integral_value(_MODES[mode], CONTEXT)
    result = CONTEXT.multiply(whole, unit)
    return result if result else abs(result)  # never "-0.00"


def round_decimals(value: Decimal, decimals: int, mode: str = "half_up") -> Decimal:
    """Round to a number of decimals; negative decimals round to tens, hundreds...

    :param value: finite number
    :param decimals: places after (or, negative, before) the decimal point
    :param mode: one of :data:`ROUNDING_MODES`
    :return: the rounded number
    :raise QuantityError: as in :func:`round_unit`
    """
    return round_unit(value, Decimal(1).scaleb(-decimals), mode)


def ceil_div(quantity: Decimal, size: Decimal) -> Decimal:
    """Count the packages needed to hold a quantity.

    :param quantity: units >= 0
    :param size: units per package, > 0
    :return: whole number of packages, 0 for no units
    :raise QuantityError: size not positive
    """
    if not size.is_finite() or size <= 0:
        raise QuantityError(f"package size must be positive: {size}")
    return CONTEXT.divide(quantity, size).to_integral_value(ROUND_CEILING, CONTEXT)


def times(left: Decimal, right: Decimal) -> Decimal:
    """Multiply exactly.

    :param left: factor
    :param right: factor
    :return: product
    """
    return CONTEXT.multiply(left, right)


def percent_of(amount: Decimal, percent: Decimal) -> Decimal:
    """Return a percentage of an amount, unrounded.

    :param amount: amount in currency units
    :param percent: e.g. ``1.3`` for 1.3 %
    :return: ``amount * percent / 100``
    """
    return CONTEXT.divide(CONTEXT.multiply(amount, percent), HUNDRED)


def add(amounts: Iterable[Decimal]) -> Decimal:
    """Add exactly.

    :param amounts: any number of amounts
    :return: their sum, zero when there are none
    """
    result = ZERO
    for amount in amounts:
        result = CONTEXT.add(result, amount)
    return result


def subtract(left: Decimal, right: Decimal) -> Decimal:
    """Subtract exactly.

    :param left: minuend
    :param right: subtrahend
    :return: ``left - right``
    """
    return CONTEXT.subtract(left, right)


def negative(value: Decimal) -> Decimal:
    """Change the sign exactly; the operator would round to the caller's context.

    :param value: any finite number
    :return: ``-value``
    """
    return CONTEXT.minus(value)


def round_parts(parts: Sequence[Decimal], unit: Decimal) -> list[Decimal]:
    """Round parts so that they sum to their rounded total (cumulative rounding).

    :param parts: exact amounts
    :param unit: currency rounding unit
    :return: one rounded amount per part; their sum is the rounded exact total
    :raise QuantityError: unit not positive
    """
    rounded, running, before = [], ZERO, ZERO
    for part in parts:
        running = CONTEXT.add(running, part)
        upto = round_unit(running, unit)
        rounded.append(CONTEXT.subtract(upto, before))
        before = upto
    return rounded
