# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo.exceptions import UserError
from odoo.tests import freeze_time, tagged

from .common_onboarding import OnboardingCase


@tagged("post_install", "-at_install")
@freeze_time("2026-03-16")
class TestOnboardingIntegrity(OnboardingCase):
    """What must stay true of orders, projects, packages and milestones."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.work = cls.create_product("Extra work", 150.0, saas_charge_kind="one_time")
        cls.company.saas_change_product_id = cls.work
        cls.order = cls.create_order([(cls.platform, 1), (cls.migration_product, 1)])
        cls.order.action_confirm()
        cls.project = cls.order.saas_onboarding_project_ids
        cls.subscription = cls.order.saas_subscription_ids

    # One change, one charge --------------------------------------------
    def _quoted(self):
        request = (
            self.env["saas.change.request"]
            .with_user(self.delivery)
            .create({"name": "More", "project_id": self.project.id, "hours": 8})
        )
        request.action_estimate()
        request.with_user(self.salesperson).action_quote()
        return request.sudo()

    def test_replaced_quotation_of_a_change_is_not_confirmed(self):
        request = self._quoted()
        first = request.order_id
        first._action_cancel()
        request.with_user(self.salesperson).action_quote()
        second = request.order_id
        self.assertEqual(request.order_ids, first | second)
        first.action_draft()
        self.assertIn(second.name, first.saas_quote_problem)
        with self.assertRaisesRegex(UserError, "was replaced"):
            first.with_user(self.salesperson).action_confirm()
        # Past the button: it charges nothing and is reported.
        first.state = "sale"
        self.assertTrue(self.exceptions("order.subscription_failed"))
        second.action_confirm()
        self.assertEqual(request.state, "accepted")
        charged = self.subscription.line_ids.filtered(
            lambda line: line.product_id == self.work
        )
        self.assertEqual(len(charged), 1)

    def test_change_is_not_quoted_beside_an_open_order(self):
        request = self._quoted()
        first = request.order_id
        first._action_cancel()
        first.action_draft()
        with self.assertRaisesRegex(UserError, "cancel it before"):
            request.with_user(self.salesperson).action_quote()
        first.action_confirm()
        self.assertEqual(request.state, "accepted")

    def test_order_keeps_its_change(self):
        order = self._quoted().order_id
        with self.assertRaisesRegex(UserError, "follow from the steps"):
            order.with_user(self.salesperson).saas_change_request_id = False
