# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Price a part of a period so that the parts always sum to the whole.

A policy says how much of a period has passed at a date (0 at its start, 1 at its
end). The amount of a slice is the rounded running total at its end minus the one at
its start: however a period is cut, the slices sum to the rounded whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from .errors import ProrationError
from .money import CONTEXT, round_money, scale
from .period import Period, days_30, days_between, elapsed_seconds

POLICIES = ("none", "day", "second", "30_day")


def check_policy(policy: str) -> str:
    """Return the policy, or refuse an unknown one.

    :param policy: one of :data:`POLICIES`
    :return: the policy
    :raise ProrationError: any other word
    """
    if policy not in POLICIES:
        raise ProrationError(f"unknown proration policy: {policy}")
    return policy


def prorate(amount: Decimal, used: int, whole: int, rounding: Decimal) -> Decimal:
    """Price used units of a period directly, rounded once.

    :param amount: price of the whole period
    :param used: used days (or seconds), at least 0 and at most ``whole``
    :param whole: days (or seconds) of the period, > 0
    :param rounding: currency rounding unit
    :return: ``amount * used / whole`` rounded half up
    :raise ProrationError: empty period, or used outside it
    """
    if whole <= 0 or not 0 <= used <= whole:
        raise ProrationError(f"cannot use {used} of {whole}")
    return round_money(scale(amount, Fraction(used, whole)), rounding)


@dataclass(frozen=True, slots=True)
class CreditParts:
    """A credit with its tax: ``total`` is the sum of the rounded parts."""

    item: Decimal
    tax: Decimal

    @property
    def total(self) -> Decimal:
        """Return what the customer gets back."""
        return CONTEXT.add(self.item, self.tax)


def credit_unused(
    paid: Decimal, unused: int, whole: int, tax_percent: Decimal, rounding: Decimal
) -> CreditParts:
    """Credit the unused part of a period that was paid, with its tax.

    Item and tax are each rounded once, the tax on the exact item: a rounded item would
    carry its rounding into the tax.

    :param paid: price of the whole period without tax, >= 0
    :param unused: unused days, at least 0 and at most ``whole``
    :param whole: days of the period, > 0
    :param tax_percent: rate, >= 0
    :param rounding: currency rounding unit
    :return: item and tax, neither above what was paid
    :raise ProrationError: empty period, unused outside it, negative price or rate
    """
    if paid < 0 or tax_percent < 0:
        raise ProrationError(f"cannot credit {paid} with a tax of {tax_percent} %")
    tax = CONTEXT.divide(CONTEXT.multiply(paid, tax_percent), Decimal(100))
    return CreditParts(
        prorate(paid, unused, whole, rounding), prorate(tax, unused, whole, rounding)
    )


def ratio_30_day(start: date, end: date, months: int = 1) -> Fraction:
    """Return the part of a period of 30-day months that lies between two dates.

    :param start: first date
    :param end: exclusive end
    :param months: length of the period in months
    :return: exact ratio, not limited to 1
    :raise ProrationError: a period of less than one month
    """
    if months < 1:
        raise ProrationError("30-day months need a period of months")
    return Fraction(days_30(start, end), 30 * months)


def passed(
    full_start: date, full_end: date, day: date, policy: str, tz: str = "UTC"
) -> Fraction:
    """Return how much of a period has passed at the start of a date.

    :param full_start: start of the whole period
    :param full_end: exclusive end of the whole period
    :param day: date to look at; outside the period the nearest end counts
    :param policy: ``day`` actual days, ``second`` real seconds in ``tz``, ``30_day``
        months of 30 days, ``none`` everything has passed after the start
    :param tz: IANA zone, for ``second``
    :return: exact fraction from 0 to 1, never falling as ``day`` grows
    :raise ProrationError: unknown policy or empty period
    """
    check_policy(policy)
    if full_end <= full_start:
        raise ProrationError(f"empty period {full_start}..{full_end}")
    if day <= full_start:
        return Fraction(0)
    if day >= full_end or policy == "none":
        return Fraction(1)
    if policy == "second":
        whole = elapsed_seconds(full_start, full_end, tz)
        return Fraction(elapsed_seconds(full_start, day, tz), whole)
    if policy == "day":
        whole = days_between(full_start, full_end)
        return Fraction(days_between(full_start, day), whole)
    return _passed_30(full_start, full_end, day)


def _passed_30(full_start: date, full_end: date, day: date) -> Fraction:
    """Return the passed part in 30-day months, kept within the period."""
    months = (full_end.year - full_start.year) * 12 + full_end.month - full_start.month
    if _is_months(full_start, full_end):
        # 31 Jan to 28 Feb is a whole month although its day numbers say 27 days
        whole = 30 * months
    else:
        whole = max(days_30(full_start, full_end), 1)
    ratio = Fraction(days_30(full_start, day), whole)
    return min(max(ratio, Fraction(0)), Fraction(1))


def _is_months(start: date, end: date) -> bool:
    """Return whether two dates are boundaries of one calendar of months."""
    shorter, longer = sorted((start, end), key=lambda day: day.day)
    at_month_end = (shorter + timedelta(days=1)).day == 1
    return shorter.day == longer.day or at_month_end


def slice_amount(
    amount: Decimal,
    period: Period,
    policy: str,
    rounding: Decimal,
    tz: str = "UTC",
) -> Decimal:
    """Price the served part of a plan period.

    :param amount: price of the whole plan period, may be negative
    :param period: served part within its plan period
    :param policy: see :func:`passed`; with ``none`` the slice at the start of the
        period costs the whole and a later one nothing
    :param rounding: currency rounding unit
    :param tz: IANA zone, for ``second``
    :return: rounded amount; slices that tile the period sum to the rounded whole
    :raise ProrationError: unknown policy, empty or inverted slice
    """
    check_policy(policy)
    if period.end <= period.start:
        raise ProrationError(f"empty slice {period.start}..{period.end}")
    full = period.full_start, period.full_end
    upto = scale(amount, passed(*full, period.end, policy, tz))
    before = scale(amount, passed(*full, period.start, policy, tz))
    return CONTEXT.subtract(round_money(upto, rounding), round_money(before, rounding))


def slices(
    amount: Decimal,
    full_start: date,
    full_end: date,
    cuts: Sequence[date],
    policy: str,
    rounding: Decimal,
    tz: str = "UTC",
) -> list[Decimal]:
    """Price every slice of a period cut at some dates.

    :param amount: price of the whole period
    :param full_start: start of the period
    :param full_end: exclusive end of the period
    :param cuts: dates inside the period, in any order, repeats ignored
    :param policy: see :func:`passed`
    :param rounding: currency rounding unit
    :param tz: IANA zone, for ``second``
    :return: one amount per slice in date order, summing to the rounded whole
    :raise ProrationError: unknown policy, or a cut outside the period
    """
    if any(not full_start < cut < full_end for cut in cuts):
        raise ProrationError("a cut lies outside the period")
    edges = [full_start, *sorted(set(cuts)), full_end]
    return [
        slice_amount(amount, Period(a, b, full_start, full_end), policy, rounding, tz)
        for a, b in zip(edges, edges[1:], strict=False)
    ]
