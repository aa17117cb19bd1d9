# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Exact money: rounding to a currency unit and splitting without loss.

Amounts are :class:`decimal.Decimal` in currency units. The rounding unit is a
parameter (``0.01`` EUR, ``1`` JPY, ``0.001`` KWD, ``0.05`` cash CHF); ties go away
from zero, so a credit mirrors its charge. The caller's decimal context is ignored.
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
from fractions import Fraction

from .errors import MoneyError

ZERO = Decimal(0)
# Wide enough that products of money, quantity and ratio never lose a digit we keep.
CONTEXT = Context(prec=60, rounding=ROUND_HALF_UP)
_MODES = {"half_up": ROUND_HALF_UP, "floor": ROUND_FLOOR, "ceil": ROUND_CEILING}


def to_decimal(value: object) -> Decimal:
    """Convert an exact number to a finite Decimal.

    :param value: Decimal, int or decimal text; binary floats are refused because
        they cannot hold cents
    :return: the same number
    :raise MoneyError: float, bool, text that is no number, NaN or infinity
    """
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise MoneyError(f"not an exact number: {value!r}")
    try:
        number = Decimal(value)
    except InvalidOperation as error:
        raise MoneyError(f"not an exact number: {value!r}") from error
    if not number.is_finite():
        raise MoneyError(f"not a finite number: {value!r}")
    return number


def round_money(
    amount: Decimal, rounding: Decimal = Decimal("0.01"), mode: str = "half_up"
) -> Decimal:
    """Round an amount to a multiple of a currency's rounding unit.

    :param amount: amount in currency units
    :param rounding: smallest unit of the currency, > 0
    :param mode: ``half_up`` (ties away from zero), ``floor`` or ``ceil``
    :return: the nearest multiple of ``rounding``
    :raise MoneyError: rounding unit not positive, unknown mode, amount not finite
    """
    if not rounding.is_finite() or rounding <= 0:
        raise MoneyError(f"rounding unit must be positive: {rounding}")
    if mode not in _MODES:
        raise MoneyError(f"unknown rounding mode: {mode}")
    if not amount.is_finite():
        raise MoneyError(f"not a finite amount: {amount}")
    units = CONTEXT.divide(amount, rounding)
    whole = units.to_integral_value(rounding=_MODES[mode], context=CONTEXT)
    result = CONTEXT.multiply(whole, rounding)
    return result if result else abs(result)  # never "-0.00"


def round_decimals(amount: Decimal, decimals: int, mode: str = "half_up") -> Decimal:
    """Round to a number of decimals; negative decimals round to tens, hundreds...

    :param amount: any finite number
    :param decimals: places after (or, negative, before) the decimal point
    :param mode: as in :func:`round_money`
    :return: the rounded number
    :raise MoneyError: as in :func:`round_money`
    """
    return round_money(amount, Decimal(1).scaleb(-decimals), mode)


def scale(amount: Decimal, ratio: Fraction) -> Decimal:
    """Multiply an amount by an exact ratio, without currency rounding.

    :param amount: amount in currency units
    :param ratio: exact fraction, e.g. used days over period days
    :return: the product with 60 significant digits
    """
    product = CONTEXT.multiply(amount, Decimal(ratio.numerator))
    return CONTEXT.divide(product, Decimal(ratio.denominator))


def discounted(amount: Decimal, percent: Decimal) -> Decimal:
    """Take a percentage off an amount, without rounding.

    :param amount: amount in currency units
    :param percent: 0 to 100
    :return: ``amount * (100 - percent) / 100``
    :raise MoneyError: percentage outside 0..100
    """
    if not ZERO <= percent <= 100:
        raise MoneyError(f"discount must be between 0 and 100 percent: {percent}")
    rest = CONTEXT.subtract(Decimal(100), percent)
    return CONTEXT.divide(CONTEXT.multiply(amount, rest), Decimal(100))


def allocate(
    total: Decimal, weights: Sequence[Decimal], rounding: Decimal = Decimal("0.01")
) -> list[Decimal]:
    """Split an amount by weights with cumulative rounding.

    Each share is the rounded running total minus the one before, so the shares sum
    to the rounded total and a later share never changes an earlier one.

    :param total: amount to split
    :param weights: non-negative weights, at least one positive
    :param rounding: currency rounding unit
    :return: one share per weight, summing to ``round_money(total, rounding)``
    :raise MoneyError: no positive weight, or a negative one
    """
    parts = [Fraction(weight) for weight in weights]
    whole = sum(parts, Fraction(0))
    if whole <= 0 or min(parts) < 0:
        raise MoneyError("weights must be non-negative and not all zero")
    shares, before, running = [], ZERO, Fraction(0)
    for part in parts:
        running += part
        upto = round_money(scale(total, running / whole), rounding)
        shares.append(CONTEXT.subtract(upto, before))
        before = upto
    return shares


def allocate_largest_remainder(
    total: Decimal, weights: Sequence[Decimal], rounding: Decimal = Decimal("0.01")
) -> list[Decimal]:
    """Split an amount so that every share is within one unit of its exact value.

    The units left after rounding down go to the largest remainders; ties go to the
    earlier share.

    :param total: amount to split
    :param weights: non-negative weights, at least one positive
    :param rounding: currency rounding unit
    :return: one share per weight, summing to ``round_money(total, rounding)``
    :raise MoneyError: no positive weight, or a negative one
    """
    parts = [Fraction(weight) for weight in weights]
    whole = sum(parts, Fraction(0))
    if whole <= 0 or min(parts) < 0:
        raise MoneyError("weights must be non-negative and not all zero")
    units = int(CONTEXT.divide(round_money(total, rounding), rounding))
    sign = -1 if units < 0 else 1
    exact = [abs(units) * part / whole for part in parts]
    floors = [int(share) for share in exact]
    order = sorted(range(len(exact)), key=lambda i: (floors[i] - exact[i], i))
    for index in order[: abs(units) - sum(floors)]:
        floors[index] += 1
    return [CONTEXT.multiply(Decimal(sign * share), rounding) for share in floors]


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Add amounts exactly.

    :param amounts: any number of amounts
    :return: their sum, zero when there are none
    """
    result = ZERO
    for amount in amounts:
        result = CONTEXT.add(result, amount)
    return result


def cap_credit(credit: Decimal, paid: Decimal, already_credited: Decimal) -> Decimal:
    """Limit a credit to what is left of the money it refers to.

    :param credit: wanted credit as a positive amount
    :param paid: what was invoiced or paid for the service period
    :param already_credited: credits given on it before
    :return: between zero and ``paid - already_credited``
    """
    left = max(CONTEXT.subtract(paid, already_credited), ZERO)
    return min(max(credit, ZERO), left)
