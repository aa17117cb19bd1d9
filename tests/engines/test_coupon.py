# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Coupons: as often as granted, never more than the charge they reduce."""

from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import strategies as draw
from .books import bill, by_line_period, by_ref, total

proposal, period = draw.ops.proposal, draw.ops.period
coupon_engine, money = draw.ops.coupon, draw.ops.money
CouponTerms, Pause = coupon_engine.CouponTerms, draw.ops.service.Pause
LineTerms, PlanTerms = proposal.LineTerms, proposal.PlanTerms
START = date(2026, 1, 1)
MONTHLY = PlanTerms(anchor=START)
LINE = LineTerms("a", Decimal(1), Decimal(100), START)
TEN = CouponTerms("c", "percent", Decimal(10), START)


def at(number):
    """Return a date by its distance from the start."""
    return START + timedelta(days=number)


def months(charges):
    """Return ``{period start: amount}`` of the coupon charges."""
    return {
        charge.ref.rpartition(":")[2]: charge.amount
        for charge in charges
        if charge.kind == "credit"
    }


coupons = st.builds(
    CouponTerms,
    coupon_id=st.none(),
    discount_type=st.sampled_from(["percent", "amount"]),
    value=st.decimals("0.01", "100", places=2, allow_nan=False),
    date_start=st.integers(-40, 200).map(at),
    duration=st.sampled_from(["once", "periods", "forever"]),
    periods=st.integers(1, 5),
    line_ids=st.none() | st.frozensets(st.integers(0, 3)),
    date_end=st.none() | st.integers(-40, 300).map(at),
)


@st.composite
def coupon_lists(build):
    """Draw one to three coupons with ids of their own."""
    found = build(st.lists(coupons, min_size=1, max_size=3))
    return [replace(one, coupon_id=number) for number, one in enumerate(found)]


@st.composite
def pauses(build):
    """Draw no pause, or one of either mode, open or closed."""
    if build(st.booleans()):
        return ()
    start = at(build(st.integers(0, 150)))
    length = build(st.none() | st.integers(1, 60))
    end = None if length is None else start + timedelta(days=length)
    return (Pause(start, end, build(st.sampled_from(["credit", "extend"]))),)


plans = st.builds(
    PlanTerms,
    anchor=st.dates(date(2025, 12, 1), date(2026, 1, 31)),
    recurrence=draw.recurrences.filter(lambda one: one.unit != "day"),
    proration=st.sampled_from(draw.ops.proration.POLICIES),
    rounding=draw.roundings,
    tz=draw.zones,
    start=st.just(START),
    pauses=pauses(),
    grace_days=st.sampled_from([0, 0, 5]),
)


@st.composite
def lines(build):
    """Draw lines with intervals, timings and recurrences of their own."""
    found = []
    for number in range(build(st.integers(1, 4))):
        start = at(build(st.integers(0, 120)))
        length = build(st.none() | st.integers(1, 200))
        found.append(
            LineTerms(
                number,
                build(st.decimals("0", "20", places=1, allow_nan=False)),
                build(st.decimals("0", "300", places=3, allow_nan=False)),
                start,
                None if length is None else start + timedelta(days=length),
                timing=build(st.sampled_from(["advance", "arrears"])),
                recurrence=build(st.none() | st.just(period.Recurrence("month", 2))),
                keep_last_period=build(st.booleans()),
            )
        )
    return found


cutoffs = st.integers(0, 300).map(at)


@given(plans, lines(), coupon_lists(), st.lists(cutoffs, min_size=1, max_size=5))
def test_runs_in_any_order_book_what_one_run_books(plan, terms, given_, dates) -> None:
    """With pauses, coupons, own recurrences and grace: nothing twice, nothing back."""
    ledger: list = []
    for cutoff in dates:  # an earlier cut-off after a later one takes nothing back
        booked = bill(ledger, plan, terms, cutoff, given_)
        assert all(charge.revision == 0 for charge in booked)
        assert bill(ledger, plan, terms, cutoff, given_) == []
    at_once: list = []
    bill(at_once, plan, terms, max(dates), given_)
    assert by_ref(ledger) == by_ref(at_once)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["advance", "arrears"]), st.integers(0, 40), draw.prices
        ),
        min_size=2,
        max_size=4,
    ),
    st.decimals("1", "300", places=2, allow_nan=False),
    st.lists(st.integers(1, 75).map(at), min_size=2, max_size=5),
)
def test_an_amount_at_cut_offs_in_any_order(terms, value, dates) -> None:
    """What is due by chance at a cut-off changes no share of the coupon."""
    found = [
        replace(LINE, line_id=number, timing=timing, date_start=at(day), price_unit=one)
        for number, (timing, day, one) in enumerate(terms)
    ]
    plan = replace(MONTHLY, start=START)
    coupon = CouponTerms("c", "amount", value, START)
    ledger: list = []
    for cutoff in dates:
        booked = bill(ledger, plan, found, cutoff, [coupon])
        assert all(charge.revision == 0 for charge in booked)


@given(plans, lines(), lines(), coupon_lists(), coupon_lists(), cutoffs, pauses())
def test_no_line_gets_more_back_than_it_paid(
    plan, before, after, granted, later, cutoff, paused
) -> None:
    """Whatever changes, terms, coupons and pauses: no period of a line is negative."""
    ledger: list = []
    states = [(plan, before, granted), (replace(plan, pauses=paused), after, later)]
    for terms, wanted, coupons_ in states:
        charged = by_ref(ledger)
        for charge in bill(ledger, terms, wanted, cutoff, coupons_):
            if charge.amount < 0 and not charge.ref.startswith("coupon"):
                assert -charge.amount <= charged[charge.ref]
        assert all(amount >= 0 for amount in by_line_period(ledger).values())
        proposed = proposal.propose(terms, wanted, cutoff, coupons_)
        assert by_ref(ledger) == by_ref(proposed)
        assert bill(ledger, terms, wanted, cutoff, coupons_) == []


@given(plans, lines(), coupon_lists(), cutoffs)
def test_a_coupon_never_takes_more_than_its_value(plan, terms, granted, cutoff) -> None:
    charges = proposal.propose(plan, terms, cutoff, granted)
    undiscounted = proposal.propose(plan, terms, cutoff)
    assert [c for c in charges if c.kind != "credit"] == undiscounted
    amounts = {charge.ref: charge.amount for charge in undiscounted}
    known = {line.line_id: line for line in terms}
    taken = defaultdict(Decimal)
    for charge in charges:
        if charge.kind != "credit":
            continue
        _word, number, line, start = charge.ref.split(":")
        coupon = granted[int(number)]
        assert coupon.line_ids is None or int(line) in coupon.line_ids
        assert -amounts[f"recurring:{line}:{start}"] <= charge.amount < 0
        recurrence = known[int(line)].recurrence or plan.recurrence
        if coupon.discount_type == "amount":
            assert recurrence == plan.recurrence
            taken[number, start] += charge.amount
    for (number, _start), amount in taken.items():
        value = money.round_money(granted[int(number)].value, plan.rounding)
        assert -amount <= value


@given(
    st.sampled_from(["advance", "arrears"]),
    st.decimals("0.01", "500", places=2, allow_nan=False),
    st.lists(draw.prices, min_size=1, max_size=5),
    draw.roundings,
)
def test_the_shares_of_an_amount_sum_to_it(timing, value, prices, rounding) -> None:
    """min(value, sum of the charges), each share within its charge."""
    plan = replace(MONTHLY, rounding=rounding)
    terms = [
        replace(LINE, line_id=number, price_unit=price, timing=timing)
        for number, price in enumerate(prices)
    ]
    coupon = CouponTerms("c", "amount", value, START)
    charges = proposal.propose(plan, terms, date(2026, 2, 1), [coupon])
    whole = total(charge for charge in charges if charge.kind != "credit")
    wanted = min(money.round_money(value, rounding), whole)
    assert -total(c for c in charges if c.kind == "credit") == wanted


def test_an_amount_is_shared_out_alike_at_any_cut_off() -> None:
    """Advance and arrears of one month share 10.00 from the first run on."""
    terms = [LINE, replace(LINE, line_id="b", timing="arrears")]
    later = replace(LINE, line_id="d", date_start=date(2026, 1, 16))
    coupon = CouponTerms("c", "amount", Decimal(10), START, "once")
    ledger: list = []
    bill(ledger, MONTHLY, [*terms, later], date(2026, 1, 2), [coupon])
    assert by_ref(ledger)["coupon:c:a:2026-01-01"] == Decimal("-3.98")
    bill(ledger, MONTHLY, [*terms, later], date(2026, 2, 1), [coupon])
    bill(ledger, MONTHLY, [*terms, later], date(2026, 1, 2), [coupon])
    assert {
        ref: amount for ref, amount in by_ref(ledger).items() if "coupon" in ref
    } == {
        "coupon:c:a:2026-01-01": Decimal("-3.98"),
        "coupon:c:b:2026-01-01": Decimal("-3.97"),
        "coupon:c:d:2026-01-01": Decimal("-2.05"),
    }


@pytest.mark.parametrize(
    "duration, periods, count", [("once", 9, 1), ("periods", 3, 3), ("forever", 1, 12)]
)
def test_how_often_a_coupon_counts(duration, periods, count) -> None:
    coupon = replace(TEN, duration=duration, periods=periods)
    charges = proposal.propose(MONTHLY, [LINE], date(2026, 12, 2), [coupon])
    found = months(charges)
    assert len(found) == count
    assert min(found) == "2026-01-01"
    assert set(found.values()) == {Decimal(-10)}


def test_a_coupon_granted_in_mid_period_waits_for_the_next_one() -> None:
    coupon = replace(TEN, date_start=date(2026, 3, 2), duration="once")
    found = proposal.propose(MONTHLY, [LINE], date(2026, 9, 1), [coupon])
    assert months(found) == {"2026-04-01": Decimal(-10)}
    coupon = replace(coupon, date_start=date(2026, 3, 1))
    found = proposal.propose(MONTHLY, [LINE], date(2026, 9, 1), [coupon])
    assert months(found) == {"2026-03-01": Decimal(-10)}
    coupon = replace(coupon, date_start=date(2020, 2, 29))
    found = proposal.propose(MONTHLY, [LINE], date(2026, 9, 1), [coupon])
    assert months(found) == {"2026-01-01": Decimal(-10)}


def test_a_stopped_coupon_reduces_what_began_before() -> None:
    """The day it stops belongs to no reduced period, a begun one stays reduced."""
    for end, last in (
        (date(2026, 3, 1), "2026-02-01"),
        (date(2026, 3, 2), "2026-03-01"),
    ):
        stopped = replace(TEN, date_end=end)
        charges = proposal.propose(MONTHLY, [LINE], date(2026, 6, 30), [stopped])
        assert max(months(charges)) == last
    never = replace(TEN, date_end=START)
    assert not months(proposal.propose(MONTHLY, [LINE], date(2026, 6, 30), [never]))


def test_a_short_first_period_counts() -> None:
    """Calendar plan from 20 January: 12 of 31 days, the coupon on what they cost."""
    plan = replace(MONTHLY, alignment="calendar", start=date(2026, 1, 20))
    line = replace(LINE, date_start=date(2026, 1, 20))
    coupon = replace(TEN, date_start=date(2026, 1, 20), duration="periods", periods=2)
    charges = proposal.propose(plan, [line], date(2026, 6, 1), [coupon])
    assert months(charges) == {
        "2026-01-01": Decimal("-3.87"),
        "2026-02-01": Decimal(-10),
    }
    amount = CouponTerms("c", "amount", Decimal(50), date(2026, 1, 20), "once")
    charges = proposal.propose(plan, [line], date(2026, 6, 1), [amount])
    assert months(charges) == {"2026-01-01": Decimal("-38.71")}
    # granted a day later, the short period is over for it
    late = replace(amount, date_start=date(2026, 1, 21))
    charges = proposal.propose(plan, [line], date(2026, 6, 1), [late])
    assert months(charges) == {"2026-02-01": Decimal(-50)}


def test_coupons_one_after_the_other() -> None:
    """Each takes its part of what the ones before left, down to nothing."""
    given_ = [
        CouponTerms("a", "amount", Decimal(40), START),
        CouponTerms("b", "percent", Decimal(50), START),
        CouponTerms("d", "amount", Decimal(1000), START),
        CouponTerms("e", "percent", Decimal(10), START),
    ]
    charges = proposal.propose(MONTHLY, [LINE], date(2026, 1, 2), given_)
    amounts = {c.ref.split(":")[1]: c.amount for c in charges if c.kind == "credit"}
    assert amounts == {"a": Decimal(-40), "b": Decimal(-30), "d": Decimal(-30)}
    assert total(charges) == 0
    turned = proposal.propose(MONTHLY, [LINE], date(2026, 1, 2), given_[1::-1])
    assert total(turned) == Decimal(10)  # 100 - 50 - 40


def test_several_recurrences() -> None:
    """A percentage counts the periods of each line, an amount those of the plan."""
    yearly = replace(LINE, line_id="y", recurrence=period.Recurrence("year", 1))
    cutoff = date(2027, 3, 2)
    percent = replace(TEN, duration="periods", periods=2)
    charges = proposal.propose(MONTHLY, [LINE, yearly], cutoff, [percent])
    assert sorted(c.ref for c in charges if c.kind == "credit") == [
        "coupon:c:a:2026-01-01",
        "coupon:c:a:2026-02-01",
        "coupon:c:y:2026-01-01",
        "coupon:c:y:2027-01-01",
    ]
    amount = CouponTerms("c", "amount", Decimal(30), START, "periods", 2)
    charges = proposal.propose(MONTHLY, [LINE, yearly], cutoff, [amount])
    assert sorted(c.ref for c in charges if c.kind == "credit") == [
        "coupon:c:a:2026-01-01",
        "coupon:c:a:2026-02-01",
    ]
    # a line whose own recurrence is that of the plan follows the plan
    own = replace(LINE, recurrence=period.Recurrence("month", 1))
    assert months(proposal.propose(MONTHLY, [own], cutoff, [amount]))


def test_a_line_that_is_amended_shares_with_its_successor() -> None:
    """The coupon's credit and charge follow the amendment of the line."""
    coupon = CouponTerms("c", "amount", Decimal(31), START, "once")
    ledger: list = []
    bill(ledger, MONTHLY, [LINE], date(2026, 1, 2), [coupon])
    amended = [
        replace(LINE, date_end=date(2026, 1, 17)),
        replace(LINE, line_id="b", date_start=date(2026, 1, 17)),
    ]
    bill(ledger, MONTHLY, amended, date(2026, 1, 18), [coupon])
    assert by_ref(ledger) == {
        "recurring:a:2026-01-01": Decimal("51.61"),
        "recurring:b:2026-01-01": Decimal("48.39"),
        "coupon:c:a:2026-01-01": Decimal(-16),
        "coupon:c:b:2026-01-01": Decimal(-15),
    }


def test_a_pause_that_extends_uses_up_no_coupon() -> None:
    coupon = replace(TEN, duration="periods", periods=2)
    pause = Pause(date(2026, 1, 11), date(2026, 5, 11), "extend")
    plan = replace(MONTHLY, pauses=(pause,))
    charges = proposal.propose(plan, [LINE], date(2026, 12, 1), [coupon])
    found = [c for c in charges if c.kind == "credit"]
    assert [c.service_start for c in found] == [START, date(2026, 6, 1)]


def test_a_coupon_taken_back_is_charged_again() -> None:
    ledger: list = []
    bill(ledger, MONTHLY, [LINE], date(2026, 2, 2), [TEN])
    assert total(ledger) == Decimal(180)
    back = bill(ledger, MONTHLY, [LINE], date(2026, 2, 2))
    assert [c.amount for c in back] == [Decimal(10), Decimal(10)]
    assert {c.kind for c in back} == {"adjustment"}
    bill(ledger, MONTHLY, [LINE], date(2026, 2, 2), [TEN])
    assert total(ledger) == Decimal(180)


def test_whole_and_zero_charges() -> None:
    """100 percent leaves nothing; what costs nothing or less has no coupon."""
    all_off = replace(TEN, value=Decimal(100))
    charges = proposal.propose(MONTHLY, [LINE], date(2026, 4, 2), [all_off])
    assert total(charges) == 0
    for price in (Decimal(0), Decimal(-5)):
        free = replace(LINE, price_unit=price)
        assert not months(proposal.propose(MONTHLY, [free], date(2026, 4, 2), [TEN]))
    setup = replace(LINE, kind="one_time")
    assert not months(proposal.propose(MONTHLY, [setup], date(2026, 4, 2), [TEN]))


@pytest.mark.parametrize(
    "change",
    [
        {"discount_type": "free"},
        {"duration": "twice"},
        {"value": Decimal(0)},
        {"value": Decimal(-1)},
        {"value": Decimal("NaN")},
        {"value": Decimal("100.01")},
        {"periods": 0},
    ],
)
def test_unusable_coupons_are_refused(change: dict) -> None:
    with pytest.raises(draw.ops.errors.TermsError):
        replace(TEN, **change)


def test_the_same_coupon_twice_is_refused() -> None:
    with pytest.raises(draw.ops.errors.TermsError):
        proposal.propose(MONTHLY, [LINE], START, [TEN, TEN])
