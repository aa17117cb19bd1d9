# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo.exceptions import AccessError, UserError
from odoo.tests import freeze_time, tagged

from .common_onboarding import OnboardingCase


@tagged("post_install", "-at_install")
@freeze_time("2026-03-02 09:00:00")
class TestOnboardingBilling(OnboardingCase):
    """Milestones bill their share of the package, and finance sees it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.project = cls.start(cls.migration_product, cls.training_product)
        cls.order = cls.project.saas_order_id

    def _line(self, product):
        return self.order.order_line.filtered(lambda ln: ln.product_id == product)

    def test_milestones_know_line_and_share(self):
        ready = self.milestone(self.project, "Migration ready")
        line = self._line(self.migration_product)
        self.assertEqual(ready.sale_line_id, line)
        self.assertAlmostEqual(ready.quantity_percentage, 0.4)
        self.assertEqual(ready.saas_amount, 1200.0)
        self.assertEqual(ready.saas_company_amount, 1200.0)
        self.assertEqual(ready.saas_billing_state, "planned")
        other = self.milestone(self.project, "Training ready")
        self.assertEqual(other.sale_line_id, self._line(self.training_product))

    def test_reached_is_billable_then_billed(self):
        ready = self.milestone(self.project, "Migration ready")
        ready.with_user(self.delivery).is_reached = True
        line = self._line(self.migration_product)
        self.assertAlmostEqual(line.qty_delivered, 0.4)
        self.assertEqual(ready.saas_billing_state, "to_bill")
        action = ready.with_user(self.finance).action_saas_bill()
        move = self.env["account.move"].browse(action["res_id"])
        self.assertEqual(move.amount_untaxed, 1200.0)
        self.assertEqual(move.state, "draft")
        self.assertEqual(ready.saas_billing_state, "billed")
        again = ready.with_user(self.finance).action_saas_bill()
        self.assertEqual(again["res_id"], move.id)
        live = self.milestone(self.project, "Migration live")
        live.is_reached = True
        self.assertEqual(ready.saas_billing_state, "billed")
        self.assertEqual(live.saas_billing_state, "to_bill")
        move.button_cancel()
        self.assertEqual(ready.saas_billing_state, "to_bill")

    def test_several_milestones_are_billed_together(self):
        milestones = self.project.milestone_ids
        milestones.is_reached = True
        self.assertEqual(set(milestones.mapped("saas_billing_state")), {"to_bill"})
        action = milestones.with_user(self.finance).action_saas_bill()
        move = self.env["account.move"].browse(action["res_id"])
        self.assertEqual(move.amount_untaxed, 4000.0)
        self.assertEqual(set(milestones.mapped("saas_billing_state")), {"billed"})

    def test_nothing_to_bill_is_said(self):
        ready = self.milestone(self.project, "Migration ready")
        with self.assertRaisesRegex(UserError, "once it is reached"):
            ready.with_user(self.finance).action_saas_bill()

    def test_without_percentages_the_go_live_bills_everything(self):
        self.training.milestone_ids.saas_billing_percent = 0
        project = self.start(self.training_product)
        live = self.milestone(project, "Training live")
        self.assertAlmostEqual(live.quantity_percentage, 1.0)
        self.assertFalse(self.milestone(project, "Training ready").sale_line_id)
        self.assertFalse(self.exceptions("onboarding.billing_incomplete"))

    def test_less_than_100_is_reported_to_finance(self):
        self.milestone(self.training, "Training live").saas_billing_percent = 20
        project = self.start(self.training_product)
        report = self.exceptions("onboarding.billing_incomplete")
        self.assertEqual((report.res_id, report.queue), (project.id, "finance"))
        self.assertIn("60", report.name)

    def test_charges_of_subscriptions_are_billed_by_runs(self):
        project = self.start(self.platform, self.package)
        self.assertFalse(project.milestone_ids.sale_line_id)
        self.assertFalse(any(project.milestone_ids.mapped("saas_billing_state")))

    def test_prepaid_packages_are_billed_by_the_order(self):
        self.training_product.product_tmpl_id.service_policy = "ordered_prepaid"
        project = self.start(self.training_product)
        self.assertFalse(project.milestone_ids.sale_line_id)

    def test_finance_sees_amounts_and_delivery_does_not(self):
        ready = self.milestone(self.project, "Migration ready")
        for user in (self.finance, self.salesperson, self.auditor):
            self.assertEqual(ready.with_user(user).saas_amount, 1200.0)
        for user in (self.delivery, self.csm):
            for name in ("saas_amount", "saas_company_amount", "saas_order_name"):
                with self.assertRaises(AccessError):
                    ready.with_user(user).read([name])
            with self.assertRaises(AccessError):
                ready.with_user(user).is_reached = True
                ready.with_user(user).action_saas_bill()

    def test_finance_lists_what_is_to_bill(self):
        self.milestone(self.project, "Training ready").is_reached = True
        Milestone = self.env["project.milestone"].with_user(self.finance)
        found = Milestone.search(
            [
                ("saas_billing_state", "=", "to_bill"),
                ("project_id", "=", self.project.id),
            ]
        )
        self.assertEqual(found.mapped("saas_amount"), [400.0])
