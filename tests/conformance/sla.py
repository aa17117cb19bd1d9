# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Kinds of SLA cases: each turns a case into engine calls and checks."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from ..engine_loader import load_engine
from .values import (
    CaseError,
    Check,
    clock,
    day,
    flag,
    instant,
    integer,
    minutes,
    need,
    seconds,
)

engine = load_engine("saas_helpdesk_sla")
due_dates = engine.deadline
Row = Mapping[str, Any]
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# The case files say where an exhausted budget ends in several words.
_BOUNDARIES = {
    "closing": due_dates.CLOSING,
    "closing_time": due_dates.CLOSING,
    "end_of_day": due_dates.CLOSING,
    "next_opening": due_dates.NEXT_OPENING,
}


def calendar(row: Row, content: Row) -> Any:
    """Return the working time a case names or contains."""
    given = need(row, "calendar")
    if isinstance(given, str):
        given = (content.get("calendars") or {}).get(given)
    if not isinstance(given, Mapping):
        raise CaseError(f"no calendar: {row['calendar']}")
    hours = {}
    for name, blocks in (given.get("hours") or {}).items():
        short = str(name).lower()[:3]
        if short not in _WEEKDAYS:
            raise CaseError(f"no weekday: {name}")
        pairs = [(clock(opens), clock(closes)) for opens, closes in blocks or []]
        hours[_WEEKDAYS.index(short)] = pairs
    holidays = given.get("holidays") or []
    return engine.calendar.WorkCalendar(
        tz=given.get("tz") or "UTC",
        weekly=engine.calendar.weekly_hours(hours),
        holidays=frozenset(day(one) for one in holidays if isinstance(one, str)),
        leaves=tuple(
            (instant(one[0]), instant(one[1]))
            for one in holidays
            if isinstance(one, list)
        ),
    )


def length(row: Row, prefix: str) -> timedelta:
    """Return a length given in minutes, seconds or hours."""
    if row.get(f"{prefix}_seconds") is not None:
        return seconds(row[f"{prefix}_seconds"])
    if row.get(f"{prefix}_hours") is not None:
        return 60 * minutes(row[f"{prefix}_hours"])
    return minutes(need(row, f"{prefix}_minutes"))


def pauses(row: Row) -> list[tuple[datetime, datetime]]:
    """Return the pauses that count; ``pauses_ignored`` never reach the engine."""
    found = []
    for start, stop in row.get("pauses") or []:
        begin = instant(start)
        end = begin + due_dates.HORIZON if stop is None else instant(stop)
        found.append((begin, end))
    return found


def dated(row: Row, due: datetime) -> list[Check]:
    """Compare a deadline, cut to the unit the case names."""
    if row.get("truncate"):
        due = due_dates.truncate(due, row["truncate"])
    return [Check("", due, instant(need(row, "expected")))]


def escalations(row: Row, working: Any, due: datetime) -> Iterator[Check]:
    """Compare the steps of a ladder around a deadline."""
    for key in ("escalation", "escalation_days"):
        steps = row.get(key) or []
        for step in steps if isinstance(steps, list) else [steps]:
            days = integer(step.get("days") or 0)
            offset = timedelta(0)
            if not step.get("days") or any(name.startswith("offset_") for name in step):
                offset = length(step, "offset")
            got = due_dates.escalation_at(working, due, offset, days)
            yield Check(f"{key} ", got, instant(need(step, "expected")))


def deadline(row: Row, content: Row) -> list[Check]:
    """Find the deadline of a budget of working time."""
    boundary = row.get("boundary") or "closing"
    if boundary not in _BOUNDARIES:
        raise CaseError(f"unknown boundary: {boundary}")
    working = calendar(row, content)
    due = due_dates.deadline(
        working,
        instant(need(row, "start")),
        length(row, "target"),
        pauses(row),
        _BOUNDARIES[boundary],
    )
    return [*dated(row, due), *escalations(row, working, due)]


def deadline_days(row: Row, content: Row) -> list[Check]:
    """Find the deadline of a target in working days."""
    working = calendar(row, content)
    due = due_dates.deadline_days(
        working,
        instant(need(row, "start")),
        integer(need(row, "target_days")),
        flag(row.get("end_of_working_day")),
        pauses(row),
        minutes(row.get("waiting_minutes_added") or 0),
    )
    return [*dated(row, due), *escalations(row, working, due)]


def backward(row: Row, content: Row) -> list[Check]:
    """Move an instant back by working time."""
    working = calendar(row, content)
    moved = due_dates.shift(working, instant(need(row, "start")), length(row, "target"))
    return dated(row, moved)


def elapsed(row: Row, content: Row) -> list[Check]:
    """Measure working time, and what is left of a target."""
    got = due_dates.elapsed(
        calendar(row, content),
        instant(need(row, "start")),
        instant(need(row, "end")),
        pauses(row),
    )
    checks = [Check("", got, length(row, "expected"))]
    if row.get("expected_diff") is not None:
        left = length(row, "target") - got
        checks.append(Check("left ", left, minutes(row["expected_diff"])))
    return checks


KINDS: dict[str, Callable[[Row, Row], list[Check]]] = {
    "deadline": deadline,
    "deadline_days": deadline_days,
    "backward": backward,
    "elapsed": elapsed,
}
