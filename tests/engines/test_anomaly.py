# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Unusual usage: a robust deviation, a value never seen, a sudden zero."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import strategies as draw

anomaly = draw.usage.anomaly
errors = draw.usage.errors
Reading, Terms = anomaly.Reading, anomaly.AnomalyTerms
DEFAULT = Terms()


def reading(quantity, amount=None, days=30, **groups):
    """Return a reading; by default a unit costs 1."""
    amount = quantity if amount is None else amount
    groups = {(name,): Decimal(part) for name, part in groups.items()}
    return Reading(Decimal(quantity), Decimal(amount), days, groups)


def codes(now, history, terms=DEFAULT):
    return [finding.code for finding in anomaly.check_usage(now, history, terms)]


def past(*quantities):
    return [reading(quantity) for quantity in quantities]


@pytest.mark.parametrize(
    "now, history, wanted",
    [
        (5000, (), []),
        (5000, (100, 100), []),
        (5000, (100, 100, 100), ["usage_deviation"]),
        # no spread at all: what is more than half away
        (150, (100, 100, 100), []),
        (151, (100, 100, 100), ["usage_deviation"]),
        (49, (100, 100, 100), ["usage_deviation"]),
        (50, (100, 100, 100), []),
        # median 100, deviation 20: 5 x 1.4826 x 20 = 148.26
        (248, (80, 100, 120), []),
        (249, (80, 100, 120), ["usage_deviation"]),
        # one odd month moves nothing
        (200, (100, 102, 98, 9000, 101), ["usage_deviation"]),
        (0, (100, 100, 100), ["usage_zero"]),
        (0, (100, 0, 0), []),
        (0, (0, 0, 0), []),
        (10, (0, 0, 0), ["usage_deviation"]),
    ],
)
def test_deviation(now, history, wanted):
    assert codes(reading(now), past(*history)) == wanted


def test_periods_are_compared_by_the_day():
    history = [reading(310, days=31), reading(280, days=28), reading(300, days=30)]
    assert not codes(reading(70, days=7), history)
    [finding] = anomaly.check_usage(reading(310, days=7), history, DEFAULT)
    assert (finding.quantity, finding.reference) == (310, 70)


def test_only_the_last_periods_count():
    history = past(*[5000] * 20, *[100] * 12)
    assert codes(reading(5000), history) == ["usage_deviation"]
    assert not codes(reading(5000), history, replace(DEFAULT, window=32))


def test_floor_is_money():
    history = [reading(100, "1.00")] * 3
    within = replace(DEFAULT, floor=Decimal(9))
    assert not codes(reading(1000, "10.00"), history, within)
    assert codes(reading(1001, "10.01"), history, within) == ["usage_deviation"]
    # what costs the same is nobody's surprise, for example free units
    assert not codes(reading(1000, "1.00"), history)


def test_new_value():
    history = [reading(100, eu=60, us=40)] * 3
    now = reading(100, eu=60, us=34, ap=6)
    [finding] = anomaly.check_usage(now, history, DEFAULT)
    assert (finding.code, finding.text, finding.position) == (
        "usage_new_dimension",
        "ap",
        0,
    )
    assert (finding.quantity, finding.percent) == (6, 6)
    # up to 5 % pass, and what was never grouped tells nothing
    assert not codes(reading(100, eu=60, us=35, ap=5), history)
    assert not codes(now, past(100, 100, 100))


def test_new_value_in_several_groups_and_dimensions():
    history = [replace(reading(100), groups={("eu", "s"): Decimal(100)})] * 3
    groups = {("eu", "s"): 40, ("us", "s"): 30, ("us", "l"): 26, ("eu", "l"): 4}
    now = replace(reading(100), groups={k: Decimal(v) for k, v in groups.items()})
    found = anomaly.check_usage(now, history, DEFAULT)
    assert [(one.position, one.text, one.percent) for one in found] == [
        (0, "us", 56),
        (1, "l", 30),
    ]


def test_value_that_was_there_with_nothing_is_new():
    history = [reading(100, eu=100, us=0)] * 3
    assert codes(reading(100, eu=50, us=50), history) == ["usage_new_dimension"]


def test_period_has_days():
    with pytest.raises(errors.QuantityError):
        reading(1, days=0)


histories = st.lists(draw.quantities.map(reading), min_size=3, max_size=15)


@given(draw.quantities, histories)
def test_more_tolerance_finds_no_more(quantity, history):
    now = reading(quantity)
    strict = codes(now, history)
    for terms in (
        replace(DEFAULT, sigma=Decimal(50)),
        replace(DEFAULT, floor=Decimal(1000)),
        replace(DEFAULT, percent=Decimal(500)),
    ):
        assert set(codes(now, history, terms)) <= set(strict)


@given(histories, st.integers(1, 400))
def test_what_is_usual_passes(history, days):
    [*_, last] = [None, *anomaly.check_usage(reading(1), history, DEFAULT)]
    usual = last.reference if last else None
    if usual is not None:
        assert not codes(reading(usual), history)
    # the same use every day is usual whatever the length of the period
    steady = [reading(7 * length, days=length) for length in (28, 31, 30)]
    assert not codes(reading(7 * days, days=days), steady)


@given(draw.quantities, histories, st.integers(2, 1000))
def test_the_unit_does_not_matter(quantity, history, factor):
    def scaled(one):
        return replace(one, quantity=one.quantity * factor)

    now = reading(quantity)
    assert codes(now, history) == codes(scaled(now), [scaled(one) for one in history])
