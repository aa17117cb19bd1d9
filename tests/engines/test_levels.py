# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Levels over time, windows under a commitment, balances, credits with tax."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import strategies as draw

usage, ops = draw.usage, draw.ops
weighted, commitment = usage.time_weighted, usage.commitment
model = usage.price_models.prorated_graduated
Event = usage.aggregate.UsageEvent
START = datetime(2026, 3, 1, tzinfo=draw.UTC)
END = START + timedelta(days=31)
units = st.decimals("0.1", "500", places=1, allow_nan=False)


@given(draw.tiers(), st.lists(units, min_size=1, max_size=6), st.integers(1, 10))
def test_additions_cost_what_graduated_costs(tiers, added, tenths) -> None:
    """Counted in full it is the graduated price; in part, that part of the units."""
    graduated = usage.price_models.graduated.price(sum(added), tiers)
    part = Decimal(tenths) / 10
    changes = [model.ProratedUnits(one, one * part) for one in added]
    lines = model.price(changes, tiers)
    flats = sum(line.flat for line in graduated)
    wanted = sum(line.amount - line.flat for line in graduated) * part + flats
    assert abs(sum(line.amount for line in lines) - wanted) < Decimal("1e-30")
    assert abs(sum(line.quantity for line in lines) - sum(added) * part) < Decimal(
        "1e-30"
    )


@given(draw.tiers(), st.lists(units, min_size=1, max_size=5))
def test_what_is_removed_in_full_leaves_the_flat_amounts(tiers, added) -> None:
    changes = [model.ProratedUnits(one, one) for one in added]
    changes += [model.ProratedUnits(-one, -one) for one in reversed(added)]
    lines = model.price(changes, tiers)
    amount = sum(line.amount for line in lines)
    assert abs(amount - sum(line.flat for line in lines)) < Decimal("1e-30")


def test_unusable_units_are_refused() -> None:
    for full, prorated in [("0", "0"), ("1", "-1"), ("NaN", "1"), ("1", "Infinity")]:
        with pytest.raises(usage.errors.QuantityError):
            model.ProratedUnits(Decimal(full), Decimal(prorated))


changes_in_time = st.lists(
    st.tuples(
        st.integers(-1000, 31 * 86400 - 1),
        st.decimals("-50", "50", places=2, allow_nan=False),
    ),
    max_size=6,
)


@given(
    changes_in_time, st.decimals("0", "99", places=1), st.integers(1, 31 * 86400 - 1)
)
def test_a_period_cut_in_two_has_the_same_mean(changes, initial, cut) -> None:
    """The means of the parts, weighted by their length, are the mean of the whole."""
    events = [Event(START + timedelta(seconds=at), value) for at, value in changes]
    whole = weighted.weighted_sum(events, START, END, initial)
    middle = START + timedelta(seconds=cut)
    early = [event for event in events if event.time < middle]
    level = initial + sum(event.value for event in early)
    late = [event for event in events if event.time >= middle]
    first = weighted.weighted_sum(early, START, middle, initial)
    second = weighted.weighted_sum(late, middle, END, level)
    seconds = 31 * 86400
    assert abs(whole - (first * cut + second * (seconds - cut)) / seconds) < Decimal(
        "1e-20"
    )


def test_time_weighted_refuses_what_does_not_fit() -> None:
    error = usage.errors.AggregationError
    with pytest.raises(error):
        weighted.weighted_sum([], START, START)
    with pytest.raises(error):
        weighted.weighted_sum([Event(END, Decimal(1))], START, END)
    assert weighted.weighted_sum([Event(START)], START, END) == 0
    with pytest.raises(error):
        weighted.active_days([("a", 0, 1)], 0)
    with pytest.raises(error):
        weighted.active_days([("a", 5, 4)], 31)


def test_a_key_counts_once_a_day_and_only_within_the_period() -> None:
    days = [("a", 0, 4), ("a", 4, 5), ("b", 30, 99), ("c", -9, -1), ("d", -3, 0)]
    assert weighted.active_days(days, 31) == weighted.active_days(
        [("one", 0, 7)], 31
    )  # 6 + 1 + 0 + 1 days


@given(
    st.decimals("0", "900", places=2),
    st.decimals("0", "900", places=2),
    st.booleans(),
    st.decimals("1", "3", places=1),
)
def test_a_window_costs_at_least_its_usage(cost, commit, true_up, factor) -> None:
    window = commitment.Window(cost, commit, true_up)
    amount = commitment.window_amount(window, factor)
    assert amount >= cost
    assert not true_up or amount >= commit
    assert commitment.window_amount(commitment.Window(cost), factor) == cost


@given(
    st.decimals("0", "500", places=2),
    st.lists(st.decimals("-50", "300", places=2), max_size=5),
)
def test_a_balance_pays_no_more_than_it_has(granted, dues) -> None:
    balance, paid_in_all = granted, Decimal(0)
    for due in dues:
        paid, balance = commitment.pay(balance, due)
        assert 0 <= paid <= max(due, Decimal(0)) and balance >= 0
        paid_in_all += paid
    assert granted == balance + paid_in_all


def test_limits_of_a_rollover() -> None:
    assert commitment.roll_over(Decimal(90), Decimal(0), Decimal(0)) == 0
    assert commitment.roll_over(Decimal(30), Decimal(0), Decimal(50)) == 30
    with pytest.raises(usage.errors.TermsError):
        commitment.roll_over(Decimal(1), Decimal(5), Decimal(4))


@given(
    draw.amounts, st.integers(0, 31), st.decimals("0", "40", places=2), draw.roundings
)
def test_a_credit_with_tax_stays_within_what_was_paid(paid, unused, rate, unit) -> None:
    parts = ops.proration.credit_unused(paid, unused, 31, rate, unit)
    assert 0 <= parts.item <= ops.money.round_money(paid, unit)
    tax = ops.proration.credit_unused(paid, 31, 31, rate, unit).tax
    assert 0 <= parts.tax <= tax
    assert parts.total == parts.item + parts.tax
    assert parts.total % unit == 0


def test_credits_of_nothing_sensible_are_refused() -> None:
    cent = Decimal("0.01")
    for paid, unused, whole, rate in [(-1, 1, 2, 0), (1, 3, 2, 0), (1, 1, 2, -1)]:
        with pytest.raises(ops.errors.ProrationError):
            ops.proration.credit_unused(
                Decimal(paid), unused, whole, Decimal(rate), cent
            )
