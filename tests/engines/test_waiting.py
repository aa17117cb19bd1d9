# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Waiting: overlaps count once per side, the sides never mix, nights never count."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import strategies as draw

waiting = draw.ops.waiting
Wait = waiting.Wait
UTC = draw.UTC
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
END = MONDAY + 40 * DAY


def at(days, hour=0):
    """Return a moment by its distance from the Monday."""
    return MONDAY + days * DAY + hour * HOUR


# Nine to one and two to six, Monday to Friday, for eight weeks.
WORKING = [
    (at(day, start), at(day, stop))
    for day in range(56)
    for start, stop in ((9, 13), (14, 18))
    if day % 7 < 5
]

moments = st.integers(0, 40 * 24 * 4).map(lambda n: MONDAY + n * HOUR / 4)


@st.composite
def waits(build, sides=waiting.SIDES):
    """Draw one wait, perhaps one that goes on."""
    start, end = sorted((build(moments), build(moments)))
    if build(st.integers(0, 9)) == 0:
        end = None
    return Wait(build(st.sampled_from(sides)), start, end)


many = st.lists(waits(), max_size=12)


def measure(found, working=WORKING, until=END):
    """Measure against the office week."""
    return waiting.measure(found, working, until)


@given(many)
def test_the_union_is_at_most_the_sum_and_at_least_the_longest(found) -> None:
    got = measure(found)
    for side in waiting.SIDES:
        alone = [measure([wait])[side] for wait in found if wait.side == side]
        assert got[side] <= sum(alone, Decimal(0))
        assert got[side] >= max(alone, default=Decimal(0))


@given(many, st.randoms(use_true_random=False))
def test_the_order_of_entry_is_irrelevant(found, random) -> None:
    shuffled, working = list(found), list(WORKING)
    random.shuffle(shuffled)
    random.shuffle(working)
    assert measure(shuffled, working) == measure(found)


@given(waits(), moments)
def test_a_wait_split_in_two_is_the_same_wait(wait, cut) -> None:
    end = wait.end or END
    cut = min(max(cut, wait.start), end)
    parts = [Wait(wait.side, wait.start, cut), Wait(wait.side, cut, end)]
    assert measure(parts) == measure([wait])


@given(many)
def test_said_twice_counts_once(found) -> None:
    assert measure(found + found) == measure(found)


@given(many)
def test_sides_do_not_disturb_each_other(found) -> None:
    got = measure(found)
    for side in waiting.SIDES:
        own = [wait for wait in found if wait.side == side]
        assert measure(own)[side] == got[side]


@given(many, moments)
def test_what_was_waited_never_becomes_less(found, earlier) -> None:
    late, early = measure(found), measure(found, until=earlier)
    for side in waiting.SIDES:
        assert early[side] <= late[side]


@given(many, moments, moments)
def test_days_of_two_windows_are_those_of_both(found, one, two) -> None:
    one, two = sorted((one, two))
    for side in waiting.SIDES:

        def days(start, end, side=side):
            return waiting.measure_days(found, side, WORKING, (start, end), END)

        whole = days(MONDAY, END)
        parts = days(MONDAY, one) + days(one, two) + days(two, END)
        assert abs(whole - parts) < Decimal("1e-20")


@given(many)
def test_days_are_hours_when_all_days_are_alike(found) -> None:
    got = measure(found)
    for side in waiting.SIDES:
        days = waiting.measure_days(found, side, WORKING, (MONDAY, at(80)), END)
        assert abs(days * 8 - got[side]) < Decimal("1e-20")


def test_an_office_week() -> None:
    found = [
        Wait("customer", at(0, 8), at(1, 10)),  # Monday whole, Tuesday one hour
        Wait("customer", at(1, 9), at(1, 11)),  # one hour more
        Wait("us", at(1, 10), at(1, 15)),  # both wait; lunch does not count
        Wait("customer", at(4, 17), None),  # Friday last hour, over the weekend
    ]
    got = measure(found, until=at(7, 10))
    assert got == {"customer": Decimal(12), "us": Decimal(4)}


def test_half_a_holiday_waited_through_is_a_day() -> None:
    working = [(at(0, 9), at(0, 13)), (at(1, 9), at(1, 13)), (at(1, 14), at(1, 18))]
    found = [Wait("customer", at(0), at(1, 13))]
    days = waiting.measure_days(found, "customer", working, (at(0), at(9)), at(9))
    assert days == Decimal("1.5")


def test_nothing_waits_nothing() -> None:
    assert measure([]) == {"customer": Decimal(0), "us": Decimal(0)}
    assert measure([Wait("us", at(0), None)], working=[])["us"] == 0
    assert measure([Wait("us", at(3), None)], until=at(1))["us"] == 0


@pytest.mark.parametrize(
    ("side", "start", "end"),
    [
        ("nobody", at(0), at(1)),
        ("us", at(1), at(0)),
        ("us", datetime(2026, 3, 2), None),
        ("us", at(0), datetime(2026, 3, 2)),
    ],
)
def test_unusable_waits_are_named(side, start, end) -> None:
    with pytest.raises(draw.ops.errors.WaitingError):
        Wait(side, start, end)
