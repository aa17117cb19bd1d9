# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What a contract is worth: MRR, ARR, TCV and the years they are made of.

Definitions

- **MRR**: untaxed recurring charges at the start of the contract, every recurrence
  converted to months, net of coupons that last longer than one period. Usage and
  one-time fees are no part of it.
- **ARR**: twelve times the MRR.
- **TCV**: everything fixed that is charged over the term: recurring charges with their
  price steps, less all coupons, plus one-time fees. A trial is left out. A contract
  without a term is valued over its minimum term, else over 12 months;
  :func:`value_months` says which.

Time is counted in months from the first day of the contract; a line that is charged
every quarter or year counts a month's share of it per month, so the figures differ
from the invoices only by where a period begins. Rounded once per figure; the years are
rounded cumulatively, so they sum to the total.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil

from .coupon import AMOUNT, FOREVER, ONCE, CouponTerms
from .errors import TermsError
from .money import CONTEXT, ZERO, round_money, scale

TERM = "term"
MINIMUM = "minimum"
YEAR = "year"
MONTHS_PER_YEAR = 12


@dataclass(frozen=True, slots=True)
class PriceStep:
    """From a month on, a whole period of the line costs this much, untaxed.

    :raise TermsError: month or amount negative
    """

    from_month: Fraction
    amount: Decimal

    def __post_init__(self) -> None:
        if self.from_month < 0 or not self.amount.is_finite() or self.amount < 0:
            raise TermsError(f"price step from {self.from_month}: {self.amount}")


@dataclass(frozen=True, slots=True)
class ValueLine:
    """One recurring line: its price steps and the length of its period in months.

    ``of_plan``: it follows the recurrence of the plan, so amount coupons reduce it.

    :raise TermsError: no step from the start, steps not ascending, period not positive
    """

    line_id: int | str
    steps: tuple[PriceStep, ...]
    months_per_period: Fraction
    of_plan: bool = True

    def __post_init__(self) -> None:
        months = [step.from_month for step in self.steps]
        if not months or months[0] != 0 or months != sorted(set(months)):
            raise TermsError(f"line {self.line_id}: price steps not ascending from 0")
        if self.months_per_period <= 0:
            raise TermsError(f"line {self.line_id}: period without length")

    def monthly(self, month: Fraction) -> Fraction:
        """Return the price per month that applies in a month."""
        amount = [s.amount for s in self.steps if s.from_month <= month][-1]
        return Fraction(amount) / self.months_per_period


@dataclass(frozen=True, slots=True)
class YearValue:
    """A contract year ``[from_month, until_month)``: its charges, and its first MRR."""

    number: int
    from_month: Fraction
    until_month: Fraction
    mrr: Decimal
    recurring: Decimal
    one_time: Decimal

    @property
    def total(self) -> Decimal:
        """Return everything charged in the year."""
        return CONTEXT.add(self.recurring, self.one_time)


@dataclass(frozen=True, slots=True)
class ContractValue:
    """The figures of a contract, see the module's definitions."""

    mrr: Decimal
    arr: Decimal
    tcv: Decimal
    one_time: Decimal
    months: Fraction
    years: tuple[YearValue, ...]


def value_months(term_months: int, minimum_months: int = 0) -> tuple[int, str]:
    """Return over how many months a contract is valued, and why.

    :param term_months: length of the term; 0: open ended
    :param minimum_months: minimum term; 0: none
    :return: months and ``term``, ``minimum`` or ``year``
    :raise TermsError: negative months
    """
    if term_months < 0 or minimum_months < 0:
        raise TermsError(f"negative term: {term_months}, {minimum_months}")
    if term_months:
        return term_months, TERM
    if minimum_months:
        return minimum_months, MINIMUM
    return MONTHS_PER_YEAR, YEAR


def contract_value(
    lines: Iterable[ValueLine],
    one_time: Decimal,
    months: Fraction,
    *,
    coupons: Sequence[CouponTerms] = (),
    plan_months: Fraction = Fraction(1),
    free_months: Fraction = Fraction(0),
    rounding: Decimal = Decimal("0.01"),
) -> ContractValue:
    """Value a contract.

    :param lines: recurring lines with their price steps
    :param one_time: untaxed one-time fees, charged in the first year
    :param months: length of the term, > 0
    :param coupons: in the order in which they are taken off; they count from the end
        of the trial, a percentage per period of the line, an amount per period of the
        plan; their dates are not looked at
    :param plan_months: length of the plan's period in months
    :param free_months: length of the trial in months, within the term
    :param rounding: currency rounding unit
    :return: the figures; a trial as long as the term leaves the one-time fees
    :raise TermsError: months not positive
    """
    lines = tuple(lines)
    if months <= 0 or free_months < 0 or plan_months <= 0:
        raise TermsError(f"a contract of {months} months, {free_months} of them free")
    rates = _Rates(lines, tuple(coupons), plan_months, free_months)
    mrr = _round(rates.monthly(free_months, once=False), rounding)
    one_time = round_money(one_time, rounding)
    years = tuple(_years(rates, months, one_time, rounding))
    tcv = one_time
    for year in years:
        tcv = CONTEXT.add(tcv, year.recurring)
    return ContractValue(
        mrr=mrr,
        arr=CONTEXT.multiply(mrr, Decimal(MONTHS_PER_YEAR)),
        tcv=tcv,
        one_time=one_time,
        months=Fraction(months),
        years=years,
    )


@dataclass(frozen=True, slots=True)
class _Rates:
    """What is charged per month, at any moment of the contract."""

    lines: tuple[ValueLine, ...]
    coupons: tuple[CouponTerms, ...]
    plan_months: Fraction
    start: Fraction

    def monthly(self, month: Fraction, once: bool = True) -> Fraction:
        """Return the charges per month, less the coupons that apply then.

        :param month: months since the start of the contract
        :param once: whether coupons of a single period count
        """
        if month < self.start:
            return Fraction(0)
        left = {line.line_id: line.monthly(month) for line in self.lines}
        for coupon in self.coupons:
            if not once and coupon.duration == ONCE:
                continue
            lines = [ln for ln in self.lines if self._reduces(coupon, ln, month)]
            _take_off(coupon, [ln.line_id for ln in lines], left, self.plan_months)
        return sum(left.values(), Fraction(0))

    def cuts(self, months: Fraction) -> list[Fraction]:
        """Return the moments at which the charges per month may change."""
        cuts = {self.start, Fraction(months)}
        cuts.update(Fraction(m) for m in range(0, int(months) + 1, MONTHS_PER_YEAR))
        for line in self.lines:
            cuts.update(step.from_month for step in line.steps)
            cuts.update(
                end for c in self.coupons if (end := self._end(c, line)) is not None
            )
        return sorted(cut for cut in cuts if 0 <= cut <= months)

    def _reduces(self, coupon: CouponTerms, line: ValueLine, month: Fraction) -> bool:
        if coupon.line_ids is not None and line.line_id not in coupon.line_ids:
            return False
        if coupon.discount_type == AMOUNT and not line.of_plan:
            return False
        end = self._end(coupon, line)
        return end is None or month < end

    def _end(self, coupon: CouponTerms, line: ValueLine) -> Fraction | None:
        """Return the moment a coupon stops to reduce a line; None: never."""
        is_amount = coupon.discount_type == AMOUNT
        length = self.plan_months if is_amount else line.months_per_period
        counts = []
        if coupon.duration != FOREVER:
            counts.append(1 if coupon.duration == ONCE else coupon.periods)
        if coupon.date_end:
            # A period that begins before the end is reduced as a whole.
            counts.append(ceil(_months_between(coupon) / length))
        return self.start + min(counts) * length if counts else None


def _months_between(coupon: CouponTerms) -> Fraction:
    """Return the months from a coupon's start to its end, days as parts of 31."""
    start, end = coupon.date_start, coupon.date_end
    months = (end.year - start.year) * MONTHS_PER_YEAR + end.month - start.month
    return max(months + Fraction(end.day - start.day, 31), Fraction(0))


def _take_off(
    coupon: CouponTerms,
    line_ids: Sequence[int | str],
    left: dict[int | str, Fraction],
    plan_months: Fraction,
) -> None:
    """Reduce the charges per month of the lines, in place."""
    whole = sum((left[line_id] for line_id in line_ids), Fraction(0))
    if not whole:
        return
    if coupon.discount_type == AMOUNT:
        off = min(Fraction(coupon.value) / plan_months, whole) / whole
    else:
        off = Fraction(coupon.value) / 100
    for line_id in line_ids:
        left[line_id] *= 1 - off


def _years(
    rates: _Rates, months: Fraction, one_time: Decimal, rounding: Decimal
) -> Iterable[YearValue]:
    """Yield the contract years; the last one may be shorter."""
    cuts = rates.cuts(months)
    running, before = Fraction(0), ZERO
    first = Fraction(0)
    number = 0
    while first < months:
        number += 1
        last = min(first + MONTHS_PER_YEAR, Fraction(months))
        for start, end in zip(cuts, cuts[1:], strict=False):
            if first <= start < last:
                running += rates.monthly(start) * (end - start)
        upto = _round(running, rounding)
        yield YearValue(
            number=number,
            from_month=first,
            until_month=last,
            mrr=_round(rates.monthly(max(first, rates.start), once=False), rounding),
            recurring=CONTEXT.subtract(upto, before),
            one_time=one_time if number == 1 else ZERO,
        )
        first, before = last, upto


def _round(amount: Fraction, rounding: Decimal) -> Decimal:
    return round_money(scale(Decimal(1), amount), rounding)
