# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from decimal import Decimal

from odoo.exceptions import AccessError
from odoo.tests import TransactionCase, tagged

from ..exceptions import UsageStoreError
from .common import TIER_TABLE
from .drill_fixture import DrillFixture


@tagged("post_install", "-at_install")
class TestDrill(DrillFixture, TransactionCase):
    """From a charge to its tiers, days, dimensions and events."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.create_drill()

    def open_drill(self, charge=None, user=None):
        charge = charge or self.charge
        if user:
            charge = charge.with_user(user)
        action = charge.action_drill_usage()
        drill = charge.env[action["res_model"]].browse(action["res_id"])
        self.assertEqual(drill._name, "saas.usage.drill")
        return drill

    def count(self, action, env=None):
        return (env or self.env)[action["res_model"]].search_count(action["domain"])

    def test_tiers_days_and_dimensions_sum_to_the_charge(self):
        drill = self.open_drill()
        self.assertEqual(drill.quantity_text, "620 API calls")
        self.assertEqual((drill.amount, drill.charged), (22.4, 22.4))
        self.assertEqual(
            (drill.date_start, drill.date_end), (date(2026, 3, 1), date(2026, 3, 31))
        )
        self.assertEqual(
            [(line.quantity, line.amount) for line in drill.tier_ids],
            [(100, 0), (400, 20), (120, 2.4)],
        )
        self.assertEqual(
            [(line.day.day, line.quantity, line.amount) for line in drill.day_ids],
            # 60 free; 40 free and 100 at 0.05; 300 at 0.05 and 120 at 0.02
            [(10, 60, 0), (11, 140, 5), (31, 420, 17.4)],
        )
        self.assertEqual(
            [(line.name, line.quantity, line.amount) for line in drill.group_ids],
            [("Region eu", 480, 17.34), ("Region us", 140, 5.06)],
        )
        second = drill.tier_ids[1]
        self.assertEqual(
            [
                (line.day.day, line.quantity, line.amount)
                for line in second.tier_day_ids
            ],
            [(11, 100, 5), (31, 300, 15)],
        )

    def test_every_line_opens_its_events(self):
        drill = self.open_drill()
        self.store(7, "2026-03-11", region="us")
        self.assertEqual(self.count(drill.action_view_events()), 620)
        self.assertEqual(
            [self.count(line.action_view_events()) for line in drill.day_ids],
            [60, 140, 420],
        )
        self.assertEqual(
            [self.count(line.action_view_events()) for line in drill.group_ids],
            [480, 140],
        )
        second = drill.tier_ids[1]
        days = second.action_view_days()
        self.assertEqual(self.count(days), 2)
        self.assertEqual(self.count(drill.action_view_days()), 3)
        self.assertEqual(
            self.count(second.tier_day_ids[0].action_view_events()),
            140,
            "the events of the day; a tier has none of its own",
        )

    def test_a_correction_shows_all_of_its_period(self):
        self.store(100, "2026-03-20", region="eu")
        correction = self.book(self.subscription)
        self.assertEqual((correction.kind, correction.amount), ("adjustment", 2))
        drill = self.open_drill(correction)
        self.assertEqual((drill.amount, drill.charged), (24.4, 2))
        self.assertEqual(sum(drill.day_ids.mapped("amount")), 24.4)
        self.assertEqual(self.count(drill.action_view_events()), 720)
        # The first charge is what it was.
        self.assertEqual(self.open_drill().amount, 22.4)

    def test_what_was_taken_back_is_left_out_from_then_on(self):
        [first] = self.charge._read_usage_events(limit=1)
        void = {"id": "v1", "source": "weblog", "voids": first.event_id}
        self.assertEqual(self.ingest([void]).counts["stored"], 1)
        # What was charged was computed with it.
        self.assertEqual(self.count(self.charge.action_view_usage_events()), 620)
        self.assertEqual(self.open_drill().quantity_text, "620 API calls")

        correction = self.book(self.subscription)
        self.assertEqual(correction.amount, -0.02)
        drill = self.open_drill(correction)
        self.assertEqual((drill.quantity_text, drill.amount), ("619 API calls", 22.38))
        self.assertEqual(drill.day_ids.mapped("event_count"), [59, 140, 420])
        self.assertEqual(self.count(drill.action_view_events()), 619)
        self.assertEqual(len(list(correction._iterate_usage_events())), 619)

    def test_days_are_the_customer_s_and_follow_each_other(self):
        charge = self.book(self.create_zone_subscription())
        self.assertEqual(charge._get_usage_window().tz, "America/New_York")
        days = self.open_drill(charge).day_ids
        self.assertEqual([line.day for line in days], [date(2026, 3, 8)])
        self.assertEqual(self.count(days.action_view_events()), 23)
        windows = [charge._get_usage_window(date(2026, 3, day)) for day in (7, 8, 9)]
        self.assertEqual(windows[0].end, windows[1].start)
        self.assertEqual(windows[1].end, windows[2].start)
        # The clock was put forward.
        self.assertEqual((windows[1].end - windows[1].start).total_seconds(), 23 * 3600)

    def create_zone_subscription(self):
        other = self.create_subscription(
            self.create_partner("New York Inc"), self.calls, tz="America/New_York"
        )
        self.tie("client-ny", other)
        start = "2026-03-08T{:02}:30:00-05:00"
        events = [
            self.event(subject="client-ny", time=start.format(hour))
            for hour in range(23)
        ]
        self.assertEqual(self.ingest_counts(events)[1], 23)
        return other

    def test_an_amount_without_usage_is_found_too(self):
        idle = self.create_subscription(self.create_partner("Idle"), self.calls)
        self.create_price(
            tiers=TIER_TABLE, minimum_amount=10, subscription_id=idle.id, name="Idle"
        )
        drill = self.open_drill(self.book(idle))
        self.assertEqual(drill.amount, 10)
        [day] = drill.day_ids
        self.assertEqual((day.day, day.name, day.amount), (False, "Without usage", 10))
        [step] = drill.tier_ids
        self.assertEqual((step.name, step.amount), ("Raised to the minimum", 10))
        self.assertEqual(drill.group_ids.ids, [])

    def test_peaks_do_not_add_up_and_the_amount_does(self):
        peak = self.create_meter("Peak", "peak", "max", "bytes")
        product = self.create_product("Peak", peak)
        self.create_price(product, model="standard", unit_price=0.333)
        subscription = self.create_subscription(self.create_partner("P"), product)
        self.tie("client-p", subscription)
        for day, value in (("2026-03-10", 10), ("2026-03-11", 4), ("2026-03-12", 7)):
            self.store(2, day, "client-p", bytes=value)
        breakdown = self.book(subscription, product)._get_usage_breakdown()
        self.assertFalse(breakdown.is_additive)
        self.assertEqual([row.quantity for row in breakdown.days], [10, 4, 7])
        self.assertEqual(breakdown.amount, Decimal("3.33"))
        self.assertEqual(sum(row.amount for row in breakdown.days), breakdown.amount)

    def test_many_groups_are_shortened(self):
        breakdown = self.charge._get_usage_breakdown()
        self.assertEqual(breakdown.shorten(2, "others"), breakdown)
        first, others = self.charge._get_usage_breakdown().shorten(1, "others").groups
        self.assertEqual((first.quantity, others.name), (480, "others"))
        self.assertEqual((others.quantity, others.count), (140, 140))
        self.assertEqual(first.amount + others.amount, breakdown.amount)

    def test_charges_without_usage_are_not_taken_apart(self):
        # sudo: only billing runs book charges
        plain = self.charge.sudo().copy({"ref": "plain", "details": {}})
        with self.assertRaisesRegex(UsageStoreError, "Nothing is metered"):
            plain.action_drill_usage()
        self.assertFalse(plain.has_usage)
        self.assertEqual(self.count(plain.action_view_usage_events()), 0)

    def test_pages_of_events(self):
        seen, after = [], None
        while page := self.charge._read_usage_events(after=after, limit=100):
            seen += page
            after = page[-1].time, page[-1].id
        self.assertEqual(len({event.id for event in seen}), 620)
        self.assertEqual(seen, sorted(seen, key=lambda event: (event.time, event.id)))
        day = self.charge._read_usage_events(date(2026, 3, 11), limit=1000)
        self.assertEqual(len(day), 140)
        self.assertIn('"region": "us"', day[0].data)

    def test_auditors_open_it_and_see_their_own_only(self):
        auditor = self.new_user("drill_auditor", "auditor")
        drill = self.open_drill(user=auditor)
        self.assertEqual(drill.day_ids.mapped("event_count"), [60, 140, 420])
        action = drill.day_ids[0].action_view_events()
        self.assertEqual(self.count(action, drill.env), 60)
        with self.assertRaises(AccessError):
            drill.write({"amount": 1})
        other = self.new_user("drill_other", "billing_operator")
        with self.assertRaises(AccessError):
            drill.with_user(other).read(["amount"])
        with self.assertRaises(AccessError):
            drill.day_ids.with_user(other).read(["amount"])

    def test_other_companies_and_outsiders_do_not_open_it(self):
        elsewhere = self.create_company("Elsewhere Ltd")
        foreign = self.new_user("drill_foreign", "billing_operator", elsewhere)
        for user in (foreign, self.new_user("drill_plain", "base.group_user")):
            with self.assertRaises(AccessError):
                self.open_drill(user=user)
