# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Anchored calendars: half-open periods of dates, and where a day starts.

All periods are ``[start, end)`` of calendar dates in the customer's time zone; days
are counted as dates, never as blocks of 24 hours. The anchor's day of the month is
remembered: 31 Jan, 28 Feb, 31 Mar.
"""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .errors import PeriodError

UNITS = ("day", "week", "month", "quarter", "year")
UTC = timezone.utc
ALIGNMENTS = ("anniversary", "calendar")
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_DAYS = {"day": 1, "week": 7}


@dataclass(frozen=True, slots=True)
class Recurrence:
    """How often a plan bills: every ``count`` ``unit``.

    :raise PeriodError: unknown unit, or a count below 1
    """

    unit: str = "month"
    count: int = 1

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise PeriodError(f"unknown unit: {self.unit}")
        if not isinstance(self.count, int) or self.count < 1:
            raise PeriodError(f"count must be a positive integer: {self.count}")

    @property
    def months(self) -> int:
        """Return the length in months, 0 for units of days."""
        return _MONTHS.get(self.unit, 0) * self.count

    @property
    def days(self) -> int:
        """Return the length in days, 0 for units of months."""
        return _DAYS.get(self.unit, 0) * self.count


@dataclass(frozen=True, slots=True)
class Period:
    """One half-open period and the whole plan period it is part of.

    ``start``/``end`` are what is served, ``full_start``/``full_end`` the plan period
    (equal unless the first one is short).
    """

    start: date
    end: date
    full_start: date
    full_end: date

    @property
    def is_partial(self) -> bool:
        """Return whether only a part of the plan period is served."""
        return (self.start, self.end) != (self.full_start, self.full_end)


def month_day(months: int, day: int) -> date:
    """Return a day of a month counted from year 0, cut to the month's last day.

    :param months: ``year * 12 + month - 1``
    :param day: wanted day, 1 to 31
    :return: the date
    :raise PeriodError: outside the years 1 to 9999
    """
    year, month = divmod(months, 12)
    if not 1 <= year <= 9999:
        raise PeriodError(f"year out of range: {year}")
    return date(year, month + 1, min(day, monthrange(year, month + 1)[1]))


def grid_date(anchor: date, recurrence: Recurrence, index: int) -> date:
    """Return the ``index``-th boundary of an anchored calendar.

    :param anchor: boundary number 0
    :param recurrence: distance of the boundaries
    :param index: any integer, negative ones lie before the anchor
    :return: the boundary; the anchor's day of the month wherever the month has it
    :raise PeriodError: outside the years 1 to 9999
    """
    if recurrence.days:
        try:
            return anchor + timedelta(days=recurrence.days * index)
        except OverflowError as error:
            raise PeriodError("date out of range") from error
    months = anchor.year * 12 + anchor.month - 1 + recurrence.months * index
    return month_day(months, anchor.day)


def grid_index(anchor: date, recurrence: Recurrence, day: date) -> int:
    """Return the number of the period that contains a day.

    :param anchor: start of period 0
    :param recurrence: length of a period
    :param day: any date
    :return: the greatest index whose boundary is not after ``day``
    """
    if recurrence.days:
        return (day - anchor).days // recurrence.days
    months = (day.year - anchor.year) * 12 + day.month - anchor.month
    index = months // recurrence.months
    return index if grid_date(anchor, recurrence, index) <= day else index - 1


def next_date(anchor: date, current: date, step: int = 1, unit: str = "month") -> date:
    """Step from a period start to the next one, keeping the anchor's day.

    31 Jan, 29 Feb, 31 Mar. A ``current`` beside the anchor's grid steps by month (or
    quarter, year, week) first and lands on the anchor's day there, so a first short
    period ends on the grid.

    :param anchor: date that fixes the day of the month (of the week, of the year)
    :param current: start of the running period
    :param step: number of units, >= 1
    :param unit: one of :data:`UNITS`
    :return: start of the following period, always after ``current``
    :raise PeriodError: unknown unit or a step below 1
    """
    recurrence = Recurrence(unit, step)
    if unit == "day":
        return grid_date(current, recurrence, 1)
    if unit == "week":
        ahead = (anchor.weekday() - current.weekday()) % 7 or 7
        return current + timedelta(days=ahead + 7 * (step - 1))
    months = current.year * 12 + current.month - 1
    if unit != "month":
        # land on the anchor's month within the quarter or the year
        length = _MONTHS[unit]
        phase = (anchor.month - 1) % length
        months -= (months - phase) % length if unit == "quarter" else months % 12
        months += 0 if unit == "quarter" else phase
    return month_day(months + recurrence.months, anchor.day)


def next_grid_date(anchor: date, current: date, recurrence: Recurrence) -> date:
    """Return the first boundary of the anchored calendar after a date.

    :param anchor: any boundary of the calendar
    :param current: any date
    :param recurrence: distance of the boundaries
    :return: the first boundary later than ``current``
    """
    return grid_date(anchor, recurrence, grid_index(anchor, recurrence, current) + 1)


def calendar_anchor(day: date, unit: str) -> date:
    """Return the start of the calendar day, week, month, quarter or year of a date.

    :param day: any date
    :param unit: one of :data:`UNITS`; weeks start on Monday
    :return: the first date of that unit
    :raise PeriodError: unknown unit
    """
    Recurrence(unit)
    if unit == "day":
        return day
    if unit == "week":
        return day - timedelta(days=day.weekday())
    months = day.year * 12 + day.month - 1
    return month_day(months - months % _MONTHS[unit], 1)


def aligned_anchor(anchor: date, unit: str, alignment: str) -> date:
    """Return the anchor that an alignment makes of a subscription's anchor.

    :param anchor: anchor date of the subscription
    :param unit: unit of the recurrence
    :param alignment: ``anniversary`` keeps it, ``calendar`` moves it to the start of
        its calendar unit
    :return: the anchor to count periods from
    :raise PeriodError: unknown alignment or unit
    """
    if alignment not in ALIGNMENTS:
        raise PeriodError(f"unknown alignment: {alignment}")
    return anchor if alignment == "anniversary" else calendar_anchor(anchor, unit)


def periods(
    anchor: date,
    recurrence: Recurrence,
    start: date,
    until: date,
    alignment: str = "anniversary",
) -> Iterator[Period]:
    """Yield the periods that begin before a date, the first one cut to the start.

    :param anchor: anchor date of the subscription
    :param recurrence: length of a period
    :param start: first served day; the first period is short when it is beside the
        anchor's grid
    :param until: exclusive bound on the start of a period; nothing is cut there
    :param alignment: see :func:`aligned_anchor`
    :return: ascending, gapless periods
    :raise PeriodError: unknown alignment
    """
    origin = aligned_anchor(anchor, recurrence.unit, alignment)
    index = grid_index(origin, recurrence, start)
    full_start = grid_date(origin, recurrence, index)
    served = start
    while served < until:
        index += 1
        full_end = grid_date(origin, recurrence, index)
        yield Period(served, full_end, full_start, full_end)
        served = full_start = full_end


def days_between(start: date, end: date) -> int:
    """Count calendar dates in ``[start, end)``.

    :param start: first date
    :param end: exclusive end
    :return: number of dates, negative when the end is earlier
    """
    return (end - start).days


def days_30(start: date, end: date) -> int:
    """Count days in ``[start, end)`` as if every month had 30.

    :param start: first date
    :param end: exclusive end
    :return: ``months * 30 + (end.day - start.day)``
    """
    months = (end.year - start.year) * 12 + end.month - start.month
    return months * 30 + end.day - start.day


def zone(tz: str) -> ZoneInfo:
    """Return a time zone by its IANA name.

    :param tz: e.g. ``Europe/Paris``
    :return: the zone
    :raise PeriodError: unknown name
    """
    try:
        return ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise PeriodError(f"unknown time zone: {tz}") from error


def local_day(moment: datetime, tz: str) -> date:
    """Return the calendar date of an instant in a time zone.

    :param moment: aware datetime
    :param tz: IANA name of the customer's zone
    :return: the date on the customer's wall calendar
    :raise PeriodError: naive datetime or unknown zone
    """
    if moment.tzinfo is None:
        raise PeriodError("an instant needs a time zone")
    return moment.astimezone(zone(tz)).date()


def day_start(day: date, tz: str) -> datetime:
    """Return the first instant of a date in a time zone, in UTC.

    Where clocks jump over midnight (Sao Paulo until 2018) the day starts at 01:00.

    :param day: date on the customer's wall calendar
    :param tz: IANA name of the customer's zone
    :return: aware UTC datetime; ``[day_start(a), day_start(b))`` holds the events of
        the dates ``[a, b)``
    :raise PeriodError: unknown zone
    """
    local = zone(tz)
    midnight = datetime.combine(day, time(), local)
    instant = midnight.astimezone(UTC)
    if instant.astimezone(local).date() == day:
        return instant
    # Midnight does not exist: read with the offset after the jump it is that jump.
    return midnight.replace(fold=1).astimezone(UTC)


def elapsed_seconds(start: date, end: date, tz: str) -> int:
    """Return the real seconds between the starts of two dates in a time zone.

    :param start: first date
    :param end: exclusive end
    :param tz: IANA name; days of 23 or 25 hours are counted as such
    :return: seconds
    :raise PeriodError: unknown zone
    """
    return int((day_start(end, tz) - day_start(start, tz)).total_seconds())
