# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from decimal import Decimal
from unittest.mock import patch

from psycopg2.errors import UniqueViolation

from odoo import Command
from odoo.exceptions import AccessError, UserError
from odoo.tests import freeze_time, tagged
from odoo.tools import mute_logger

from .common_onboarding import OnboardingCase


@tagged("post_install", "-at_install")
@freeze_time("2026-03-02 09:00:00")
class TestOnboardingAlerts(OnboardingCase):
    """The daily check: health, alerts told once, failures queued, KPIs."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.project = cls.start(cls.migration_product)
        cls.Project = cls.env["project.project"]

    def check(self, day, project=None):
        with freeze_time(f"{day} 09:00:00"):
            (project or self.project)._saas_check_batch(day)

    def codes(self, *wanted):
        codes = self.alerts(self.project).mapped("code")
        return sorted(code for code in codes if not wanted or code in wanted)

    # Health ----------------------------------------------------------
    def test_on_track_until_something_is_overdue(self):
        self.check(date(2026, 3, 3))
        self.assertEqual(self.project.saas_health, "on_track")
        self.assertFalse(self.project.saas_health_reason)
        self.check(date(2026, 3, 9))
        self.assertEqual(self.project.saas_health, "at_risk")
        self.assertIn("overdue", self.project.saas_health_reason)
        self.assertIn("Migration ready", self.project.saas_health_reason)
        found = self.Project.search(
            [
                ("saas_health", "=", "at_risk"),
                ("saas_health_reason", "ilike", "overdue"),
            ]
        )
        self.assertIn(self.project, found)

    def test_late_is_past_the_tolerance(self):
        # Prepare (2 days) and move (3 days) from the 11th: Tuesday the 17th, one late.
        self.check(date(2026, 3, 11))
        self.assertEqual(self.project.saas_go_live_predicted, date(2026, 3, 17))
        self.assertEqual(self.project.saas_health, "late")
        self.assertIn("1 working days", self.project.saas_health_cause)
        self.assertEqual(self.project.saas_go_live_delay, 1)
        self.project.saas_tolerance_days = 1
        self.check(date(2026, 3, 11))
        self.assertEqual(self.project.saas_health, "at_risk")

    def test_templates_of_tasks_are_no_work(self):
        self.env["project.task"].create(
            {
                "name": "Migration: spare",
                "project_id": self.migration.id,
                "is_template": True,
                "saas_is_customer_task": True,
                "saas_day_offset": 1,
                "child_ids": [
                    Command.create({"name": "Part", "saas_is_customer_task": True})
                ],
            }
        )
        project = self.start(self.migration_product)
        copy = self.task(project, "Migration: spare")
        self.assertTrue(copy.is_template)
        self.assertFalse(copy.date_deadline)
        self.check(date(2026, 3, 16), project)
        self.assertNotIn(copy, self.alerts(project, "task_late").task_id)
        self.assertFalse(copy.saas_predicted_on)
        self.assertFalse(project.saas_wait_ids)
        self.assertFalse(project._saas_portal_get_tasks())
        # A task that is made of it is one.
        with freeze_time("2026-03-16 09:00:00"):
            copy.is_template = False
        self.check(date(2026, 3, 17), project)
        self.assertEqual(project.saas_wait_ids.task_id, copy | copy.child_ids)
        self.assertEqual(project._saas_portal_get_tasks(), copy | copy.child_ids)

    def test_changes_update_the_forecast_at_once(self):
        with freeze_time("2026-03-11 09:00:00"):
            self.project._saas_assess(date(2026, 3, 11))
            self.assertEqual(self.project.saas_health, "late")
            tasks = self.project._saas_get_all_tasks()
            tasks.with_user(self.delivery).state = "1_done"
            self.assertEqual(self.project.saas_go_live_predicted, date(2026, 3, 16))
            self.assertEqual(self.project.saas_health, "at_risk")
            ready = self.milestone(self.project, "Migration ready")
            ready.with_user(self.delivery).is_reached = True
            self.assertEqual(self.project.saas_health, "on_track")

    def test_failing_forecast_keeps_the_change(self):
        task = self.task(self.project, "Migration: ask")
        with patch.object(
            type(self.project), "_saas_assess", side_effect=UserError("no")
        ):
            task.state = "1_done"
        self.assertEqual(task.state, "1_done")
        self.assertTrue(self.exceptions("onboarding.check_failed"))

    def test_tolerance_comes_from_the_template(self):
        self.migration.saas_tolerance_days = 5
        self.assertEqual(self.start(self.migration_product).saas_tolerance_days, 5)

    def test_a_cycle_is_reported_and_does_not_loop(self):
        prepare = self.task(self.project, "Migration: prepare")
        move = self.task(self.project, "Migration: move")
        # Odoo refuses cycles on screen; imports and SQL do not.
        self.env.cr.execute(
            "INSERT INTO task_dependencies_rel (task_id, depends_on_id)"
            " VALUES (%s, %s)",
            (prepare.id, move.id),
        )
        self.env.invalidate_all()
        self.check(date(2026, 3, 3))
        self.assertEqual(self.project.saas_health, "at_risk")
        self.assertIn("wait for each other", self.project.saas_health_reason)

    def test_calendar_without_working_days_is_queued(self):
        calendar = self.company.resource_calendar_id
        calendar.attendance_ids.unlink()
        self.check(date(2026, 3, 3))
        failed = self.exceptions("onboarding.check_failed")
        self.assertEqual(failed.res_id, self.project.id)
        self.assertEqual(failed.retry_method, "saas_retry_check_onboarding")

    # Alerts ----------------------------------------------------------
    def test_hours_alerts_come_one_after_the_other(self):
        self.book(self.project, 15.9)
        self.check(date(2026, 3, 3))
        self.assertEqual(self.codes(), [])
        self.book(self.project, 0.1)
        self.check(date(2026, 3, 3))
        self.assertEqual(self.codes(), ["hours_80"])
        self.book(self.project, 4)
        self.check(date(2026, 3, 3))
        self.assertEqual(self.codes(), ["hours_100", "hours_80"])
        self.assertEqual(self.project.saas_alert_count, 2)

    def test_cron_twice_tells_once(self):
        for _repeat in range(2):
            self.check(date(2026, 3, 11))
        self.check(date(2026, 3, 12))
        self.assertEqual(self.codes().count("go_live_late"), 1)
        events = self.events(self.project, "onboarding.alert_raised")
        told = [event.payload["code"] for event in events]
        self.assertEqual(told.count("go_live_late"), 1)
        raised = self.exceptions("onboarding.go_live_late")
        self.assertEqual((len(raised), raised.occurrences), (1, 1))
        self.assertEqual(raised.severity, "high")
        activity = self.alerts(self.project, "go_live_late").activity_id
        self.assertEqual(activity.user_id, self.csm)
        self.assertEqual(activity.res_id, self.project.id)

    def test_notifying_again_does_nothing(self):
        self.check(date(2026, 3, 11))
        alerts = self.alerts(self.project)
        count = len(self.events(self.project))
        alerts.with_user(self.delivery).saas_notify()
        self.assertEqual(len(self.events(self.project)), count)

    def test_late_tasks_share_one_activity(self):
        self.check(date(2026, 3, 20))
        late = self.alerts(self.project, "task_late")
        self.assertEqual(len(late), 4)
        self.assertEqual(len(late.activity_id), 1)
        self.assertEqual(len(self.exceptions("onboarding.task_late")), 1)

    def test_alert_closes_with_its_fact(self):
        self.check(date(2026, 3, 11))
        alert = self.alerts(self.project, "go_live_late")
        activity = alert.activity_id
        self.project.saas_go_live_planned = date(2026, 4, 30)
        self.check(date(2026, 3, 12))
        self.assertEqual(alert.date_closed, date(2026, 3, 12))
        self.assertEqual(self.exceptions("onboarding.go_live_late").state, "resolved")
        self.assertFalse(activity.active)
        self.project.saas_go_live_planned = date(2026, 3, 13)
        self.check(date(2026, 3, 13))
        self.assertEqual(len(self.alerts(self.project, "go_live_late")), 1)

    def test_open_alert_is_unique_in_the_database(self):
        self.check(date(2026, 3, 11))
        alert = self.alerts(self.project, "go_live_late")
        with mute_logger("odoo.sql_db"), self.assertRaises(UniqueViolation):
            with self.env.cr.savepoint():
                alert.copy()

    def test_inactive_counts_working_days_without_anybody(self):
        self.project.saas_inactive_days = 3
        self.check(date(2026, 3, 4))
        self.assertNotIn("inactive", self.codes())
        self.check(date(2026, 3, 5))
        self.assertIn("inactive", self.codes())
        self.book(self.project, 1, day="2026-03-05")
        self.check(date(2026, 3, 6))
        self.assertNotIn("inactive", self.codes())
        self.check(date(2026, 3, 10))
        self.assertIn("inactive", self.codes())
        with freeze_time("2026-03-10 10:00:00"):
            self.project.with_user(self.csm).message_post(
                body="Called them", message_type="comment"
            )
        self.check(date(2026, 3, 10))
        self.assertNotIn("inactive", self.codes())

    def test_a_late_signature_is_no_inactivity(self):
        self.company.saas_onboarding_inactive_days = 2
        project = self.start(self.training_product, start=date(2026, 2, 2))
        project._saas_get_all_tasks().date_last_stage_update = False
        self.check(date(2026, 3, 3), project)
        self.assertFalse(self.alerts(project, "inactive"))
        self.check(date(2026, 3, 4), project)
        self.assertTrue(self.alerts(project, "inactive"))

    def test_company_sets_the_limit_of_inactivity(self):
        self.company.saas_onboarding_inactive_days = 2
        self.check(date(2026, 3, 4))
        self.assertIn("inactive", self.codes())
        self.company.saas_onboarding_inactive_days = 0
        self.check(date(2026, 3, 5))
        self.assertNotIn("inactive", self.codes())

    def test_silent_customer_puts_the_project_at_risk(self):
        facts = [{"code": "customer_silent", "message": "No answer"}]
        cls = type(self.project)
        with patch.object(cls, "_saas_get_alert_facts", return_value=facts):
            self.check(date(2026, 3, 3))
        self.assertEqual(self.codes(), ["customer_silent"])
        self.assertEqual(self.project.saas_health, "at_risk")
        self.check(date(2026, 3, 3))
        self.assertEqual(self.project.saas_health, "on_track")

    def test_nobody_to_tell_leaves_the_exception(self):
        self.project.user_id = False
        self.partner.saas_csm_id = False
        self.check(date(2026, 3, 11))
        self.assertFalse(self.alerts(self.project).activity_id)
        self.assertTrue(self.exceptions("onboarding.go_live_late"))

    def test_going_live_ends_the_alerts(self):
        self.check(date(2026, 3, 11))
        self.assertTrue(self.codes())
        self.project.saas_live_on = date(2026, 3, 12)
        with freeze_time("2026-03-12 09:00:00"):
            self.Project._check_onboarding(date(2026, 3, 12))
        self.assertFalse(self.codes())

    # Cron ------------------------------------------------------------
    def test_one_failing_project_does_not_stop_the_others(self):
        other = self.start(self.training_product)
        cls = type(self.project)
        check = cls._saas_check_day

        def fail(project, day):
            if project == self.project:
                raise UserError("broken plan")
            return check(project, day)

        with patch.object(cls, "_saas_check_day", fail):
            self.Project._check_onboarding(date(2026, 3, 9))
        self.assertEqual(other.saas_health, "at_risk")
        failed = self.exceptions("onboarding.check_failed")
        self.assertEqual(failed.res_id, self.project.id)
        self.Project._check_onboarding(date(2026, 3, 10))
        self.assertEqual(failed.state, "resolved")

    def test_cron_runs(self):
        with self.enter_registry_test_mode(), freeze_time("2026-03-09 09:00:00"):
            self.env.ref(
                "saas_subscription_ops.ir_cron_project_project_check_onboarding"
            ).method_direct_trigger()
        self.assertEqual(self.project.saas_assessed_on, date(2026, 3, 9))

    def test_a_day_without_news_writes_nothing(self):
        self.check(date(2026, 3, 3))
        self.env.flush_all()
        with patch.object(
            type(self.project), "write", side_effect=AssertionError("written")
        ):
            self.check(date(2026, 3, 3))
        self.assertFalse(self.exceptions("onboarding.check_failed"))

    # Access ----------------------------------------------------------
    def test_alerts_are_read_and_not_written(self):
        self.check(date(2026, 3, 11))
        alert = self.alerts(self.project)[:1]
        for user in (self.delivery, self.csm, self.auditor):
            self.assertTrue(alert.with_user(user).message)
            with self.assertRaises(AccessError):
                alert.with_user(user).date_closed = date(2026, 3, 11)
            with self.assertRaises(AccessError):
                alert.with_user(user).unlink()
        with self.assertRaises(AccessError):
            alert.with_user(self.finance).read(["message"])
        with self.assertRaises(AccessError):
            alert.with_user(self.finance).saas_notify()

    def test_alerts_stay_in_their_company(self):
        self.check(date(2026, 3, 11))
        other = self.env["res.company"].create({"name": "Elsewhere"})
        user = self.new_user("sub_alien", "project.group_project_manager", other)
        with self.assertRaises(AccessError):
            self.alerts(self.project)[:1].with_user(user).read(["message"])

    def test_retry_is_for_delivery(self):
        self.project.with_user(self.delivery).saas_retry_check_onboarding()
        with self.assertRaises(AccessError):
            self.project.with_user(self.auditor).saas_retry_check_onboarding()

    # KPIs ------------------------------------------------------------
    def _kpi(self, name, month=3):
        return getattr(self.Project, f"_saas_kpi_{name}")(
            None, self.company, date(2026, month, 1), date(2026, month + 1, 1)
        )

    def test_kpi_open_has_a_total_and_a_row_per_phase(self):
        self.start(self.training_product)
        rows = {row["dimension"]: row["value"] for row in self._kpi("onboarding_open")}
        self.assertEqual(rows, {"": 2, "Test begin": 2})
        self.milestone(self.project, "Migration ready").is_reached = True
        rows = {row["dimension"]: row for row in self._kpi("onboarding_open")}
        self.assertEqual(rows["Test end"]["value"], 1)
        found = self.Project.search(rows["Test end"]["domain"])
        self.assertEqual(found, self.project)

    def test_kpi_on_time_rate(self):
        self.assertEqual(self._kpi("onboarding_on_time_rate"), [])
        other = self.start(self.training_product)
        self.project.saas_live_on = date(2026, 3, 16)
        other.saas_live_on = date(2026, 3, 17)
        row = self._kpi("onboarding_on_time_rate")[0]
        self.assertEqual(row["value"], Decimal("50.00"))
        self.assertEqual(row["inputs"], {"live": 2, "on_time": 1})
        self.assertEqual(self._kpi("onboarding_on_time_rate", 4), [])

    def test_kpi_budget_used(self):
        self.book(self.project, 5)
        self.book(self.project, 5, day="2026-04-02")
        self.assertEqual(self._kpi("onboarding_budget_used")[0]["value"], Decimal(25))
        april = self._kpi("onboarding_budget_used", 4)[0]
        self.assertEqual(april["value"], Decimal(50))
        self.project.saas_package_ids.hours_budget = 0
        self.assertEqual(self._kpi("onboarding_budget_used"), [])

    def test_inactive_users_do_not_count_as_assignees(self):
        self.env["project.role"].create({"name": "Unused"})
        self.csm.active = False
        self.partner.saas_csm_id = False
        self.role_csm.saas_user_ids = [Command.clear()]
        self.check(date(2026, 3, 11))
        self.assertFalse(self.alerts(self.project).activity_id)
