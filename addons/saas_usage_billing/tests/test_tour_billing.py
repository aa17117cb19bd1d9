# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, datetime, timedelta, timezone

from odoo.tests import HttpCase, tagged

from .common import TIER_TABLE, UsageFixture
from .test_hold import APRIL, HoldCase


@tagged("post_install", "-at_install")
class TestTourWatch(UsageFixture, HttpCase):
    """Customer success watches what is used now, and what stands out."""

    # The first page of a fresh database compiles its assets while others wait.
    test_cursor_lock_timeout = 60

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.create_world()
        cls.new_user("usage_watcher", "customer_success")

    def test_watch_current_usage(self):
        now = datetime.now(timezone.utc)
        self.subscription = self.create_subscription(
            self.create_partner("Acme GmbH"),
            self.calls,
            date_start=now.date() - timedelta(days=10),
        )
        self.tie("client-1-now", self.subscription)
        self.create_price(tiers=TIER_TABLE)
        self.env["saas.usage.threshold"].create(
            {
                "name": "Many calls",
                "kind": "quantity",
                "value": 100,
                "product_tmpl_id": self.calls.product_tmpl_id.id,
                "company_id": self.company.id,
            }
        )
        day = (now - timedelta(days=2)).date()
        self.store(130, day.isoformat(), "client-1-now")
        counting = self.env["saas.usage.counting"]
        while counting._count():
            pass
        while counting._check_touched(now):
            pass
        self.start_tour(
            f"/odoo/saas-subscriptions/{self.subscription.id}",
            "saas_usage_watch",
            login="usage_watcher",
        )
        alert = self.env["saas.usage.alert"].search(
            [("subscription_id", "=", self.subscription.id)]
        )
        alert.invalidate_recordset()
        self.assertEqual((alert.quantity, alert.state), (130, "done"))


@tagged("post_install", "-at_install")
class TestTourRun(HoldCase, HttpCase):
    """Usage is previewed, approved by somebody else, posted, and explained."""

    test_cursor_lock_timeout = 60

    def tour(self, run, name, login):
        self.start_tour(f"/odoo/saas-billing-runs/{run.id}", name, login=login)
        self.env.invalidate_all()

    def test_preview_and_post(self):
        self.store(620, "2026-03-10", bytes=0)
        clerk = self.new_user(
            "usage_clerk",
            "saas_core.group_saas_core_billing_operator,account.group_account_invoice",
        )
        self.new_user("usage_approver", "saas_core.group_saas_core_billing_approver")
        run = self.create_run(APRIL, user=clerk, date_invoice=date(2026, 4, 1))
        self.tour(run, "saas_usage_run_preview", "usage_clerk")
        self.assertEqual(run.state, "reviewed")
        self.tour(run, "saas_billing_run_approve", "usage_approver")
        self.tour(run, "saas_usage_run_post", "usage_clerk")
        self.post(run)
        self.assertEqual(self.booked(), 620)
        self.tour(run, "saas_usage_run_invoice", "usage_clerk")
