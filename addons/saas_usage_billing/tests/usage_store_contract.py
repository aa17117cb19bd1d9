# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What every usage store has to do, see ``usage_store_api.UsageStore``.

A store of another addon passes when a test case of it inherits this before
``UsageCase``, names the store it has registered, and all of it is green.
"""

import json
from datetime import date, datetime
from decimal import Decimal

from ..engine.dimension import Rule
from ..engine.filters import Condition
from ..models.usage_store_api import PARAMETER, Look, MeterSpec, Window, get_store

TYPE = "test.request"
MARCH = datetime(2026, 3, 1)
APRIL = datetime(2026, 4, 1)
MAY = datetime(2026, 5, 1)
COUNT = MeterSpec(TYPE, "count")
SUM = MeterSpec(TYPE, "sum", "bytes")


class UsageStoreContract:
    """One test or more for each call of the adapter."""

    #: Name it is registered by.
    store_name: str

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["ir.config_parameter"].set_param(PARAMETER, cls.store_name)
        cls.other = cls.create_subscription(cls.create_partner("Other Ltd"))
        cls.tie("client-2", cls.other)

    @property
    def usage_store(self):
        return get_store(self.env)

    def send(self, *events):
        """Send events, and return what became of each: None or the reason."""
        found = [None] * len(events)
        for one in self.ingest(events).outcomes:
            found[one.index] = "duplicate" if one.status == "duplicate" else one.code
        return found

    def at(self, time, size=10, subject="client-1", **changes):
        """Return an event."""
        data = {"bytes": size, "path": "/", **changes.pop("data", {})}
        return self.event(time=f"{time}Z", subject=subject, data=data, **changes)

    def window(self, start=MARCH, end=MAY, subscription=None, tz="UTC"):
        return Window((subscription or self.subscription).id, start, end, tz)

    def measure(self, spec, *windows, bounds=None):
        """Return quantity and count per group of each window."""
        found = self.usage_store.aggregate(spec, windows or [self.window()], bounds)
        return [
            {group: (one.quantity, one.count) for group, one in groups.items()}
            for groups in found
        ]

    # Store ------------------------------------------------------------
    def test_event_is_stored_once(self):
        first = self.at("2026-03-02T10:00:00")
        self.assertEqual(self.send(first, self.at("2026-03-02T10:00:00")), [None] * 2)
        self.assertEqual(
            self.send({**first, "time": "2026-04-02T10:00:00Z"}), ["duplicate"]
        )
        self.assertEqual(
            self.send(self.at("2026-03-02T10:00:00", subject="nobody")),
            ["unknown_subject"],
        )
        self.assertEqual(self.measure(COUNT), [{(): (2, 2)}])

    def test_what_is_taken_back_counts_no_more(self):
        first, second = self.at("2026-03-02T10:00:00"), self.at("2026-03-02T10:00:00")
        self.send(first, second)
        before = self.usage_store.bounds()
        void = {"id": "v", "source": "weblog", "voids": first["id"]}
        better = self.at("2026-04-02T10:00:00", 7, replaces=second["id"])
        self.assertEqual(self.send(void, better), [None, None])
        self.assertEqual(self.measure(SUM), [{(): (7, 1)}])
        self.assertEqual(self.measure(SUM, bounds=before), [{(): (20, 2)}])
        self.assertEqual(
            self.send(
                void,
                {**void, "id": "w"},
                {**void, "id": "x", "voids": "v"},
                {**void, "id": "y", "voids": "never sent"},
            ),
            ["duplicate", "already_corrected", "already_corrected", "unknown_event"],
        )
        # Of the same request, one after the other.
        third = self.at("2026-03-03T10:00:00", 100)
        fourth = self.at("2026-03-03T10:00:00", 30, replaces=third["id"])
        last = {"id": "z", "source": "weblog", "voids": fourth["id"]}
        self.assertEqual(self.send(last, fourth, third), [None] * 3)
        self.assertEqual(self.measure(SUM), [{(): (7, 1)}])

    def test_what_is_too_old_is_not_taken_back(self):
        old = self.at("2026-03-02T10:00:00")
        self.send(old)
        self.source.max_age_days = 10
        void = {"id": "v", "source": "weblog", "voids": old["id"]}
        self.assertEqual(self.send(void), ["too_old"])
        self.assertEqual(self.measure(COUNT), [{(): (1, 1)}])

    # Measure ----------------------------------------------------------
    def test_windows_are_half_open_and_answered_in_their_order(self):
        self.send(
            self.at("2026-03-31T23:59:59.999999", 1),
            self.at("2026-04-01T00:00:00", 2),
            self.at("2026-04-01T00:00:00", 4, "client-2"),
        )
        windows = [
            self.window(APRIL, MAY),
            self.window(MARCH, APRIL),
            self.window(subscription=self.other),
            self.window(datetime(2026, 6, 1), datetime(2026, 7, 1)),
        ]
        self.assertEqual(
            self.measure(SUM, *windows),
            [{(): (2, 1)}, {(): (1, 1)}, {(): (4, 1)}, {(): (0, 0)}],
        )
        self.assertEqual(self.usage_store.aggregate(SUM, []), [])

    def test_conditions_groups_and_prices(self):
        self.send(
            self.at("2026-03-02T10:00:00", 1, data={"region": "eu"}),
            self.at("2026-03-02T10:00:00", 2, data={"region": "us"}),
            self.at("2026-03-02T10:00:00", 4),
        )
        european = Condition("region", "=", ("eu",))
        spec = MeterSpec(TYPE, "sum", "bytes", conditions=(european,))
        self.assertEqual(self.measure(spec), [{(): (1, 1)}])
        spec = MeterSpec(TYPE, "sum", "bytes", keys=("region",))
        self.assertEqual(
            self.measure(spec), [{("",): (4, 1), ("eu",): (1, 1), ("us",): (2, 1)}]
        )
        self.assertEqual(self.measure(spec, self.window(MAY, MAY)), [{}])
        spec = MeterSpec(TYPE, "sum", "bytes", rules=(Rule(3, (european,)),))
        self.assertEqual(self.measure(spec), [{("3",): (1, 1), ("",): (6, 2)}])

    def test_every_aggregation(self):
        self.send(
            self.at("2026-03-02T10:00:00", 5, data={"user": "ann"}),
            self.at("2026-03-02T11:00:00", 1, data={"user": "bob"}),
            self.at("2026-03-02T12:00:00", 3, data={"user": "ann"}),
        )
        for aggregation, key, quantity in (
            ("count", None, 3),
            ("sum", "bytes", 9),
            ("max", "bytes", 5),
            ("min", "bytes", 1),
            ("avg", "bytes", 3),
            ("latest", "bytes", 3),
            ("unique", "user", 2),
        ):
            spec = MeterSpec(TYPE, aggregation, key)
            self.assertEqual(self.measure(spec), [{(): (quantity, 3)}], aggregation)
        spec = MeterSpec(TYPE, "percentile", "bytes", percentile=Decimal(50))
        self.assertEqual(self.measure(spec), [{(): (3, 3)}])

    def test_days_are_local(self):
        self.send(
            self.at("2026-03-28T22:59:59", 1),
            self.at("2026-03-28T23:00:00", 2),
            self.at("2026-03-29T22:00:00", 4),
        )
        found = self.usage_store.aggregate_by_day(SUM, self.window(), "Europe/Paris")
        self.assertEqual(
            {str(day): one.quantity for (day, _group), one in found.items()},
            {"2026-03-28": 1, "2026-03-29": 2, "2026-03-30": 4},
        )

    # Events -----------------------------------------------------------
    def test_events_are_read_by_page(self):
        events = [self.at(f"2026-03-02T10:00:0{n // 2}", n) for n in range(7)]
        self.send(*events)
        bounds = self.usage_store.bounds()
        self.send(
            self.at("2026-03-02T10:00:00"),
            {"id": "v", "source": "weblog", "voids": events[0]["id"]},
        )
        large = Condition("bytes", ">", ("1",))
        spec = MeterSpec(TYPE, "count", conditions=(large,))
        read, after = [], None
        while page := self.usage_store.read_events(
            spec, self.window(), bounds, after, 2
        ):
            self.assertLessEqual(len(page), 2)
            read += page
            after = page[-1].time, page[-1].id
        self.assertEqual([one.event_id for one in read], [e["id"] for e in events[2:]])
        self.assertEqual(json.loads(read[0].data), {"bytes": 2, "path": "/"})
        self.assertEqual(read[0].subject, "client-1")
        now = self.usage_store.read_events(COUNT, self.window())
        self.assertEqual(len(now), 7)
        self.assertEqual(now, sorted(now, key=lambda one: (one.time, one.id)))

    # Bounds -----------------------------------------------------------
    def test_bounds_hide_what_came_later(self):
        self.send(self.at("2026-03-02T10:00:00"))
        bounds = self.usage_store.bounds()
        self.send(self.at("2026-03-03T10:00:00"))
        self.assertEqual(self.measure(COUNT, bounds=bounds), [{(): (1, 1)}])
        by_day = self.usage_store.aggregate_by_day(COUNT, self.window(), "UTC", bounds)
        self.assertEqual(len(by_day), 1)
        self.assertEqual(self.measure(COUNT), [{(): (2, 2)}])

    def test_what_is_newer_is_found(self):
        first = self.at("2026-03-02T10:00:00")
        self.send(first)
        bounds = self.usage_store.bounds()
        looks = [
            Look(self.window(MARCH, APRIL), TYPE, bounds),
            Look(self.window(APRIL, MAY), TYPE, bounds),
            Look(self.window(MARCH, APRIL), "another.type", bounds),
            Look(self.window(MARCH, APRIL, self.other), TYPE, bounds),
        ]
        self.assertEqual(self.usage_store.find_newer(looks), set())
        self.send(self.at("2026-04-02T10:00:00"))
        self.assertEqual(self.usage_store.find_newer(looks), {1})
        until = self.usage_store.bounds()
        self.send({"id": "v", "source": "weblog", "voids": first["id"]})
        self.assertEqual(self.usage_store.find_newer(looks), {0, 1})
        self.assertEqual(self.usage_store.find_newer(looks, until), {1})

    # Levels and retention ---------------------------------------------
    def test_levels_go_on_when_their_months_are_detached(self):
        level = MeterSpec(TYPE, "sum", "bytes", is_level=True, keys=("path",))
        self.send(
            self.at("2026-02-10T10:00:00", 3),
            self.at("2026-02-11T10:00:00", 2, data={"path": "/b"}),
            self.at("2026-03-10T10:00:00", 5),
        )
        expected = [
            {("/",): (8, 1), ("/b",): (2, 0)},
            {("/",): (8, 0), ("/b",): (2, 0)},
        ]
        windows = [self.window(MARCH, APRIL), self.window(APRIL, MAY)]
        self.assertEqual(self.measure(level, *windows), expected)
        store = self.usage_store
        for _time in range(2):
            store.write_openings([(level, ["path"])], MARCH)
        self.assertEqual(self.measure(level, *windows), expected)
        store.detach(date(2026, 2, 1))
        self.assertEqual(self.measure(level, *windows), expected)
        february = self.window(datetime(2026, 2, 1), MARCH)
        self.assertEqual(self.measure(COUNT, february), [{(): (0, 0)}])
        self.assertEqual(store.read_events(COUNT, february), [])
