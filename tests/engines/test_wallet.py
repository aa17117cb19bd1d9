# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Prepaid credits: which grant pays, what comes back, what a balance really is."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import strategies as draw

engine = draw.usage.wallet
errors = draw.usage.errors
Grant = engine.Grant
MARCH = date(2026, 3, 1), date(2026, 4, 1)

grants = st.lists(
    st.builds(
        Grant,
        id=st.integers(1, 10_000),
        remaining=draw.amounts,
        priority=st.integers(1, 50),
        paid=st.booleans(),
        start=st.none() | draw.days,
        expiry=st.none() | draw.days,
    ),
    unique_by=lambda grant: grant.id,
    max_size=6,
)


def total(uses):
    return sum((amount for _key, amount in uses), Decimal(0))


def ten(key, **terms):
    return Grant(key, Decimal(10), **terms)


@pytest.mark.parametrize(
    "first, second",
    [
        (ten(2, priority=1), ten(1, priority=2)),
        (ten(2, priority=1), ten(1, priority=2, paid=False)),
        (ten(2, paid=False), ten(1, expiry=date(2026, 5, 1))),
        (ten(2, expiry=date(2026, 5, 1)), ten(1)),
        (ten(2, expiry=date(2026, 5, 1)), ten(1, expiry=date(2026, 6, 1))),
        (ten(2, start=date(2026, 1, 1)), ten(1, start=date(2026, 2, 1))),
        (ten(1), ten(2)),
    ],
)
def test_order(first, second):
    for both in ([first, second], [second, first]):
        uses = engine.allocate(Decimal(12), both, MARCH)
        assert uses == [(first.id, Decimal(10)), (second.id, Decimal(2))]


@pytest.mark.parametrize(
    "start, expiry, pays",
    [
        (None, None, True),
        (date(2026, 3, 31), None, True),
        (date(2026, 4, 1), None, False),
        (None, date(2026, 3, 2), True),
        (None, date(2026, 3, 1), False),
        (date(2026, 3, 10), date(2026, 3, 11), True),
    ],
)
def test_a_grant_pays_for_services_that_overlap_it(start, expiry, pays):
    grant = ten(1, start=start, expiry=expiry)
    assert bool(engine.allocate(Decimal(1), [grant], MARCH)) == pays
    assert engine.allocate(Decimal(1), [grant]) == [(1, Decimal(1))]


@pytest.mark.parametrize("amount", ["0", "-5"])
def test_nothing_due_takes_nothing(amount):
    assert engine.allocate(Decimal(amount), [ten(1)]) == []


def test_a_grant_below_zero_is_refused():
    with pytest.raises(errors.QuantityError):
        engine.allocate(Decimal(1), [Grant(1, Decimal(-1))])


@given(draw.amounts, grants)
def test_never_more_than_is_due_nor_than_is_there(amount, have):
    uses = engine.allocate(amount, have)
    assert total(uses) == min(amount, sum((g.remaining for g in have), Decimal(0)))
    left = {grant.id: grant.remaining for grant in have}
    assert all(0 < part <= left[key] for key, part in uses)


@given(draw.amounts, draw.amounts, grants)
def test_two_uses_are_one(first, second, have):
    once = dict(engine.allocate(first + second, have))
    before = dict(engine.allocate(first, have))
    rest = [
        Grant(
            grant.id,
            grant.remaining - before.get(grant.id, 0),
            grant.priority,
            grant.paid,
            grant.start,
            grant.expiry,
        )
        for grant in have
    ]
    after = dict(engine.allocate(second, rest))
    keys = before.keys() | after.keys()
    both = {key: before.get(key, 0) + after.get(key, 0) for key in keys}
    assert both == once


# Given back ----------------------------------------------------------
def test_the_last_used_comes_back_first():
    uses = [(1, Decimal(10)), (2, Decimal(5))]
    assert engine.give_back(uses, Decimal(7)) == [(2, Decimal(5)), (1, Decimal(2))]


def test_what_came_back_does_not_come_back_again():
    uses = [(1, Decimal(10)), (2, Decimal(5)), (2, Decimal(-5))]
    assert engine.give_back(uses, Decimal(4)) == [(1, Decimal(4))]
    with pytest.raises(errors.TermsError):
        engine.give_back(uses, Decimal(11))
    with pytest.raises(errors.QuantityError):
        engine.give_back(uses, Decimal(-1))


def test_a_grant_used_twice_is_as_new_as_its_last_use():
    uses = [(1, Decimal(3)), (2, Decimal(3)), (1, Decimal(3))]
    assert engine.give_back(uses, Decimal(7)) == [(1, Decimal(6)), (2, Decimal(1))]


@given(draw.amounts, grants, st.data())
def test_all_that_was_used_can_come_back(amount, have, data):
    uses = engine.allocate(amount, have)
    part = data.draw(st.decimals(0, total(uses), places=4))
    back = engine.give_back(uses, part)
    assert total(back) == part
    used = dict(uses)
    assert all(0 < part <= used[key] for key, part in back)


# Balance -------------------------------------------------------------
@pytest.mark.parametrize(
    "balance, reserved, unbilled, live",
    [
        # spec/scenarios/wallets/balance_spec.rb of getlago/lago-api, see WAL-03
        ("10", "0", "5", "5"),
        ("10", "6", "3", "1"),
        ("10", "0", "12", "-2"),
    ],
)
def test_live_balance(balance, reserved, unbilled, live):
    got = engine.live_balance(Decimal(balance), Decimal(reserved), Decimal(unbilled))
    assert got == Decimal(live)


def test_unbilled_usage_is_not_negative():
    with pytest.raises(errors.QuantityError):
        engine.live_balance(Decimal(1), Decimal(0), Decimal(-1))


def test_credits_pay_charges_with_tax_one_after_the_other():
    # spec/scenarios/invoices/invoicing_with_prepaid_credits_spec.rb, see WAL-02
    left, balances = Decimal("39.00"), []
    for due in ("17.72", "17.69"):
        uses = engine.allocate(Decimal(due), [Grant(1, left)])
        left -= total(uses)
        balances.append(left)
    assert balances == [Decimal("21.28"), Decimal("3.59")]


@pytest.mark.parametrize(
    "start, expiry, later",
    [
        ("2026-03-01", "2026-04-01", "2026-05-01"),
        ("2026-01-31", "2026-03-31", "2026-05-31"),
        ("2026-01-31", "2026-08-31", "2027-03-31"),
        ("2025-05-15", "2026-05-15", "2027-05-15"),
        ("2026-12-30", "2027-01-30", "2027-02-28"),
        ("2026-03-01", "2026-03-31", "2026-04-30"),
    ],
)
def test_what_rolls_over_lasts_as_long_again(start, expiry, later):
    dates = date.fromisoformat(start), date.fromisoformat(expiry)
    assert engine.next_expiry(*dates) == date.fromisoformat(later)
