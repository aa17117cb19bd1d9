# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The four clocks of a ticket, told as short stories from its log."""

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import strategies as draw

sla = draw.sla
clock = sla.clock
UTC = timezone.utc
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
WEEK = {day: [(8 * HOUR, 18 * HOUR)] for day in range(5)}
OFFICE = sla.calendar.WorkCalendar("UTC", sla.calendar.weekly_hours(WEEK))
ALWAYS = sla.calendar.WorkCalendar(
    "UTC", sla.calendar.weekly_hours({day: [(0 * HOUR, 24 * HOUR)] for day in range(7)})
)


def at(text: str) -> datetime:
    """Read ``Mon 09:30`` of the week of Monday, 2 March 2026."""
    name, time = text.split()
    day = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].index(name)
    hours, minutes = map(int, time.split(":"))
    return MONDAY + timedelta(days=day, hours=hours, minutes=minutes)


def log(text: str):
    """Read ``created Mon 09:00, agent_reply Mon 10:00``."""
    parts = (part.strip().split(" ", 1) for part in text.split(","))
    return [clock.TicketEvent(at(when), kind) for kind, when in parts]


def judge(metric, text, when, hours=4, calendar=OFFICE, **options):
    """Evaluate one clock with one policy."""
    target = clock.Target(hours * HOUR, **options)
    span = clock.PolicySpan(MONDAY, calendar, target)
    return clock.evaluate(metric, log(text), [span], at(when))


def test_first_response_runs_warns_and_is_met() -> None:
    story = "created Mon 16:00"
    state = judge("first_response", story, "Mon 17:00", warn_percent=Decimal(75))
    assert (state.state, state.due_at) == ("running", at("Tue 10:00"))
    assert state.warn_at == at("Tue 09:00")
    assert (state.elapsed, state.remaining) == (HOUR, 3 * HOUR)
    before = judge("first_response", story, "Mon 17:00", warn_before=90 * MINUTE)
    assert before.warn_at == at("Tue 08:30")
    state = judge("first_response", story + ", agent_reply Tue 10:00", "Wed 10:00")
    assert (state.state, state.met_at) == ("met", at("Tue 10:00"))
    assert state.remaining == timedelta(0)


def test_a_clock_not_answered_is_breached_from_its_deadline_on() -> None:
    story = "created Mon 09:00"
    assert judge("first_response", story, "Mon 12:59").state == "running"
    state = judge("first_response", story, "Mon 13:00")
    assert (state.state, state.breached_at) == ("breached", at("Mon 13:00"))
    late = judge("first_response", story + ", agent_reply Mon 15:00", "Fri 09:00")
    assert (late.state, late.met_at) == ("breached", at("Mon 15:00"))
    assert (late.elapsed, late.remaining) == (6 * HOUR, -2 * HOUR)


def test_the_answer_is_judged_at_its_time_whenever_the_cron_comes() -> None:
    story = "created Mon 09:00, agent_reply Mon 10:00"
    assert judge("first_response", story, "Fri 17:00").state == "met"


def test_first_response_ignores_pauses_unless_the_policy_says_so() -> None:
    story = "created Mon 09:00, paused Mon 10:00, resumed Mon 12:00"
    kept = judge("first_response", story, "Mon 12:30", pausable=False)
    assert kept.due_at == at("Mon 13:00")
    moved = judge("first_response", story, "Mon 12:30", pausable=True)
    assert moved.due_at == at("Mon 15:00")


def test_a_paused_clock_has_no_deadline_and_cannot_be_missed() -> None:
    story = "created Mon 09:00, paused Mon 10:00"
    state = judge("resolution", story, "Fri 10:00")
    assert (state.state, state.due_at, state.warn_at) == ("paused", None, None)
    assert (state.elapsed, state.remaining) == (HOUR, 3 * HOUR)
    # on hold longer than the old deadline, then solved: met, not a false breach
    done = judge("resolution", story + ", solved Fri 10:00", "Fri 17:00")
    assert (done.state, done.elapsed) == ("met", HOUR)


def test_a_clock_missed_before_the_pause_stays_missed() -> None:
    story = "created Mon 08:00, paused Mon 13:00"
    state = judge("resolution", story, "Tue 10:00")
    assert (state.state, state.breached_at) == ("breached", at("Mon 12:00"))


def test_next_reply_sits_on_the_oldest_unanswered_message() -> None:
    story = "created Mon 09:00, customer_message Mon 09:10, agent_reply Mon 09:20"
    assert judge("next_reply", "created Mon 09:00", "Mon 10:00").state == "idle"
    assert judge("next_reply", story, "Mon 10:00").state == "idle"
    story += ", customer_message Mon 10:00, customer_message Mon 11:00"
    state = judge("next_reply", story, "Mon 12:00")
    assert (state.started_at, state.due_at) == (at("Mon 10:00"), at("Mon 14:00"))
    story += ", agent_reply Mon 12:30"
    state = judge("next_reply", story, "Fri 12:00")
    assert (state.state, state.rounds, state.elapsed) == ("met", 1, 2.5 * HOUR)


def test_next_reply_keeps_its_worst_round() -> None:
    story = (
        "created Mon 08:00, agent_reply Mon 08:10,"
        "customer_message Mon 09:00, agent_reply Mon 15:00,"
        "customer_message Tue 09:00, agent_reply Tue 10:00"
    )
    state = judge("next_reply", story, "Wed 09:00")
    assert (state.state, state.rounds, state.missed_rounds) == ("met", 2, 1)
    assert state.worst_elapsed == 6 * HOUR
    target = clock.Target(4 * HOUR)
    span = clock.PolicySpan(MONDAY, OFFICE, target)
    each = clock.evaluate_rounds("next_reply", log(story), [span], at("Wed 09:00"))
    assert [one.state for one in each] == ["breached", "met"]


def test_published_next_reply() -> None:
    """Monday 2016-11-07 14:26:36 in Berlin, 20 h, a second message changes nothing."""
    hours = {day: [(8 * HOUR, 20 * HOUR)] for day in range(5)}
    berlin = sla.calendar.WorkCalendar(
        "Europe/Berlin", sla.calendar.weekly_hours(hours)
    )
    first = datetime(2016, 11, 7, 13, 26, 36, tzinfo=UTC)
    day = timedelta(days=1)
    events = [
        clock.TicketEvent(first - 6 * day, "created"),
        clock.TicketEvent(first - 5 * day, "agent_reply"),
        clock.TicketEvent(first, "customer_message"),
        clock.TicketEvent(first + HOUR, "customer_message"),
    ]
    span = clock.PolicySpan(first - 6 * day, berlin, clock.Target(20 * HOUR))
    state = clock.evaluate("next_reply", events, [span], first + 2 * HOUR)
    assert state.due_at == datetime(2016, 11, 9, 9, 26, 36, tzinfo=UTC)


def test_reopening_continues_without_the_closed_time() -> None:
    story = "created Mon 09:00, solved Mon 10:00, reopened Wed 09:00"
    state = judge("resolution", story, "Wed 10:00")
    assert (state.state, state.elapsed) == ("running", 2 * HOUR)
    assert state.due_at == at("Wed 12:00")
    # closed time counts for no metric, pausable or not
    assert judge("resolution", story, "Wed 10:00", pausable=False) == state
    first = judge("first_response", story, "Wed 10:00")
    assert (first.state, first.met_at) == ("met", at("Mon 10:00"))


def test_a_message_that_reopens_starts_the_next_reply_there() -> None:
    story = "created Mon 09:00, agent_reply Mon 10:00, solved Mon 11:00"
    assert (
        judge("next_reply", story + ", customer_message Wed 09:00", "Wed 10:00").state
        == "idle"
    )
    for order in (
        ", customer_message Wed 09:00, reopened Wed 09:00",
        ", reopened Wed 09:00, customer_message Wed 09:00",
    ):
        state = judge("next_reply", story + order, "Wed 10:00")
        assert (state.state, state.started_at) == ("running", at("Wed 09:00"))


@pytest.mark.parametrize("metric", clock.METRICS)
def test_cancelled_is_neither_met_nor_missed(metric: str) -> None:
    story = "created Mon 09:00, agent_reply Mon 09:30, customer_message Mon 10:00"
    if metric == "first_response":
        story = "created Mon 09:00"
    for when in ("Mon 10:30", "Fri 10:00"):
        state = judge(metric, f"{story}, cancelled {when}", "Fri 17:00")
        assert state.state == "cancelled"
        assert state.met_at is None and state.breached_at is None


def test_a_cancelled_ticket_opened_again_runs_on() -> None:
    story = "created Mon 09:00, cancelled Mon 10:00, reopened Tue 09:00"
    state = judge("first_response", story, "Tue 10:00")
    assert (state.state, state.due_at) == ("running", at("Tue 12:00"))


def test_periodic_update_starts_over_with_every_reply() -> None:
    story = "created Mon 09:00, agent_reply Mon 11:00"
    state = judge("periodic_update", story, "Mon 12:00")
    assert (state.due_at, state.rounds) == (at("Mon 15:00"), 2)
    done = judge("periodic_update", story + ", solved Mon 12:00", "Fri 09:00")
    assert done.state == "met"
    again = story + ", solved Mon 12:00, reopened Tue 09:00"
    assert judge("periodic_update", again, "Tue 10:00").due_at == at("Tue 13:00")


def test_a_change_of_policy_keeps_the_time_used() -> None:
    events = log("created Mon 09:00")
    spans = [
        clock.PolicySpan(at("Mon 09:00"), OFFICE, clock.Target(8 * HOUR)),
        clock.PolicySpan(at("Mon 11:00"), OFFICE, clock.Target(4 * HOUR)),
    ]
    state = clock.evaluate("resolution", events, spans, at("Mon 12:00"))
    assert (state.elapsed, state.due_at) == (3 * HOUR, at("Mon 13:00"))
    before = clock.evaluate("resolution", events, spans, at("Mon 10:00"))
    assert before.due_at == at("Mon 17:00")
    # a target already used up was due when it was used up
    spans[1] = clock.PolicySpan(at("Mon 11:00"), OFFICE, clock.Target(HOUR))
    late = clock.evaluate("resolution", events, spans, at("Mon 11:00"))
    assert (late.state, late.breached_at) == ("breached", at("Mon 10:00"))


def test_a_change_of_calendar_measures_each_time_by_its_own() -> None:
    events = log("created Mon 16:00")
    spans = [
        clock.PolicySpan(at("Mon 16:00"), OFFICE, clock.Target(6 * HOUR)),
        clock.PolicySpan(at("Mon 20:00"), ALWAYS, clock.Target(6 * HOUR)),
    ]
    state = clock.evaluate("resolution", events, spans, at("Mon 21:00"))
    assert (state.elapsed, state.due_at) == (3 * HOUR, at("Tue 00:00"))


def test_no_promise_no_clock() -> None:
    spans = [clock.PolicySpan(MONDAY, OFFICE, None)]
    state = clock.evaluate(
        "resolution", log("created Mon 09:00"), spans, at("Tue 09:00")
    )
    assert (state.state, state.due_at) == ("idle", None)


def test_targets_in_working_days() -> None:
    target = clock.Target(days=2, warn_before=HOUR)
    spans = [clock.PolicySpan(MONDAY, OFFICE, target)]
    state = clock.evaluate(
        "resolution", log("created Fri 09:30"), spans, at("Fri 10:00")
    )
    assert state.due_at == at("Fri 09:30") + timedelta(days=4)
    assert state.warn_at == state.due_at - HOUR
    assert state.remaining == 19.5 * HOUR


def test_events_after_the_judged_instant_are_unknown() -> None:
    story = "created Mon 09:00, agent_reply Mon 12:00"
    assert judge("first_response", story, "Mon 10:00").state == "running"
    assert judge("first_response", "created Tue 09:00", "Mon 10:00").state == "idle"


kinds = st.sampled_from([kind for kind in clock.EVENT_KINDS if kind != "created"])
steps = st.lists(st.tuples(st.integers(0, 3000), kinds), max_size=15)


@given(steps, st.integers(0, 8000), st.sampled_from(clock.METRICS), st.booleans())
def test_any_log_gives_a_sound_clock(story, minutes, metric, pausable) -> None:
    events = [clock.TicketEvent(MONDAY, "created")]
    events += [clock.TicketEvent(MONDAY + n * MINUTE, kind) for n, kind in story]
    target = clock.Target(4 * HOUR, pausable=pausable, warn_percent=Decimal(80))
    span = clock.PolicySpan(MONDAY, OFFICE, target)
    now = MONDAY + minutes * MINUTE
    state = clock.evaluate(metric, events, [span], now)
    if state.state == "idle":
        return
    assert state.elapsed >= timedelta(0)
    assert state.remaining == 4 * HOUR - state.elapsed
    late = state.elapsed >= 4 * HOUR
    if state.state == "running":
        assert state.due_at > now and not late and state.warn_at <= state.due_at
    elif state.state == "paused":
        assert state.due_at is None and pausable and not late
    elif state.state == "breached":
        assert state.breached_at <= now and late
    elif state.state == "met":
        assert state.elapsed <= 4 * HOUR and state.met_at <= now


@given(steps, st.sampled_from(clock.METRICS))
def test_a_later_look_never_unmisses_an_open_clock(story, metric) -> None:
    events = [clock.TicketEvent(MONDAY, "created")]
    events += [clock.TicketEvent(MONDAY + n * MINUTE, kind) for n, kind in story]
    span = clock.PolicySpan(MONDAY, OFFICE, clock.Target(4 * HOUR))
    missed = [
        clock.evaluate(metric, events, [span], MONDAY + n * 300 * MINUTE).missed_rounds
        for n in range(12)
    ]
    dropped = any(kind == "cancelled" for _n, kind in story)
    assert dropped or missed == sorted(missed)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"duration": HOUR, "days": 1},
        {"duration": -HOUR},
        {"days": -1},
        {"duration": HOUR, "warn_percent": Decimal(101)},
        {"duration": HOUR, "warn_before": -HOUR},
        {"duration": HOUR, "boundary": "whenever"},
    ],
)
def test_unusable_targets_are_refused(options: dict) -> None:
    with pytest.raises(sla.errors.TargetError):
        clock.Target(**options)


def test_unusable_logs_are_refused() -> None:
    span = clock.PolicySpan(MONDAY, OFFICE, clock.Target(HOUR))
    for events in ([], log("agent_reply Mon 09:00")):
        with pytest.raises(sla.errors.EventLogError):
            clock.evaluate("resolution", events, [span], MONDAY)
    with pytest.raises(sla.errors.EventLogError):
        clock.TicketEvent(MONDAY, "sneezed")
    with pytest.raises(sla.errors.TargetError):
        clock.evaluate("happiness", log("created Mon 09:00"), [span], MONDAY)
    with pytest.raises(sla.errors.TargetError):
        clock.evaluate("resolution", log("created Mon 09:00"), [], MONDAY)
    with pytest.raises(sla.errors.IntervalError):
        clock.TicketEvent(datetime(2026, 1, 1), "created")
