# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import itertools
import random
from datetime import datetime, timedelta
from decimal import Decimal

from odoo import Command
from odoo.tests import tagged

from ..engine.filters import Condition
from ..models.usage_bucket_read import Asked, find_countable
from ..models.usage_store_api import get_store
from .common_counting import FIRST, LAST, NOW, CountingCase


@tagged("post_install", "-at_install")
class TestUsageCounting(CountingCase):
    """Buckets give what the events give, each request counted once."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.meters = cls.env["saas.meter"]
        for kind in ("sum", "max", "min", "avg", "latest", "weighted_sum"):
            cls.meters += cls.create_meter(
                kind, kind, kind, "n", allow_negative=kind in ("sum", "latest")
            )
        for kind in ("unique", "unique_days"):
            cls.meters += cls.create_meter(kind, kind, kind, "user")
        cls.meters += cls.create_meter(
            "ops", "ops", "unique", "user", operation_key="op"
        )
        for inner, outer in itertools.product(
            ("count", "sum", "max", "avg"), ("max", "sum", "avg")
        ):
            cls.meters += cls.create_meter(
                *(f"{inner} {outer}", f"{inner}_{outer}", "window", "n"),
                window_unit="day",
                window_size=1 + len(inner) % 3,
                window_aggregation=inner,
                window_outer=outer,
            )
        cls.split = cls.create_meter(
            *("split", "split", "sum", "n"),
            dimension_ids=[
                Command.create({"key": "region", "name": "Region"}),
                Command.create({"key": "plan", "name": "Plan"}),
            ],
            filter_ids=[
                Command.create({"key": "user", "operator": "!=", "value": "bob"})
            ],
        )
        cls.meters += cls.split
        cls.products = cls.calls + cls.traffic
        for meter in cls.meters:
            cls.products += cls.create_product(meter.name, meter)
        zones = ["UTC", "Europe/Berlin", "America/Los_Angeles"]
        cls.subscriptions = cls.env["saas.subscription"]
        for number, tz in enumerate(zones):
            cls.subscriptions += cls.create_subscription(
                cls.create_partner(f"Zone {number}"), cls.products, tz=tz
            )
            cls.tie(f"zone-{number}", cls.subscriptions[-1])
        cls.meters += cls.calls_meter

    @classmethod
    def make_events(cls, number, seed):
        pick = random.Random(seed)
        return [
            cls.event(
                subject=f"zone-{pick.randrange(3)}",
                time=(
                    datetime(2026, 2, 27) + timedelta(minutes=10 * pick.randrange(4700))
                ).isoformat()
                + "Z",
                data={
                    "bytes": pick.randrange(100),
                    "n": pick.choice(
                        [
                            pick.randrange(90),
                            Decimal(pick.randrange(10**6)) / 1000,
                            "7.5",
                        ]
                    ),
                    "user": pick.choice(["ann", "bob", "cid", "1"]),
                    "op": pick.choice(["add", "remove"]),
                    "region": pick.choice(["eu", "us", 7, Decimal("7.0"), "7", None]),
                    "plan": pick.choice(["a", "b", True, ["a"]]),
                },
            )
            for _number in range(number)
        ]

    def assert_same(self, meters=None):
        """Compare buckets with events, whole periods and days."""
        for meter in meters or self.meters:
            for subscription in self.subscriptions:
                period = self.get_days(subscription)
                spec = meter._get_spec()
                self.assertTrue(self.is_countable(meter, subscription), meter.name)
                found = subscription._measure_live(meter, spec, [period])
                wanted = get_store(self.env).aggregate(spec, [period.window])
                self.assertEqual(found, wanted, (meter.name, subscription.tz))
                self.assertTrue(wanted[0][()].count, meter.name)

    def test_equals_the_events(self):
        events = self.make_events(400, 1)
        self.ingest(events[:150])
        self.count_all()
        for start in range(150, 400, 50):
            self.ingest(events[start : start + 50])
            self.count_all()
        self.assert_same()
        self.assertFalse(self.counting._count_waiting())
        found = self.subscriptions[1]._get_live_days(
            self.meters[0], self.meters[0]._get_spec(), FIRST, LAST
        )
        wanted = get_store(self.env).aggregate_by_day(
            self.meters[0]._get_spec(),
            self.get_days(self.subscriptions[1]).window,
            "Europe/Berlin",
        )
        self.assertEqual(
            {day: one for day, one in found.items() if one.count},
            {day: one for (day, _group), one in wanted.items()},
        )

    def test_dimensions_equal_the_events(self):
        self.ingest(self.make_events(300, 2))
        self.count_all()
        store, spec = get_store(self.env), self.split._get_spec(by_dimension=True)
        for subscription in self.subscriptions:
            period = self.get_days(subscription)
            self.assertTrue(self.is_countable(self.split, subscription))
            found = subscription._measure_live(self.split, spec, [period])
            self.assertEqual(found, store.aggregate(spec, [period.window]))
            self.assertGreater(len(found[0]), 9)

    def test_conditions_on_dimensions(self):
        self.ingest(self.make_events(300, 3))
        self.count_all()
        plain = self.split._get_spec()
        for condition, is_known in (
            (Condition("region", "in", ("eu", "7")), True),
            (Condition("plan", "missing"), True),
            (Condition("op", "=", ("add",)), False),
        ):
            spec = type(plain)(
                *(plain.event_type, plain.aggregation, plain.value_key),
                conditions=(*plain.conditions, condition),
            )
            for subscription in self.subscriptions:
                period = self.get_days(subscription)
                (counted,) = self.split._get_counted()
                [known] = find_countable(self.env, [Asked(counted, spec, period)])
                self.assertEqual(known, is_known, condition)
                found = subscription._measure_live(self.split, spec, [period])
                wanted = get_store(self.env).aggregate(spec, [period.window])
                self.assertEqual(found, wanted, condition)

    def test_reads_no_events(self):
        self.ingest(self.make_events(20, 4))
        self.count_all()
        self.forbid_raw()
        usage = self.subscriptions[0]._get_current_usage(NOW)
        self.assertEqual(len(usage), len(self.products))
        self.assertTrue(self.subscriptions[0]._render_current_usage(NOW))

    def test_changed_time_zone(self):
        subscription = self.subscriptions[0]
        self.ingest(self.make_events(60, 5))
        self.count_all()
        subscription.tz = "Asia/Tokyo"
        self.assertFalse(self.is_countable(self.calls_meter, subscription))
        self.count_all()
        self.assert_same(self.calls_meter + self.meters[0])
