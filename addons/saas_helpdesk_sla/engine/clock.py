# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The four SLA clocks of a ticket, computed from its event log.

``first_response`` runs from the creation to the first agent reply, ``next_reply`` from
the oldest unanswered customer message after that to the next agent reply,
``resolution`` from the creation to the solution, ``periodic_update`` from one agent
reply (or the creation) to the next. Pauses stop only metrics that are pausable; closed
time never counts; a cancelled ticket is neither met nor missed. When the policy
changes, the time used so far is kept and measured by the calendar of its day.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from . import deadline as due_dates
from .calendar import WorkingTime
from .errors import HorizonError, TargetError
from .intervals import ZERO, Interval, normalize, utc
from .rounds import (
    AGENT_REPLY,
    CANCELLED,
    CREATED,
    CUSTOMER_MESSAGE,
    DROPPED,
    EVENT_KINDS,
    FIRST_RESPONSE,
    MET,
    METRICS,
    NEXT_REPLY,
    PAUSED,
    PERIODIC_UPDATE,
    REOPENED,
    RESOLUTION,
    RESUMED,
    SOLVED,
    Round,
    TicketEvent,
    find_rounds,
    ordered,
)

__all__ = [
    "AGENT_REPLY",
    "BREACHED",
    "CANCELLED",
    "CREATED",
    "CUSTOMER_MESSAGE",
    "DROPPED",
    "EVENT_KINDS",
    "FIRST_RESPONSE",
    "IDLE",
    "MET",
    "METRICS",
    "NEXT_REPLY",
    "ON_HOLD",
    "PAUSED",
    "PERIODIC_UPDATE",
    "REOPENED",
    "RESOLUTION",
    "RESUMED",
    "RUNNING",
    "SOLVED",
    "ClockState",
    "PolicySpan",
    "Target",
    "TicketEvent",
    "evaluate",
    "evaluate_rounds",
]

IDLE = "idle"
RUNNING = "running"
ON_HOLD = "paused"
BREACHED = "breached"


@dataclass(frozen=True, slots=True)
class Target:
    """What a policy promises for one metric.

    Either ``duration`` of working time or a number of working ``days``. The warning
    comes when ``warn_percent`` of the duration is used or ``warn_before`` working time
    is left, whichever is first.

    :raise TargetError: not exactly one of duration and days, negative values, a warning
        outside 0 to 100 percent, unknown boundary
    """

    duration: timedelta | None = None
    days: int | None = None
    end_of_working_day: bool = False
    pausable: bool = True
    boundary: str = due_dates.CLOSING
    warn_percent: Decimal | None = None
    warn_before: timedelta | None = None

    def __post_init__(self) -> None:
        if (self.duration is None) == (self.days is None):
            raise TargetError("a target is a duration or a number of days")
        if (self.duration or ZERO) < ZERO or (self.days or 0) < 0:
            raise TargetError("a target must be zero or more")
        if self.warn_percent is not None and not 0 <= self.warn_percent <= 100:
            raise TargetError(f"warning at {self.warn_percent} percent")
        if self.warn_before is not None and self.warn_before < ZERO:
            raise TargetError("a warning comes before the deadline")
        if self.boundary not in due_dates.BOUNDARIES:
            raise TargetError(f"unknown boundary: {self.boundary}")


@dataclass(frozen=True, slots=True)
class PolicySpan:
    """The target and calendar in force from an instant on.

    ``target`` None: the policy of that time promises nothing for the metric.
    """

    since: datetime
    calendar: WorkingTime
    target: Target | None


@dataclass(frozen=True, slots=True)
class ClockState:
    """A clock at one instant; all times UTC, rounded to seconds.

    ``due_at`` is None while the clock is paused or nothing is promised; ``elapsed`` and
    ``remaining`` are working time, ``remaining`` negative after a breach. ``rounds``
    counts the runs, ``missed_rounds`` those that ended or stand late, and
    ``worst_elapsed`` is the longest.
    """

    metric: str
    state: str
    started_at: datetime | None = None
    due_at: datetime | None = None
    warn_at: datetime | None = None
    met_at: datetime | None = None
    breached_at: datetime | None = None
    elapsed: timedelta = ZERO
    remaining: timedelta | None = None
    rounds: int = 0
    missed_rounds: int = 0
    worst_elapsed: timedelta = ZERO


def evaluate(
    metric: str,
    events: Iterable[TicketEvent],
    policies: Sequence[PolicySpan],
    at: datetime,
) -> ClockState:
    """Compute one clock of a ticket.

    :param metric: one of :data:`METRICS`
    :param events: the ticket's log; events after ``at`` are ignored
    :param policies: target and calendar over time, by ``since``; what lies before the
        first counts as under the first
    :param at: aware datetime to judge at; a clock not ended is breached from its
        deadline on
    :return: the state of the latest round, with figures over all rounds
    :raise TargetError: unknown metric or no policies
    :raise EventLogError: see :func:`ordered`
    :raise HorizonError: the target cannot be reached within the horizon
    """
    states = evaluate_rounds(metric, events, policies, at)
    if not states:
        return ClockState(metric, IDLE)
    missed = sum(state.breached_at is not None for state in states)
    worst = max(state.elapsed for state in states)
    return replace(
        states[-1], rounds=len(states), missed_rounds=missed, worst_elapsed=worst
    )


def evaluate_rounds(
    metric: str,
    events: Iterable[TicketEvent],
    policies: Sequence[PolicySpan],
    at: datetime,
) -> list[ClockState]:
    """Compute every round of one clock, for callers that keep a result per round.

    :param metric: one of :data:`METRICS`
    :param events: the ticket's log; events after ``at`` are ignored
    :param policies: see :func:`evaluate`
    :param at: aware datetime to judge at
    :return: one state per round in order, empty before the first one; the figures over
        all rounds are left at zero
    :raise TargetError: unknown metric or no policies
    :raise EventLogError: see :func:`ordered`
    :raise HorizonError: the target cannot be reached within the horizon
    """
    if metric not in METRICS:
        raise TargetError(f"unknown metric: {metric}")
    if not policies:
        raise TargetError("a clock needs a policy")
    now = utc(at)
    log = [event for event in ordered(events) if event.at <= now]
    rounds = find_rounds(metric, log) if log else []
    spans = sorted(policies, key=lambda span: utc(span.since))
    return [_judge(metric, one, spans, now) for one in rounds]


def _pieces(
    spans: Sequence[PolicySpan], start: datetime, end: datetime
) -> list[tuple[datetime, datetime, PolicySpan]]:
    """Cut ``[start, end)`` where the policy changed; the last piece holds the end."""
    edges = [utc(span.since) for span in spans[1:]]
    pieces = []
    for span, since, until in zip(spans, [start, *edges], [*edges, end], strict=True):
        left, right = max(start, since), min(end, until)
        last = span is spans[-1]
        if left < right or (left == right == end and (last or until > end)):
            pieces.append((left, right, span))
    return pieces


def _used(
    pieces: Sequence[tuple[datetime, datetime, PolicySpan]], stops: Sequence[Interval]
) -> timedelta:
    """Return the working time of some pieces, each by its own calendar."""
    parts = (
        due_dates.elapsed(span.calendar, start, end, stops)
        for start, end, span in pieces
    )
    return sum(parts, ZERO)


def _due(
    pieces: Sequence[tuple[datetime, datetime, PolicySpan]],
    budget: timedelta,
    stops: Sequence[Interval],
    boundary: str,
) -> datetime:
    """Return when a budget is used up over pieces under different calendars."""
    left = budget
    for start, end, span in pieces[:-1]:
        used = due_dates.elapsed(span.calendar, start, end, stops)
        if left <= used:
            return due_dates.deadline(span.calendar, start, left, stops, boundary)
        left -= used
    start, _end, span = pieces[-1]
    return due_dates.deadline(span.calendar, start, left, stops, boundary)


def _judge(
    metric: str, one: Round, spans: Sequence[PolicySpan], now: datetime
) -> ClockState:
    """Return the state of one round."""
    end = one.ended_at or now
    pieces = _pieces(spans, one.started_at, end)
    span = pieces[-1][2]
    if span.target is None:
        return ClockState(metric, IDLE, one.started_at)
    target = span.target
    stops = one.stops(target.pausable)
    held = one.on_hold_since if target.pausable else None
    counted = stops if held is None else normalize([*stops, (held, end)])
    elapsed = _used(pieces, counted)
    due, warn = _dates(pieces, target, stops, one.started_at, one.ended_at)
    if held is not None and due is not None and due > held:
        due = warn = None
    state = ClockState(
        metric,
        RUNNING,
        started_at=one.started_at,
        due_at=due,
        warn_at=warn,
        elapsed=elapsed,
        remaining=_remaining(span, target, elapsed, due, end),
    )
    return _settle(state, one, held, now)


def _settle(
    state: ClockState, one: Round, held: datetime | None, now: datetime
) -> ClockState:
    """Give a round's state its name and the instant it was met or missed."""
    due, ended = state.due_at, one.ended_at
    if one.outcome == DROPPED:
        return replace(state, state=DROPPED)
    if ended is not None:
        if due is not None and due < ended:
            return replace(state, state=BREACHED, met_at=ended, breached_at=due)
        return replace(state, state=MET, met_at=ended)
    if due is not None and due <= now:
        return replace(state, state=BREACHED, breached_at=due)
    return replace(state, state=RUNNING if held is None else ON_HOLD)


def _dates(
    pieces: Sequence[tuple[datetime, datetime, PolicySpan]],
    target: Target,
    stops: Sequence[Interval],
    started_at: datetime,
    ended_at: datetime | None,
) -> tuple[datetime | None, datetime | None]:
    """Return deadline and warning; none for an ended round that could never be late."""
    calendar = pieces[-1][2].calendar
    try:
        if target.duration is None:
            due = due_dates.deadline_days(
                calendar,
                started_at,
                target.days or 0,
                target.end_of_working_day,
                stops,
            )
            if target.warn_before is None:
                return due, None
            return due, due_dates.shift(calendar, due, -target.warn_before)
        due = _due(pieces, target.duration, stops, target.boundary)
        budget = _warn_budget(target.duration, target)
        if budget is None:
            return due, None
        return due, _due(pieces, budget, stops, due_dates.CLOSING)
    except HorizonError:
        if ended_at is None:
            raise
        return None, None


def _warn_budget(duration: timedelta, target: Target) -> timedelta | None:
    """Return the working time after which the warning comes."""
    budgets = []
    if target.warn_percent is not None:
        seconds = int(duration.total_seconds()) * target.warn_percent / 100
        budgets.append(timedelta(seconds=int(seconds)))
    if target.warn_before is not None:
        budgets.append(max(duration - target.warn_before, ZERO))
    return min(budgets, default=None)


def _remaining(
    span: PolicySpan,
    target: Target,
    elapsed: timedelta,
    due: datetime | None,
    end: datetime,
) -> timedelta | None:
    """Return the working time left at an instant, negative when late."""
    if target.duration is not None:
        return target.duration - elapsed
    if due is None:
        return None
    ahead = due_dates.elapsed(span.calendar, end, due)
    return ahead - due_dates.elapsed(span.calendar, due, end)
