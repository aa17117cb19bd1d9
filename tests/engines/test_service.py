# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Pauses: a credited day costs nothing, an extending one comes back later."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import strategies as draw
from .books import bill, by_ref, total

proposal, period = draw.ops.proposal, draw.ops.period
Pause, ServiceCalendar = draw.ops.service.Pause, draw.ops.service.ServiceCalendar
LineTerms, PlanTerms = proposal.LineTerms, proposal.PlanTerms
START = date(2026, 1, 1)
DAY = timedelta(days=1)
MONTHLY = PlanTerms(anchor=START)
LINE = LineTerms("a", Decimal(1), Decimal(100), START)


def at(number):
    """Return a date by its distance from the start."""
    return START + timedelta(days=number)


@st.composite
def pauses(build, modes=("credit", "extend"), size=4, may_be_open=True):
    """Draw pauses one after the other; the last one may go on."""
    edges = sorted(
        build(
            st.lists(
                st.integers(-20, 260), min_size=2, max_size=2 * size, unique=True
            ).filter(lambda found: len(found) % 2 == 0)
        )
    )
    found = [
        Pause(at(one), at(two), build(st.sampled_from(modes)))
        for one, two in zip(edges[::2], edges[1::2], strict=True)
    ]
    if may_be_open and build(st.booleans()):
        found[-1] = replace(found[-1], end=None)
    return tuple(found)


def is_in(day, pause):
    """Return whether a day is paused."""
    return pause.start <= day and (pause.end is None or day < pause.end)


@given(pauses())
def test_a_served_day_counts_the_days_without_extending_pauses(found) -> None:
    calendar = ServiceCalendar(found)
    extending = [pause for pause in found if pause.mode == "extend"]
    served = calendar.served(at(-30))
    for number in range(-30, 300):
        day = at(number)
        assert calendar.served(day) == served
        if not any(is_in(day, pause) for pause in extending):
            assert calendar.real_start(served) == day
            served += DAY
            assert calendar.real_end(served) == day + DAY


@given(pauses(), st.integers(0, 250), st.integers(1, 90))
def test_charged_parts_are_the_days_without_a_pause(found, first, length) -> None:
    calendar = ServiceCalendar(found)
    start, end = calendar.served(at(first)), calendar.served(at(first + length))
    parts = calendar.charged_parts(start, end)
    for one, two in zip(parts, parts[1:], strict=False):
        assert one[1] < two[0], "parts that touch are one part"
    days = {
        low + timedelta(days=number)
        for low, high in parts
        for number in range((high - low).days)
    }
    assert days == {
        calendar.served(at(number))
        for number in range(first, first + length)
        if not any(is_in(at(number), pause) for pause in found)
    }


@given(pauses().map(list), st.randoms())
def test_the_order_of_pauses_does_not_matter(found, shuffle) -> None:
    mixed = list(found)
    shuffle.shuffle(mixed)
    one, two = ServiceCalendar(found), ServiceCalendar(mixed)
    assert all(one.served(at(n)) == two.served(at(n)) for n in range(0, 300, 7))
    assert one.credited == two.credited


@pytest.mark.parametrize(
    "found",
    [
        [Pause(at(0), at(10)), Pause(at(9), at(20))],
        [Pause(at(0), at(10)), Pause(at(0), at(10))],
        [Pause(at(0)), Pause(at(100), at(110))],
        [Pause(at(5), mode="extend"), Pause(at(5), at(6))],
    ],
)
def test_overlapping_pauses_are_refused(found) -> None:
    with pytest.raises(draw.ops.errors.TermsError):
        ServiceCalendar(found)
    with pytest.raises(draw.ops.errors.TermsError):
        replace(MONTHLY, pauses=tuple(found))


def test_unusable_pauses_are_refused() -> None:
    error = draw.ops.errors.TermsError
    for terms in [(at(5), at(5)), (at(5), at(4)), (at(5), at(6), "sleep")]:
        with pytest.raises(error):
            Pause(*terms)
    with pytest.raises(error):
        replace(MONTHLY, alignment="calendar", pauses=(Pause(at(1), at(2), "extend"),))
    with pytest.raises(error):
        replace(MONTHLY, grace_days=-1)


policies = st.sampled_from(["day", "30_day", "second"])


@given(pauses(modes=["credit"]), policies, draw.roundings, draw.prices, draw.zones)
def test_credited_pauses_charge_what_is_served(
    found, policy, rounding, price, tz
) -> None:
    """Charged = the sum of lines that cover the served days only."""
    plan = PlanTerms(START, proration=policy, rounding=rounding, tz=tz, start=START)
    end = at(310)
    line = LineTerms("a", Decimal(1), price, START, end, timing="arrears")
    edges = [START, end]
    for pause in found:
        edges += [pause.start, pause.end or end]
    edges = sorted(day for day in edges if START <= day <= end)
    pieces = [
        replace(line, line_id=number, date_start=one, date_end=two)
        for number, (one, two) in enumerate(zip(edges, edges[1:], strict=False))
        if not any(is_in(one, pause) for pause in found)
    ]
    cutoff = at(400)
    paused = proposal.propose(replace(plan, pauses=found), [line], cutoff)
    assert total(paused) == total(proposal.propose(plan, pieces, cutoff))


@given(
    pauses(modes=["extend"], may_be_open=False),
    draw.recurrences,
    st.sampled_from(["advance", "arrears"]),
    st.integers(1, 250),
)
def test_extending_pauses_charge_the_same_for_the_same_service(
    found, recurrence, timing, served
) -> None:
    """N served days cost the same, however long the pauses between them were."""
    plan = PlanTerms(START, recurrence=recurrence)
    line = replace(LINE, timing=timing)
    paused = replace(plan, pauses=found)
    calendar = ServiceCalendar(found)
    shift = START - calendar.served(START)  # a pause from before the start
    day = calendar.real_end(calendar.served(START) + timedelta(days=served))
    assert day is not None
    anchor = replace(paused, anchor=START - shift)
    base = replace(plan, anchor=START - shift, start=START - shift)
    usual = [replace(line, date_start=START - shift)]
    one = proposal.propose(anchor, [line], day)
    two = proposal.propose(base, usual, START - shift + timedelta(days=served))
    assert [c.ref for c in one] == [c.ref for c in two]
    assert [c.amount for c in one] == [c.amount for c in two]


@given(
    pauses(),
    pauses(),
    st.sampled_from(["advance", "arrears"]),
    st.integers(30, 400),
)
def test_refs_stay_where_they_are(before, after, timing, number) -> None:
    """A pause that is entered, changed or undone moves no ref to another period."""
    grid = {
        period.grid_date(START, period.Recurrence(), index) for index in range(-2, 15)
    }
    ledger: list = []
    line = replace(LINE, timing=timing)
    for found in (before, after, ()):
        plan = replace(MONTHLY, pauses=found, start=START)
        for charge in bill(ledger, plan, [line], at(number)):
            assert date.fromisoformat(charge.ref.rpartition(":")[2]) in grid
        proposed = proposal.propose(plan, [line], at(number))
        assert by_ref(ledger) == {c.ref: c.amount for c in proposed}
        assert bill(ledger, plan, [line], at(number)) == []


def test_pause_with_credit_and_resume() -> None:
    """Given a paid January, when it pauses on the 11th and goes on on the 21st."""
    ledger: list = []
    bill(ledger, MONTHLY, [LINE], date(2026, 1, 2))
    open_pause = replace(MONTHLY, pauses=(Pause(date(2026, 1, 11)),))
    (credit,) = bill(ledger, open_pause, [LINE], date(2026, 1, 12))
    assert credit.amount == Decimal("-67.74")
    assert (credit.service_start, credit.service_end) == (
        date(2026, 1, 11),
        date(2026, 2, 1),
    )
    assert credit.details["paused_days"] == 21
    assert bill(ledger, open_pause, [LINE], date(2026, 6, 1)) == []
    closed = Pause(date(2026, 1, 11), date(2026, 1, 21))
    resumed = replace(MONTHLY, pauses=(closed,))
    (charge,) = bill(ledger, resumed, [LINE], date(2026, 1, 22))
    assert by_ref(ledger) == {"recurring:a:2026-01-01": Decimal("67.74")}
    assert charge.amount == Decimal("35.48")


def test_a_period_paid_before_its_pause_is_charged_anew_when_it_begins() -> None:
    """A run with an earlier cut-off must not take the new charge back."""
    ledger: list = []
    bill(ledger, MONTHLY, [LINE], date(2026, 1, 2))
    paused = replace(MONTHLY, pauses=(Pause(START, date(2026, 1, 11)),))
    (credit,) = bill(ledger, paused, [LINE], date(2026, 1, 5))
    assert (credit.amount, credit.revision) == (Decimal(-100), 1)
    (charge,) = bill(ledger, paused, [LINE], date(2026, 1, 12))
    assert (charge.amount, charge.revision) == (Decimal("67.74"), 2)
    assert (charge.service_start, charge.service_end) == (
        date(2026, 1, 11),
        date(2026, 2, 1),
    )
    assert bill(ledger, paused, [LINE], date(2026, 1, 5)) == []
    assert bill(ledger, paused, [LINE], date(2026, 1, 12)) == []


def test_pause_that_extends() -> None:
    """Ten days without service in January: every later month begins ten days later."""
    pause = Pause(date(2026, 1, 11), date(2026, 1, 21), "extend")
    plan = replace(MONTHLY, pauses=(pause,))
    found = proposal.propose(plan, [LINE], date(2026, 3, 12))
    assert [(c.ref, c.service_start, c.service_end, c.amount) for c in found] == [
        ("recurring:a:2026-01-01", START, date(2026, 2, 11), Decimal(100)),
        (
            "recurring:a:2026-02-01",
            date(2026, 2, 11),
            date(2026, 3, 11),
            Decimal(100),
        ),
        (
            "recurring:a:2026-03-01",
            date(2026, 3, 11),
            date(2026, 4, 11),
            Decimal(100),
        ),
    ]


def test_an_open_pause_that_extends_stops_the_clock() -> None:
    pause = Pause(date(2026, 1, 11), mode="extend")
    plan = replace(MONTHLY, pauses=(pause,))
    far = date(2030, 1, 1)
    (advance,) = proposal.propose(plan, [LINE], far)
    assert advance.ref == "recurring:a:2026-01-01"
    assert advance.service_end == date(2026, 2, 1), "as it would be without the pause"
    assert proposal.propose(plan, [replace(LINE, timing="arrears")], far) == []
    # cancelled while it pauses: the served days are charged, once
    ended = replace(LINE, timing="arrears", date_end=date(2026, 5, 1))
    (charge,) = proposal.propose(plan, [ended], far)
    assert (charge.amount, charge.service_end) == (
        Decimal("32.26"),
        date(2026, 1, 11),
    )


def test_a_pause_on_the_boundary_of_a_period() -> None:
    for mode, amounts in (("credit", [100, 100]), ("extend", [100, 100, 100])):
        pause = Pause(date(2026, 2, 1), date(2026, 3, 1), mode)
        plan = replace(MONTHLY, pauses=(pause,))
        found = proposal.propose(plan, [LINE], date(2026, 4, 2))
        starts = [c.service_start for c in found]
        if mode == "credit":
            amounts.append(100)
            assert starts == [START, date(2026, 3, 1), date(2026, 4, 1)]
        else:
            # 28 days later each: 1 March, then 1 March + 28 served days
            assert starts == [START, date(2026, 3, 1), date(2026, 3, 29)]
        assert [c.amount for c in found] == amounts


def test_without_proration_a_paused_period_is_paid_or_not() -> None:
    """Policy none: a period with a single served day costs the whole of it."""
    plan = replace(
        MONTHLY,
        proration="none",
        pauses=(Pause(date(2026, 1, 2), date(2026, 3, 1)),),
    )
    found = proposal.propose(plan, [LINE], date(2026, 3, 2))
    assert [c.ref[-10:] for c in found] == ["2026-01-01", "2026-03-01"]
    assert {c.amount for c in found} == {Decimal(100)}


def test_ending_while_paused_charges_nothing_again() -> None:
    """The rest of the period was credited by the pause and stays credited."""
    ended = replace(LINE, date_end=date(2026, 1, 20), keep_last_period=True)
    for end in (date(2026, 1, 20), date(2026, 1, 25), None):
        plan = replace(MONTHLY, pauses=(Pause(date(2026, 1, 11), end),))
        (charge,) = proposal.propose(plan, [ended], date(2026, 6, 1))
        assert charge.amount == Decimal("32.26")
        assert charge.service_end == date(2026, 1, 11)


@given(pauses(may_be_open=False), st.integers(0, 300), st.integers(0, 40))
def test_keeping_the_last_period_costs_at_most_a_period(found, end, grace) -> None:
    plan = replace(MONTHLY, pauses=found, grace_days=grace, start=START)
    kept = replace(LINE, date_end=at(end), keep_last_period=True)
    cut = replace(kept, keep_last_period=False)
    endless = replace(LINE, date_end=None)
    far = at(600)
    amounts = {c.ref: c.amount for c in proposal.propose(plan, [kept], far)}
    least = {c.ref: c.amount for c in proposal.propose(plan, [cut], far)}
    most = {c.ref: c.amount for c in proposal.propose(plan, [endless], far)}
    assert amounts.keys() == least.keys()
    assert all(least[ref] <= amounts[ref] <= most[ref] for ref in amounts)
    assert all(amount <= 100 for amount in amounts.values())
    # arrears are charged to the day, whatever is kept
    late = replace(kept, timing="arrears")
    plain = replace(cut, timing="arrears")
    assert total(proposal.propose(plan, [late], far)) == total(
        proposal.propose(plan, [plain], far)
    )
