# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, datetime, timedelta

from odoo.tests import tagged

from ..models.usage_store_api import Window, get_store
from .test_hold import MARCH
from .test_usage_retention import RetentionCase

SEATS = "seats.changed"
#: Aggregation, value key, other fields.
METERS = (
    ("sum", "n", {}),
    ("weighted_sum", "n", {}),
    ("latest", "n", {}),
    ("unique", "who", {"operation_key": "op"}),
    ("unique_days", "who", {"operation_key": "op"}),
    ("sum", "n", {"dimension_ids": [(0, 0, {"key": "n", "name": "Number"})]}),
)
#: Day and data, in both months that are detached and in one that stays.
CHANGES = (
    ("2026-02-03", {"n": 50, "plan": "a", "who": "x"}),
    ("2026-02-03", {"n": "0.125", "plan": "b", "who": "y"}),
    ("2026-02-20", {"n": -7, "plan": "a", "who": "x", "op": "remove"}),
    ("2026-03-05", {"n": 4, "plan": "b", "who": "x"}),
    ("2026-03-06", {"n": 3, "plan": "a", "who": "y", "op": "remove"}),
    ("2026-03-07", {"n": 8, "who": "z"}),
    ("2026-03-20", {"n": 1000, "plan": "a", "who": "lost"}),
    ("2026-04-12", {"n": 2, "plan": "b", "who": "w"}),
    ("2026-04-20", {"n": -1, "plan": "a", "who": "z", "op": "remove"}),
)


@tagged("post_install", "-at_install")
class TestUsageOpening(RetentionCase):
    """Levels go on when the months they come from are detached."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.subscription.line_ids.filtered(
            lambda line: line.product_id in cls.traffic + cls.calls
        ).unlink()
        cls.meters = cls.env["saas.meter"].create(
            [
                {
                    "name": f"Seats {number}",
                    "code": f"seats_{number}",
                    "event_type": SEATS,
                    "aggregation": aggregation,
                    "value_key": key,
                    "is_level": True,
                    "allow_negative": True,
                    "dimension_ids": [(0, 0, {"key": "plan", "name": "Plan"})],
                    **vals,
                }
                for number, (aggregation, key, vals) in enumerate(METERS)
            ]
        )
        for day, data in CHANGES:
            cls.change(day, **data)
        cls.ingest(
            [{"id": "taken back", "source": "weblog", "voids": cls.last["2026-03-20"]}],
            at=datetime.fromisoformat("2026-03-21T00:00:00+00:00"),
        )

    last = {}

    @classmethod
    def change(cls, day, **data):
        at = datetime.fromisoformat(f"{day}T12:00:00+00:00")
        event = cls.event(type=SEATS, time=at.isoformat(), data=data)
        result = cls.ingest([event], at=at + timedelta(days=1))
        assert result.counts["stored"] == 1, result.outcomes
        cls.last[day] = event["id"]

    def measure(self):
        """Return what each meter measures of April and May, in all and by plan."""
        store = get_store(self.env)
        return [
            store.aggregate(meter._get_spec(by_dimension), self.get_windows())
            for meter in self.meters
            for by_dimension in (False, True)
        ]

    def test_levels_are_equal_month_by_month(self):
        self.age()
        before = self.measure()
        self.assertTrue(all(before))
        for day in (date(2026, 2, 1), MARCH):
            self.detach(day)
            self.assertEqual(self.measure(), before)
        # What comes now counts on.
        self.change("2026-04-25", n=5, who="v", plan="c")
        [_april, may] = get_store(self.env).aggregate(
            self.meters[0]._get_spec(), self.get_windows()
        )
        self.assertEqual(float(may[()].quantity), 50.125 - 7 + 4 + 3 + 8 + 2 - 1 + 5)

    def get_windows(self):
        return [
            Window(self.subscription.id, datetime(2026, 4, 1), datetime(2026, 5, 1)),
            Window(self.subscription.id, datetime(2026, 5, 1), datetime(2026, 6, 1)),
        ]

    def test_nothing_changes_before_the_month_is_detached(self):
        before = self.measure()
        february = self.month(date(2026, 2, 1))
        store = get_store(self.env)
        store.write_openings(self.partitions._get_levels(), february._get_end())
        store.write_openings(self.partitions._get_levels(), february._get_end())
        self.assertEqual(self.measure(), before)

    def test_openings_are_few(self):
        self.detach(date(2026, 2, 1))
        self.detach(MARCH)
        self.env.cr.execute(
            "SELECT DISTINCT at FROM saas_usage_opening WHERE subscription_id = %s",
            [self.subscription.id],
        )
        self.assertEqual(self.env.cr.fetchall(), [(datetime(2026, 4, 1),)])
