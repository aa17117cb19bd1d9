# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Algebra of half-open intervals of aware datetimes, kept in UTC.

UTC matters: two datetimes of one ``ZoneInfo`` are compared by wall clock, which is
wrong across a change of summer time.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone

from .errors import IntervalError

UTC = timezone.utc
Interval = tuple[datetime, datetime]
ZERO = timedelta(0)


def utc(moment: datetime) -> datetime:
    """Return an instant in UTC.

    :param moment: aware datetime
    :return: the same instant in UTC
    :raise IntervalError: naive datetime
    """
    if moment.tzinfo is None:
        raise IntervalError(f"an instant needs a time zone: {moment}")
    return moment.astimezone(UTC)


def normalize(intervals: Iterable[Interval]) -> list[Interval]:
    """Sort intervals, join those that overlap or touch, drop empty ones.

    :param intervals: pairs of aware datetimes in any order
    :return: sorted, disjoint, not touching, in UTC
    :raise IntervalError: naive datetime, or an end before its start
    """
    pairs = []
    for start, stop in intervals:
        pair = utc(start), utc(stop)
        if pair[1] < pair[0]:
            raise IntervalError(f"an interval ends before it starts: {start} {stop}")
        pairs.append(pair)
    return list(merge(sorted(pairs)))


def merge(ordered: Iterable[Interval]) -> Iterator[Interval]:
    """Join touching and overlapping neighbours of a sorted sequence.

    :param ordered: intervals sorted by start
    :return: disjoint intervals, empty ones dropped
    """
    current: Interval | None = None
    for start, stop in ordered:
        if stop <= start:
            continue
        if current is None:
            current = start, stop
        elif start <= current[1]:
            current = current[0], max(current[1], stop)
        else:
            yield current
            current = start, stop
    if current is not None:
        yield current


def union(left: Iterable[Interval], right: Iterable[Interval]) -> list[Interval]:
    """Return the instants that are in either set.

    :param left: intervals in any order
    :param right: intervals in any order
    :return: normalized intervals
    :raise IntervalError: see :func:`normalize`
    """
    return normalize([*left, *right])


def subtract(left: Iterable[Interval], right: Iterable[Interval]) -> list[Interval]:
    """Return the instants of the first set that are not in the second.

    :param left: intervals in any order
    :param right: intervals to take out
    :return: normalized intervals
    :raise IntervalError: see :func:`normalize`
    """
    return list(without(normalize(left), normalize(right)))


def intersect(left: Iterable[Interval], right: Iterable[Interval]) -> list[Interval]:
    """Return the instants that are in both sets.

    :param left: intervals in any order
    :param right: intervals in any order
    :return: normalized intervals
    :raise IntervalError: see :func:`normalize`
    """
    first = normalize(left)
    return subtract(first, subtract(first, right))


def without(
    ordered: Iterable[Interval], removed: Sequence[Interval]
) -> Iterator[Interval]:
    """Take normalized intervals out of a sorted, disjoint stream, lazily.

    :param ordered: sorted disjoint intervals, may be endless
    :param removed: normalized intervals
    :return: what is left, sorted and disjoint
    """
    index = 0
    for start, stop in ordered:
        while index < len(removed) and removed[index][1] <= start:
            index += 1
        at = index
        while at < len(removed) and removed[at][0] < stop:
            if removed[at][0] > start:
                yield start, removed[at][0]
            start = max(start, removed[at][1])
            at += 1
        if start < stop:
            yield start, stop


def clip(
    ordered: Iterable[Interval], start: datetime, stop: datetime
) -> Iterator[Interval]:
    """Cut a sorted stream to ``[start, stop)``, lazily.

    :param ordered: sorted intervals
    :param start: first instant
    :param stop: exclusive end; the stream is not read beyond it
    :return: the parts inside
    """
    if stop <= start:
        return
    for left, right in ordered:
        if left >= stop:
            return
        if right > start:
            yield max(left, start), min(right, stop)


def duration(intervals: Iterable[Interval]) -> timedelta:
    """Add the lengths of disjoint intervals.

    :param intervals: disjoint intervals
    :return: total length
    """
    return sum((stop - start for start, stop in intervals), ZERO)
