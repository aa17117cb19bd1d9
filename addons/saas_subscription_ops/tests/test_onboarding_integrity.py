# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo import Command
from odoo.exceptions import UserError
from odoo.tests import freeze_time, tagged

from .common_onboarding import OnboardingCase

TODAY = date(2026, 3, 16)


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

    # Cancelled orders --------------------------------------------------
    def test_cancelled_order_lets_its_onboarding_stand_still(self):
        project = self.project
        document = self.env["saas.onboarding.document"].create(
            {"name": "Contract data", "project_id": project.id}
        )
        document.action_request()
        self.assertEqual(project.saas_waiting_on, "customer")
        self.order._action_cancel()
        raised = self.exceptions("onboarding.order_cancelled")
        self.assertEqual(
            (raised.queue, raised.res_id), ("customer_success", self.order.id)
        )
        self.assertIn(project.name, raised.name)
        self.assertTrue(project.saas_is_cancelled)
        self.assertFalse(project.saas_waiting_on)
        self.assertFalse(project._saas_is_running_onboarding())
        Project = self.env["project.project"]
        self.assertNotIn(project, Project.search(Project._saas_get_check_domain(TODAY)))
        self.assertFalse(Project.search(Project._saas_portal_get_domain()) & project)
        with self.assertRaisesRegex(UserError, "confirm it again"):
            project.with_user(self.delivery).action_saas_go_live()
        project.milestone_ids.is_reached = True
        self.assertFalse(project.saas_live_on)
        project.milestone_ids.is_reached = False
        # And back.
        self.order.action_draft()
        self.assertTrue(project.saas_is_cancelled)
        self.order.action_confirm()
        self.assertEqual(raised.state, "resolved")
        self.assertTrue(project._saas_is_running_onboarding())
        self.assertEqual(project.saas_waiting_on, "customer")
        self.assertEqual(self.order.saas_onboarding_project_ids, project)
        self.assertEqual(len(project.saas_package_ids), 1)

    def test_cancelled_later_order_names_its_packages(self):
        order = self.subscription._create_quote("amendment", TODAY)
        order.order_line = [Command.create({"product_id": self.package.id})]
        order.action_confirm()
        self.assertEqual(order.saas_package_ids.project_id, self.project)
        order._action_cancel()
        raised = self.exceptions("onboarding.order_cancelled")
        self.assertIn(self.package.name, raised.name)
        self.assertFalse(self.project.saas_is_cancelled)

    # Packages for a project that is over -------------------------------
    def _add_package(self):
        self.order.order_line = [
            Command.create({"product_id": self.training_product.id})
        ]
        self.order.saas_create_onboarding()
        return self.exceptions("order.onboarding_failed")

    def test_package_does_not_join_a_live_project(self):
        self.project.milestone_ids.is_reached = True
        self.assertTrue(self.project.saas_live_on)
        failed = self._add_package()
        self.assertIn("it is live", failed.name)
        self.assertEqual(len(self.project.saas_package_ids), 1)
        self.project.action_saas_undo_go_live("Not really")
        self.order.saas_retry_create_onboarding()
        self.assertEqual(len(self.project.saas_package_ids), 2)

    def test_package_waits_for_an_archived_project(self):
        self.project.active = False
        failed = self._add_package()
        self.assertIn("unarchive it, then retry", failed.name)
        self.project.active = True
        self.order.saas_retry_create_onboarding()
        self.assertEqual(len(self.project.saas_package_ids), 2)
