# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Billing is proposed minus booked: complete, repeatable, never too much back."""

import random
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from . import strategies as draw
from .books import bill, book, by_ref, total

proposal, engine_ledger = draw.ops.proposal, draw.ops.ledger
period = draw.ops.period
LineTerms, PlanTerms = proposal.LineTerms, proposal.PlanTerms
START = date(2026, 1, 1)


plans = st.builds(
    PlanTerms,
    anchor=st.dates(date(2025, 12, 1), date(2026, 1, 31)),
    recurrence=draw.recurrences.filter(lambda one: one.unit != "day"),
    alignment=st.sampled_from(period.ALIGNMENTS),
    proration=st.sampled_from(draw.ops.proration.POLICIES),
    rounding=draw.roundings,
    tz=draw.zones,
    start=st.none() | st.just(START),
)


@st.composite
def lines(build, minimum=1):
    """Draw lines with intervals, some without end, some without a single day."""
    found = []
    for number in range(build(st.integers(minimum, 4))):
        start = START + timedelta(days=build(st.integers(0, 300)))
        length = build(st.none() | st.integers(0, 400))
        found.append(
            LineTerms(
                number,
                build(st.decimals("0", "50", places=2, allow_nan=False)),
                build(draw.prices),
                start,
                None if length is None else start + timedelta(days=length),
                build(st.sampled_from(["recurring", "recurring", "one_time"])),
                build(st.sampled_from(["advance", "arrears"])),
                build(st.sampled_from([Decimal(0), Decimal("12.5"), Decimal(100)])),
            )
        )
    return found


cutoffs = st.integers(0, 600).map(lambda number: START + timedelta(days=number))


@given(plans, lines(), cutoffs)
def test_running_twice_books_nothing(plan, terms, cutoff) -> None:
    ledger: list = []
    first = bill(ledger, plan, terms, cutoff)
    assert all(charge.revision == 0 for charge in first)
    assert bill(ledger, plan, terms, cutoff) == []


@given(plans, lines(), st.lists(cutoffs, min_size=1, max_size=5))
def test_many_runs_book_what_one_run_books(plan, terms, dates) -> None:
    ledger: list = []
    for cutoff in dates:  # in any order: an earlier cut-off takes nothing back
        assert all(charge.revision == 0 for charge in bill(ledger, plan, terms, cutoff))
    at_once: list = []
    bill(at_once, plan, terms, max(dates))
    assert by_ref(ledger) == by_ref(at_once)


@given(plans, lines(), lines(0), cutoffs, cutoffs)
def test_any_change_ends_at_what_should_be(plan, before, after, one, two) -> None:
    """Whatever changed, the ledger equals the new proposal; credits stay within."""
    first, last = sorted((one, two))
    ledger: list = []
    bill(ledger, plan, before, first)
    booked = by_ref(ledger)
    changes = bill(ledger, plan, after, last)
    wanted = {c.ref: c.amount for c in proposal.propose(plan, after, last) if c.amount}
    left = by_ref(ledger)
    assert {ref: left.get(ref, 0) for ref in wanted} == wanted
    for charge in changes:
        if charge.amount < 0:
            assert -charge.amount <= booked[charge.ref]
            assert charge.kind == "adjustment" and charge.revision > 0
    assert all(amount >= 0 for amount in left.values())
    assert bill(ledger, plan, after, last) == []


@given(plans, st.lists(lines(), min_size=2, max_size=4), cutoffs, st.randoms())
def test_amendments_in_any_order_end_alike(plan, states, cutoff, shuffle) -> None:
    """The way to the last terms does not matter, only the terms do."""
    middle, last = states[:-1], states[-1]
    ends = []
    for _round in range(2):
        shuffle.shuffle(middle)
        ledger: list = []
        for state in [*middle, last]:
            bill(ledger, plan, state, cutoff)
        ends.append(by_ref(ledger))
    wanted = proposal.propose(plan, last, cutoff)
    assert ends[0] == ends[1] == {c.ref: c.amount for c in wanted if c.amount}


@given(
    plans.filter(lambda plan: plan.proration != "none"),
    draw.prices,
    st.lists(st.integers(1, 360), min_size=1, max_size=5, unique=True),
)
def test_a_line_cut_in_pieces_costs_the_same(plan, price, offsets) -> None:
    """Amending to the same price changes nothing in the whole."""
    cutoff = START + timedelta(days=400)
    end = START + timedelta(days=361)
    whole = LineTerms("whole", Decimal(3), price, START, end, timing="arrears")
    edges = [START, *(START + timedelta(days=n) for n in sorted(offsets)), end]
    pieces = [
        replace(whole, line_id=number, date_start=one, date_end=two)
        for number, (one, two) in enumerate(zip(edges, edges[1:], strict=False))
    ]
    plan = replace(plan, start=START)
    assert total(proposal.propose(plan, [whole], cutoff)) == total(
        proposal.propose(plan, pieces, cutoff)
    )


@given(plans, lines(), cutoffs)
def test_charges_lie_before_the_cut_off(plan, terms, cutoff) -> None:
    known = {line.line_id: line for line in terms}
    for charge in proposal.propose(plan, terms, cutoff):
        line = known[charge.line_id]
        assert line.date_start <= charge.service_start < charge.service_end
        if charge.kind == "recurring" and line.date_end:
            assert charge.service_end <= line.date_end
        if charge.timing == "advance":
            assert charge.service_start < cutoff
        else:
            assert charge.service_end <= cutoff


MONTHLY = PlanTerms(anchor=START)
PLAN_LINE = LineTerms("a", Decimal(1), Decimal(500), START)


def test_the_cut_off_is_exclusive() -> None:
    def refs(line, cutoff):
        return [c.service_start for c in proposal.propose(MONTHLY, [line], cutoff)]

    arrears = replace(PLAN_LINE, timing="arrears")
    assert refs(PLAN_LINE, START) == []
    assert refs(PLAN_LINE, START + timedelta(days=1)) == [START]
    assert refs(PLAN_LINE, date(2026, 2, 1)) == [START]
    assert refs(arrears, date(2026, 1, 31)) == []
    assert refs(arrears, date(2026, 2, 1)) == [START]


def test_refs_name_line_and_plan_period() -> None:
    setup = LineTerms("s", Decimal(1), Decimal(900), date(2026, 1, 9), kind="one_time")
    late = replace(PLAN_LINE, line_id="b", date_start=date(2026, 1, 20))
    found = proposal.propose(MONTHLY, [PLAN_LINE, late, setup], date(2026, 2, 2))
    assert [charge.ref for charge in found] == [
        "recurring:a:2026-01-01",
        "one_time:s",
        "recurring:b:2026-01-01",
        "recurring:a:2026-02-01",
        "recurring:b:2026-02-01",
    ]
    assert found[2].amount == Decimal("193.55")  # 12 of 31 days


def test_upgrade_in_mid_period() -> None:
    """Given a paid month, when 100 becomes 200 on the 15th, the rest is settled."""
    ledger: list = []
    old = replace(PLAN_LINE, price_unit=Decimal(100))
    bill(ledger, MONTHLY, [old], date(2026, 1, 2))
    upgraded = [
        replace(old, date_end=date(2026, 1, 15)),
        LineTerms("b", Decimal(1), Decimal(200), date(2026, 1, 15)),
    ]
    credit, charge = sorted(
        bill(ledger, MONTHLY, upgraded, date(2026, 1, 16)), key=lambda c: c.amount
    )
    assert (credit.amount, charge.amount) == (Decimal("-54.84"), Decimal("109.68"))
    assert (credit.kind, credit.revision) == ("adjustment", 1)
    days = date(2026, 1, 15), date(2026, 2, 1)
    assert (credit.service_start, credit.service_end) == days
    assert (charge.service_start, charge.service_end) == days
    # taking the amendment back settles it again, under the next revision
    undone = bill(ledger, MONTHLY, [old], date(2026, 1, 17))
    assert total(undone) == Decimal("54.84") - Decimal("109.68")
    assert {charge.revision for charge in undone} == {1, 2}
    assert by_ref(ledger) == {"recurring:a:2026-01-01": Decimal(100)}


def test_a_price_corrected_later_adjusts_the_original_period() -> None:
    ledger: list = []
    bill(ledger, MONTHLY, [PLAN_LINE], date(2026, 3, 1))
    cheaper = replace(PLAN_LINE, price_unit=Decimal(450))
    changes = bill(ledger, MONTHLY, [cheaper], date(2026, 3, 1))
    assert [(c.service_start, c.service_end, c.amount) for c in changes] == [
        (date(2026, 1, 1), date(2026, 2, 1), Decimal(-50)),
        (date(2026, 2, 1), date(2026, 3, 1), Decimal(-50)),
    ]
    assert all(change.details["adjusts"] == "recurring" for change in changes)


def test_without_proration_a_period_is_paid_once() -> None:
    plan = replace(MONTHLY, proration="none", start=date(2026, 1, 10))
    plan = replace(plan, alignment="calendar")
    first = replace(PLAN_LINE, date_start=date(2026, 1, 10))
    changed = [
        replace(first, date_end=date(2026, 2, 15)),
        replace(first, line_id="b", date_start=date(2026, 2, 15)),
    ]
    found = proposal.propose(plan, changed, date(2026, 3, 2))
    assert [(charge.line_id, charge.amount) for charge in found] == [
        ("a", Decimal(500)),  # the short first month
        ("a", Decimal(500)),
        ("b", Decimal(500)),
    ]


def test_held_rows_and_other_cut_offs_are_left_alone() -> None:
    usage = engine_ledger.ProposedCharge(
        "usage:1:2026-01-01",
        "usage",
        1,
        START,
        date(2026, 2, 1),
        Decimal(5),
        Decimal(9),
    )
    ledger: list = []
    book(ledger, [usage])
    assert engine_ledger.difference([], ledger, date(2026, 1, 31)) == []
    (reversal,) = engine_ledger.difference([], ledger, date(2026, 2, 1))
    assert (reversal.amount, reversal.quantity) == (Decimal(-9), Decimal(-5))
    assert (reversal.service_start, reversal.service_end) == (START, date(2026, 2, 1))


def test_late_usage_is_booked_on_its_period() -> None:
    usage = engine_ledger.ProposedCharge(
        "usage:1:2026-01-01",
        "usage",
        1,
        START,
        date(2026, 2, 1),
        Decimal(5),
        Decimal(9),
    )
    ledger: list = []
    book(ledger, [usage])
    late = replace(usage, quantity=Decimal(7), amount=Decimal("12.60"))
    (change,) = engine_ledger.difference([late], ledger)
    assert (change.amount, change.quantity) == (Decimal("3.60"), Decimal(2))
    assert (change.service_start, change.service_end) == (START, date(2026, 2, 1))


def test_a_killed_run_is_resumed_by_running_again() -> None:
    lines_of = [replace(PLAN_LINE, line_id=number) for number in range(20)]
    charges = proposal.propose(MONTHLY, lines_of, date(2026, 4, 1))
    dice = random.Random(7)  # noqa: S311 - not for secrets
    for _attempt in range(5):
        ledger: list = []
        book(ledger, dice.sample(charges, dice.randrange(len(charges))))
        bill(ledger, MONTHLY, lines_of, date(2026, 4, 1))
        assert by_ref(ledger) == {charge.ref: charge.amount for charge in charges}


@given(lines())
def test_the_order_of_lines_and_rows_does_not_matter(terms) -> None:
    assume(len(terms) > 1)
    cutoff = date(2026, 6, 1)
    forward = proposal.propose(MONTHLY, terms, cutoff)
    assert forward == proposal.propose(MONTHLY, terms[::-1], cutoff)


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": Decimal(-1)},
        {"quantity": Decimal("NaN")},
        {"price_unit": Decimal("Infinity")},
        {"discount": Decimal(101)},
        {"discount": Decimal(-1)},
        {"kind": "usage"},
        {"timing": "later"},
    ],
)
def test_unusable_lines_are_refused(change: dict) -> None:
    with pytest.raises(draw.ops.errors.EngineError):
        replace(PLAN_LINE, **change)


@pytest.mark.parametrize(
    "change",
    [
        {"rounding": Decimal(0)},
        {"proration": "hourly"},
        {"alignment": "lunar"},
    ],
)
def test_unusable_plans_are_refused(change: dict) -> None:
    with pytest.raises(draw.ops.errors.EngineError):
        replace(MONTHLY, **change)


def test_doubles_are_refused() -> None:
    error = draw.ops.errors.TermsError
    with pytest.raises(error):
        proposal.propose(MONTHLY, [PLAN_LINE, PLAN_LINE], START)
    charges = proposal.propose(MONTHLY, [PLAN_LINE], date(2026, 1, 2))
    with pytest.raises(error):
        engine_ledger.difference(charges * 2, [])


def test_variance_checks() -> None:
    variance = draw.ops.variance
    history = [Decimal(value) for value in (100, 110, 90, 105)]
    ten = Decimal(10)
    assert variance.check_median(Decimal(110), history, ten) is None
    finding = variance.check_median(Decimal(300), history, ten)
    assert finding.code == "variance_median"
    assert finding.reference == Decimal("102.5")
    assert round(finding.percent, 1) == Decimal("192.7")
    assert variance.check_median(Decimal(300), history[:2], ten) is None
    assert variance.check_median(Decimal(300), history, ten, Decimal(500)) is None
    assert variance.check_median(Decimal(5), [Decimal(0)] * 3, ten).percent is None
    assert variance.check_zero([]) is None
    assert variance.check_zero([Decimal(5), Decimal(-5)]).code == "zero_invoice"
    credits = [Decimal(50), Decimal(-30)]
    assert variance.check_credit(credits, Decimal(1000), ten) is None
    assert variance.check_credit(credits, Decimal(100), ten).amount == 30
    assert variance.check_credit(credits, Decimal(0), ten).percent is None
    assert variance.check_credit([Decimal(5)], Decimal(0), ten) is None


def test_a_credit_stays_what_it_reduces() -> None:
    credit = engine_ledger.ProposedCharge(
        ref="wallet:1:usage:1:2026-01-01",
        kind="credit",
        line_id="a",
        service_start=date(2026, 1, 1),
        service_end=date(2026, 2, 1),
        quantity=Decimal(1),
        amount=Decimal(-5),
        timing="arrears",
        details={"adjusts": "usage"},
    )
    assert credit.as_booked().kind == "usage"
    assert replace(credit, details={}).as_booked().kind == "recurring"
    # Usage is in arrears, so a cut-off within its period leaves its credit alone.
    ledger = [replace(credit, timing="advance").as_booked()]
    assert engine_ledger.difference([], ledger, date(2026, 1, 31)) == []
    (back,) = engine_ledger.difference([], ledger, date(2026, 2, 1))
    assert (back.amount, back.details["adjusts"]) == (5, "usage")
    book(ledger, [back])
    (again,) = engine_ledger.difference([credit], ledger, date(2026, 2, 1))
    assert (again.amount, again.details["adjusts"]) == (-5, "usage")
