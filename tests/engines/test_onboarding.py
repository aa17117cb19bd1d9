# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The forecast of onboardings: order, time and dependencies."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import strategies as draw

onboarding = draw.ops.onboarding
Task, Milestone, Facts = onboarding.Task, onboarding.Milestone, onboarding.Facts
FIRST = date(2026, 3, 2)  # a Monday
HOLIDAY = date(2026, 3, 9)
DAYS = [FIRST + timedelta(days=n) for n in range(1200)]
CALENDAR = onboarding.WorkCalendar(
    tuple(day for day in DAYS if day.weekday() < 5 and day != HOLIDAY)
)
near = st.integers(0, 60).map(lambda n: FIRST + timedelta(days=n))


@st.composite
def plans(draws):
    """Draw tasks, cycles included, and milestones."""
    keys = range(draws(st.integers(1, 7)))
    others = st.frozensets(st.sampled_from(keys), max_size=3)
    tasks = [
        Task(
            key=key,
            due=draws(st.none() | near),
            duration=draws(st.integers(1, 9)),
            is_done=draws(st.booleans()),
            done_on=draws(st.none() | near),
            started=draws(st.none() | near),
            needs=draws(others),
            parts=draws(st.frozensets(st.sampled_from(keys), max_size=1)),
            milestone=draws(st.none() | st.integers(0, 2)),
        )
        for key in keys
    ]
    marks = [
        Milestone(
            key=key,
            order=draws(st.integers(0, 2)),
            due=draws(st.none() | near),
            is_reached=draws(st.booleans()),
            reached_on=draws(st.none() | near),
            is_go_live=draws(st.booleans()),
        )
        for key in range(draws(st.integers(0, 3)))
    ]
    return tasks, marks


def predict(tasks, marks=(), today=FIRST):
    """Forecast on the calendar of these tests."""
    return onboarding.forecast(tasks, marks, today, CALENDAR)


def judge(tasks, marks=(), today=FIRST, **facts):
    """Forecast and assess."""
    return onboarding.assess(
        tasks, marks, predict(tasks, marks, today), Facts(**facts), today, CALENDAR
    )


# -- properties


@given(plans(), near, st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(plan, today, random) -> None:
    tasks, marks = plan
    before = predict(tasks, marks, today)
    facts = {"agreed": today, "tolerance": 1}
    health = judge(tasks, marks, today, **facts)
    random.shuffle(tasks)
    random.shuffle(marks)
    assert predict(tasks, marks, today) == before
    assert judge(tasks, marks, today, **facts) == health


@given(plans(), near)
def test_nothing_open_ends_before_today(plan, today) -> None:
    tasks, marks = plan
    found = predict(tasks, marks, today)
    for task in tasks:
        if not task.is_done:
            assert found.tasks[task.key] >= max(today, task.due or today)
    for mark in marks:
        if not mark.is_reached:
            assert found.milestones[mark.key] >= today
            assert found.go_live >= today or mark.order > max(
                m.order for m in marks if m.is_go_live
            )


@given(plans(), near, st.data())
def test_a_later_predecessor_never_makes_a_successor_earlier(plan, today, data) -> None:
    tasks, marks = plan
    before = predict(tasks, marks, today)
    moved = data.draw(st.sampled_from(tasks))
    due = (moved.due or today) + timedelta(days=data.draw(st.integers(1, 30)))
    longer = moved.duration + data.draw(st.integers(0, 5))
    later = replace(moved, due=due, duration=longer)
    after = predict([later if t.key == moved.key else t for t in tasks], marks, today)
    for task in tasks:
        if not task.is_done:
            assert after.tasks[task.key] >= before.tasks[task.key]
    for mark in marks:
        assert after.milestones[mark.key] >= before.milestones[mark.key]


@given(plans(), near)
def test_successors_end_after_their_predecessors(plan, today) -> None:
    tasks, _marks = plan
    found = predict(tasks, (), today)
    by_key = {task.key: task for task in tasks}
    for task in tasks:
        if task.is_done or task.key in found.cycle:
            continue
        for key in task.needs:
            if not by_key[key].is_done:
                assert found.tasks[task.key] > found.tasks[key]


@given(plans())
def test_a_cycle_is_exactly_what_waits_for_itself(plan) -> None:
    tasks, _marks = plan
    waits = {task.key: task.needs | task.parts for task in tasks}
    for key in waits:
        reached, todo = set(), set(waits[key])
        while todo:
            reached |= todo
            todo = set().union(*(waits[k] for k in todo)) - reached
        assert (key in reached) == (key in predict(tasks).cycle)


@given(near, st.integers(0, 60), st.integers(0, 60))
def test_counting_and_position_are_inverse(start, count, more) -> None:
    day = CALENDAR.after(start, count)
    assert CALENDAR.position(start, day) == count
    assert CALENDAR.after(start, count + more) >= day


# -- cases


def test_an_open_task_takes_its_days_from_today_on() -> None:
    assert predict([Task(1, duration=1)]).tasks[1] == FIRST
    assert predict([Task(1, duration=3)]).tasks[1] == date(2026, 3, 4)
    # Friday to Tuesday: the weekend and Monday's holiday between.
    friday = date(2026, 3, 6)
    assert predict([Task(1, duration=2)], today=friday).tasks[1] == date(2026, 3, 10)


def test_work_done_on_a_task_shortens_it() -> None:
    task = Task(1, duration=5, started=date(2026, 3, 2))
    assert predict([task], today=date(2026, 3, 4)).tasks[1] == date(2026, 3, 6)
    assert predict([task], today=date(2026, 4, 1)).tasks[1] == date(2026, 4, 1)


def test_a_chain_is_walked_and_subtasks_hold_their_parent() -> None:
    chain = [
        Task(1, duration=2),
        Task(2, duration=2, needs=frozenset({1})),
        Task(3, parts=frozenset({2})),
    ]
    assert predict(chain).tasks == {
        1: date(2026, 3, 3),
        2: date(2026, 3, 5),
        3: date(2026, 3, 5),
    }


def test_the_go_live_waits_for_open_milestones_before_it() -> None:
    marks = [
        Milestone(1, 1, date(2026, 3, 20)),
        Milestone(2, 2, date(2026, 3, 10), is_go_live=True),
        Milestone(3, 3, date(2026, 4, 20)),
    ]
    assert predict([], marks).go_live == date(2026, 3, 20)
    marks[0] = replace(marks[0], is_reached=True, reached_on=FIRST)
    assert predict([], marks).go_live == date(2026, 3, 10)
    assert predict([], []).go_live is None


def test_without_a_flag_the_last_milestone_means_live() -> None:
    marks = [Milestone(1, 1, date(2026, 3, 20)), Milestone(2, 2, date(2026, 3, 10))]
    assert predict([], marks).go_live == date(2026, 3, 20)


@pytest.mark.parametrize(("tolerance", "health"), [(1, "late"), (2, "at_risk")])
def test_late_is_past_the_tolerance(tolerance, health) -> None:
    marks = [Milestone(1, due=date(2026, 3, 12), is_go_live=True)]
    result = judge([], marks, agreed=date(2026, 3, 10), tolerance=tolerance)
    assert result.health == health
    assert (result.reasons[0].code, result.reasons[0].value) == ("go_live_late", 2)


def test_a_slip_over_days_off_is_a_slip() -> None:
    saturday, friday = date(2026, 3, 7), date(2026, 3, 6)
    marks = [Milestone(1, due=saturday, is_go_live=True)]
    assert judge([], marks, agreed=friday).reasons[0].value == 1


def test_reasons_come_by_weight() -> None:
    overdue = date(2026, 2, 20)
    tasks = [
        Task(1, due=overdue, milestone=1),
        Task(2, due=FIRST, duration=5),
        Task(3, needs=frozenset({3})),
    ]
    marks = [Milestone(1, due=overdue), Milestone(2, due=FIRST, is_go_live=True)]
    result = judge(
        tasks,
        marks,
        agreed=overdue,
        hours_budget=Decimal(10),
        hours_spent=Decimal("8.0"),
        is_customer_silent=True,
    )
    assert [reason.code for reason in result.reasons] == [
        "go_live_late",
        "dependency_cycle",
        "milestone_overdue",
        "task_overdue",
        "hours_used",
        "task_late",
        "customer_silent",
    ]


def test_the_80_percent_are_exact() -> None:
    spent = judge([], hours_budget=Decimal(10), hours_spent=Decimal("7.99"))
    assert spent.health == "on_track"
    assert judge([], hours_budget=Decimal(10), hours_spent=Decimal(8)).health == (
        "at_risk"
    )
    assert judge([], hours_spent=Decimal(8)).health == "on_track"


def test_unusable_plans_are_refused() -> None:
    for tasks in ([Task(1), Task(1)], [Task(1, duration=0)], [Task(1, duration=9999)]):
        with pytest.raises(draw.ops.errors.OnboardingPlanError):
            predict(tasks)
    with pytest.raises(draw.ops.errors.OnboardingPlanError):
        onboarding.WorkCalendar((FIRST, FIRST))
