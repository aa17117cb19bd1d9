# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from itertools import count

from odoo.tests import tagged

from odoo.addons.saas_subscription_ops.tests.common import SubscriptionCase

from ..exceptions import UsageStoreError
from .common import TIER_TABLE, UsageFixture


class InvoicedUsage(SubscriptionCase, UsageFixture):
    """A month of usage on a posted invoice."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.numbers = count(1)
        cls.env["saas.usage.source"].create(
            {"name": "Web Log", "code": "weblog", "max_age_days": 3650}
        )
        cls.calls_meter = cls.create_meter(
            "API calls", "calls", "count", company_id=False
        )
        cls.calls.product_tmpl_id.saas_meter_id = cls.calls_meter
        cls.price = cls.create_price(tiers=TIER_TABLE)
        cls.subscription = cls.create_subscription(
            [
                {"product_id": cls.platform.id, "price_unit": 500.0},
                {"product_id": cls.calls.id},
            ],
            date_start=date(2026, 3, 1),
            tz="UTC",
        )
        cls.tie("client-1", cls.subscription)

    def compute_run(self, cutoff):
        """Return a computed run, its held lines released."""
        run = self.create_run(cutoff, date_invoice=cutoff)
        run.with_user(self.operator).action_compute()
        held = run.line_ids.filtered(lambda line: line.state == "held")
        held.comment = "Checked by the test"
        held.with_user(self.operator).action_release()
        return run

    def post_run(self, run):
        """Post a run and return the charge of its usage."""
        self.approve(run)
        self.post(run)
        self.assertEqual(run.line_ids.mapped("state"), ["posted"], run.line_ids.reason)
        return self.subscription.charge_ids.filtered("has_usage").sorted("id")[-1]


@tagged("post_install", "-at_install")
class TestDrillInvoice(InvoicedUsage):
    """From a proposed charge and an invoice line down to the events."""

    def test_preview_and_invoice_open_the_same(self):
        self.store(620, "2026-03-10")
        run = self.compute_run(date(2026, 4, 1))
        [proposed] = run.line_ids.charge_ids.filtered("has_usage")
        action = proposed.with_user(self.operator).action_drill_usage()
        preview = self.env["saas.usage.drill"].browse(action["res_id"])
        self.assertFalse(preview.charge_id)
        self.assertEqual(
            (preview.quantity_text, preview.amount), ("620 API calls", 22.4)
        )
        events = preview.with_user(self.operator).action_view_events()["domain"]
        self.assertEqual(self.env["saas.usage.event"].search_count(events), 620)

        charge = self.post_run(run)
        move = charge.move_id
        self.assertTrue(move.has_saas_usage)
        for record in (move, charge.move_line_id):
            action = record.with_user(self.operator).action_drill_saas_usage()
            drill = self.env["saas.usage.drill"].browse(action["res_id"])
            self.assertEqual(drill.charge_id, charge)
            self.assertEqual(drill.day_ids.mapped("amount"), [22.4])
        plain = move.invoice_line_ids - charge.move_line_id
        self.assertEqual(plain.mapped("has_saas_usage"), [False])
        with self.assertRaisesRegex(UsageStoreError, "No metered use"):
            plain.action_drill_saas_usage()
