# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Dates and currencies that break billing elsewhere, through the whole proposal."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import strategies as draw
from .books import bill, by_ref, total

proposal, period = draw.ops.proposal, draw.ops.period
LineTerms, PlanTerms = proposal.LineTerms, proposal.PlanTerms
CouponTerms, Pause = draw.ops.coupon.CouponTerms, draw.ops.service.Pause


def line(start, price="100", **other):
    """Return one unit of something."""
    return LineTerms(
        "a", Decimal(1), Decimal(price), date.fromisoformat(start), **other
    )


def chain(days, prices):
    """Return the lines that amendments on some days make."""
    edges = [date.fromisoformat(day) for day in days]
    return [
        LineTerms(number, Decimal(1), Decimal(price), start, end, timing="arrears")
        for number, (start, end, price) in enumerate(
            zip(edges, edges[1:], prices, strict=False)
        )
    ]


def test_31_january_over_14_months() -> None:
    """Every month once, on its last day where it has no 31st; months touch."""
    plan = PlanTerms(anchor=date(2026, 1, 31))
    found = proposal.propose(plan, [line("2026-01-31")], date(2027, 3, 1))
    assert [f"{charge.service_start:%m-%d}" for charge in found] == (
        "01-31 02-28 03-31 04-30 05-31 06-30 07-31 08-31 09-30 10-31 11-30 12-31 "
        "01-31 02-28"
    ).split()
    for one, two in zip(found, found[1:], strict=False):
        assert one.service_end == two.service_start
    assert total(found) == 1400
    assert all(charge.details == {} for charge in found), "whole periods"
    # billed day by day it is the same
    ledger: list = []
    for month in range(14):
        bill(
            ledger, plan, [line("2026-01-31")], period.month_day(2026 * 12 + month, 31)
        )
    bill(ledger, plan, [line("2026-01-31")], date(2027, 3, 1))
    assert by_ref(ledger) == {charge.ref: charge.amount for charge in found}
    assert {row.revision for row in ledger} == {0}


def test_31_january_upgraded_and_paused() -> None:
    """February of an anchor on the 31st has 31 days: 28 February to 31 March."""
    plan = PlanTerms(anchor=date(2026, 1, 31), start=date(2026, 1, 31))
    terms = chain(["2026-01-31", "2026-03-10", "2026-04-30"], ["310", "620"])
    found = proposal.propose(plan, terms, date(2026, 6, 1))
    assert [(c.service_start.isoformat(), c.amount) for c in found] == [
        ("2026-01-31", Decimal(310)),
        ("2026-02-28", Decimal(100)),
        ("2026-03-10", Decimal(420)),
        ("2026-03-31", Decimal(620)),
    ]
    pause = Pause(date(2026, 3, 1), date(2026, 3, 11), "extend")
    moved = proposal.propose(
        replace(plan, pauses=(pause,)), [line("2026-01-31")], date(2026, 6, 30)
    )
    assert [c.service_start.isoformat() for c in moved] == [
        "2026-01-31",
        "2026-02-28",
        "2026-04-10",  # 31 March and ten days
        "2026-05-10",
        "2026-06-10",
    ]


def test_29_february_over_five_years() -> None:
    plan = PlanTerms(anchor=date(2024, 2, 29), recurrence=period.Recurrence("year", 1))
    found = proposal.propose(plan, [line("2024-02-29")], date(2029, 3, 1))
    assert [charge.service_start.isoformat() for charge in found] == [
        "2024-02-29",
        "2025-02-28",
        "2026-02-28",
        "2027-02-28",
        "2028-02-29",
        "2029-02-28",
    ]
    assert found[4].service_end == date(2029, 2, 28)
    # monthly from the same day: every 29th, and 28 February in other years
    monthly = replace(plan, recurrence=period.Recurrence())
    found = proposal.propose(monthly, [line("2024-02-29")], date(2029, 2, 1))
    assert len(found) == 60
    assert {c.service_start.day for c in found if c.service_start.month != 2} == {29}
    februaries = [c.service_start for c in found if c.service_start.month == 2]
    assert [day.day for day in februaries] == [29, 28, 28, 28, 29]


@pytest.mark.parametrize(
    "tz, days, hours",
    [
        # clocks forward and back in New York
        ("America/New_York", ["2026-03-01", "2026-03-08", "2026-03-09"], "23"),
        ("America/New_York", ["2026-11-01", "2026-11-01", "2026-11-02"], "25"),
        # half an hour on Lord Howe
        ("Australia/Lord_Howe", ["2026-04-01", "2026-04-05", "2026-04-06"], "24.5"),
        ("Australia/Lord_Howe", ["2026-10-01", "2026-10-04", "2026-10-05"], "23.5"),
        # no midnight in Sao Paulo, and two of them, until 2019; none of it since
        ("America/Sao_Paulo", ["2018-11-01", "2018-11-04", "2018-11-05"], "23"),
        ("America/Sao_Paulo", ["2019-02-01", "2019-02-16", "2019-02-17"], "25"),
        ("America/Sao_Paulo", ["2026-11-01", "2026-11-01", "2026-11-02"], "24"),
    ],
)
def test_a_day_costs_its_seconds(tz: str, days: list[str], hours: str) -> None:
    """Policy second: at 1.00 an hour the day of the switch costs its length."""
    start, one, two = (date.fromisoformat(day) for day in days)
    end = period.next_grid_date(start, start, period.Recurrence())
    price = Decimal(period.elapsed_seconds(start, end, tz)) / 3600
    plan = PlanTerms(start, proration="second", tz=tz, start=start)
    edges = sorted({start.isoformat(), *days[1:], end.isoformat()})
    terms = chain(edges, [price] * 3)
    found = {c.service_start: c.amount for c in proposal.propose(plan, terms, end)}
    assert found[one] == Decimal(hours)
    assert sum(found.values()) == price
    # by days the same day costs a day
    daily = proposal.propose(replace(plan, proration="day"), terms, end)
    amount = next(c.amount for c in daily if c.service_start == one)
    whole = (end - start).days
    assert abs(amount - price / whole) <= Decimal("0.01")
    assert (two - one).days == 1


@pytest.mark.parametrize(
    "rounding, price, old, new",
    [
        ("1", "1000", "452", "1097"),  # JPY: no decimals
        ("0.001", "100", "45.161", "109.677"),  # KWD: three
        ("0.01", "100", "45.16", "109.68"),
        ("0.05", "100", "45.15", "109.70"),  # cash in CHF
    ],
)
def test_an_upgrade_in_other_currencies(rounding, price, old, new) -> None:
    """From the 15th at twice the price: what is booked are whole units."""
    unit = Decimal(rounding)
    plan = PlanTerms(date(2026, 1, 1), rounding=unit)
    ledger: list = []
    bill(ledger, plan, [line("2026-01-01", price)], date(2026, 1, 2))
    upgraded = [
        line("2026-01-01", price, date_end=date(2026, 1, 15)),
        replace(line("2026-01-15", str(2 * Decimal(price))), line_id="b"),
    ]
    coupon = CouponTerms("c", "percent", Decimal("33.3"), date(2026, 1, 1))
    bill(ledger, plan, upgraded, date(2026, 1, 16), [coupon])
    found = by_ref(ledger)
    assert found["recurring:a:2026-01-01"] == Decimal(old)
    assert found["recurring:b:2026-01-01"] == Decimal(new)
    assert all(row.amount % unit == 0 for row in ledger)
    same = replace(upgraded[1], price_unit=Decimal(price))
    bill(ledger, plan, [upgraded[0], same], date(2026, 1, 16))
    assert total(ledger) == Decimal(price), "the two parts are the whole month"


policies = st.sampled_from(draw.ops.proration.POLICIES)


@given(
    draw.prices,
    policies,
    draw.roundings,
    draw.recurrences,
    draw.zones,
    st.sampled_from(period.ALIGNMENTS),
    st.lists(st.integers(1, 500), max_size=5, unique=True),
)
def test_a_chain_costs_what_the_whole_costs(
    price, policy, rounding, recurrence, tz, alignment, cuts
) -> None:
    """However a line is amended to the same price, in every zone and policy."""
    start = date(2018, 9, 17)
    plan = PlanTerms(start, recurrence, alignment, policy, rounding, tz, start)
    end = period.next_grid_date(start, date(2020, 1, 31), recurrence)
    if alignment == "calendar":
        origin = period.calendar_anchor(start, recurrence.unit)
        end = period.next_grid_date(origin, date(2020, 1, 31), recurrence)
    inside = {date.fromordinal(start.toordinal() + number) for number in cuts}
    edges = [day.isoformat() for day in sorted({start, end, *inside})]
    if policy == "none":
        # a line that begins within a period waits for the next one: cut on boundaries
        edges = [start.isoformat(), end.isoformat()]
    whole = chain([start.isoformat(), end.isoformat()], [price])
    pieces = chain(edges, [price] * len(edges))
    one = proposal.propose(plan, whole, date(2022, 1, 1))
    two = proposal.propose(plan, pieces, date(2022, 1, 1))
    assert total(one) == total(two)
