# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Interval algebra, working calendars and deadlines."""

from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import strategies as draw

sla = draw.sla
algebra = sla.intervals
due_dates = sla.deadline
WorkCalendar, weekly = sla.calendar.WorkCalendar, sla.calendar.weekly_hours
UTC = timezone.utc
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
sets = draw.intervals()
targets = st.integers(0, 12_000).map(lambda minutes: timedelta(minutes=minutes))


def at(text: str) -> datetime:
    """Read an instant, UTC without offset."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def hours(opens: float, closes: float, days=range(5)):
    """Return weekly hours, Monday to Friday."""
    return weekly({day: [(opens * HOUR, closes * HOUR)] for day in days})


def always(tz: str):
    """Return a calendar that never closes."""
    return WorkCalendar(tz, hours(0, 24, range(7)))


# -- algebra


@given(sets)
def test_normal_form_is_sorted_and_apart(one) -> None:
    normal = algebra.normalize(one)
    assert algebra.normalize(normal) == normal
    assert algebra.normalize(one[::-1]) == normal
    assert all(start < stop for start, stop in normal)
    for left, right in zip(normal, normal[1:], strict=False):
        assert left[1] < right[0]


@given(sets, sets, sets)
def test_laws_of_sets(one, two, three) -> None:
    union, intersect, subtract = algebra.union, algebra.intersect, algebra.subtract
    normal = algebra.normalize(one)
    assert union(one, two) == union(two, one)
    assert intersect(one, two) == intersect(two, one)
    assert union(one, union(two, three)) == union(union(one, two), three)
    assert intersect(one, union(two, three)) == union(
        intersect(one, two), intersect(one, three)
    )
    assert subtract(one, union(two, three)) == subtract(subtract(one, two), three)
    assert union(subtract(one, two), intersect(one, two)) == normal
    assert intersect(subtract(one, two), two) == []
    assert union(one, one) == intersect(one, one) == normal
    assert subtract(one, []) == normal and subtract(one, one) == []


@given(sets, sets)
def test_lengths_add_up(one, two) -> None:
    def length(rows):
        return algebra.duration(rows)

    together = length(algebra.union(one, two)) + length(algebra.intersect(one, two))
    assert together == length(algebra.normalize(one)) + length(algebra.normalize(two))


def test_unusable_intervals_are_refused() -> None:
    moment = datetime(2026, 1, 1)
    with pytest.raises(sla.errors.IntervalError):
        algebra.normalize([(moment, moment)])
    aware = moment.replace(tzinfo=UTC)
    with pytest.raises(sla.errors.IntervalError):
        algebra.normalize([(aware, aware - HOUR)])


def test_summer_time_is_compared_as_time_not_as_wall_clock() -> None:
    zone = sla.calendar.get_zone("Europe/Berlin")
    early = datetime(2026, 10, 25, 2, 30, tzinfo=zone)
    late = early.replace(fold=1)
    assert algebra.duration(algebra.normalize([(early, late)])) == HOUR


# -- calendars


@pytest.mark.parametrize(
    "tz, day, length",
    [
        ("America/New_York", "2026-03-08", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("America/Sao_Paulo", "2018-11-04", 23),
        ("America/Sao_Paulo", "2018-02-17", 25),
        ("Asia/Tehran", "2022-03-22", 23),
        ("Pacific/Apia", "2011-12-30", 0),  # the date was skipped
    ],
)
def test_days_have_their_real_length(tz: str, day: str, length: float) -> None:
    found = always(tz).day(date.fromisoformat(day))
    assert algebra.duration(found) == length * HOUR


def test_a_repeated_hour_works_twice_a_skipped_one_never() -> None:
    night = WorkCalendar("America/New_York", hours(1, 3, range(7)))
    assert algebra.duration(night.day(date(2026, 11, 1))) == 3 * HOUR
    assert algebra.duration(night.day(date(2026, 3, 8))) == 1 * HOUR
    assert algebra.duration(night.day(date(2026, 3, 9))) == 2 * HOUR


@given(draw.calendars(), draw.instants, st.integers(0, 20_000))
def test_the_stream_is_sorted_and_inside(calendar, start, minutes) -> None:
    stop = start + timedelta(minutes=minutes)
    found = list(calendar.working(start, stop))
    assert found == sorted(found)
    assert all(start <= left < right <= stop for left, right in found)
    for one, two in zip(found, found[1:], strict=False):
        assert one[1] <= two[0]
    assert list(calendar.working_back(start, stop)) == found[::-1]


@given(draw.zones, draw.instants, st.integers(0, 20_000))
def test_a_calendar_without_closing_covers_everything(tz, start, minutes) -> None:
    stop = start + timedelta(minutes=minutes)
    assert due_dates.elapsed(always(tz), start, stop) == stop - start


def test_intervals_of_odoo_are_cleaned() -> None:
    """24-hour days end a microsecond early, holidays end at 23:59:59."""
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    tick = timedelta(microseconds=1)
    rows = [(midnight + DAY * n, midnight + DAY * (n + 1) - tick) for n in range(3)]
    rows[2:] = [(midnight + DAY * 3 - timedelta(seconds=1), midnight + DAY * 4)]
    rows.append((midnight + DAY * 6, midnight + DAY * 6 + timedelta(seconds=1)))
    calendar = sla.calendar.IntervalCalendar("UTC", tuple(rows))
    assert calendar.intervals == (
        (midnight, midnight + DAY * 2),
        (midnight + DAY * 3 - timedelta(seconds=1), midnight + DAY * 4),
    )


@given(draw.calendars(), draw.instants, targets, draw.intervals())
def test_both_calendars_give_the_same_deadline(calendar, start, target, pauses):
    rows = tuple(calendar.working(start, start + DAY * 400))
    wrapped = sla.calendar.IntervalCalendar(calendar.tz, rows)
    try:
        wanted = due_dates.deadline(calendar, start, target, pauses, horizon=DAY * 400)
    except sla.errors.HorizonError:
        with pytest.raises(sla.errors.HorizonError):
            due_dates.deadline(wrapped, start, target, pauses, horizon=DAY * 400)
        return
    assert due_dates.deadline(wrapped, start, target, pauses) == wanted


@pytest.mark.parametrize(
    "tz, week",
    [
        ("Mars/Olympus", hours(8, 18)),
        ("UTC", ()),
        ("UTC", weekly({0: [(9 * HOUR, 8 * HOUR)]})),
        ("UTC", weekly({0: [(9 * HOUR, 25 * HOUR)]})),
    ],
)
def test_unusable_calendars_are_refused(tz, week) -> None:
    with pytest.raises(sla.errors.CalendarError):
        WorkCalendar(tz, week)
    with pytest.raises(sla.errors.CalendarError):
        weekly({7: []})


# -- deadlines


@given(draw.calendars(), draw.instants, targets, draw.intervals())
def test_a_deadline_is_where_the_budget_ends(calendar, start, target, pauses) -> None:
    try:
        due = due_dates.deadline(calendar, start, target, pauses)
    except sla.errors.HorizonError:
        return
    assert due >= start
    assert due_dates.elapsed(calendar, start, due, pauses) == target
    if target:
        before = due_dates.elapsed(calendar, start, due - timedelta(seconds=1), pauses)
        assert before < target
    later = due_dates.deadline(calendar, start, target, pauses, "next_opening")
    assert later >= due
    assert due_dates.elapsed(calendar, start, later, pauses) == target


@given(draw.calendars(), draw.instants, targets, draw.intervals(), draw.intervals())
def test_more_pause_is_never_earlier(calendar, start, target, few, more) -> None:
    shift = start - datetime(2026, 3, 1, tzinfo=UTC)
    few = [(left + shift, right + shift) for left, right in few]
    more = [*few, *((left + shift, right + shift) for left, right in more)]
    try:
        long = due_dates.deadline(calendar, start, target, more)
    except sla.errors.HorizonError:
        return
    assert due_dates.deadline(calendar, start, target, few) <= long
    assert due_dates.deadline(calendar, start, target) <= long


@given(draw.calendars(), draw.instants, targets, targets)
def test_a_longer_target_is_never_earlier(calendar, start, one, two) -> None:
    few, many = sorted((one, two))
    found = [due_dates.deadline(calendar, start, few)]
    found.append(due_dates.deadline(calendar, start, many))
    assert found == sorted(found)


@given(draw.calendars(), draw.instants, targets.filter(bool))
def test_moving_on_and_back_comes_home(calendar, start, offset) -> None:
    """Back from a deadline lies the same working time, though not the same instant."""
    there = due_dates.shift(calendar, start, offset)
    back = due_dates.shift(calendar, there, -offset)
    assert back >= start
    assert due_dates.elapsed(calendar, start, back) == timedelta(0)
    assert due_dates.elapsed(calendar, back, there) == offset


@given(draw.calendars(), draw.instants, st.integers(1, 20))
def test_working_days_keep_the_clock_time(calendar, start, days) -> None:
    there = due_dates.shift_days(calendar, start, days)
    clocks = [one.astimezone(calendar.zone) for one in (start, there)]
    assert any(calendar.day(clocks[1].date()))
    jump = clocks[1].utcoffset() != clocks[0].utcoffset()
    assert jump or clocks[0].time() == clocks[1].time()
    back = due_dates.shift_days(calendar, there, -days)
    assert back <= start or not any(calendar.day(clocks[0].date()))


BERLIN = WorkCalendar("Europe/Berlin", hours(8, 18))
DAILY = WorkCalendar("Europe/Berlin", hours(9, 18, range(7)))
TEN_TO_SIX = WorkCalendar("UTC", hours(10, 18))
GLPI = WorkCalendar(
    "UTC",
    weekly(
        {
            0: [(10.5 * HOUR, 19 * HOUR)],
            **{day: [(8.5 * HOUR, 19 * HOUR)] for day in range(1, 5)},
        }
    ),
)
BRUSSELS = WorkCalendar("Europe/Brussels", hours(8, 16), frozenset({date(2018, 4, 11)}))
SPLIT = WorkCalendar(
    "Europe/Berlin",
    weekly({d: [(8 * HOUR, 13 * HOUR), (14 * HOUR, 18 * HOUR)] for d in range(5)}),
    frozenset(date(2015, 12, day) for day in (24, 25, 26, 31)),
)
HOLD = "2034-06-09T08:47:42/2034-06-09T10:05:54 2034-06-09T10:09:13/2034-06-09T10:34:38"
HOLD += " 2034-06-09T10:43:41/2034-06-09T11:29:17"


@pytest.mark.parametrize(
    "calendar, start, minutes, pauses, wanted",
    [
        (BERLIN, "2013-03-21T09:30", 120, "", "2013-03-21T11:30"),
        (
            DAILY,
            "2013-06-04T09:00",
            120,
            "2013-06-04T09:30/2013-06-04T09:45 2013-06-04T10:00/2013-06-04T10:30",
            "2013-06-04T11:45",
        ),
        # used up at closing time: due at closing time
        (
            DAILY,
            "2013-06-04T09:00",
            120,
            "2013-06-04T10:00/2013-06-04T15:00",
            "2013-06-04T16:00",
        ),
        (GLPI, "2034-06-09T08:46:12", 30, HOLD, "2034-06-09T11:45:25"),
        (TEN_TO_SIX, "2025-06-07T15:00", 1440, "", "2025-06-11T18:00"),
        (TEN_TO_SIX, "2025-06-06T17:00", 120, "", "2025-06-09T11:00"),
        (
            TEN_TO_SIX,
            "2025-06-05T15:00",
            120,
            "2025-06-05T15:30:00/2025-06-05T16:30:00",
            "2025-06-05T18:00",
        ),
        (
            TEN_TO_SIX,
            "2025-06-05T15:00",
            120,
            "2025-06-05T15:30:00/2025-06-05T16:30:01",
            "2025-06-06T10:00:01",
        ),
        # the hold outside business hours does not move the deadline
        (
            TEN_TO_SIX,
            "2020-03-04T04:00",
            360,
            "2020-03-04T04:15/2020-03-04T05:00",
            "2020-03-04T16:00",
        ),
        (BRUSSELS, "2018-04-10T15:00+02:00", 300, "", "2018-04-12T12:00+02:00"),
        (SPLIT, "2015-12-22T16:24:49+01:00", 1200, "", "2015-12-29T08:24:49+01:00"),
        (
            always("America/Sao_Paulo"),
            "2014-10-18T22:00-03:00",
            420,
            "",
            "2014-10-19T06:00-02:00",
        ),
    ],
)
def test_published_deadlines(calendar, start, minutes, pauses, wanted) -> None:
    pairs = [tuple(map(at, pair.split("/"))) for pair in pauses.split()]
    due = due_dates.deadline(calendar, at(start), timedelta(minutes=minutes), pairs)
    assert due == at(wanted)


def test_published_day_targets_and_ladders() -> None:
    due = due_dates.deadline_days(GLPI, at("2034-06-09T08:46:12"), 5, True)
    assert due == at("2034-06-16T19:00")
    step = due_dates.escalation_at(GLPI, at("2034-06-09T11:45:25"), -HOUR / 12)
    assert step == at("2034-06-09T11:40:25")
    wall = due_dates.escalation_at(GLPI, due, 2 * HOUR, days=1, working=False)
    assert wall == at("2034-06-17T21:00")


def test_pauses_prolong_day_targets_by_working_time() -> None:
    start = at("2025-06-02T12:00")
    pause = [(at("2025-06-03T16:00"), at("2025-06-04T12:00"))]
    due = due_dates.deadline_days(TEN_TO_SIX, start, 2, pauses=pause)
    assert due == at("2025-06-04T16:00")
    later = [(at("2025-06-04T15:00"), at("2025-06-04T17:00"))]
    assert due_dates.deadline_days(TEN_TO_SIX, start, 2, pauses=later) == at(
        "2025-06-04T12:00"
    )
    both = due_dates.deadline_days(TEN_TO_SIX, start, 2, pauses=[*pause, *later])
    assert both == at("2025-06-04T18:00")


def test_no_working_time_is_a_named_error() -> None:
    empty = WorkCalendar("UTC", weekly({}))
    start = at("2026-01-01T00:00")
    with pytest.raises(sla.errors.HorizonError):
        due_dates.deadline(empty, start, HOUR)
    with pytest.raises(sla.errors.HorizonError):
        due_dates.shift(empty, start, -HOUR)
    with pytest.raises(sla.errors.HorizonError):
        due_dates.shift_days(empty, start, 1)
    with pytest.raises(sla.errors.HorizonError):
        due_dates.closing_time(TEN_TO_SIX, at("2026-01-03T12:00"))
    with pytest.raises(sla.errors.TargetError):
        due_dates.deadline(TEN_TO_SIX, start, -HOUR)
    with pytest.raises(sla.errors.TargetError):
        due_dates.deadline(TEN_TO_SIX, start, HOUR, boundary="whenever")
    with pytest.raises(sla.errors.TargetError):
        due_dates.deadline_days(TEN_TO_SIX, start, -1)
    assert due_dates.elapsed(empty, start, start + DAY) == timedelta(0)


def test_results_are_whole_seconds() -> None:
    start = at("2026-01-05T10:00:00.600000")
    assert due_dates.deadline(TEN_TO_SIX, start, HOUR) == at("2026-01-05T11:00:01")
    moment = at("2026-01-05T10:59:59.900000")
    assert due_dates.truncate(moment) == at("2026-01-05T10:59:59")
    assert due_dates.truncate(moment, "minute") == at("2026-01-05T10:59:00")
    assert due_dates.truncate(moment, "hour") == at("2026-01-05T10:00:00")
