# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Meters: conditions, groups and windows over events; the one way to an amount."""

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ..engine_loader import load_engine

usage = load_engine("saas_usage_billing")
Condition, matches = usage.filters.Condition, usage.filters.matches
Measured, MeterTerms = usage.meter.Measured, usage.meter.MeterTerms
Window, measure = usage.meter.Window, usage.meter.measure
Part, PriceTerms, Usage = usage.rating.Part, usage.rating.PriceTerms, usage.rating.Usage
START = datetime(2026, 3, 1, tzinfo=timezone.utc)
MARCH = Window(START, datetime(2026, 4, 1, tzinfo=timezone.utc))


def event(hours=0, value=1, **data):
    return usage.aggregate.UsageEvent(
        START + timedelta(hours=hours), Decimal(value), data=data
    )


@pytest.mark.parametrize(
    ("operator", "values", "kept"),
    [
        ("=", ("eu",), {"eu"}),
        ("!=", ("eu",), {"us", "7", None}),
        ("in", ("eu", "7"), {"eu", "7"}),
        ("not_in", ("eu", "7"), {"us", None}),
        ("exists", (), {"eu", "us", "7"}),
        ("missing", (), {None}),
        ("=", ("7.0",), {"7"}),
        (">", ("6.99",), {"7"}),
        (">=", ("7",), {"7"}),
        ("<", ("7",), set()),
        ("<=", ("7.00",), {"7"}),
        ("starts_with", ("e",), {"eu"}),
        ("starts_with", ("7",), {"7"}),
    ],
)
def test_conditions(operator, values, kept) -> None:
    condition = Condition("region", operator, values)
    rows = {"eu": {"region": "eu"}, "us": {"region": "us"}, "7": {"region": 7}}
    rows[None] = {"region": None}
    assert {name for name, row in rows.items() if matches([condition], row)} == kept
    assert condition.holds({}) == condition.holds({"region": None})


@pytest.mark.parametrize(
    ("operator", "values"),
    [
        ("~", ("a",)),
        ("=", ()),
        ("in", ()),
        ("exists", ("a",)),
        (">", ("a",)),
        ("<", ("1", "2")),
        ("starts_with", ("",)),
    ],
)
def test_unusable_conditions_are_refused(operator, values) -> None:
    with pytest.raises(usage.errors.TermsError):
        Condition("region", operator, values)


def test_numbers_sent_as_text_are_compared_but_equal_as_texts_only() -> None:
    data = {"size": "10.0"}
    assert Condition("size", ">", ("9",)).holds(data)
    assert not Condition("size", "=", ("10",)).holds(data)
    assert Condition("size", "=", ("10.0",)).holds(data)
    for value in (True, "ten", " 10", "1_0", "\u0661"):
        assert not Condition("size", ">", ("-1",)).holds({"size": value})


def test_a_window_is_half_open() -> None:
    events = [event(-1), event(0), event(743), event(744)]
    assert measure(MeterTerms("count"), events, MARCH) == Measured(Decimal(2), 2)
    assert measure(MeterTerms("sum"), [], MARCH) == Measured()


def test_quantity_is_rounded_to_the_decimals_of_the_meter() -> None:
    found = measure(MeterTerms("avg", decimals=2), [event(value="0.125")], MARCH)
    assert found.quantity == Decimal("0.13")


@given(
    st.lists(st.tuples(st.integers(-5, 800), st.sampled_from(["eu", "us", None]))),
    st.randoms(use_true_random=False),
)
def test_groups_add_up_in_any_order(rows, dice) -> None:
    events = [
        event(hours, 2, **({"region": region} if region else {}))
        for hours, region in rows
    ]
    groups = usage.meter.measure_groups(MeterTerms("sum"), ["region"], events, MARCH)
    whole = measure(MeterTerms("sum"), events, MARCH)
    assert sum(one.quantity for one in groups.values()) == whole.quantity
    assert sum(one.count for one in groups.values()) == whole.count
    for (region,), one in groups.items():
        terms = MeterTerms(
            "sum",
            (
                Condition("region", "=", (region,))
                if region
                else Condition("region", "missing"),
            ),
        )
        assert measure(terms, events, MARCH) == one
    dice.shuffle(events)
    assert (
        usage.meter.measure_groups(MeterTerms("sum"), ["region"], events, MARCH)
        == groups
    )
    assert usage.meter.measure_groups(MeterTerms("sum"), [], events, MARCH) == {
        (): whole
    }


def test_every_event_goes_to_the_first_rule_that_matches() -> None:
    rule = usage.dimension.Rule
    rules = [rule("eu", (Condition("region", "=", ("eu",)),)), rule("rest")]
    assert usage.dimension.assign(rules, {"region": "eu"}) == "eu"
    assert usage.dimension.assign(rules, {}) == "rest"
    assert usage.dimension.assign(rules[:1], {}) is None


def test_minimum_of_a_part_is_its_part_by_days() -> None:
    terms = PriceTerms("standard", unit=Decimal(1), minimum=Decimal(31))
    rate = usage.rating.rate_usage
    assert rate(terms, Usage(Decimal(2))).amount == 31
    assert rate(terms, Usage(Decimal(2)), Part(10, 31)).amount == 10
    assert rate(terms, Usage(Decimal(12)), Part(10, 31)).amount == 12
    for days in (0, 32):
        with pytest.raises(usage.errors.TermsError):
            Part(days, 31)
