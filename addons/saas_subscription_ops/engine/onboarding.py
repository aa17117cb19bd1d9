# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""When an onboarding will be done, and how it stands.

All counting is in working days, which come in as dates; nothing here knows weekdays,
holidays or time zones. The order of the inputs never matters.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from graphlib import TopologicalSorter

from .errors import OnboardingPlanError

ON_TRACK = "on_track"
AT_RISK = "at_risk"
LATE = "late"
HOURS_AT_RISK = 80
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class WorkCalendar:
    """The working days of a company, ascending, each once.

    :raise OnboardingPlanError: the days are not ascending
    """

    days: tuple[date, ...]

    def __post_init__(self) -> None:
        if any(a >= b for a, b in zip(self.days, self.days[1:], strict=False)):
            raise OnboardingPlanError("working days must be ascending")

    def after(self, day: date, count: int) -> date:
        """Return the working day so many working days after a day.

        :param day: not counted itself
        :param count: 0 or more; 0 is the day itself, working or not
        :return: a day of the calendar
        :raise OnboardingPlanError: the calendar ends before that
        """
        if count <= 0:
            return day
        index = bisect_right(self.days, day) + count - 1
        if index >= len(self.days):
            raise OnboardingPlanError(f"no {count} working days after {day}")
        return self.days[index]

    def count(self, start: date, end: date) -> int:
        """Return the working days after ``start`` up to and with ``end``.

        :param start: not counted
        :param end: counted when it is a working day
        :return: negative when ``end`` is earlier
        """
        return bisect_right(self.days, end) - bisect_right(self.days, start)

    def position(self, start: date, day: date) -> int:
        """Return how many working days after ``start`` something on ``day`` is.

        A day off counts as the next working day, so that moving a plan never makes
        its days earlier.

        :param start: day 0
        :param day: the day looked for
        :return: 0 or more
        """
        if day <= start:
            return 0
        whole = self.count(start, day)
        working = self.count(day - ONE_DAY, day) == 1
        return whole if working else whole + 1


@dataclass(frozen=True, slots=True)
class Task:
    """A task: what it waits for and how long it takes.

    ``needs`` are the keys of tasks that must end before it begins, ``parts`` those of
    its subtasks, with the last of which it ends at the earliest. ``started`` is the day
    of the first work on it, from when its duration is used up.
    """

    key: int
    due: date | None = None
    duration: int = 1
    is_done: bool = False
    done_on: date | None = None
    started: date | None = None
    needs: frozenset[int] = frozenset()
    parts: frozenset[int] = frozenset()
    milestone: int | None = None


@dataclass(frozen=True, slots=True)
class Milestone:
    """A milestone; those of a project follow each other by ``order``."""

    key: int
    order: int = 0
    due: date | None = None
    is_reached: bool = False
    reached_on: date | None = None
    is_go_live: bool = False


@dataclass(frozen=True, slots=True)
class Forecast:
    """Predicted ends by key; what is done keeps the day it was done.

    ``cycle`` are the tasks that wait for themselves, ascending. Their dependencies on
    each other are left out of the forecast.
    """

    tasks: Mapping[int, date]
    milestones: Mapping[int, date]
    go_live: date | None
    cycle: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What a project is measured against.

    :param agreed: go-live agreed with the customer
    :param tolerance: working days the go-live may slip
    :param hours_budget: hours sold; 0 is no budget
    :param hours_spent: hours worked
    :param is_customer_silent: reminders were in vain
    """

    agreed: date | None = None
    tolerance: int = 0
    hours_budget: Decimal = Decimal(0)
    hours_spent: Decimal = Decimal(0)
    is_customer_silent: bool = False


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a project is not on track: a code, keys of records and a figure."""

    code: str
    keys: tuple[int, ...] = ()
    value: int = 0


@dataclass(frozen=True, slots=True)
class Assessment:
    """Health of a project, with the reasons in order of weight."""

    health: str
    reasons: tuple[Reason, ...] = ()


def forecast(
    tasks: Iterable[Task],
    milestones: Iterable[Milestone],
    today: date,
    calendar: WorkCalendar,
) -> Forecast:
    """Predict the end of every task and milestone, and the go-live.

    An open task ends at the later of its due day and its duration after the last of
    its open predecessors, or from today on; a milestone with the last of its tasks,
    not before its own due day. The go-live is the last of the milestones that mean
    live and of all open ones before them. Nothing open ends before today.

    :param tasks: each key once; keys of ``needs`` and ``parts`` not given are ignored
    :param milestones: each key once
    :param today: first day work can be done on
    :param calendar: must reach far enough for all durations
    :return: predicted ends
    :raise OnboardingPlanError: a key twice, a duration below 1, calendar too short
    """
    by_key = _index(tasks)
    marks = _index(milestones)
    cycle = find_cycle(by_key.values())
    ends: dict[int, date] = {}
    for key in _in_order(by_key, cycle):
        ends[key] = _predict(
            by_key[key], by_key, ends, frozenset(cycle), today, calendar
        )
    reached = {
        key: _predict_milestone(mark, by_key.values(), ends, today)
        for key, mark in marks.items()
    }
    return Forecast(ends, reached, _predict_go_live(marks.values(), reached), cycle)


def find_cycle(tasks: Iterable[Task]) -> tuple[int, ...]:
    """Return the tasks that, over whatever others, wait for themselves.

    :param tasks: in any order
    :return: ascending keys; empty when everything can be done
    """
    waits = {task.key: task.needs | task.parts for task in tasks}
    waits = {key: needs & waits.keys() for key, needs in waits.items()}
    candidates = _trim(_trim(waits), turn=True)
    return tuple(sorted(key for key in candidates if _reaches(key, candidates)))


def assess(
    tasks: Iterable[Task],
    milestones: Iterable[Milestone],
    predicted: Forecast,
    facts: Facts,
    today: date,
    calendar: WorkCalendar,
) -> Assessment:
    """Judge a project by its forecast.

    Late: the predicted go-live is past the agreed one by more than the tolerance. At
    risk: it slips within the tolerance, tasks wait for each other, something is
    overdue or predicted late, 80 % of the hours are used, or the customer is silent.

    :param tasks: as given to :func:`forecast`
    :param milestones: as given to :func:`forecast`
    :param predicted: the forecast
    :param facts: what was agreed and spent
    :param today: what was due before is overdue
    :param calendar: as given to :func:`forecast`
    :return: health and reasons, the weightiest first
    """
    work = [task for task in tasks if not task.is_done]
    marks = [mark for mark in milestones if not mark.is_reached]
    slip = get_slip(facts.agreed, predicted.go_live, calendar)
    percent = get_percent(facts.hours_spent, facts.hours_budget)
    found = (
        Reason("go_live_late", value=slip),
        Reason("dependency_cycle", predicted.cycle, len(predicted.cycle)),
        _listed("milestone_overdue", _overdue(marks, today)),
        _listed("task_overdue", _overdue(work, today)),
        Reason("hours_used", value=percent if percent >= HOURS_AT_RISK else 0),
        _listed("milestone_late", _late(marks, predicted.milestones, today)),
        _listed("task_late", _late(work, predicted.tasks, today)),
        Reason("customer_silent", value=int(facts.is_customer_silent)),
    )
    reasons = tuple(reason for reason in found if reason.value > 0)
    if slip > facts.tolerance:
        return Assessment(LATE, reasons)
    return Assessment(AT_RISK if reasons else ON_TRACK, reasons)


def get_slip(
    agreed: date | None, predicted: date | None, calendar: WorkCalendar
) -> int:
    """Return the working days the go-live is predicted past the agreed day.

    :return: 0 when it is not past, or one of the days is unknown
    """
    if agreed is None or predicted is None or predicted <= agreed:
        return 0
    # Past is past, even if only days off lie between.
    return max(calendar.count(agreed, predicted), 1)


def get_percent(spent: Decimal, budget: Decimal) -> int:
    """Return the part of a budget that is used, in whole percent, rounded down.

    :param spent: hours
    :param budget: hours; without a budget nothing of it is used
    :return: 0 or more
    """
    if budget <= 0 or spent <= 0:
        return 0
    return int(spent * 100 / budget)


def _index(items: Iterable) -> dict:
    found: dict = {}
    for item in sorted(items, key=lambda item: item.key):
        if item.key in found:
            raise OnboardingPlanError(f"{item.key} is given twice")
        if getattr(item, "duration", 1) < 1:
            raise OnboardingPlanError(f"{item.key} takes less than a day")
        found[item.key] = item
    return found


def _trim(waits: Mapping[int, frozenset[int]], turn: bool = False) -> dict:
    """Drop, again and again, what waits for nothing; turned: what nothing waits for."""
    left = {key: set(needs) for key, needs in waits.items()}
    while True:
        if turn:
            wanted = set().union(*left.values()) if left else set()
            loose = left.keys() - wanted
        else:
            loose = {key for key, needs in left.items() if not needs & left.keys()}
        if not loose:
            return {key: frozenset(needs & left.keys()) for key, needs in left.items()}
        left = {key: needs - loose for key, needs in left.items() if key not in loose}


def _reaches(start: int, waits: Mapping[int, frozenset[int]]) -> bool:
    seen: set[int] = set()
    todo = list(waits[start])
    while todo:
        key = todo.pop()
        if key == start:
            return True
        if key not in seen:
            seen.add(key)
            todo.extend(waits[key])
    return False


def _in_order(tasks: Mapping[int, Task], cycle: Sequence[int]) -> list[int]:
    """Return the keys so that each follows what it waits for."""
    ring = frozenset(cycle)
    waits = {
        key: ((task.needs | task.parts) & tasks.keys())
        - (ring if key in ring else frozenset())
        for key, task in tasks.items()
    }
    return list(TopologicalSorter(waits).static_order())


def _predict(
    task: Task,
    tasks: Mapping[int, Task],
    ends: Mapping[int, date],
    ring: frozenset[int],
    today: date,
    calendar: WorkCalendar,
) -> date:
    if task.is_done:
        return task.done_on or task.due or today

    def latest(keys: frozenset[int]) -> list[date]:
        # Of a ring of tasks that wait for each other no one can be the first.
        known = keys & tasks.keys() - (ring if task.key in ring else frozenset())
        return [ends[key] for key in known if not tasks[key].is_done]

    yesterday = today - ONE_DAY
    left = task.duration
    if task.started is not None and task.started < today:
        left = max(left - calendar.count(task.started - ONE_DAY, yesterday), 1)
    end = calendar.after(max([yesterday, *latest(task.needs)]), left)
    return max([end, *latest(task.parts), *([task.due] if task.due else [])])


def _predict_milestone(
    mark: Milestone, tasks: Iterable[Task], ends: Mapping[int, date], today: date
) -> date:
    if mark.is_reached:
        return mark.reached_on or mark.due or today
    last = [
        ends[task.key]
        for task in tasks
        if task.milestone == mark.key and not task.is_done
    ]
    return max([today, *last, *([mark.due] if mark.due else [])])


def _predict_go_live(
    milestones: Iterable[Milestone], ends: Mapping[int, date]
) -> date | None:
    marks = sorted(milestones, key=lambda mark: (mark.order, mark.key))
    if not marks:
        return None
    live = [mark for mark in marks if mark.is_go_live] or marks[-1:]
    last = max(mark.order for mark in live)
    before = [mark for mark in marks if not mark.is_reached and mark.order <= last]
    return max(ends[mark.key] for mark in [*live, *before])


def _overdue(items: Iterable, today: date) -> list[int]:
    return [item.key for item in items if item.due is not None and item.due < today]


def _late(items: Iterable, ends: Mapping[int, date], today: date) -> list[int]:
    return [
        item.key
        for item in items
        if item.due is not None and item.due >= today and ends[item.key] > item.due
    ]


def _listed(code: str, keys: Iterable[int]) -> Reason:
    listed = tuple(sorted(keys))
    return Reason(code, listed, len(listed))
