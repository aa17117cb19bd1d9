# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from itertools import count

from odoo.addons.saas_subscription_ops.tests.common import SubscriptionCase

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

    def compute_run(self, cutoff, invoice_date=None):
        """Return a computed run, its held lines released."""
        run = self.create_run(cutoff, date_invoice=invoice_date or cutoff)
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
