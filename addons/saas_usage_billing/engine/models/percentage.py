# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Percentage: a rate on each transacted amount, with allowances and limits."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from ..errors import TermsError
from ..money import ZERO, add, check_quantity, percent_of, subtract
from ..tiers import RatedLine


@dataclass(frozen=True, slots=True)
class PercentageTerms:
    """Terms of a percentage price.

    ``rate`` is in percent. Free events and the free total are used up in event order;
    an event with any paid part pays ``fixed``. ``minimum`` and ``maximum`` limit the
    fee of every paid event. With both allowances an event is free only while both
    last.

    :raise TermsError: negative terms, or a minimum above the maximum
    """

    rate: Decimal
    fixed: Decimal = ZERO
    free_events: int | None = None
    free_total: Decimal | None = None
    minimum: Decimal | None = None
    maximum: Decimal | None = None

    def __post_init__(self) -> None:
        numbers = (self.rate, self.fixed, self.free_total, self.minimum, self.maximum)
        if any(n is not None and (not n.is_finite() or n < 0) for n in numbers):
            raise TermsError("a percentage price has only zero or positive terms")
        if self.free_events is not None and self.free_events < 0:
            raise TermsError("free events must be zero or more")
        low, high = self.minimum, self.maximum
        if low is not None and high is not None and low > high:
            raise TermsError("the minimum per event is above the maximum")


@dataclass(frozen=True, slots=True)
class PaidEvent:
    """One event: transacted amount, the part that is charged, and its fee.

    ``is_paid``: it is not free, so it pays the fixed fee.
    """

    amount: Decimal
    charged: Decimal
    fee: Decimal
    is_paid: bool = True


def price(amounts: Iterable[Decimal], terms: PercentageTerms) -> list[PaidEvent]:
    """Charge every event of a period.

    :param amounts: transacted amounts >= 0 in event order
    :param terms: rate, allowances and limits
    :return: one row per event, free ones with a fee of zero; no rounding
    :raise QuantityError: negative or not finite amount
    """
    return list(charge(amounts, terms))


def charge(amounts: Iterable[Decimal], terms: PercentageTerms) -> Iterator[PaidEvent]:
    """Charge every event of a period, one after the other, see :func:`price`.

    :param amounts: transacted amounts >= 0 in event order
    :param terms: rate, allowances and limits
    :raise QuantityError: negative or not finite amount
    """
    free_left = terms.free_total
    for number, amount in enumerate(amounts):
        check_quantity(amount, "amount")
        free = _free_part(amount, number, free_left, terms)
        if free is None:
            yield PaidEvent(amount, amount, _fee(amount, terms))
            continue
        if free_left is not None:
            free_left = subtract(free_left, free)
        charged = subtract(amount, free)
        fee = _fee(charged, terms) if charged else ZERO
        yield PaidEvent(amount, charged, fee, bool(charged))


def _free_part(
    amount: Decimal, number: int, free_left: Decimal | None, terms: PercentageTerms
) -> Decimal | None:
    """Return how much of an event its allowances cover, None without allowance."""
    if terms.free_events is None and free_left is None:
        return None
    if terms.free_events is not None and number >= terms.free_events:
        return None
    return amount if free_left is None else min(amount, free_left)


def _fee(charged: Decimal, terms: PercentageTerms) -> Decimal:
    """Return the fee of an event with a charged part, within the limits."""
    fee = add((percent_of(charged, terms.rate), terms.fixed))
    if terms.minimum is not None:
        fee = max(fee, terms.minimum)
    if terms.maximum is not None:
        fee = min(fee, terms.maximum)
    return fee


def amount(rows: Iterable[PaidEvent]) -> Decimal:
    """Add the fees.

    :param rows: result of :func:`price`
    :return: exact sum
    """
    return add(row.fee for row in rows)


def price_total(total: Decimal, rate: Decimal) -> list[RatedLine]:
    """Charge a percentage of the sum of a period, without a look at its events.

    The same as :func:`price` as long as the terms have a rate only.

    :param total: transacted amount of the period >= 0
    :param rate: percent
    :return: one line whose ``unit`` is the rate; no rounding
    :raise QuantityError: negative or not finite amount
    """
    fee = percent_of(check_quantity(total, "amount"), rate)
    return [RatedLine(ZERO, None, total, rate, ZERO, fee)]
