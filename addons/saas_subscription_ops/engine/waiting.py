# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Time spent waiting: per side, as a union, in working time.

Several things may be waited for at once (two documents, a task and a document). Such
hours count once per side; both sides may wait at the same time and are measured
separately. The calendar comes in as its working intervals, so nothing here knows
weekdays, holidays or time zones beyond what those intervals say.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from .errors import WaitingError

CUSTOMER = "customer"
US = "us"
SIDES = (CUSTOMER, US)
HOUR = timedelta(hours=1)
NOTHING = timedelta()

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Wait:
    """One side waits in ``[start, end)``; without an end it goes on.

    :raise WaitingError: unknown side, a naive time, or an end before the start
    """

    side: str
    start: datetime
    end: datetime | None = None

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise WaitingError(f"unknown side: {self.side}")
        for moment in (self.start, self.end):
            if moment is not None and moment.tzinfo is None:
                raise WaitingError(f"naive time: {moment}")
        if self.end is not None and self.end < self.start:
            raise WaitingError(f"a wait can't end at {self.end} before it starts")


def union(spans: Iterable[Span]) -> list[Span]:
    """Merge spans that overlap or touch.

    :param spans: half-open, in any order; empty ones are dropped
    :return: ascending spans without overlap, covering the same time
    """
    merged: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def intersect(left: Sequence[Span], right: Sequence[Span]) -> list[Span]:
    """Return the time that is in both.

    :param left: ascending spans without overlap, see :func:`union`
    :param right: the same
    """
    found, one, two = [], 0, 0
    while one < len(left) and two < len(right):
        start = max(left[one][0], right[two][0])
        end = min(left[one][1], right[two][1])
        if start < end:
            found.append((start, end))
        if left[one][1] < right[two][1]:
            one += 1
        else:
            two += 1
    return found


def duration(spans: Iterable[Span]) -> timedelta:
    """Add up spans that do not overlap."""
    return sum((end - start for start, end in spans), NOTHING)


def hours(length: timedelta) -> Decimal:
    """Return a length in hours, exact to the microsecond, not rounded."""
    micro = length // timedelta(microseconds=1)
    return Decimal(micro) / Decimal(HOUR // timedelta(microseconds=1))


def spans_of(waits: Iterable[Wait], side: str, until: datetime) -> list[Span]:
    """Return when a side waited, each moment once.

    :param waits: of both sides, in any order
    :param side: ``customer`` or ``us``
    :param until: aware time at which open waits are cut off; ended ones are facts and
        count to their end
    :return: ascending spans without overlap
    """
    return union(
        (wait.start, until if wait.end is None else wait.end)
        for wait in waits
        if wait.side == side
    )


def measure(
    waits: Iterable[Wait], working: Iterable[Span], until: datetime
) -> dict[str, Decimal]:
    """Return the working hours each side waited.

    :param waits: of both sides, in any order
    :param working: working intervals of the calendar, in any order; they must cover
        the time from the first start to ``until``
    :param until: aware time at which open waits are cut off
    :return: hours by side, both sides always present, not rounded
    """
    waits, open_hours = list(waits), union(working)
    return {
        side: hours(duration(intersect(spans_of(waits, side, until), open_hours)))
        for side in SIDES
    }


def measure_days(
    waits: Iterable[Wait],
    side: str,
    working: Iterable[Span],
    window: Span,
    until: datetime,
) -> Decimal:
    """Return the working days a side waited within a window.

    A day counts with the share of its working time that was waited: a half holiday
    waited through is one day, half of an ordinary day is 0.5.

    :param waits: of both sides, in any order
    :param side: ``customer`` or ``us``
    :param working: working intervals; the date of their start, in the zone they come
        in, is the day they belong to. Whole days, also at the edges of the window.
    :param window: half-open window, for example a month
    :param until: aware time at which open waits are cut off
    :return: days, not rounded
    """
    waited = intersect(spans_of(waits, side, until), union([window]))
    by_day: dict[date, list[Span]] = {}
    for start, end in working:
        by_day.setdefault(start.date(), []).append((start, end))
    total = Decimal(0)
    for spans in by_day.values():
        day = union(spans)
        share = duration(intersect(waited, day))
        if share:
            total += hours(share) / hours(duration(day))
    return total
