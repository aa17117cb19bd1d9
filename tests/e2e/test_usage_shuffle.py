# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The order of events, repeats and delays change no invoice.

The same events go to two sets of subscriptions: once in order and in time, once
shuffled with a part of them sent twice and a part of them after the invoices are
posted. ``SAAS_SHUFFLE_EVENTS`` sets how many.
"""

import os
import random
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from tests.e2e.usage_stage import Meter, UsageStage, difference

EVENTS = int(os.environ.get("SAAS_SHUFFLE_EVENTS", "20000"))
SHARE = 0.05
OWNERS = [f"tenant-{number}" for number in range(20)]
METERS = {
    "count": Meter("count", None, Decimal("0.013")),
    "sum": Meter("sum", "size", Decimal("0.017")),
    "least": Meter("min", "size", Decimal("101.01")),
    "most": Meter("max", "size", Decimal("0.37")),
    "average": Meter("avg", "size", Decimal("7.77")),
    "users": Meter("unique", "user", Decimal("0.29")),
    "last": Meter("latest", "size", Decimal("1.23")),
    "days": Meter("unique_days", "user", Decimal("11.1")),
    "p95": Meter("percentile", "size", Decimal("3.21"), {"percentile": 95}),
    "busiest": Meter(
        "window",
        None,
        Decimal("0.97"),
        {
            "window_size": 1,
            "window_unit": "hour",
            "window_aggregation": "count",
            "window_outer": "max",
        },
    ),
}


def make_events(month, number: int):
    """Return events over the month in order of time: (id, subject, time, data)."""
    pick = random.Random(20261001)
    first = datetime(month.year, month.month, 1, tzinfo=timezone.utc)
    seconds = sorted(pick.randrange(28 * 86_400) for _event in range(number))
    return [
        (
            f"event-{position:08d}",
            pick.choice(OWNERS),
            first + timedelta(seconds=second),
            {"size": pick.randrange(1, 100_000) / 100, "user": pick.randrange(500)},
        )
        for position, second in enumerate(seconds)
    ]


def make_stage(world, source: str) -> UsageStage:
    """Return a stage with all owners, each its own subject."""
    stage = UsageStage(world, source, METERS)
    stage.make(OWNERS)
    stage.tie({owner: owner for owner in OWNERS})
    return stage


def test_shuffled_repeated_and_late_is_the_same_invoice(world):
    events = make_events(world.month, EVENTS)
    ordered = make_stage(world, "in-order")
    assert ordered.send(events) == []
    ordered.bill()
    wanted = ordered.charged()
    assert set(wanted) == set(OWNERS)
    assert all(set(of) == set(METERS) for of in wanted.values())

    pick = random.Random(7)
    late = set(pick.sample(range(EVENTS), int(EVENTS * SHARE)))
    in_time = [event for number, event in enumerate(events) if number not in late]
    in_time += pick.choices(in_time, k=int(EVENTS * SHARE))
    pick.shuffle(in_time)
    shuffled = make_stage(world, "out-of-order")
    assert shuffled.send(in_time) == []
    shuffled.bill()
    before = shuffled.charged()
    assert before != wanted
    assert shuffled.send([events[number] for number in late]) == []
    corrected = shuffled.bill()
    assert shuffled.charged() == wanted
    assert shuffled.charged(corrected) == difference(wanted, before)
    assert ordered.stored() == shuffled.stored() == EVENTS
