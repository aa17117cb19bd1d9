# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Anchored calendars, alignment, and days in time zones."""

from datetime import date, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import strategies as draw

period = draw.ops.period
Recurrence = period.Recurrence
HOUR = timedelta(hours=1)


def test_anchor_31_january_over_14_months() -> None:
    anchor = current = date(2024, 1, 31)
    dates = []
    for _month in range(14):
        current = period.next_date(anchor, current)
        dates.append(current)
    last = [29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31, 28, 31]
    assert [one.day for one in dates] == last
    assert dates[-1] == date(2025, 3, 31)
    grid = [period.grid_date(anchor, Recurrence(), number) for number in range(1, 15)]
    assert grid == dates


def test_anchor_29_february_over_five_years() -> None:
    anchor = current = date(2024, 2, 29)
    dates = []
    for _year in range(5):
        current = period.next_date(anchor, current, 1, "year")
        dates.append(current.isoformat())
    assert dates == [
        "2025-02-28",
        "2026-02-28",
        "2027-02-28",
        "2028-02-29",
        "2029-02-28",
    ]


@pytest.mark.parametrize(
    "anchor, current, step, unit, wanted",
    [
        ("2023-12-31", "2023-12-31", 2, "month", "2024-02-29"),
        ("2024-02-29", "2024-04-29", 2, "month", "2024-06-29"),
        ("2024-11-30", "2024-11-30", 1, "quarter", "2025-02-28"),
        ("2024-11-30", "2025-02-28", 1, "quarter", "2025-05-30"),
        ("2024-01-31", "2024-01-31", 1, "quarter", "2024-04-30"),
        ("2024-01-01", "2024-12-30", 1, "week", "2025-01-06"),
        ("2024-01-01", "2024-01-01", 2, "week", "2024-01-15"),
        ("2024-01-01", "2024-02-28", 3, "day", "2024-03-02"),
        ("2025-01-01", "2024-01-15", 1, "month", "2024-02-01"),
        ("2024-02-29", "2024-02-29", 4, "year", "2028-02-29"),
    ],
)
def test_next_dates(anchor, current, step, unit, wanted) -> None:
    anchor, current = date.fromisoformat(anchor), date.fromisoformat(current)
    assert period.next_date(anchor, current, step, unit).isoformat() == wanted


@given(draw.days, draw.recurrences, st.integers(-60, 60))
def test_on_the_grid_both_ways_to_step_agree(anchor, recurrence, index) -> None:
    current = period.grid_date(anchor, recurrence, index)
    wanted = period.grid_date(anchor, recurrence, index + 1)
    step, unit = recurrence.count, recurrence.unit
    assert period.next_date(anchor, current, step, unit) == wanted
    assert period.next_grid_date(anchor, current, recurrence) == wanted
    assert period.grid_index(anchor, recurrence, current) == index
    assert period.grid_index(anchor, recurrence, wanted - timedelta(days=1)) == index


@given(draw.days, draw.days, draw.recurrences)
def test_the_next_date_is_always_later(anchor, current, recurrence) -> None:
    step, unit = recurrence.count, recurrence.unit
    assert period.next_date(anchor, current, step, unit) > current
    assert period.next_grid_date(anchor, current, recurrence) > current


@given(draw.days, draw.recurrences, draw.days, st.sampled_from(period.ALIGNMENTS))
def test_periods_tile_the_time_without_gaps(anchor, recurrence, start, alignment):
    until = start + timedelta(days=700)
    found = list(period.periods(anchor, recurrence, start, until, alignment))
    assert found[0].start == start and found[-1].end >= until
    for one, two in zip(found, found[1:], strict=False):
        assert one.end == two.start
    assert not any(one.is_partial for one in found[1:])
    assert all(one.full_start <= one.start < one.end for one in found)


def test_calendar_alignment_starts_with_a_short_period() -> None:
    start = date(2026, 1, 15)
    found = period.periods(start, Recurrence(), start, date(2027, 1, 1), "calendar")
    first, second = islice(found, 2)
    assert (first.start, first.end) == (start, date(2026, 2, 1))
    assert first.is_partial and first.full_start == date(2026, 1, 1)
    assert (second.start, second.end) == (date(2026, 2, 1), date(2026, 3, 1))


@pytest.mark.parametrize(
    "unit, wanted",
    [
        ("day", "2026-08-20"),
        ("week", "2026-08-17"),
        ("month", "2026-08-01"),
        ("quarter", "2026-07-01"),
        ("year", "2026-01-01"),
    ],
)
def test_calendar_units(unit: str, wanted: str) -> None:
    assert period.calendar_anchor(date(2026, 8, 20), unit).isoformat() == wanted


@pytest.mark.parametrize("unit, count", [("decade", 1), ("month", 0), ("day", -1)])
def test_unusable_recurrences_are_refused(unit: str, count: int) -> None:
    with pytest.raises(draw.ops.errors.PeriodError):
        Recurrence(unit, count)


@pytest.mark.parametrize(
    "tz, day, hours",
    [
        ("America/New_York", "2026-03-08", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),  # half an hour of summer time
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("America/Sao_Paulo", "2018-11-04", 23),  # midnight did not exist
        ("America/Sao_Paulo", "2018-02-17", 25),  # 23:00 to 24:00 came twice
        ("America/Sao_Paulo", "2026-11-01", 24),  # no summer time since 2019
    ],
)
def test_days_have_their_real_length(tz: str, day: str, hours: float) -> None:
    start = date.fromisoformat(day)
    seconds = period.elapsed_seconds(start, start + timedelta(days=1), tz)
    assert seconds == hours * 3600


@given(draw.days, draw.zones)
def test_a_day_starts_at_its_first_instant(day: date, tz: str) -> None:
    start = period.day_start(day, tz)
    assert period.local_day(start, tz) == day
    assert period.local_day(start - timedelta(seconds=1), tz) == day - timedelta(1)


def test_an_instant_needs_a_zone() -> None:
    with pytest.raises(draw.ops.errors.PeriodError):
        period.local_day(datetime(2026, 1, 1), "UTC")
    for name in ("Mars/Olympus", "", "../etc"):
        with pytest.raises(draw.ops.errors.PeriodError):
            period.zone(name)


@given(draw.days, draw.days)
def test_dates_are_counted_not_hours(one: date, two: date) -> None:
    assert period.days_between(one, two) == -period.days_between(two, one)
    assert one + timedelta(days=period.days_between(one, two)) == two
