# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import random
from datetime import datetime, timedelta
from decimal import Decimal

from odoo.tests import tagged

from ..engine.aggregate import AGGREGATIONS, UsageEvent
from ..engine.aggregate import aggregate as twin
from ..models.usage_store import (
    MeterSpec,
    Window,
    aggregate,
    aggregate_by_day,
    read_bounds,
)
from .common import UsageCase

START = datetime(2026, 2, 1)


@tagged("post_install", "-at_install")
class TestAggregate(UsageCase):
    """SQL over many subscriptions gives what the engine's definition gives."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bytes_meter.active = False
        pick = random.Random(7)
        cls.subscriptions = [cls.subscription]
        for number in range(2, 6):
            subscription = cls.create_subscription(cls.create_partner(f"C{number}"))
            cls.tie(f"client-{number}", subscription)
            cls.subscriptions.append(subscription)
        cls.known = {subscription.id: [] for subscription in cls.subscriptions}
        batch = []
        for seq in range(600):
            index = pick.randrange(5)
            # Few instants, so that "latest" has to decide between equal times.
            at = START + timedelta(hours=pick.randrange(24 * 60))
            value, data = cls.make_value(pick)
            key = pick.choice(["ann", "bob", "Ann", "1", None])
            if key is not None:
                data["user"] = key
            batch.append(
                cls.event(
                    subject=f"client-{index + 1}",
                    time=at.isoformat() + "Z",
                    data=data,
                )
            )
            cls.known[cls.subscriptions[index].id].append(
                (at, UsageEvent(time=at, value=value, key=key, seq=seq))
            )
        for start in range(0, len(batch), 100):
            counts = cls.ingest_counts(batch[start : start + 100])
            assert counts[1] == 100, counts

    @staticmethod
    def make_value(pick):
        """Return (exact value, event data): numbers, their text, or neither."""
        kind = pick.randrange(4)
        if kind == 0:
            number = Decimal(pick.randrange(1000))
            return number, {"n": int(number)}
        number = Decimal(pick.randrange(10**6)) / Decimal(1000)
        if kind == 1:
            return number, {"n": number}
        if kind == 2:
            return number, {"n": str(number)}
        return None, pick.choice([{}, {"n": None}, {"n": "abc"}, {"n": True}])

    def windows(self):
        pick = random.Random(11)
        result = []
        for subscription in self.subscriptions * 4:
            start = START + timedelta(hours=pick.randrange(24 * 50))
            end = start + timedelta(hours=pick.randrange(1, 24 * 20))
            result.append(Window(subscription.id, start, end))
        result.append(Window(self.subscription.id, START, START + timedelta(days=99)))
        return result

    def within(self, window):
        return [
            event
            for at, event in self.known[window.subscription_id]
            if window.start <= at < window.end
        ]

    def test_equals_the_engine(self):
        windows = self.windows()
        for kind in AGGREGATIONS:
            key = {"count": None, "unique": "user"}.get(kind, "n")
            found = aggregate(self.env, MeterSpec("test.request", kind, key), windows)
            wanted = [twin(kind, self.within(window)) for window in windows]
            self.assertEqual(found, wanted, kind)

    def test_one_statement_for_any_number_of_windows(self):
        windows = self.windows()
        spec = MeterSpec("test.request", "sum", "n")
        with self.assertQueryCount(1):
            aggregate(self.env, spec, windows)

    def test_without_events_or_windows(self):
        spec = MeterSpec("other", "max", "n")
        self.assertEqual(aggregate(self.env, spec, self.windows()[:2]), [0, 0])
        self.assertEqual(aggregate(self.env, spec, []), [])

    def test_days_follow_the_time_zone(self):
        subscription = self.create_subscription(self.create_partner("Z"))
        self.tie("client-z", subscription)
        self.ingest(
            [
                self.event(subject="client-z", time="2026-03-28T22:59:59Z"),
                self.event(subject="client-z", time="2026-03-28T23:00:00Z"),
                self.event(subject="client-z", time="2026-03-29T21:59:59Z"),
                self.event(subject="client-z", time="2026-03-29T22:00:00Z"),
            ]
        )
        window = Window(subscription.id, START, START + timedelta(days=99))
        found = aggregate_by_day(
            self.env, MeterSpec("test.request", "count"), window, "Europe/Paris"
        )
        # 29 March has 23 hours in Paris.
        self.assertEqual(
            {str(day): int(number) for day, number in found.items()},
            {"2026-03-28": 1, "2026-03-29": 2, "2026-03-30": 1},
        )

    def test_bounds_hide_what_came_later(self):
        spec = MeterSpec("test.request", "count")
        window = Window(self.subscription.id, START, START + timedelta(days=99))
        self.env.cr.execute("SELECT nextval('saas_usage_batch_id_seq')")
        running = self.env.cr.fetchone()[0]
        self.ingest([self.event()])
        before = aggregate(self.env, spec, [window])
        bounds = read_bounds(self.env.cr)
        self.assertIn(running, bounds.batch_open)
        result = self.ingest([self.event(), self.event()])
        self.assertGreater(result.batch_id, bounds.batch_max)
        self.assertEqual(aggregate(self.env, spec, [window], bounds), before)
        self.assertEqual(aggregate(self.env, spec, [window]), [before[0] + 2])
