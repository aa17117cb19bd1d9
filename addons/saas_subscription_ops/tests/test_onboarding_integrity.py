# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo import Command
from odoo.exceptions import AccessError, UserError, ValidationError
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
        order = self.subscription._create_quote("amendment", date(2026, 3, 20))
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

    # Facts are not typed in --------------------------------------------
    def test_facts_of_projects_are_not_typed_in(self):
        boss = self.new_user(
            "sub_boss",
            "project.group_project_manager,hr_timesheet.group_timesheet_manager",
        )
        project = self.project.with_user(boss)
        for name, value in (
            ("saas_live_on", "2026-03-01"),
            ("saas_order_id", False),
            ("saas_subscription_id", False),
            ("saas_go_live_baseline", "2026-12-31"),
            ("saas_health", "on_track"),
            ("saas_wait_customer_hours", 100),
            ("saas_days_lead_to_live", 1),
            ("saas_hypercare_ended_on", "2026-03-01"),
            ("saas_is_merged", False),
        ):
            with self.subTest(name):
                with self.assertRaisesRegex(UserError, "follow from the steps"):
                    project.write({name: value})
        with self.assertRaisesRegex(UserError, "follow from the steps"):
            project.create({"name": "Forged", "saas_order_id": self.order.id})
        forged = project.with_context(default_saas_live_on="2026-03-01")
        self.assertFalse(forged.create({"name": "Own"}).saas_live_on)
        project.saas_go_live_planned = "2026-04-20"
        self.assertEqual(self.project.saas_go_live_planned, date(2026, 4, 20))

    def test_packages_stay_what_was_sold(self):
        boss = self.new_user(
            "sub_boss",
            "project.group_project_manager,hr_timesheet.group_timesheet_manager",
        )
        package = self.project.saas_package_ids.with_user(boss)
        for name in ("order_line_id", "project_id", "product_id", "change_request_id"):
            with self.assertRaisesRegex(UserError, "follow from the steps"):
                package.write({name: False})
        package.hours_budget = 30
        self.assertEqual(self.project.saas_hours_budget, 30)

    # What milestones bill ----------------------------------------------
    def _bill(self, name):
        milestone = self.milestone(self.project, name)
        milestone.is_reached = True
        milestone.with_user(self.finance).action_saas_bill()
        self.assertEqual(milestone.saas_billing_state, "billed")
        return milestone

    def test_invoiced_milestone_taken_back_is_told_to_finance(self):
        milestone = self._bill("Migration ready")
        milestone.with_user(self.delivery).is_reached = False
        raised = self.exceptions("onboarding.billed_milestone_reopened")
        self.assertEqual((raised.queue, raised.res_id), ("finance", self.project.id))
        self.assertIn("Migration ready", raised.name)
        milestone.with_user(self.delivery).is_reached = True
        self.assertEqual(raised.state, "resolved")

    def test_open_milestone_taken_back_is_nobody_s_loss(self):
        milestone = self.milestone(self.project, "Migration ready")
        milestone.is_reached = True
        milestone.with_user(self.delivery).is_reached = False
        self.assertFalse(self.exceptions("onboarding.billed_milestone_reopened"))

    def test_invoiced_milestone_keeps_what_it_bills(self):
        milestone = self._bill("Migration ready")
        for user in (self.delivery, self.salesperson):
            for vals in ({"quantity_percentage": 0.1}, {"sale_line_id": False}):
                with self.assertRaisesRegex(UserError, "is invoiced"):
                    milestone.with_user(user).sudo().write(vals)
        with self.assertRaisesRegex(UserError, "is invoiced"):
            milestone.unlink()

    def test_delivery_does_not_change_what_is_billed(self):
        milestone = self.milestone(self.project, "Migration ready")
        own = milestone.with_user(self.delivery)
        for vals in ({"quantity_percentage": 0.1}, {"sale_line_id": False}):
            with self.assertRaises(AccessError):
                own.write(vals)
        with self.assertRaises(AccessError):
            own.unlink()
        Milestone = own.with_context(default_project_id=self.project.id)
        extra = Milestone.create({"name": "Extra"})
        self.assertFalse(extra.sale_line_id)
        line = milestone.sale_line_id.id
        with self.assertRaises(UserError):
            Milestone.with_context(default_sale_line_id=line).create({"name": "More"})
        with self.assertRaises(UserError):
            Milestone.create({"name": "More", "sale_line_id": line})
        self.milestone(self.project, "Migration live").quantity_percentage = 0.1
        with self.assertRaises(AccessError):
            Milestone.create(
                {"name": "More", "sale_line_id": line, "quantity_percentage": 0.1}
            )
        self.assertFalse(milestone.copy().sale_line_id)
        extra.unlink()

    def test_milestones_bill_no_more_than_their_line(self):
        milestone = self.milestone(self.project, "Migration ready")
        milestone.quantity_percentage = 0.3
        self.assertAlmostEqual(milestone.saas_amount, 900)
        with self.assertRaisesRegex(ValidationError, "110.0"):
            milestone.quantity_percentage = 0.5
