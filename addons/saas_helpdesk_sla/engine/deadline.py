# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Deadlines, elapsed working time and escalation offsets.

Rules: a budget used up at closing time is due at closing time; pauses take away only
the working time they cover; days are working days at the same clock time, not 24 hours
and not the hours of a day. Results are UTC, rounded to seconds.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta

from .calendar import DAY, WorkingTime, local_date, local_intervals, to_second
from .errors import HorizonError, TargetError
from .intervals import ZERO, Interval, duration, normalize, utc, without

CLOSING = "closing"
NEXT_OPENING = "next_opening"
BOUNDARIES = (CLOSING, NEXT_OPENING)
HORIZON = timedelta(days=3653)


def deadline(
    calendar: WorkingTime,
    start: datetime,
    target: timedelta,
    pauses: Iterable[Interval] = (),
    boundary: str = CLOSING,
    horizon: timedelta = HORIZON,
) -> datetime:
    """Return when a budget of working time is used up.

    :param calendar: working time
    :param start: aware datetime the clock starts at
    :param target: budget >= 0; with none the result is the next working instant
    :param pauses: intervals that do not count, in any order, overlaps allowed
    :param boundary: ``closing``: used up at closing time is due then;
        ``next_opening``: due when work starts again
    :param horizon: how far to look
    :return: aware UTC datetime, rounded to seconds
    :raise TargetError: negative budget or unknown boundary
    :raise HorizonError: not enough working time within the horizon
    """
    if target < ZERO:
        raise TargetError(f"a target must be zero or more: {target}")
    if boundary not in BOUNDARIES:
        raise TargetError(f"unknown boundary: {boundary}")
    begin = utc(start)
    left = target
    stream = without(calendar.working(begin, begin + horizon), normalize(pauses))
    for opens, closes in stream:
        length = closes - opens
        # a budget of zero, or one used up at closing time, ends where work goes on
        stays = not left or boundary == NEXT_OPENING
        if left < length or (left == length and not stays):
            return to_second(opens + left)
        left -= length
    raise HorizonError(f"no working time for {left} within {horizon.days} days")


def elapsed(
    calendar: WorkingTime,
    start: datetime,
    end: datetime,
    pauses: Iterable[Interval] = (),
) -> timedelta:
    """Return the working time between two instants.

    :param calendar: working time
    :param start: aware datetime
    :param end: aware datetime; before the start gives zero
    :param pauses: intervals that do not count
    :return: working time outside the pauses
    """
    if utc(end) <= utc(start):
        return ZERO
    return duration(without(calendar.working(start, end), normalize(pauses)))


def shift(
    calendar: WorkingTime,
    moment: datetime,
    offset: timedelta,
    horizon: timedelta = HORIZON,
) -> datetime:
    """Move an instant by working time, forward or back.

    :param calendar: working time
    :param moment: aware datetime
    :param offset: working time, negative moves back; zero keeps the instant
    :param horizon: how far to look
    :return: aware UTC datetime, rounded to seconds
    :raise HorizonError: not enough working time within the horizon
    """
    if not offset:
        return to_second(utc(moment))
    if offset > ZERO:
        return deadline(calendar, moment, offset, horizon=horizon)
    end = utc(moment)
    left = -offset
    for opens, closes in calendar.working_back(end - horizon, end):
        if left <= closes - opens:
            return to_second(closes - left)
        left -= closes - opens
    raise HorizonError(f"no working time for {left} within {horizon.days} days back")


def shift_days(
    calendar: WorkingTime,
    moment: datetime,
    days: int,
    horizon: timedelta = HORIZON,
) -> datetime:
    """Move an instant by working days, keeping its clock time.

    A working day is a date of the calendar's zone with any working time; the clock time
    may lie outside the hours. Zero days from a day without work give the next working
    day. A clock time that summer time skips moves on by the skipped hour.

    :param calendar: working time
    :param moment: aware datetime
    :param days: working days, negative moves back
    :param horizon: how far to look
    :return: aware UTC datetime, rounded to seconds
    :raise HorizonError: not enough working days within the horizon
    """
    local = utc(moment).astimezone(calendar.zone)
    today = local.date()
    if days == 0 and _works(calendar, today):
        return to_second(utc(moment))
    wanted = abs(days) or 1
    for day in _working_days(calendar, today, days >= 0, horizon):
        wanted -= 1
        if not wanted:
            clock = datetime.combine(day, local.timetz().replace(tzinfo=None))
            return to_second(utc(clock.replace(tzinfo=calendar.zone)))
    raise HorizonError(f"not {abs(days)} working days within {horizon.days} days")


def _working_days(
    calendar: WorkingTime, today: date, forward: bool, horizon: timedelta
) -> Iterator[date]:
    """Yield the working days after (or before) a date, nearest first."""
    for number in range(1, horizon.days + 1):
        day = today + DAY * (number if forward else -number)
        if _works(calendar, day):
            yield day


def _works(calendar: WorkingTime, day: date) -> bool:
    """Return whether a date has any working time."""
    return any(_day_intervals(calendar, day))


def _day_intervals(calendar: WorkingTime, day: date) -> Iterator[Interval]:
    """Yield the working intervals of one date of the calendar's zone."""
    for start, stop in local_intervals(calendar.zone, day, [(ZERO, DAY)]):
        yield from calendar.working(start, stop)


def closing_time(calendar: WorkingTime, moment: datetime) -> datetime:
    """Return when work ends on the date of an instant.

    :param calendar: working time
    :param moment: aware datetime
    :return: end of the last working interval of that date, UTC
    :raise HorizonError: the date has no working time
    """
    day = local_date(utc(moment), calendar.zone)
    closes = [stop for _start, stop in _day_intervals(calendar, day)]
    if not closes:
        raise HorizonError(f"no working time on {day}")
    return to_second(closes[-1])


def deadline_days(
    calendar: WorkingTime,
    start: datetime,
    days: int,
    end_of_working_day: bool = False,
    pauses: Iterable[Interval] = (),
    added: timedelta = ZERO,
    horizon: timedelta = HORIZON,
) -> datetime:
    """Return the deadline of a target in working days.

    The days are counted first; the working time lost to pauses before the deadline,
    and ``added``, are then added as working time.

    :param calendar: working time
    :param start: aware datetime the clock starts at
    :param days: working days >= 0
    :param end_of_working_day: due at closing time of the last day
    :param pauses: intervals that do not count
    :param added: further working time lost before, e.g. under an earlier calendar
    :param horizon: how far to look
    :return: aware UTC datetime, rounded to seconds
    :raise TargetError: negative days or added time
    :raise HorizonError: not enough working time within the horizon
    """
    if days < 0 or added < ZERO:
        raise TargetError(f"a target must be zero or more: {days} days, {added}")
    base = shift_days(calendar, start, days, horizon)
    if end_of_working_day:
        base = closing_time(calendar, base)
    paused = normalize(pauses)
    due, waited = shift(calendar, base, added, horizon), ZERO
    while True:
        lost = elapsed(calendar, start, due) - elapsed(calendar, start, due, paused)
        if lost == waited:
            return due
        due, waited = shift(calendar, base, added + lost, horizon), lost


def escalation_at(
    calendar: WorkingTime,
    due: datetime,
    offset: timedelta = ZERO,
    days: int = 0,
    working: bool = True,
    horizon: timedelta = HORIZON,
) -> datetime:
    """Return when a step of an escalation ladder runs.

    :param calendar: working time of the SLA
    :param due: the deadline
    :param offset: before (negative) or after the deadline
    :param days: the same in days, added before ``offset``
    :param working: count working time and working days; False: elapsed time
    :param horizon: how far to look
    :return: aware UTC datetime, rounded to seconds
    :raise HorizonError: not enough working time within the horizon
    """
    if not working:
        return to_second(utc(due) + DAY * days + offset)
    moved = shift_days(calendar, due, days, horizon) if days else utc(due)
    return shift(calendar, moved, offset, horizon)


def truncate(moment: datetime, unit: str = "second") -> datetime:
    """Cut an instant to a whole second, minute or hour.

    :param moment: aware datetime
    :param unit: ``second``, ``minute`` or ``hour``
    :return: the instant without the smaller parts
    :raise TargetError: unknown unit
    """
    parts = {"second": 0, "minute": 1, "hour": 2}
    if unit not in parts:
        raise TargetError(f"unknown unit to truncate to: {unit}")
    cut = moment.replace(microsecond=0)
    if parts[unit] >= 1:
        cut = cut.replace(second=0)
    return cut.replace(minute=0) if parts[unit] == 2 else cut
