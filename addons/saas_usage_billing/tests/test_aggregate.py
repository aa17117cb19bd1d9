# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import itertools
import random
from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from odoo.tests import tagged

from odoo.addons.saas_subscription_ops.engine.period import day_start

from ..engine.aggregate import AGGREGATIONS, UsageEvent
from ..engine.correction import Arrival, accept, counting
from ..engine.dimension import GoesTo, Rule
from ..engine.filters import COMPARISONS, OPERATORS, Condition
from ..engine.meter import (
    INNER,
    LEVELS,
    OUTER,
    Measured,
    MeterTerms,
    Spans,
    measure,
    measure_groups,
)
from ..models.usage_store_api import MeterSpec, Window, get_store
from .common import UsageCase

START = datetime(2026, 2, 1)
#: Values of a key that conditions look at.
ODD = [
    *(None, "", "eu", "EU", "eu-1", "7", "7.0", " 7", "-3", "1e2", "7\n", "٧"),
    *(7, 100, -3, 0, True, False, Decimal("7.5"), Decimal("0.000000000001")),
]
VALUES = ["eu", "e", "7", "7.0", "07", "100", "1e2", "-3", "true", "0", "7.5", "x"]


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
        cls.homes, sent = {}, []
        for seq in range(600):
            index = pick.randrange(5)
            # Few instants, so that "latest" has to decide between equal times.
            at = START + timedelta(hours=pick.randrange(24 * 60))
            value, data = cls.make_value(pick)
            key = pick.choice(["ann", "bob", "Ann", "1", None])
            if key is not None:
                data["user"] = key
            data["op"] = pick.choice(["add", "remove", "remove", None, 1])
            odd = pick.choice(ODD)
            if odd is not None:
                data["odd"] = odd
            found = UsageEvent(at, value, key, seq, data)
            cls.homes[f"a{seq}"] = index
            sent.append(Arrival(f"a{seq}", 0, found))
        sent = cls.add_corrections(pick, sent)
        arrivals, cls.bounds = [], [(0, get_store(cls.env).bounds())]
        for number, start in enumerate(range(0, len(sent), 90), 1):
            batch = sent[start : start + 90]
            cls.ingest([cls.prepare(arrival) for arrival in batch])
            arrivals += [replace(arrival, request=number) for arrival in batch]
            cls.bounds.append((number, get_store(cls.env).bounds()))
        cls.stored, cls.counted = accept(arrivals).values(), {}

    @classmethod
    def add_corrections(cls, pick, sent):
        """Take a quarter of the events back, some before they came."""
        result = list(sent)
        for number in range(150):
            target = pick.choice(result)
            if target.event is None:
                continue
            event_id = f"b{number}"
            found = None
            if pick.random() < 0.5:
                # A microsecond later: an instant of its own, whatever is stored first.
                at = target.event.time + timedelta(microseconds=1 + number)
                value, data = cls.make_value(pick)
                found = UsageEvent(at, value, None, 1000 + number, data)
                cls.homes[event_id] = pick.randrange(5)
            correction = Arrival(event_id, 0, found, target.event_id)
            result.insert(pick.randrange(len(result)), correction)
        return result

    @classmethod
    def prepare(cls, arrival):
        """Return what the source sends of an arrival."""
        if arrival.event is None:
            return {
                "id": arrival.event_id,
                "source": "weblog",
                "voids": arrival.corrects,
            }
        return cls.event(
            id=arrival.event_id,
            subject=f"client-{cls.homes[arrival.event_id] + 1}",
            time=arrival.event.time.isoformat() + "Z",
            data=arrival.event.data,
            replaces=arrival.corrects,
        )

    @classmethod
    def get_events(cls, subscription_id, number=None):
        """Return the events of a subscription that counted after some requests."""
        if number not in cls.counted:
            seen = None if number is None else range(number + 1)
            cls.counted[number] = by_home = defaultdict(list)
            for one in counting(cls.stored, seen):
                home = cls.subscriptions[cls.homes[one.event_id]]
                by_home[home.id].append(one.event)
        return cls.counted[number][subscription_id]

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

    def measure_groups(self, spec, window):
        """Return what the engine makes of the groups of a window."""
        events = self.get_events(window.subscription_id)
        return measure_groups(spec.terms, spec.keys, events, window.span, spec.rules)

    def test_equals_the_engine(self):
        windows = self.windows()
        for kind in AGGREGATIONS:
            key = {"count": None, "unique": "user"}.get(kind, "n")
            found = self.measure(MeterSpec("test.request", kind, key), windows)
            wanted = [
                self.measure_events(MeterTerms(kind), window) for window in windows
            ]
            self.assertEqual(found, wanted, kind)

    def measure_events(self, terms, window, number=None):
        """Return what the engine makes of a window after some requests."""
        events = self.get_events(window.subscription_id, number)
        return measure(terms, events, window.span)

    def make_condition(self, pick):
        operator = pick.choice(OPERATORS)
        key = pick.choice(["odd", "odd", "user", "n", "nowhere"])
        values = ()
        if operator in ("in", "not_in"):
            values = tuple(pick.sample(VALUES, 3))
        elif operator not in ("exists", "missing"):
            numeric = operator in COMPARISONS
            values = (pick.choice(VALUES[2:8] if numeric else VALUES),)
        return Condition(key, operator, values)

    def test_conditions_equal_the_engine(self):
        pick = random.Random(13)
        windows = [
            Window(subscription.id, START, START + timedelta(days=60))
            for subscription in self.subscriptions
        ]
        kinds = set()
        for _number in range(120):
            conditions = tuple(
                self.make_condition(pick) for _n in range(pick.choice([1, 1, 2]))
            )
            spec = MeterSpec("test.request", "sum", "n", conditions)
            found = self.measure(spec, windows)
            terms = MeterTerms("sum", conditions)
            wanted = [self.measure_events(terms, window) for window in windows]
            self.assertEqual(found, wanted, conditions)
            by_day = get_store(self.env).aggregate_by_day(spec, windows[0], "UTC")
            self.assertEqual(
                sum(one.count for one in by_day.values()), wanted[0].count, conditions
            )
            if 0 < sum(one.count for one in wanted) < 600:
                kinds |= {one.operator for one in conditions}
        self.assertEqual(kinds, set(OPERATORS))

    def test_bounds_equal_the_engine(self):
        """What came later does not count, what was taken back later does."""
        pick = random.Random(17)
        windows = self.windows()
        keys = {"count": None, "unique": "user"}
        specs = [
            MeterSpec("test.request", kind, keys.get(kind, "n"))
            for kind in AGGREGATIONS
        ]
        gone = set()
        for spec in (*specs, *self.make_specs()):
            number, bounds = pick.choice(self.bounds)
            found = self.measure(spec, windows, bounds)
            wanted = [
                self.measure_events(spec.terms, window, number) for window in windows
            ]
            self.assertEqual(found, wanted, (spec, number))
            by_day = get_store(self.env).aggregate_by_day(
                spec, windows[-1], "UTC", bounds
            )
            self.assertEqual(
                sum(one.count for one in by_day.values()), wanted[-1].count, spec
            )
            gone.add(len(self.get_events(windows[-1].subscription_id, number)))
        self.assertGreater(len(gone), 3)

    def make_specs(self):
        """Return a spec of each aggregation that needs more than a key."""
        for share in ("0.5", "7", "50", "95", "99.9", "100"):
            yield MeterSpec(
                "test.request", "percentile", "n", percentile=Decimal(share)
            )
        yield MeterSpec("test.request", "weighted_sum", "n")
        yield MeterSpec("test.request", "weighted_sum", "n", decimals=2)
        for kind in ("unique", "unique_days"):
            yield MeterSpec("test.request", kind, "user")
            yield MeterSpec("test.request", kind, "user", operation_key="op")
            yield MeterSpec(
                "test.request", kind, "user", operation_key="op", is_level=True
            )
        for kind in LEVELS:
            yield MeterSpec("test.request", kind, "n", is_level=True)
        for unit, size in (("minute", 90), ("hour", 5), ("day", 1), ("day", 7)):
            for inner in INNER:
                for outer in OUTER:
                    yield MeterSpec(
                        "test.request",
                        "window",
                        {"unique": "user", "count": None}.get(inner, "n"),
                        spans=Spans(unit, size, inner, outer),
                    )

    def test_more_aggregations_equal_the_engine(self):
        windows = [
            Window(one.subscription_id, one.start, one.end, tz)
            for one, tz in zip(
                self.windows(), itertools.cycle(["UTC", "Europe/Paris", "Asia/Tokyo"])
            )
        ]
        for spec in self.make_specs():
            found = self.measure(spec, windows)
            wanted = [self.measure_events(spec.terms, window) for window in windows]
            self.assertEqual(found, wanted, spec)
            self.assertTrue(any(one.quantity for one in found), spec)

    def make_plain_specs(self):
        for kind in AGGREGATIONS:
            key = "user" if kind == "unique" else "n"
            yield MeterSpec("test.request", kind, key)

    def make_rules(self, pick):
        """Return rules for random values, not all of which ever match."""
        return tuple(
            Rule(
                price,
                tuple(
                    Condition(key, "in", tuple(pick.sample(values, 2)))
                    for key, values in pick.sample(
                        [("odd", VALUES), ("user", ["ann", "bob", "Ann", "1"])],
                        pick.choice([1, 1, 2]),
                    )
                ),
            )
            for price in range(pick.choice([1, 3, 4]))
        )

    def test_each_event_goes_to_the_price_of_the_engine(self):
        pick = random.Random(17)
        windows = self.windows()
        seen = set()
        for spec in (*self.make_plain_specs(), *self.make_specs()):
            rules = self.make_rules(pick)
            keys = pick.choice([(), (), ("op",)])
            spec = replace(spec, keys=keys, rules=rules)
            found = get_store(self.env).aggregate(spec, windows)
            wanted = [self.measure_groups(spec, window) for window in windows]
            self.assertEqual(found, wanted, spec)
            seen |= {group[0] for groups in found for group in groups}
            # The events of one price alone, as the evidence of a charge.
            price = rules[0].price
            own = replace(spec, rules=(), conditions=(GoesTo(rules, price),))
            for window, groups, one in zip(
                windows, found, get_store(self.env).aggregate(own, windows), strict=True
            ):
                self.assertEqual(self.measure_groups(own, window), one, own)
                if not keys:
                    self.assertEqual(groups.get(("0",), Measured()), one[()], own)
        self.assertTrue({"", "0", "1", "2"} <= seen)

    def test_groups_equal_the_engine(self):
        windows = self.windows()
        plain = self.make_plain_specs()
        keys = itertools.cycle([("odd",), ("user", "odd"), ("nowhere",)])
        condition = Condition("odd", "exists")
        for spec in (*plain, *self.make_specs()):
            spec = replace(spec, keys=next(keys), conditions=(condition,))
            found = get_store(self.env).aggregate(spec, windows)
            wanted = [self.measure_groups(spec, window) for window in windows]
            self.assertEqual(found, wanted, spec)
            self.assertTrue(any(found), spec)
            by_day = get_store(self.env).aggregate_by_day(spec, windows[-1], "UTC")
            self.assertEqual({texts for _day, texts in by_day}, set(found[-1]), spec)
        empty = Window(0, START, START + timedelta(days=1))
        self.assertEqual(get_store(self.env).aggregate(spec, [empty]), [{}])

    def test_days_equal_windows_of_a_day(self):
        window = Window(
            self.subscription.id, START, START + timedelta(days=40, hours=5)
        )
        tz = "Europe/Paris"
        specs = [
            MeterSpec("test.request", kind, "user" if kind == "unique" else "n")
            for kind in AGGREGATIONS
        ]
        for spec in (*specs, *self.make_specs()):
            by_day = get_store(self.env).aggregate_by_day(spec, window, tz)
            day = START.date()
            while day <= window.end.date():
                start = day_start(day, tz).replace(tzinfo=None)
                end = day_start(day + timedelta(days=1), tz).replace(tzinfo=None)
                one = Window(
                    window.subscription_id,
                    max(start, window.start),
                    min(end, window.end),
                    tz,
                )
                found = by_day.get((day, ()), Measured())
                self.assertEqual(
                    found, self.measure_events(spec.terms, one), (spec, day)
                )
                day += timedelta(days=1)

    def test_a_large_mean_keeps_its_places(self):
        subscription = self.create_subscription(self.create_partner("Large"))
        self.tie("client-large", subscription)
        values = [12345678901234567890, 1, 7]
        self.ingest(
            [self.event(subject="client-large", data={"n": value}) for value in values]
        )
        window = Window(subscription.id, START, START + timedelta(days=99))
        [found] = self.measure(MeterSpec("test.request", "avg", "n"), [window])
        self.assertEqual(found.quantity, Decimal("4115226300411522632.666666666667"))

    def test_one_statement_for_any_number_of_windows(self):
        windows = self.windows()
        spec = MeterSpec("test.request", "sum", "n")
        store = get_store(self.env)
        # One question whether anything was taken back, and one for all windows. Levels
        # ask which months are detached, too, and see to it that they stay as they are.
        for one, number in ((spec, 2), (replace(spec, is_level=True), 4)):
            with self.assertQueryCount(number):
                store.aggregate(one, windows)

    def test_levels_without_events_of_the_window(self):
        """Windows after the last event, next to each other or the same twice."""
        later = START + timedelta(days=70)
        months = [(later + timedelta(days=30 * n), 30) for n in (0, 1, 2, 2)]
        windows = [
            Window(one.id, start, start + timedelta(days=days), "Asia/Tokyo")
            for one in self.subscriptions
            for start, days in months
        ]
        for spec in self.make_specs():
            if not spec.is_level:
                continue
            for keys in ((), ("op",)):
                spec = replace(spec, keys=keys)
                found = get_store(self.env).aggregate(spec, windows)
                wanted = [self.measure_groups(spec, window) for window in windows]
                self.assertEqual(found, wanted, spec)
                every = [one for groups in found for one in groups.values()]
                self.assertTrue(any(one.quantity for one in every), spec)
                self.assertFalse(any(one.count for one in every), spec)
                self.assertTrue(all(one.carried for one in every if one.quantity))

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
