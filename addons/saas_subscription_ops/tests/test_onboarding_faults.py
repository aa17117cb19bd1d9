# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from unittest.mock import patch

from odoo.exceptions import UserError
from odoo.tests import freeze_time, tagged

from .common_onboarding import OnboardingCase

TODAY = date(2026, 3, 16)
LIVE = "odoo.addons.saas_subscription_ops.models.project_project_live"


@tagged("post_install", "-at_install")
@freeze_time("2026-03-16 09:00:00")
class TestOnboardingFaults(OnboardingCase):
    """What goes wrong around an onboarding, and what is left of it."""

    def _order(self, *products, **vals):
        return self.create_order([(product, 1) for product in products], **vals)

    def test_company_without_working_days(self):
        self.company.resource_calendar_id.attendance_ids.unlink()
        order = self._order(self.platform, self.migration_product)
        order.action_confirm()
        self.assertFalse(order.saas_onboarding_project_ids)
        failed = self.exceptions("order.onboarding_failed")
        self.assertIn("working days", failed.name)
        self.assertEqual(failed.state, "open")

    def test_working_days_lost_on_the_way(self):
        project = self.start(self.platform, self.migration_product)
        self.company.resource_calendar_id.attendance_ids.unlink()
        self.env.invalidate_all()
        manager = project.with_user(self.delivery)
        for step in (
            manager.action_saas_assess,
            lambda: manager.action_saas_reschedule(date(2026, 4, 1)),
            lambda: project._saas_check_day(TODAY),
        ):
            with self.assertRaisesRegex(UserError, "working hours and days off"):
                step()
        # Work goes on; what can't be forecast waits for the calendar.
        document = self.env["saas.onboarding.document"].create(
            {"name": "Contract data", "project_id": project.id}
        )
        document.action_request()
        self.task(project, "Migration: prepare").with_user(
            self.delivery
        ).state = "1_done"
        failed = self.exceptions("onboarding.check_failed")
        self.assertIn("working hours and days off", failed.name)

    def test_company_without_calendar(self):
        self.company.resource_calendar_id = False
        project = self.start(self.platform, self.migration_product)
        self.assertTrue(project)
        project._saas_check_day(TODAY)

    def test_project_deleted_by_hand(self):
        order = self._order(self.platform, self.migration_product)
        order.action_confirm()
        project = order.saas_onboarding_project_ids
        document = self.env["saas.onboarding.document"].create(
            {"name": "Contract data", "project_id": project.id}
        )
        document.action_request()
        project.unlink()
        self.assertFalse(order.saas_onboarding_project_ids)
        order.saas_create_onboarding()
        self.assertEqual(len(order.saas_onboarding_project_ids), 1)

    def test_product_archived(self):
        order = self._order(self.platform, self.migration_product)
        order.action_confirm()
        subscription = order.saas_subscription_ids
        (self.platform | self.migration_product).action_archive()
        self.migration.active = False
        later = subscription._create_quote("amendment", date(2026, 3, 20))
        later.order_line[0].product_uom_qty = 2
        later.action_confirm()
        self.assertEqual(later.state, "sale")
        self.assertFalse(self.exceptions("order.subscription_failed"))
        order.saas_onboarding_project_ids._saas_check_day(TODAY)

    def test_other_currency(self):
        usd = self.env.ref("base.USD")
        usd.active = True
        self.env["res.currency.rate"].create(
            {
                "currency_id": usd.id,
                "name": "2026-01-01",
                "rate": 2.0,
                "company_id": self.company.id,
            }
        )
        pricelist = self.env["product.pricelist"].create(
            {"name": "Dollars", "currency_id": usd.id, "company_id": self.company.id}
        )
        work = self.create_product("Extra work", 150.0, saas_charge_kind="one_time")
        self.company.saas_change_product_id = work
        order = self._order(
            self.platform, self.migration_product, pricelist_id=pricelist.id
        )
        order.action_confirm()
        project = order.saas_onboarding_project_ids
        milestone = self.milestone(project, "Migration ready")
        line = order.order_line.filtered(
            lambda ln: ln.product_id == self.migration_product
        )
        self.assertEqual(milestone.saas_currency_id, usd)
        self.assertAlmostEqual(milestone.saas_amount, line.price_subtotal * 0.4)
        self.assertAlmostEqual(
            milestone.saas_company_amount, line.price_subtotal * 0.4 / 2
        )
        request = self.env["saas.change.request"].create(
            {"name": "More", "project_id": project.id, "hours": 2, "price": 300}
        )
        request.action_estimate()
        request.action_quote()
        extra = request.order_id.order_line.filtered(lambda ln: ln.product_id == work)
        self.assertEqual(request.order_id.currency_id, usd)
        self.assertAlmostEqual(extra.price_subtotal, 600)
        request.order_id.action_confirm()
        self.assertEqual(request.state, "accepted")

    def test_milestone_reached_twice_and_order_cancelled_after_kickoff(self):
        order = self._order(self.platform, self.migration_product)
        order.action_confirm()
        project = order.saas_onboarding_project_ids
        first = self.milestone(project, "Migration ready")
        for _twice in range(2):
            first.with_user(self.delivery).is_reached = True
            first.saas_check_onboarding_live()
        self.assertEqual(len(self.events(project, "onboarding.milestone_reached")), 1)
        order._action_cancel()
        self.assertTrue(project.saas_is_cancelled)
        self.milestone(project, "Migration live").is_reached = True
        self.assertFalse(project.saas_live_on)
        with self.assertRaises(UserError):
            project.with_user(self.delivery).action_saas_go_live()

    def test_last_two_milestones_reached_at_once(self):
        project = self.start(self.platform, self.migration_product)
        # Each sees only its own mark: it takes the lock before it looks at the others.
        with patch(f"{LIVE}.lock_rows") as lock:
            self.milestone(project, "Migration ready").is_reached = True
        self.assertIn(project, lock.call_args.args[0])
        self.assertFalse(project.saas_live_on)
