# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""A ticket's event log, and the rounds each metric's clock runs in it.

Which event starts and ends a clock is decided here; how long the working time in
between is, in ``clock``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from .errors import EventLogError
from .intervals import Interval, normalize, utc

FIRST_RESPONSE = "first_response"
NEXT_REPLY = "next_reply"
RESOLUTION = "resolution"
PERIODIC_UPDATE = "periodic_update"
METRICS = (FIRST_RESPONSE, NEXT_REPLY, RESOLUTION, PERIODIC_UPDATE)

CREATED = "created"
CUSTOMER_MESSAGE = "customer_message"
AGENT_REPLY = "agent_reply"
PAUSED = "paused"
RESUMED = "resumed"
SOLVED = "solved"
CANCELLED = "cancelled"
REOPENED = "reopened"
EVENT_KINDS = (
    CREATED,
    CUSTOMER_MESSAGE,
    AGENT_REPLY,
    PAUSED,
    RESUMED,
    SOLVED,
    CANCELLED,
    REOPENED,
)

MET = "met"
DROPPED = "cancelled"


@dataclass(frozen=True, slots=True)
class TicketEvent:
    """One row of a ticket's event log.

    :raise EventLogError: unknown kind
    :raise IntervalError: naive instant
    """

    at: datetime
    kind: str

    def __post_init__(self) -> None:
        if self.kind not in EVENT_KINDS:
            raise EventLogError(f"unknown event: {self.kind}")
        object.__setattr__(self, "at", utc(self.at))


@dataclass(frozen=True, slots=True)
class Round:
    """One run of a clock: from its start to what ended it.

    ``pauses`` are waiting times, the last one open (None) while the ticket waits;
    ``closures`` the times the ticket was closed in between, which never count.
    """

    started_at: datetime
    ended_at: datetime | None = None
    outcome: str | None = None
    pauses: tuple[tuple[datetime, datetime | None], ...] = ()
    closures: tuple[Interval, ...] = ()

    @property
    def on_hold_since(self) -> datetime | None:
        """Return when the open pause began, if there is one."""
        if self.ended_at is None and self.pauses and self.pauses[-1][1] is None:
            return self.pauses[-1][0]
        return None

    def stops(self, pausable: bool) -> list[Interval]:
        """Return the ended times that do not count.

        :param pausable: whether waiting times are among them
        :return: normalized intervals
        """
        waits = ((start, stop) for start, stop in self.pauses if stop is not None)
        return normalize([*self.closures, *(waits if pausable else ())])


def ordered(events: Iterable[TicketEvent]) -> list[TicketEvent]:
    """Sort a log by time, keeping the order of events of one instant.

    :param events: the log, starting with ``created``
    :return: sorted log
    :raise EventLogError: no event, or the first is not the creation
    """
    log = sorted(events, key=lambda event: event.at)
    if not log or log[0].kind != CREATED:
        raise EventLogError("a ticket's log starts with its creation")
    return log


def find_rounds(metric: str, log: Sequence[TicketEvent]) -> list[Round]:
    """Cut a log into the runs of a clock.

    :param metric: one of :data:`METRICS`
    :param log: sorted log, see :func:`ordered`
    :return: rounds in order; only the last one may be open
    """
    machine = _Machine(metric)
    for event in log:
        machine.feed(event)
    return machine.rounds


class _Machine:
    """Walks a log and keeps the rounds of one metric."""

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.rounds: list[Round] = []
        self.replied = False
        self.paused_since: datetime | None = None
        self.closed_since: datetime | None = None
        self.wrote_while_closed = False

    def feed(self, event: TicketEvent) -> None:
        """Take one event."""
        getattr(self, f"_on_{event.kind}")(event.at)

    # -- events

    def _on_created(self, at: datetime) -> None:
        if not self.rounds and self.metric != NEXT_REPLY:
            self._start(at)

    def _on_customer_message(self, at: datetime) -> None:
        if self.closed_since is not None:
            self.wrote_while_closed = True
        elif self.metric == NEXT_REPLY and self.replied and not self._open():
            self._start(at)

    def _on_agent_reply(self, at: datetime) -> None:
        self.replied = True
        if self.metric == RESOLUTION or self.closed_since is not None:
            return
        self._end(at, MET)
        if self.metric == PERIODIC_UPDATE:
            self._start(at)

    def _on_paused(self, at: datetime) -> None:
        if self.paused_since is None:
            self.paused_since = at
            self._stop(at)

    def _on_resumed(self, at: datetime) -> None:
        if self.paused_since is not None:
            self.paused_since = None
            self._go(at)

    def _on_solved(self, at: datetime) -> None:
        if self.closed_since is None:
            self.closed_since = at
            self._end(at, MET)

    def _on_cancelled(self, at: datetime) -> None:
        if self.closed_since is None:
            self.closed_since = at
            self._end(at, DROPPED)

    def _on_reopened(self, at: datetime) -> None:
        if self.closed_since is None:
            return
        closed, self.closed_since = self.closed_since, None
        self.paused_since = None
        wrote, self.wrote_while_closed = self.wrote_while_closed, False
        if self.metric == RESOLUTION or self._was_dropped():
            self._continue(closed, at)
        elif self.metric == PERIODIC_UPDATE:
            self._start(at)
        elif self.metric == NEXT_REPLY and wrote and self.replied:
            self._start(at)

    # -- rounds

    def _open(self) -> bool:
        return bool(self.rounds) and self.rounds[-1].ended_at is None

    def _was_dropped(self) -> bool:
        return bool(self.rounds) and self.rounds[-1].outcome == DROPPED

    def _start(self, at: datetime) -> None:
        pauses = ((at, None),) if self.paused_since is not None else ()
        self.rounds.append(Round(at, pauses=pauses))

    def _end(self, at: datetime, outcome: str) -> None:
        if self._open():
            self._go(at)
            self.rounds[-1] = replace(self.rounds[-1], ended_at=at, outcome=outcome)

    def _stop(self, at: datetime) -> None:
        if self._open():
            last = self.rounds[-1]
            self.rounds[-1] = replace(last, pauses=(*last.pauses, (at, None)))

    def _go(self, at: datetime) -> None:
        """Close the open pause of the latest round."""
        if self._open() and self.rounds[-1].on_hold_since is not None:
            last = self.rounds[-1]
            pauses = (*last.pauses[:-1], (last.pauses[-1][0], at))
            self.rounds[-1] = replace(last, pauses=pauses)

    def _continue(self, closed: datetime, at: datetime) -> None:
        """Let the latest round run on, without the time it was closed."""
        last = self.rounds[-1]
        closures = (*last.closures, (closed, at))
        self.rounds[-1] = replace(last, ended_at=None, outcome=None, closures=closures)
