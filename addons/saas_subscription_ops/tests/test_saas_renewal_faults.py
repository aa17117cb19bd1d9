# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo.modules.migration import load_script
from odoo.tests import tagged
from odoo.tools import file_path

from .common_renewal import RenewalCase

END = date(2027, 3, 1)
WINDOW = date(2026, 11, 1)


@tagged("post_install", "-at_install")
class TestRenewalFaults(RenewalCase):
    """What happens to a contract while its renewal is on the way."""

    def sign(self, subscription):
        action = subscription.with_user(self.salesperson).action_quote_renewal()
        order = self.env["sale.order"].browse(action["res_id"])
        order.with_user(self.salesperson).action_confirm()
        return order

    def test_cancelled_after_the_renewal_was_signed(self):
        subscription = self.contract().with_user(self.manager)
        self.run_day(WINDOW)
        order = self.sign(subscription)
        renewal = order._saas_get_amendments()
        self.assertEqual(renewal.state, "scheduled")
        self.at("2026-12-01 10:00:00")
        subscription.cancel(effective="now")
        self.assertEqual(subscription.state, "cancelled")
        self.run_day(date(2026, 12, 2), END, date(2027, 3, 2))
        self.assertEqual(subscription.state, "cancelled")
        self.assertFalse(self.events(subscription, "subscription.renewed"))
        self.assertNotEqual(renewal.state, "applied")
        record = self.renewal(subscription)
        self.assertEqual(record.outcome, "cancelled")
        self.assertFalse(record.amount_renewed)
        self.assertEqual(record.lead_id.won_status, "lost")
        self.assertFalse(self.exceptions("renewal.settle_failed"))
        self.assertEqual(subscription._get_mrr_on(END), 0.0)

    def test_paused_while_the_renewal_is_signed(self):
        subscription = self.contract().with_user(self.manager)
        self.run_day(WINDOW)
        order = self.sign(subscription)
        self.at("2027-02-20 10:00:00")
        subscription.pause(date_resume=date(2027, 3, 10), pause_mode="credit")
        self.run_day(date(2027, 2, 20), END, date(2027, 3, 10), date(2027, 3, 11))
        self.assertEqual(subscription.state, "active")
        self.assertEqual(order._saas_get_amendments().state, "applied")
        self.assertEqual(self.renewal(subscription, END).outcome, "renewed")
        self.assertFalse(self.exceptions("subscription.lifecycle_failed"))

    def test_archived_product_is_renewed_as_agreed(self):
        subscription = self.ending().with_user(self.manager)
        self.platform.action_archive()
        self.run_day(WINDOW, date(2026, 12, 1))
        self.assertFalse(self.exceptions("renewal.step_failed"))
        order = self.renewal(subscription).order_id
        self.assertEqual(order.order_line.product_id, self.platform)
        order.with_user(self.salesperson).action_confirm()
        self.run_day(END)
        self.assertEqual(self.renewal(subscription).outcome, "renewed")

    # Upgrade ---------------------------------------------------------
    def upgrade(self):
        path = "saas_subscription_ops/migrations/19.0.1.2.1/post-migration.py"
        self.env.flush_all()
        load_script(file_path(path), "saas_post_migration").migrate(
            self.cr, "19.0.1.2.0"
        )
        self.env.invalidate_all()

    def test_upgrade_ties_skipped_steps_to_the_signed_order(self):
        subscription = self.ending().with_user(self.manager)
        self.run_day(WINDOW)
        order = self.sign(subscription)
        renewal = self.renewal(subscription)
        renewal._log_step(
            renewal._get_steps().filtered(lambda step: step.action == "quote"),
            WINDOW,
            "skipped",
            f"{order.name} is signed",
        )
        self.upgrade()
        log = renewal.step_log_ids.filtered(lambda log: log.result == "skipped")
        self.assertEqual(log.order_id, order)
        order._action_cancel()
        self.assertFalse(log.exists())

    def test_upgrade_ties_the_to_do_to_its_quotation(self):
        subscription = self.ending()
        self.run_day(WINDOW, date(2026, 12, 1))
        renewal = self.renewal(subscription)
        todo = renewal.quote_activity_id
        self.assertTrue(todo)
        renewal.quote_activity_id = False
        self.upgrade()
        self.assertEqual(renewal.quote_activity_id, todo)
