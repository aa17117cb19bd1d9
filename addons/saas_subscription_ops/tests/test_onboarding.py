# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from unittest.mock import patch

from psycopg2.errors import UniqueViolation

from odoo import Command
from odoo.exceptions import AccessError, UserError
from odoo.tests import freeze_time, tagged
from odoo.tools import mute_logger

from .common import SubscriptionCase


@tagged("post_install", "-at_install")
class TestOnboarding(SubscriptionCase):
    """Projects from templates: roles, working days, milestones, go-live."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.create_order()
        cls.order.action_confirm()
        cls.project = cls.order.saas_onboarding_project_ids

    def _task(self, name):
        return self.project.task_ids.filtered(lambda task: task.name == name)

    def test_project_belongs_to_order_subscription_and_customer(self):
        project = self.project
        self.assertFalse(project.is_template)
        self.assertEqual(project.partner_id, self.partner)
        self.assertEqual(project.saas_subscription_id, self.order.saas_subscription_ids)
        self.assertEqual(project.company_id, self.company)
        self.assertEqual(project.user_id, self.csm)
        self.assertEqual(project.sale_line_id.product_id, self.package)

    def test_roles_become_users(self):
        self.assertEqual(self._task("Kick-off").user_ids, self.salesperson)
        self.assertEqual(self._task("Configure").user_ids, self.csm)
        self.assertFalse(self._task("Whenever").user_ids)

    def test_deadlines_are_working_days_after_the_start(self):
        # Monday 2 March 2026
        self.assertEqual(self._task("Kick-off").date_deadline.date(), date(2026, 3, 3))
        self.assertEqual(self._task("Configure").date_deadline.date(), date(2026, 3, 9))
        self.assertFalse(self._task("Whenever").date_deadline)
        self.assertEqual(
            self.project.milestone_ids.sorted("sequence").mapped("deadline"),
            [False, date(2026, 3, 16)],
        )

    def test_holidays_of_the_company_are_skipped_those_of_others_not(self):
        Leaves = self.env["resource.calendar.leaves"]
        other = self.env["res.company"].create({"name": "Other holidays"})
        for company, day in ((self.company, 3), (other, 4)):
            leave = Leaves.sudo().create(
                {
                    "name": "Holiday",
                    "date_from": f"2026-03-{day:02d} 00:00:00",
                    "date_to": f"2026-03-{day:02d} 23:59:59",
                }
            )
            leave.company_id = company
        days = self.env["project.project"]._saas_get_dated_ends(
            self.company, date(2026, 3, 2), 1
        )
        self.assertEqual(days[1][1].date(), date(2026, 3, 4))

    def test_company_without_calendar_counts_weekdays(self):
        company = self.env["res.company"].create({"name": "No calendar"})
        company.resource_calendar_id = False
        days = self.env["project.project"]._saas_get_dated_ends(
            company, date(2026, 3, 6), 2
        )
        self.assertEqual([end.date().day for _day, end in days.values()], [9, 10])

    def test_tasks_keep_their_milestones(self):
        self.assertEqual(self._task("Configure").milestone_id.project_id, self.project)

    def test_one_project_per_order_and_template(self):
        with mute_logger("odoo.sql_db"), self.assertRaises(UniqueViolation):
            with self.env.cr.savepoint():
                self.template._saas_create_onboarding_project(self.order)

    def test_plan_template_is_the_fallback(self):
        self.plan.onboarding_template_id = self.template
        order = self.create_order([(self.platform, 1)])
        order.action_confirm()
        self.assertEqual(
            order.saas_onboarding_project_ids.saas_onboarding_template_id, self.template
        )

    def test_unstaffed_role_is_reported_not_fatal(self):
        self.partner.saas_csm_id = False
        order = self.create_order()
        order.action_confirm()
        self.assertTrue(order.saas_onboarding_project_ids)
        report = self.exceptions("onboarding.role_unassigned")
        self.assertIn("Success manager", report.name)

    def test_archived_user_gets_no_tasks(self):
        self.role_csm.saas_user_ids = [Command.set(self.manager.ids)]
        self.csm.active = False
        order = self.create_order()
        order.action_confirm()
        project = order.saas_onboarding_project_ids
        task = project.task_ids.filtered(lambda t: t.name == "Configure")
        self.assertEqual(task.user_ids, self.manager)

    def test_template_that_lost_its_flag_fails_whole(self):
        order = self.create_order()
        with patch.object(type(order), "_saas_get_template_problems", return_value=[]):
            self.template.is_template = False
            order.action_confirm()
        self.assertFalse(order.saas_onboarding_project_ids)
        failed = self.exceptions("order.onboarding_failed")
        self.assertIn("no project template", failed.name)
        self.template.is_template = True
        order.saas_retry_create_onboarding()
        self.assertTrue(order.saas_onboarding_project_ids)

    # Go-live ---------------------------------------------------------
    @freeze_time("2026-03-20")
    def test_last_milestone_sets_the_account_live_once(self):
        first, last = self.project.milestone_ids.sorted("sequence")
        first.with_user(self.csm).is_reached = True
        self.assertFalse(self.project.saas_live_on)
        self.assertEqual(self.partner.saas_lifecycle, "onboarding")
        last.with_user(self.csm).is_reached = True
        self.assertEqual(self.project.saas_live_on, date(2026, 3, 20))
        self.assertEqual(self.partner.saas_lifecycle, "live")
        last.saas_check_onboarding_live()
        self.assertEqual(len(self.events(self.project, "onboarding.live")), 1)
        self.assertEqual(
            len(self.events(self.project, "onboarding.milestone_reached")), 2
        )

    def test_account_waits_for_its_other_projects(self):
        second = self.create_order()
        second.action_confirm()
        self.project.milestone_ids.is_reached = True
        self.assertTrue(self.project.saas_live_on)
        self.assertEqual(self.partner.saas_lifecycle, "onboarding")
        second.saas_onboarding_project_ids.milestone_ids.is_reached = True
        self.assertEqual(self.partner.saas_lifecycle, "live")

    def test_failing_go_live_keeps_the_mark_and_can_be_retried(self):
        cls = type(self.project)
        with patch.object(cls, "_saas_do_go_live", side_effect=UserError("no")):
            self.project.milestone_ids.is_reached = True
        self.assertTrue(all(self.project.milestone_ids.mapped("is_reached")))
        self.assertTrue(self.exceptions("onboarding.go_live_failed"))
        self.project.saas_retry_go_live()
        self.assertTrue(self.project.saas_live_on)

    def test_go_live_needs_access_to_the_milestone(self):
        with self.assertRaises(AccessError):
            self.project.milestone_ids.with_user(
                self.auditor
            ).saas_check_onboarding_live()

    def test_kpi_counts_what_was_open(self):
        Project = self.env["project.project"]
        count = lambda month: Project._saas_kpi_onboarding_open(  # noqa: E731
            None, self.company, date(2026, month, 1), date(2026, month + 1, 1)
        )[0]["value"]
        self.assertEqual(count(2), 0)
        self.assertEqual(count(3), 1)
        with freeze_time("2026-04-10"):
            self.project.milestone_ids.is_reached = True
        self.assertEqual(count(3), 1)
        self.assertEqual(count(4), 0)
