# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Working time: when a support team works, as a stream of UTC intervals.

Two sources give the same thing: :class:`WorkCalendar` computes it from weekly hours
and holidays, :class:`IntervalCalendar` wraps intervals computed elsewhere (Odoo's
``resource.calendar``). An instant works when the wall clock of the calendar's zone
reads a time inside a block, so days of 23 and 25 hours need no special case.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .errors import CalendarError
from .intervals import Interval, clip, merge, normalize, utc, without

UTC = timezone.utc
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
Block = tuple[timedelta, timedelta]


class WorkingTime(Protocol):
    """What deadlines need to know about a calendar."""

    @property
    def zone(self) -> ZoneInfo:
        """Return the zone whose dates count as working days."""

    def working(self, start: datetime, stop: datetime) -> Iterator[Interval]:
        """Yield the working intervals of ``[start, stop)``, sorted and disjoint."""

    def working_back(self, start: datetime, stop: datetime) -> Iterator[Interval]:
        """Yield the same intervals from the last to the first."""


def get_zone(tz: str) -> ZoneInfo:
    """Return a time zone by its IANA name.

    :param tz: e.g. ``Europe/Berlin``
    :return: the zone
    :raise CalendarError: unknown name
    """
    try:
        return ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise CalendarError(f"unknown time zone: {tz}") from error


def local_date(moment: datetime, zone: ZoneInfo) -> date:
    """Return the calendar date of an instant.

    :param moment: aware datetime
    :param zone: zone of the wall calendar
    :return: its date there
    """
    return moment.astimezone(zone).date()


@lru_cache(maxsize=4096)
def _offsets(zone: ZoneInfo, day: date) -> tuple[tuple[datetime, datetime], ...]:
    """Return stretches of constant UTC offset that cover a local date.

    Each is a half-open pair of naive UTC instants. Zones change their offset at most
    once in the days around a date, so one search finds the change to the second.
    """
    noon = datetime.combine(day, time())
    low, high = noon - 2 * DAY, noon + 3 * DAY
    edges = [low]
    if _offset(zone, low) != _offset(zone, high):
        left, right = low, high
        while right - left > SECOND:
            middle = left + ((right - left) // 2 // SECOND) * SECOND
            same = _offset(zone, middle) == _offset(zone, left)
            left, right = (middle, right) if same else (left, middle)
        edges.append(right)
    return tuple(zip(edges, [*edges[1:], high], strict=True))


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    """Return a zone's offset at a naive UTC instant."""
    offset = moment.replace(tzinfo=UTC).astimezone(zone).utcoffset()
    return offset if offset is not None else timedelta(0)


def local_intervals(
    zone: ZoneInfo, day: date, blocks: Sequence[Block]
) -> list[Interval]:
    """Return the instants of a date whose wall clock reads inside the blocks.

    An hour that the clock skips is in no block, one that it repeats counts twice.

    :param zone: zone of the wall clock
    :param day: calendar date
    :param blocks: pairs of times since midnight, up to 24 hours
    :return: sorted disjoint UTC intervals
    """
    midnight = datetime.combine(day, time())
    found = []
    for start, stop in _offsets(zone, day):
        offset = _offset(zone, start)
        for opens, closes in blocks:
            left = max(midnight + opens - offset, start)
            right = min(midnight + closes - offset, stop)
            if left < right:
                found.append((left.replace(tzinfo=UTC), right.replace(tzinfo=UTC)))
    return list(merge(sorted(found)))


@dataclass(frozen=True, slots=True)
class WorkCalendar:
    """Weekly hours in a time zone, with holidays.

    ``weekly`` holds seven days from Monday, each a tuple of blocks of times since
    midnight (24 hours for the end of the day). ``holidays`` are whole dates of the
    zone, ``leaves`` intervals of instants without work.

    :raise CalendarError: unknown zone, not seven days, a block that ends before it
        starts or reaches over midnight
    """

    tz: str
    weekly: tuple[tuple[Block, ...], ...]
    holidays: frozenset[date] = frozenset()
    leaves: tuple[Interval, ...] = ()

    def __post_init__(self) -> None:
        get_zone(self.tz)
        if len(self.weekly) != 7:
            raise CalendarError("a week needs seven days")
        for block in (block for day in self.weekly for block in day):
            if not timedelta(0) <= block[0] < block[1] <= DAY:
                raise CalendarError(f"unusable block of hours: {block[0]} {block[1]}")
        object.__setattr__(self, "leaves", tuple(normalize(self.leaves)))

    @property
    def zone(self) -> ZoneInfo:
        """Return the zone of the wall clock."""
        return get_zone(self.tz)

    def day(self, day: date) -> list[Interval]:
        """Return the working intervals of one date.

        :param day: date of the calendar's zone
        :return: sorted disjoint UTC intervals, leaves taken out
        """
        blocks = () if day in self.holidays else self.weekly[day.weekday()]
        if not blocks:
            return []
        return list(without(local_intervals(self.zone, day, blocks), self.leaves))

    def working(self, start: datetime, stop: datetime) -> Iterator[Interval]:
        """Yield the working intervals of ``[start, stop)``, one day after the other.

        :param start: aware datetime
        :param stop: aware datetime, exclusive
        :return: sorted disjoint UTC intervals; blocks that meet at midnight are two
        """
        return clip(self._days(start, stop, 1), utc(start), utc(stop))

    def working_back(self, start: datetime, stop: datetime) -> Iterator[Interval]:
        """Yield the same intervals from the last to the first.

        :param start: aware datetime
        :param stop: aware datetime, exclusive
        :return: disjoint UTC intervals in falling order
        """
        low, high = utc(start), utc(stop)
        if high <= low:
            return
        for left, right in self._days(start, stop, -1):
            if left < high and right > low:
                yield max(left, low), min(right, high)

    def _days(self, start: datetime, stop: datetime, step: int) -> Iterator[Interval]:
        """Yield the intervals of all dates two instants touch."""
        first, last = local_date(start, self.zone), local_date(stop, self.zone)
        for number in range((last - first).days + 1):
            day = first + DAY * number if step > 0 else last - DAY * number
            yield from self.day(day)[::step]


@dataclass(frozen=True, slots=True)
class IntervalCalendar:
    """Working intervals that were computed elsewhere.

    Ends are rounded to seconds and touching intervals joined, because Odoo's 24-hour
    days end one microsecond early; what is then not longer than one second is dropped,
    because Odoo's holidays end at 23:59:59.

    :raise CalendarError: unknown zone
    :raise IntervalError: naive datetimes
    """

    tz: str
    intervals: tuple[Interval, ...]

    def __post_init__(self) -> None:
        get_zone(self.tz)
        pairs = ((to_second(start), to_second(stop)) for start, stop in self.intervals)
        clean = [pair for pair in normalize(pairs) if pair[1] - pair[0] > SECOND]
        object.__setattr__(self, "intervals", tuple(clean))

    @property
    def zone(self) -> ZoneInfo:
        """Return the zone whose dates count as working days."""
        return get_zone(self.tz)

    def working(self, start: datetime, stop: datetime) -> Iterator[Interval]:
        """Yield the working intervals of ``[start, stop)``.

        :param start: aware datetime
        :param stop: aware datetime, exclusive
        :return: sorted disjoint UTC intervals
        """
        return clip(self.intervals, utc(start), utc(stop))

    def working_back(self, start: datetime, stop: datetime) -> Iterator[Interval]:
        """Yield the same intervals from the last to the first.

        :param start: aware datetime
        :param stop: aware datetime, exclusive
        :return: disjoint UTC intervals in falling order
        """
        return reversed(list(self.working(start, stop)))


def to_second(moment: datetime) -> datetime:
    """Round an instant to the nearest second, halves up.

    :param moment: aware datetime
    :return: the rounded instant
    """
    return (moment + timedelta(microseconds=500_000)).replace(microsecond=0)


def weekly_hours(
    hours: Mapping[int, Iterable[tuple[timedelta, timedelta]]],
) -> tuple[tuple[Block, ...], ...]:
    """Build the ``weekly`` of a calendar from the days that have hours.

    :param hours: weekday (0 Monday to 6 Sunday) -> blocks of times since midnight
    :return: seven days, blocks sorted
    :raise CalendarError: a weekday outside 0 to 6
    """
    if any(day not in range(7) for day in hours):
        raise CalendarError("weekdays are 0 to 6")
    return tuple(tuple(sorted(hours.get(day, ()))) for day in range(7))
