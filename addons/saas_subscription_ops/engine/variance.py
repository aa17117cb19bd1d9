# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Checks that hold a computed invoice for a person before it is posted.

Each check returns a :class:`Finding` or None. A finding carries a code and its
figures; the text is written, and translated, at the border.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from .errors import MoneyError
from .money import CONTEXT, ZERO, total


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a person must look: a code, and the figures that were compared."""

    code: str
    amount: Decimal
    reference: Decimal = ZERO
    percent: Decimal | None = None


def median(values: Sequence[Decimal]) -> Decimal:
    """Return the median, the mean of the middle two for an even number.

    :param values: at least one amount
    :return: exact median
    :raise MoneyError: no values
    """
    if not values:
        raise MoneyError("no values to take a median of")
    ordered = sorted(values)
    half = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[half]
    return CONTEXT.divide(CONTEXT.add(ordered[half - 1], ordered[half]), Decimal(2))


def check_median(
    amount: Decimal,
    history: Sequence[Decimal],
    tolerance: Decimal,
    minimum: Decimal = ZERO,
    needed: int = 3,
    window: int = 6,
) -> Finding | None:
    """Compare an amount with the trailing median of earlier periods.

    :param amount: amount about to be invoiced
    :param history: earlier amounts, oldest first
    :param tolerance: allowed deviation in percent of the median
    :param minimum: deviations up to this amount are never held
    :param needed: shorter histories are not judged
    :param window: number of latest amounts that count
    :return: finding ``variance_median`` with the deviation in percent (None when the
        median is zero), or None
    """
    if len(history) < needed:
        return None
    usual = median(history[-window:])
    away = CONTEXT.abs(CONTEXT.subtract(amount, usual))
    allowed = CONTEXT.divide(
        CONTEXT.multiply(CONTEXT.abs(usual), tolerance), Decimal(100)
    )
    if away <= max(allowed, minimum):
        return None
    percent = None
    if usual:
        percent = CONTEXT.divide(
            CONTEXT.multiply(away, Decimal(100)), CONTEXT.abs(usual)
        )
    return Finding("variance_median", amount, usual, percent)


def check_zero(amounts: Sequence[Decimal]) -> Finding | None:
    """Hold an invoice that has lines but asks for nothing.

    :param amounts: amounts of the invoice's charges
    :return: finding ``zero_invoice``, or None
    """
    if amounts and total(amounts) == 0:
        return Finding("zero_invoice", ZERO)
    return None


def check_credit(
    amounts: Sequence[Decimal], invoiced: Decimal, tolerance: Decimal
) -> Finding | None:
    """Hold credits that are large against what was invoiced lately.

    :param amounts: amounts of the invoice's charges
    :param invoiced: amount invoiced in the periods the credits may refer to
    :param tolerance: allowed credits in percent of ``invoiced``
    :return: finding ``unusual_credit`` with the credits as a positive amount, or None
    """
    credits = CONTEXT.minus(total(amount for amount in amounts if amount < 0))
    allowed = CONTEXT.divide(
        CONTEXT.multiply(max(invoiced, ZERO), tolerance), Decimal(100)
    )
    if credits <= allowed:
        return None
    percent = None
    if invoiced > 0:
        percent = CONTEXT.divide(CONTEXT.multiply(credits, Decimal(100)), invoiced)
    return Finding("unusual_credit", credits, invoiced, percent)


def check_first(
    amount: Decimal,
    peers: Sequence[Decimal],
    tolerance: Decimal,
    needed: int = 5,
) -> Finding | None:
    """Compare a subscription's first invoice with what others of its plan pay.

    :param amount: amount about to be invoiced
    :param peers: latest amounts of other subscriptions, credits are left out
    :param tolerance: allowed excess in percent of their median; only more is unusual
    :param needed: fewer peers are not judged
    :return: finding ``first_high`` with the excess in percent, or None
    """
    charged = [peer for peer in peers if peer > 0]
    if len(charged) < needed:
        return None
    usual = median(charged)
    allowed = CONTEXT.divide(CONTEXT.multiply(usual, tolerance), Decimal(100))
    excess = CONTEXT.subtract(amount, usual)
    if excess <= allowed:
        return None
    percent = CONTEXT.divide(CONTEXT.multiply(excess, Decimal(100)), usual)
    return Finding("first_high", amount, usual, percent)
