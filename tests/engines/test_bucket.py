# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Sums by day give what the events give, for all that can be added up."""

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from itertools import groupby
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import strategies as draw

engine = draw.usage.bucket
meter = draw.usage.meter
Event = draw.usage.aggregate.UsageEvent
TZ = "Europe/Berlin"
#: Naive UTC: local days from 29 March, when the clocks change, to 8 April.
WINDOW = meter.Window(datetime(2026, 3, 28, 23), datetime(2026, 4, 7, 22), TZ)
TICK = timedelta(microseconds=1)
TERMS = [
    *(
        meter.MeterTerms(kind)
        for kind in ("count", "sum", "max", "min", "avg", "latest", "weighted_sum")
    ),
    *(
        meter.MeterTerms("window", spans=meter.Spans("day", size, inner, outer))
        for size in (1, 3)
        for inner in ("count", "sum", "max", "avg")
        for outer in ("max", "sum", "avg")
    ),
]


def local_day(moment):
    """Return the local day of naive UTC."""
    return moment.replace(tzinfo=timezone.utc).astimezone(ZoneInfo(TZ)).date()


@st.composite
def events(draw_one):
    """Draw events of the window, some without a value."""
    length = int((WINDOW.end - WINDOW.start).total_seconds()) - 1
    rows = draw_one(
        st.lists(
            st.tuples(
                st.integers(0, length),
                st.none() | st.decimals("-1000", "1000", places=3),
            ),
            max_size=25,
        )
    )
    return [
        Event(WINDOW.start + timedelta(seconds=at), value, seq=number)
        for number, (at, value) in enumerate(rows)
    ]


def to_bucket(day, rows):
    """Add up the events of a day."""
    valued = [row for row in rows if row.value is not None]
    last = max(valued, key=lambda row: (row.time, row.seq), default=None)
    values = [row.value for row in valued]
    return engine.Bucket(
        events=len(rows),
        valued=len(valued),
        total=sum(values, Decimal(0)),
        low=min(values, default=None),
        high=max(values, default=None),
        last=(last.time, last.seq) if last else None,
        last_value=last.value if last else None,
        area=sum(
            (row.value * ((row.time - engine.EPOCH) // TICK) for row in valued),
            Decimal(0),
        ),
        day=day,
    )


@pytest.mark.parametrize(
    "terms", TERMS, ids=lambda one: f"{one.aggregation}{one.spans}"
)
@given(rows=events())
def test_buckets_are_the_events(terms, rows):
    assert engine.can_add_up(terms)
    ordered = sorted(rows, key=lambda row: row.time)
    buckets = [
        to_bucket(day, list(own))
        for day, own in groupby(ordered, key=lambda row: local_day(row.time))
    ]
    found = engine.measure_buckets(terms, buckets, WINDOW)
    wanted = meter.measure(terms, rows, WINDOW)
    assert (found.quantity, found.count) == (wanted.quantity, wanted.count)
    assert found.windows == wanted.windows


def test_keys_of_the_period_and_of_its_days():
    unique = meter.MeterTerms("unique")
    days = meter.MeterTerms("unique_days")
    assert engine.measure_buckets(unique, [], WINDOW, 7).quantity == 7
    assert engine.measure_buckets(days, [], WINDOW, 20).quantity == 2


@pytest.mark.parametrize(
    "terms",
    [
        meter.MeterTerms("percentile", percentile=Decimal(95)),
        meter.MeterTerms("unique_days", operation_key="op"),
        meter.MeterTerms("window", spans=meter.Spans("hour")),
        meter.MeterTerms("window", spans=meter.Spans("day", 1, "unique")),
        meter.MeterTerms("sum", is_level=True),
    ],
    ids=lambda one: one.aggregation,
)
def test_others_do_not_add_up(terms):
    assert not engine.can_add_up(terms)
