# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Slices of a period always sum to the whole."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import strategies as draw

proration = draw.ops.proration
period = draw.ops.period
money = draw.ops.money
policies = st.sampled_from(proration.POLICIES)
CENT = Decimal("0.01")


@st.composite
def cut_periods(build):
    """Draw a period of an anchored calendar and dates to cut it at."""
    recurrence, anchor = build(draw.recurrences), build(draw.days)
    index = build(st.integers(0, 40))
    start = period.grid_date(anchor, recurrence, index)
    end = period.grid_date(anchor, recurrence, index + 1)
    inside = (end - start).days - 1
    offsets = build(st.lists(st.integers(1, inside), max_size=6)) if inside else []
    return start, end, [start + timedelta(days=offset) for offset in offsets]


@given(draw.amounts, cut_periods(), policies, draw.roundings, draw.zones, st.booleans())
def test_slices_sum_to_the_whole(amount, cut, policy, unit, tz, is_credit) -> None:
    amount = -amount if is_credit else amount
    start, end, cuts = cut
    parts = proration.slices(amount, start, end, cuts, policy, unit, tz)
    assert len(parts) == len(set(cuts)) + 1
    assert sum(parts) == money.round_money(amount, unit)
    assert all(part * (-1 if is_credit else 1) >= 0 for part in parts)


@given(cut_periods(), policies, draw.zones)
def test_what_has_passed_never_falls(cut, policy, tz) -> None:
    start, end, cuts = cut
    days = [start - timedelta(days=3), start, *sorted(cuts), end, end + timedelta(9)]
    parts = [proration.passed(start, end, one, policy, tz) for one in days]
    assert parts == sorted(parts)
    assert parts[0] == parts[1] == 0 and parts[-1] == parts[-2] == 1


@pytest.mark.parametrize(
    "price, old, new",
    [("10", "4.52", "5.48"), ("100", "45.16", "54.84"), ("50", "22.58", "27.42")],
)
def test_the_day_of_change_belongs_to_the_new_plan(price, old, new) -> None:
    cuts = [date(2026, 3, 15)]
    edges = date(2026, 3, 1), date(2026, 4, 1)
    parts = proration.slices(Decimal(price), *edges, cuts, "day", CENT)
    assert parts == [Decimal(old), Decimal(new)]


@pytest.mark.parametrize(
    "unit, wanted", [("1", ["333", "334", "333"]), ("0.001", None), ("0.05", None)]
)
def test_other_currencies(unit: str, wanted: list[str] | None) -> None:
    cuts = [date(2026, 4, 11), date(2026, 4, 21)]
    edges = date(2026, 4, 1), date(2026, 5, 1)
    parts = proration.slices(Decimal(1000), *edges, cuts, "day", Decimal(unit))
    assert sum(parts) == 1000
    assert wanted is None or parts == [Decimal(part) for part in wanted]


def test_months_of_30_days() -> None:
    edges = date(2026, 5, 15), date(2026, 6, 15)
    parts = proration.slices(
        Decimal("19.95"), *edges, [date(2026, 5, 23)], "30_day", CENT
    )
    assert parts == [Decimal("5.32"), Decimal("14.63")]
    # an anchored month from the 31st is a whole month too
    full = proration.passed(
        date(2026, 1, 31), date(2026, 2, 28), date(2026, 2, 15), "30_day"
    )
    assert full == draw.ops.proration.Fraction(14, 30)


def test_seconds_know_short_days() -> None:
    edges = date(2026, 3, 8), date(2026, 3, 10)
    cut = [date(2026, 3, 9)]
    parts = proration.slices(
        Decimal(47), *edges, cut, "second", CENT, "America/New_York"
    )
    assert parts == [Decimal(23), Decimal(24)]


def test_unusable_input_is_refused() -> None:
    error = draw.ops.errors.ProrationError
    start, end = date(2026, 1, 1), date(2026, 2, 1)
    with pytest.raises(error):
        proration.prorate(Decimal(1), 5, 0, CENT)
    with pytest.raises(error):
        proration.prorate(Decimal(1), 32, 31, CENT)
    with pytest.raises(error):
        proration.passed(start, end, start, "sometimes")
    with pytest.raises(error):
        proration.passed(end, start, start, "day")
    with pytest.raises(error):
        proration.slices(Decimal(1), start, end, [end], "day", CENT)
