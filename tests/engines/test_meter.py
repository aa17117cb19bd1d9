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


@pytest.mark.parametrize(
    ("percentile", "rank"),
    [("0.001", 1), ("7", 7), ("7.001", 8), ("50", 50), ("99.9", 100), ("100", 100)],
)
def test_percentile_is_the_nearest_rank(percentile, rank) -> None:
    events = [event(n, n) for n in range(1, 101)]
    terms = MeterTerms("percentile", percentile=Decimal(percentile))
    assert measure(terms, events[::-1], MARCH) == Measured(Decimal(rank), 100)


def test_level_is_weighted_by_the_time_it_lasts() -> None:
    events = [event(0, 10), event(372, -4)]
    assert measure(MeterTerms("weighted_sum"), events, MARCH).quantity == 8


def seat(hours, key, operation="add"):
    moment = START + timedelta(hours=hours)
    return usage.aggregate.UsageEvent(moment, None, key, hours, {"op": operation})


def test_removed_keys_count_while_they_were_there() -> None:
    events = [
        seat(0, "ann"),
        seat(30, "bob"),
        seat(50, "bob", "remove"),
        seat(53, "bob"),
        seat(80, "bob", "remove"),
        seat(90, "cid", "remove"),
    ]
    terms = MeterTerms("unique", operation_key="op")
    assert measure(terms, events, MARCH).quantity == 2
    # ann 31 days, bob from the 2nd to the 4th, whatever he did in between
    terms = MeterTerms("unique_days", operation_key="op", decimals=6)
    assert measure(terms, events, MARCH).quantity == Decimal("1.096774")
    # without operations a key is there on the days it is seen
    terms = MeterTerms("unique_days", decimals=6)
    assert measure(terms, events, MARCH).quantity == Decimal("0.161290")


@pytest.mark.parametrize(
    ("aggregation", "quantity", "carried"),
    [("sum", 9, 7), ("latest", 2, 3), ("weighted_sum", 8, 7)],
)
def test_a_level_begins_with_what_was_left(aggregation, quantity, carried) -> None:
    half = 31 * 12
    events = [event(half, 2), event(-9000, 4), event(-1, 3), event(31 * 24, 5)]
    terms = MeterTerms(aggregation, is_level=True)
    found = measure(terms, events, MARCH)
    assert found == Measured(Decimal(quantity), 1, carried=Decimal(carried))
    # without a single event
    found = measure(terms, events[1:3], MARCH)
    assert found == Measured(Decimal(carried), 0, carried=Decimal(carried))
    # something was taken away that was never there
    assert measure(terms, [event(-1, -3)], MARCH) == Measured(carried=Decimal(-3))


def test_keys_are_carried_over_until_they_are_removed() -> None:
    events = [
        seat(-900, "ann"),
        seat(-800, "bob"),
        seat(-700, "bob", "remove"),
        seat(-600, "cid"),
        # at once: the first instant belongs to the period
        seat(0, "cid", "remove"),
        seat(24, "dan"),
        seat(24 * 15, "ann", "remove"),
    ]
    terms = MeterTerms("unique", operation_key="op", is_level=True)
    assert measure(terms, events, MARCH) == Measured(Decimal(3), 3, carried=Decimal(2))
    terms = MeterTerms("unique_days", operation_key="op", is_level=True, decimals=6)
    days = round(Decimal(16 + 1 + 30) / 31, 6)
    assert measure(terms, events, MARCH) == Measured(days, 3, carried=Decimal(2))


def test_what_ended_before_the_window_is_not_on_its_first_day() -> None:
    noon = Window(START + timedelta(hours=12), MARCH.end)
    events = [seat(1, "ann"), seat(2, "ann", "remove")]
    terms = MeterTerms("unique_days", operation_key="op", is_level=True)
    assert measure(terms, events, noon) == Measured()


def test_groups_of_a_level_stay_until_nothing_is_left() -> None:
    terms = MeterTerms("sum", is_level=True)
    events = [event(-5, 2, region="eu"), event(-4, 3, region="us")]
    events.append(event(-3, -3, region="us"))
    groups = usage.meter.measure_groups(terms, ["region"], events, MARCH)
    assert groups == {("eu",): Measured(Decimal(2), 0, carried=Decimal(2))}


levels = st.lists(
    st.tuples(st.integers(-2000, 31 * 24 - 1), st.decimals("0", "99", places=2)),
    max_size=8,
)


@given(levels, st.integers(1, 31 * 24 - 1))
def test_parts_of_a_period_make_the_whole(changes, hour) -> None:
    """Wherever a period is cut, the second part goes on where the first one ended."""
    events = [event(at, value) for at, value in changes]
    cut = START + timedelta(hours=hour)
    first, second = Window(START, cut), Window(cut, MARCH.end)
    terms = MeterTerms("weighted_sum", decimals=50, is_level=True)
    parts = sum(
        measure(terms, events, one).quantity * one.ticks for one in (first, second)
    )
    whole = measure(terms, events, MARCH).quantity * MARCH.ticks
    assert abs(parts - whole) < Decimal("1e-6")
    terms = MeterTerms("sum", is_level=True)
    left = measure(terms, events, first).quantity
    assert measure(terms, events, second).carried == left


@pytest.mark.parametrize(
    ("unit", "size", "inner", "outer", "quantity", "windows"),
    [
        ("hour", 1, "count", "max", "2", (2, 1, 1)),
        ("hour", 1, "sum", "sum", "17", (4, 3, 10)),
        ("day", 1, "max", "max", "10", (3, 10)),
        ("day", 1, "sum", "avg", "0.548387096774", (7, 10)),
        ("day", 7, "count", "avg", "0.8", (3, 1)),
    ],
)
def test_spans_are_measured_and_then_taken_together(
    unit, size, inner, outer, quantity, windows
) -> None:
    events = [event(0, 1), event(0.5, 3), event(1, 3), event(200, 10)]
    spans = usage.meter.Spans(unit, size, inner, outer)
    found = measure(MeterTerms("window", spans=spans), events, MARCH)
    assert found == Measured(Decimal(quantity), 4, windows)


def test_days_are_those_of_the_zone() -> None:
    spring = Window(
        datetime(2026, 3, 28, 23, tzinfo=timezone.utc),
        datetime(2026, 3, 30, 22, tzinfo=timezone.utc),
        "Europe/Paris",
    )
    assert (spring.days, spring.ticks) == (2, 47 * 3600 * 1_000_000)
    assert spring.day_of(datetime(2026, 3, 29, 22, tzinfo=timezone.utc)) == 1
    assert usage.meter.Spans("hour", 24).count(spring) == 2


def test_a_quantity_is_never_below_nothing() -> None:
    assert measure(MeterTerms("sum"), [event(0, -5)], MARCH) == Measured(Decimal(0), 1)


@pytest.mark.parametrize(
    "terms",
    [
        {"aggregation": "median"},
        {"aggregation": "sum", "decimals": -1},
        {"aggregation": "percentile"},
        {"aggregation": "percentile", "percentile": Decimal(0)},
        {"aggregation": "percentile", "percentile": Decimal("100.1")},
        {"aggregation": "window"},
        {"aggregation": "count", "is_level": True},
        {"aggregation": "max", "is_level": True},
        {"aggregation": "unique", "is_level": True},
        {"aggregation": "unique_days", "is_level": True},
    ],
)
def test_terms_that_measure_nothing_are_refused(terms) -> None:
    with pytest.raises(usage.errors.TermsError):
        MeterTerms(**terms)


@pytest.mark.parametrize(
    "spans", [("week",), ("day", 0), ("day", 1, "latest"), ("day", 1, "sum", "min")]
)
def test_spans_of_nothing_are_refused(spans) -> None:
    with pytest.raises(usage.errors.TermsError):
        usage.meter.Spans(*spans)


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
