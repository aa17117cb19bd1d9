# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Incoming events are accepted whole or refused with a reason; meters add them up."""

import json
import random
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import strategies as draw

event = draw.usage.event
aggregate = draw.usage.aggregate
UTC = timezone.utc
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOOD = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "gateway",
    "type": "api.request",
    "subject": "203.0.113.9",
    "time": "2026-03-01T11:59:59.123456789+01:00",
    "data": {"value": 203023, "status": "200", "cached": False, "note": None},
}


def judge(change: dict, **options):
    """Judge the good event with some attributes changed."""
    return event.validate({**GOOD, **change}, NOW, **options)


def test_a_good_event_is_accepted() -> None:
    found = event.validate(GOOD, NOW)
    assert found == event.ValidEvent(
        "e-1",
        "gateway",
        "api.request",
        "203.0.113.9",
        datetime(2026, 3, 1, 10, 59, 59, 123456, tzinfo=UTC),
        Decimal(203023),
        {"status": "200", "cached": False, "note": None},
    )


def test_plain_events_are_accepted() -> None:
    plain = {k: GOOD[k] for k in ("id", "type", "subject", "time")}
    found = event.validate({**plain, "value": "1.50"}, NOW, default_source="erp")
    assert (found.source, found.value) == ("erp", Decimal("1.5"))
    counted = event.validate(plain, NOW, default_source="erp")
    assert counted.value is None and counted.properties == {}


@pytest.mark.parametrize(
    "change, code, field",
    [
        ({"id": None}, "missing_id", "id"),
        ({"id": ""}, "missing_id", "id"),
        ({"id": 5}, "invalid_id", "id"),
        ({"specversion": "0.3"}, "invalid_specversion", "specversion"),
        ({"specversion": None}, "invalid_specversion", "specversion"),
        ({"data_base64": "e30="}, "invalid_data", "data_base64"),
        ({"id": "  "}, "invalid_id", "id"),
        ({"id": "a\x00b"}, "invalid_id", "id"),
        ({"id": "\ud800"}, "invalid_id", "id"),
        ({"id": "x" * 256}, "too_long", "id"),
        ({"source": None}, "missing_source", "source"),
        ({"type": None}, "missing_type", "type"),
        ({"type": ["a"]}, "invalid_type", "type"),
        ({"subject": None}, "missing_subject", "subject"),
        ({"subject": {}}, "invalid_subject", "subject"),
        ({"time": None}, "missing_time", "time"),
        ({"time": 1767225600}, "invalid_time", "time"),
        ({"time": "yesterday"}, "invalid_time", "time"),
        ({"time": "2026-02-30T00:00:00Z"}, "invalid_time", "time"),
        ({"time": "2026-03-01T25:00:00Z"}, "invalid_time", "time"),
        ({"time": "2026-03-01"}, "invalid_time", "time"),
        ({"time": "2026-03-01T11:00:00+25:00"}, "invalid_time", "time"),
        ({"time": "٢٠٢٦-03-01T11:00:00Z"}, "invalid_time", "time"),
        ({"time": "2026-03-01T11:00:00Z\n"}, "invalid_time", "time"),
        ({"time": "2026-03-01T11:00:00"}, "naive_time", "time"),
        ({"time": "2020-03-01T11:00:00Z"}, "too_old", "time"),
        ({"time": "2026-03-01T12:06:00Z"}, "in_future", "time"),
        ({"time": "9999-12-31T23:59:59-14:00"}, "invalid_time", "time"),
        ({"time": "9999-12-31T23:59:60Z"}, "invalid_time", "time"),
        ({"data": {"value": -1}}, "negative_value", "data.value"),
        ({"data": {"value": "abc"}}, "invalid_value", "data.value"),
        ({"data": {"value": ""}}, "invalid_value", "data.value"),
        ({"data": {"value": "1_000"}}, "invalid_value", "data.value"),
        ({"data": {"value": "٣"}}, "invalid_value", "data.value"),
        ({"data": {"value": True}}, "invalid_value", "data.value"),
        ({"data": {"value": [1]}}, "invalid_value", "data.value"),
        ({"data": {"value": float("nan")}}, "invalid_value", "data.value"),
        ({"data": {"value": float("inf")}}, "invalid_value", "data.value"),
        ({"data": {"value": Decimal("NaN")}}, "invalid_value", "data.value"),
        ({"data": {"value": 10**20}}, "value_out_of_range", "data.value"),
        ({"data": {"value": "1e-13"}}, "value_out_of_range", "data.value"),
        ({"data": {"value": Decimal("1E+999999")}}, "value_out_of_range", "data.value"),
        ({"data": [1]}, "invalid_data", "data"),
        ({"data": {"value": 1, "x": {}}}, "invalid_data", "data.x"),
        ({"data": {"": 1}}, "invalid_data", "data"),
        ({"data": {"x": "y" * 1025}}, "too_long", "data.x"),
        ({"data": {"x": "a\x00"}}, "invalid_data", "data.x"),
        ({"data": {"x": "\udfff"}}, "invalid_data", "data.x"),
        ({"data": dict.fromkeys(map(str, range(51)))}, "too_many_properties", "data"),
    ],
)
def test_what_is_wrong_is_named(change: dict, code: str, field: str) -> None:
    found = judge(change)
    assert isinstance(found, event.Rejection), found
    assert (found.code, found.field) == (code, field)
    assert found.message


@pytest.mark.parametrize("raw", [None, 5, "text", [], [GOOD]])
def test_only_objects_are_events(raw: object) -> None:
    assert event.validate(raw, NOW).code == "not_an_object"


def test_limits_are_parameters() -> None:
    limits = event.EventLimits(max_age=None, max_lead=None, allow_negative=True)
    found = judge(
        {"time": "1990-01-01T00:00:00Z", "data": {"value": -5}}, limits=limits
    )
    assert found.value == -5
    short = event.EventLimits(max_age=timedelta(minutes=30))
    assert judge({}, limits=short).code == "too_old"


def test_a_leap_second_is_the_next_one() -> None:
    found = judge({"time": "2026-02-28T23:59:60Z"})
    assert found.time == datetime(2026, 3, 1, tzinfo=UTC)


def test_values_keep_their_digits() -> None:
    text = '{"value": 12345678901234567890.123456789012}'
    data = json.loads(text, parse_float=Decimal)
    assert judge({"data": data}).value == Decimal("12345678901234567890.123456789012")
    assert judge({"data": {"value": 0.1}}).value == Decimal("0.1")
    assert judge({"data": {"value": "1e3"}}).value == 1000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
anything = st.dictionaries(st.sampled_from([*GOOD, "value", "extra"]), json_values)


@given(st.one_of(json_values, anything))
def test_nothing_raises(raw) -> None:
    found = event.validate(raw, NOW)
    assert isinstance(found, event.Rejection | event.ValidEvent)


@given(anything)
def test_nothing_raises_near_a_good_event(change) -> None:
    found = judge(change)
    if isinstance(found, event.ValidEvent):
        assert found.value is None or (found.value.is_finite() and found.value >= 0)
        assert found.time.tzinfo is not None and found.id and found.subject


# -- aggregations

rows = st.lists(
    st.builds(
        aggregate.UsageEvent,
        draw.instants,
        st.none() | draw.quantities,
        st.none() | st.sampled_from("abc"),
    ),
    max_size=12,
)


@given(rows, st.sampled_from(sorted(aggregate.AGGREGATIONS)), st.randoms())
def test_the_order_of_arrival_does_not_matter(events, kind, shuffle) -> None:
    numbered = [
        aggregate.UsageEvent(one.time, one.value, one.key, seq)
        for seq, one in enumerate(events)
    ]
    wanted = aggregate.aggregate(kind, numbered)
    shuffle.shuffle(numbered)
    assert aggregate.aggregate(kind, numbered) == wanted


@given(rows)
def test_aggregations_agree_with_each_other(events) -> None:
    found = {kind: aggregate.aggregate(kind, events) for kind in aggregate.AGGREGATIONS}
    values = [one.value for one in events if one.value is not None]
    assert found["count"] == len(events)
    assert found["sum"] == sum(values, Decimal(0))
    assert found["min"] <= found["latest"] <= found["max"]
    assert found["min"] - 1 < found["avg"] < found["max"] + 1
    assert found["unique"] == len({one.key for one in events} - {None})


def test_latest_at_one_instant_is_the_last_to_arrive() -> None:
    events = [
        aggregate.UsageEvent(NOW, Decimal(number), None, number) for number in range(5)
    ]
    random.Random(3).shuffle(events)  # noqa: S311 - not for secrets
    assert aggregate.aggregate("latest", events) == 4


def test_averages_are_rounded_like_the_database() -> None:
    events = [aggregate.UsageEvent(NOW, Decimal(value)) for value in (1, 0, 1)]
    assert aggregate.aggregate("avg", events) == Decimal("0.666666666667")


def test_unknown_aggregations_are_refused() -> None:
    with pytest.raises(draw.usage.errors.AggregationError):
        aggregate.aggregate("median", [])


def test_a_void_needs_no_more_than_its_target() -> None:
    raw = {"id": "v", "source": "gateway", "voids": "e-1", "time": "whenever"}
    assert event.validate(raw, NOW) == event.ValidVoid("v", "gateway", "e-1")
    assert judge({"voids": None, "replaces": None}).replaces is None
    assert judge({"replaces": "e-0"}).replaces == "e-0"


@pytest.mark.parametrize("name", ["voids", "replaces"])
@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("e-1", "invalid"),
        ("", "invalid"),
        (" ", "invalid"),
        (7, "invalid"),
        ("x\x00", "invalid"),
        ("x" * 256, "too_long"),
    ],
)
def test_unusable_targets(name, target, code) -> None:
    found = judge({name: target})
    assert found.code == (f"{code}_{name}" if code == "invalid" else code)


def test_an_event_does_not_void_and_replace() -> None:
    assert judge({"voids": "a", "replaces": "b"}).code == "invalid_voids"
