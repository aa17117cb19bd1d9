# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import random
from datetime import datetime, timedelta
from decimal import Decimal

from odoo.tests import tagged

from ..engine.aggregate import AGGREGATIONS, UsageEvent
from ..engine.meter import Measured, MeterTerms, measure
from ..engine.meter import Window as Span
from ..models.usage_store_api import MeterSpec, Window, get_store
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

    def measure(self, spec, windows, bounds=None):
        measured = get_store(self.env).aggregate(spec, windows, bounds)
        return [groups[()] for groups in measured]

    def test_equals_the_engine(self):
        windows = self.windows()
        for kind in AGGREGATIONS:
            key = {"count": None, "unique": "user"}.get(kind, "n")
            found = self.measure(MeterSpec("test.request", kind, key), windows)
            wanted = [
                measure(
                    MeterTerms(kind),
                    [event for _at, event in self.known[window.subscription_id]],
                    Span(window.start, window.end),
                )
                for window in windows
            ]
            self.assertEqual(found, wanted, kind)

    def test_one_statement_for_any_number_of_windows(self):
        windows = self.windows()
        spec = MeterSpec("test.request", "sum", "n")
        store = get_store(self.env)
        with self.assertQueryCount(1):
            store.aggregate(spec, windows)

    def test_without_events_or_windows(self):
        spec = MeterSpec("other", "max", "n")
        self.assertEqual(self.measure(spec, self.windows()[:2]), [Measured()] * 2)
        self.assertEqual(self.measure(spec, []), [])

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
        found = get_store(self.env).aggregate_by_day(
            MeterSpec("test.request", "count"), window, "Europe/Paris"
        )
        # 29 March has 23 hours in Paris.
        self.assertEqual(
            {str(day): one.count for (day, _group), one in found.items()},
            {"2026-03-28": 1, "2026-03-29": 2, "2026-03-30": 1},
        )

    def test_bounds_hide_what_came_later(self):
        spec = MeterSpec("test.request", "count")
        window = Window(self.subscription.id, START, START + timedelta(days=99))
        self.env.cr.execute("SELECT nextval('saas_usage_batch_id_seq')")
        running = self.env.cr.fetchone()[0]
        self.ingest([self.event()])
        [before] = self.measure(spec, [window])
        bounds = get_store(self.env).bounds()
        self.assertIn(running, bounds.batch_open)
        result = self.ingest([self.event(), self.event()])
        self.assertGreater(result.batch_id, bounds.batch_max)
        self.assertEqual(self.measure(spec, [window], bounds), [before])
        by_day = get_store(self.env).aggregate_by_day(spec, window, "UTC", bounds)
        self.assertEqual(sum(one.count for one in by_day.values()), before.count)
        [after] = self.measure(spec, [window])
        self.assertEqual(after.quantity, before.quantity + 2)
