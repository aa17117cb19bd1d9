# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Quantities that count for as long as they last: levels by second, keys by day."""

from collections.abc import Hashable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from .aggregate import UsageEvent
from .errors import AggregationError
from .money import CONTEXT, ZERO

_TICK = timedelta(microseconds=1)


def weighted_sum(
    events: Iterable[UsageEvent],
    start: datetime,
    end: datetime,
    initial: Decimal = ZERO,
) -> Decimal:
    """Return the mean level of a period, weighted by time.

    :param events: changes of the level by their values, in any order; those before the
        period are part of the level it begins with
    :param start: aware start of the period
    :param end: aware exclusive end of the period
    :param initial: level carried over from before
    :return: level times seconds, summed, over the seconds of the period; 60 digits
    :raise AggregationError: empty period, or an event after it
    """
    whole = (end - start) // _TICK
    if whole <= 0:
        raise AggregationError(f"empty period {start}..{end}")
    result = Fraction(initial)
    for event in events:
        if event.value is None:
            continue
        if event.time >= end:
            raise AggregationError(f"an event lies after the period: {event.time}")
        lasts = (end - max(event.time, start)) // _TICK
        result += Fraction(event.value) * Fraction(lasts, whole)
    return _decimal(result)


def active_days(
    spans: Iterable[tuple[Hashable, int, int]], period_days: int
) -> Decimal:
    """Count keys by the part of a period's days on which they were active.

    A key counts a whole day for every day it is active on, the first and the last one
    included, once a day however often it comes and goes.

    :param spans: key, first and last active day counted from the period's first day
        (0); days outside the period do not count
    :param period_days: days of the whole period, > 0
    :return: active days of all keys over the days of the period; 60 digits
    :raise AggregationError: no days, or a span that ends before it begins
    """
    if period_days <= 0:
        raise AggregationError(f"a period of {period_days} days")
    active: dict[Hashable, set[int]] = {}
    for key, first, last in spans:
        if last < first:
            raise AggregationError(f"active until day {last}, before day {first}")
        inside = range(max(first, 0), min(last, period_days - 1) + 1)
        active.setdefault(key, set()).update(inside)
    return _decimal(Fraction(sum(map(len, active.values())), period_days))


def _decimal(ratio: Fraction) -> Decimal:
    return CONTEXT.divide(Decimal(ratio.numerator), Decimal(ratio.denominator))
