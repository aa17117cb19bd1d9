# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, datetime, timezone

from odoo.exceptions import ValidationError
from odoo.tests import tagged

from .common import UsageCase

JUNE = date(2026, 6, 1)


@tagged("post_install", "-at_install")
class TestSaasUsagePriceYear(UsageCase):
    """Tiers that count over the contract year, invoiced month by month."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.subscription.line_ids.filtered(
            lambda line: line.product_id == cls.traffic
        ).unlink()
        # 100 at 1.00, then 0.50
        cls.price = cls.create_price(
            tiers=[(100, 1), (0, 0.5)], tier_period="contract_year"
        )

    def used(self, number, day):
        """Store usage of a day as one event."""
        events = [self.event(time=f"{day}T10:00:00Z") for _number in range(number)]
        self.ingest(events, at=datetime(2027, 6, 1, tzinfo=timezone.utc))

    def amounts(self, until=JUNE):
        self.env.cr.cache.pop("saas_usage_billing", None)
        return [
            (charge.service_start.month, float(charge.quantity), float(charge.amount))
            for charge in self.subscription._get_proposed_charges(until)
            if charge.kind == "usage"
        ]

    def due(self, until=JUNE):
        self.env.cr.cache.pop("saas_usage_billing", None)
        return [
            (charge.kind, charge.service_start.month, float(charge.amount))
            for charge in self.subscription._get_unbooked_charges(until)
        ]

    def book(self, until=JUNE):
        self.env.cr.cache.pop("saas_usage_billing", None)
        self.subscription._book_history(until, "elsewhere")

    def test_each_month_pays_what_the_year_costs_more(self):
        self.used(80, "2026-03-10")
        self.used(40, "2026-04-10")
        self.used(10, "2026-05-10")
        # 80 | 20 at 1 and 20 at 0.50 | 10 at 0.50
        self.assertEqual(self.amounts(), [(3, 80, 80), (4, 40, 30), (5, 10, 5)])
        self.price.tier_period = "period"
        self.assertEqual(self.amounts(), [(3, 80, 80), (4, 40, 40), (5, 10, 10)])

    def test_late_usage_moves_what_came_after(self):
        self.used(80, "2026-03-10")
        self.used(40, "2026-04-10")
        self.book()
        self.used(30, "2026-03-20")
        # March: 100 at 1 and 10 at 0.50; April: 40 at 0.50
        self.assertEqual(
            self.due(), [("adjustment", 3, 25.0), ("adjustment", 4, -10.0)]
        )
        self.book()
        self.assertFalse(self.due())
        total = sum(self.subscription.charge_ids.mapped("amount"))
        self.assertAlmostEqual(total, 100 + 50 * 0.5)

    def test_late_usage_that_is_not_charged_moves_nothing(self):
        self.used(80, "2026-03-10")
        self.used(40, "2026-04-10")
        self.book()
        self.used(30, "2026-03-20")
        self.used(5, "2026-04-20")
        self.used(10, "2026-05-10")
        self.plan.usage_correction_days = 31
        # March is too old, April not: 45 after the 80 that are booked.
        self.assertEqual(self.due(), [("adjustment", 4, 2.5), ("usage", 5, 5.0)])
        self.plan.usage_correction_days = 1
        self.assertEqual(self.due(), [("usage", 5, 5.0)])

    def test_the_next_contract_year_begins_anew(self):
        self.used(120, "2026-04-10")
        self.used(50, "2027-02-10")
        self.used(50, "2027-03-10")
        found = self.amounts(date(2027, 4, 1))
        self.assertEqual(found, [(4, 120, 110), (2, 50, 25), (3, 50, 50)])

    def test_versions_count_on(self):
        self.used(80, "2026-03-10")
        self.used(40, "2026-04-10")
        action = self.price.action_new_version(date(2026, 4, 1))
        version = self.env["saas.usage.price"].browse(action["res_id"])
        version.tier_ids[1].unit_price = 0.25
        version.action_publish()
        # Twenty still at 1, the rest at what the version asks.
        self.assertEqual(self.amounts(), [(3, 80, 80), (4, 40, 25)])

    def test_free_units_and_maximum_are_those_of_the_year(self):
        self.price.write({"free_units": 50, "maximum_amount": 60})
        self.used(40, "2026-03-10")
        self.used(40, "2026-04-10")
        self.used(60, "2026-05-10")
        self.assertEqual(self.amounts(), [(3, 40, 0), (4, 40, 30), (5, 60, 30)])
        self.price.write({"maximum_amount": 0, "minimum_amount": 100})
        self.assertEqual(self.amounts(), [(3, 40, 100), (4, 40, 0), (5, 60, 0)])

    def test_a_pause_leaves_the_running_total(self):
        self.used(80, "2026-03-10")
        self.subscription._book_history(date(2026, 4, 1), "elsewhere")
        self.used(40, "2026-05-10")
        self.assertEqual(self.amounts(), [(3, 80, 80), (5, 40, 30)])

    def test_the_running_month_knows_the_year(self):
        self.used(80, "2026-03-10")
        self.used(40, "2026-04-10")
        now = datetime(2026, 4, 20, tzinfo=timezone.utc)
        [row] = self.subscription._get_current_usage(now)
        self.assertEqual((row["quantity"], row["rated"].amount), (40, 30))

    def test_models_that_fall_are_refused(self):
        for vals in (
            {"model": "volume"},
            {"model": "stairstep"},
            {"model": "block", "block_policy": "top_tier"},
        ):
            with self.assertRaises(ValidationError) as caught:
                self.price.write(vals)
            self.assertIn("Choose Graduated", caught.exception.args[0])
