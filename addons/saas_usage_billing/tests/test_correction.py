# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from psycopg2 import IntegrityError

from odoo import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from .test_hold import APRIL, MAY, HoldCase

JUNE = date(2026, 6, 1)


@tagged("post_install", "-at_install")
class TestLateUsage(HoldCase):
    """Late usage by the policy of the plan: at once, when it adds up, or not at all."""

    def setUp(self):
        super().setUp()
        self.late_plan = self.subscription.plan_id
        self.store(620, "2026-03-10", bytes=0)
        self.bill_usage()
        self.assertEqual(self.booked(), 620)

    def corrections(self, cutoff=APRIL):
        """Return (quantity, amount) of what is due for March."""
        return [
            (charge.quantity, float(charge.amount))
            for charge in self.subscription._get_unbooked_charges(cutoff)
            if charge.kind == "adjustment"
        ]

    def test_every_correction_is_billed_without_a_policy(self):
        self.store(1, "2026-03-20", bytes=0)
        self.assertEqual(self.corrections(JUNE), [(1, 0.02)])

    def test_small_corrections_wait_until_they_add_up(self):
        self.late_plan.usage_correction_min = 3
        self.store(100, "2026-03-20", bytes=0)
        self.assertEqual(self.corrections(), [])
        self.store(50, "2026-03-21", bytes=0)
        self.assertEqual(self.corrections(), [(150, 3.0)])

    def test_corrections_of_all_products_and_periods_add_up(self):
        self.bill_usage(MAY, date(2026, 5, 1))
        self.store(130, "2026-04-10", bytes=0)
        self.bill_usage(MAY, date(2026, 5, 2))
        self.late_plan.usage_correction_min = 3
        self.store(100, "2026-03-20", bytes=0)
        self.assertEqual(self.corrections(MAY), [])
        # 20 more calls of April at 0.05 bring the 2.00 of March to 3.00.
        self.store(20, "2026-04-20", bytes=0)
        self.assertEqual(self.corrections(MAY), [(100, 2.0), (20, 1.0)])

    def test_corrections_of_nothing_wait_for_a_document(self):
        # 10 of the 100 free calls of April, then 5 more of them
        self.store(10, "2026-04-10", bytes=0)
        self.bill_usage(MAY, date(2026, 5, 1))
        self.store(5, "2026-04-20", bytes=0)
        self.assertEqual(self.subscription._get_unbooked_charges(MAY), [])
        self.store(130, "2026-05-10", bytes=0)
        self.assertEqual(self.corrections(JUNE), [(5, 0.0)])
        # a document of their own is none of nothing, whatever else is due
        self.late_plan.usage_correction = "own_document"
        self.assertEqual(self.corrections(JUNE), [])
        self.store(1, "2026-03-20", bytes=0)
        self.assertEqual(self.corrections(JUNE), [(1, 0.02), (5, 0.0)])

    def test_what_waits_does_not_hold_up_the_rest(self):
        self.late_plan.usage_correction_min = 3
        self.store(100, "2026-03-20", bytes=0)
        self.store(130, "2026-04-10", bytes=0)
        run = self.bill_usage(MAY, date(2026, 5, 1))
        self.assertEqual(run.line_ids.mapped("state"), ["posted"], run.line_ids.reason)
        self.assertEqual(self.booked(), 750)

    def test_small_corrections_are_settled_at_the_end(self):
        self.late_plan.usage_correction_min = 3
        self.store(100, "2026-03-20", bytes=0)
        self.assertEqual(self.corrections(), [])
        self.subscription.sudo().state = "cancelled"
        self.assertEqual(self.corrections(), [(100, 2.0)])

    def test_old_additional_usage_is_not_charged(self):
        self.late_plan.usage_correction_days = 30
        self.store(100, "2026-03-20", bytes=0)
        self.assertEqual(self.corrections(date(2026, 5, 1)), [(100, 2.0)])
        self.assertEqual(self.corrections(date(2026, 5, 2)), [])

    def commit(self, amount):
        self.env["saas.usage.commitment"].create(
            {
                "name": "Committed Spend",
                "subscription_id": self.subscription.id,
                "product_ids": self.calls.ids,
                "amount": amount,
                "date_start": date(2026, 3, 1),
            }
        )

    def test_what_is_not_charged_lowers_no_commitment(self):
        self.commit(100)
        self.bill_usage(APRIL, date(2026, 4, 2))
        self.assertEqual(sum(self.subscription.charge_ids.mapped("amount")), 600)
        self.late_plan.usage_correction_days = 30
        self.store(100, "2026-03-20", bytes=0)
        self.assertEqual(self.corrections(date(2026, 5, 1)), [(0, -2.0), (100, 2.0)])
        self.assertEqual(self.corrections(date(2026, 5, 2)), [])
        # What waits lowers it once it is charged.
        self.late_plan.write({"usage_correction_days": 0, "usage_correction_min": 3})
        self.assertEqual(self.corrections(), [])
        self.store(50, "2026-03-21", bytes=0)
        self.assertEqual(self.corrections(), [(0, -3.0), (150, 3.0)])

    def test_old_usage_is_credited(self):
        self.late_plan.usage_correction_days = 30
        price = self.env["saas.usage.price"].search(
            [("product_tmpl_id", "=", self.calls.product_tmpl_id.id)]
        )
        tier = price.tier_ids.filtered("is_open")
        price.write(
            {
                "change_reason": "Agreed by mail",
                "tier_ids": [Command.update(tier.id, {"unit_price": 0.01})],
            }
        )
        self.assertEqual(self.corrections(JUNE), [(0, -1.2)])

    def test_another_price_is_no_correction(self):
        # The reversal of the old price and the charge of the new one go together.
        self.late_plan.usage_correction_min = 1000
        self.create_price(
            subscription_id=self.subscription.id,
            model="standard",
            unit_price=1,
            correction_reason="Agreed",
        )
        due = self.subscription._get_unbooked_charges(APRIL)
        amounts = sorted(float(charge.amount) for charge in due)
        self.assertEqual(amounts, [-22.4, 620.0])

    def test_event(self):
        self.store(100, "2026-03-20", bytes=0)
        self.bill_usage(APRIL, date(2026, 4, 2))
        (event,) = self.events(self.subscription, "usage.late")
        self.assertEqual(event.payload["quantity_before"], "620")
        self.assertEqual(event.payload["quantity_after"], "720")
        self.assertEqual(event.payload["amount"], "2.00")
        self.assertEqual(event.payload["service_start"], "2026-03-01")

    @mute_logger("odoo.sql_db")
    def test_limits_are_not_negative(self):
        for name in ("usage_correction_min", "usage_correction_days"):
            with self.assertRaises(IntegrityError), self.env.cr.savepoint():
                self.late_plan[name] = -1
                self.env.flush_all()
