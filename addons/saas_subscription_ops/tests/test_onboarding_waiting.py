# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, datetime
from unittest.mock import patch

from psycopg2.errors import UniqueViolation

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import freeze_time, tagged
from odoo.tools import mute_logger

from ..exceptions import OnboardingError
from .common_onboarding_documents import PDF, DocumentCase

# 9 to 17 UTC in these tests: without a calendar the week is Monday to Friday.
MONDAY = "2026-03-02 09:00:00"


@tagged("post_install", "-at_install")
class TestOnboardingWaiting(DocumentCase):
    """Who is waited for, from when to when, and the hours that makes."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company.resource_calendar_id = False
        # The tasks of the customer would be waited for all the time.
        tasks = cls.project.tasks.filtered("saas_is_customer_task")
        cls.invite = tasks.filtered(lambda task: not task.depend_on_ids)
        cls.train = tasks - cls.invite
        tasks.saas_is_customer_task = False
        cls.project.saas_wait_ids.unlink()
        cls.project.write(
            {
                "saas_wait_measured_at": False,
                "saas_wait_customer_hours": 0,
                "saas_wait_us_hours": 0,
                "saas_waiting_on": False,
            }
        )

    def _open(self):
        return self.project.saas_wait_ids.filtered("is_open")

    def _set(self, side="customer", reason="Their admin is away", **vals):
        return (
            self.env["saas.onboarding.wait.wizard"]
            .with_user(self.delivery)
            .create(
                {"project_id": self.project.id, "side": side, "reason": reason, **vals}
            )
            .action_confirm()
        )

    # Documents -------------------------------------------------------
    def test_documents_wait_for_the_side_that_has_them(self):
        agreement = self.as_delivery(self.agreement)
        with freeze_time(MONDAY):
            agreement.action_request()
        self.assertEqual(self.project.saas_waiting_on, "customer")
        with freeze_time("2026-03-03 13:00:00"):
            agreement._add_version("a.pdf", PDF)
        self.assertEqual(self.project.saas_waiting_on, "us")
        self.assertEqual(self.project.saas_wait_customer_hours, 12)
        with freeze_time("2026-03-03 15:00:00"):
            self.refuse(self.agreement)
        self.assertEqual(self.project.saas_waiting_on, "customer")
        self.assertEqual(self.project.saas_wait_us_hours, 2)
        with freeze_time("2026-03-04 09:00:00"):
            self.waive(self.agreement)
        self.assertFalse(self.project.saas_waiting_on)
        self.assertEqual(self.project.saas_wait_customer_hours, 14)
        self.assertEqual(self.project.saas_wait_us_hours, 2)
        self.assertEqual(len(self.project.saas_wait_ids), 3)

    def test_two_open_documents_count_once(self):
        with freeze_time(MONDAY):
            self.as_delivery(self.project).action_saas_request_documents()
        self.assertEqual(len(self._open()), 2)
        with freeze_time("2026-03-02 17:00:00"):
            self.waive(self.agreement)
            self.waive(self.brand_book)
        self.assertEqual(self.project.saas_wait_customer_hours, 8)

    def test_both_sides_may_wait(self):
        with freeze_time(MONDAY):
            self.as_delivery(self.project).action_saas_request_documents()
        with freeze_time("2026-03-02 11:00:00"):
            self.as_delivery(self.agreement)._add_version("a.pdf", PDF)
        self.assertEqual(self.project.saas_waiting_on, "both")
        self.project._saas_on_daily_check(date(2026, 3, 3))
        self.assertEqual(self.project.saas_wait_customer_hours, 8)
        self.assertEqual(self.project.saas_wait_us_hours, 6)

    # Once a day ------------------------------------------------------
    def test_daily_check_measures_up_to_the_day_and_never_back(self):
        with freeze_time(MONDAY):
            self.as_delivery(self.agreement).action_request()
        self.project._saas_on_daily_check(date(2026, 3, 9))
        self.assertEqual(self.project.saas_wait_customer_hours, 40)
        self.project._saas_on_daily_check(date(2026, 3, 9))
        self.project._saas_on_daily_check(date(2026, 3, 4))
        self.assertEqual(self.project.saas_wait_customer_hours, 40)

    def test_daily_check_mends_what_is_missing(self):
        with freeze_time(MONDAY):
            self.as_delivery(self.agreement).action_request()
        self.project.saas_wait_ids.unlink()
        self.project._saas_on_daily_check(date(2026, 3, 4))
        self.assertEqual(self._open().document_id, self.agreement)
        self.project._saas_on_daily_check(date(2026, 3, 4))
        self.assertEqual(len(self.project.saas_wait_ids), 1)

    def test_holidays_do_not_count(self):
        calendar = self.env["resource.calendar"].create(
            {"name": "Office", "tz": "UTC", "company_id": self.company.id}
        )
        self.company.resource_calendar_id = calendar
        self.env["resource.calendar.leaves"].create(
            {
                "name": "Holiday",
                "company_id": self.company.id,
                "date_from": "2026-03-03 00:00:00",
                "date_to": "2026-03-03 23:59:59",
            }
        )
        with freeze_time("2026-03-02 00:00:00"):
            self.as_delivery(self.agreement).action_request()
        self.project._saas_on_daily_check(date(2026, 3, 5))
        self.assertEqual(self.project.saas_wait_customer_hours, 16)

    def test_going_live_ends_all_waiting(self):
        with freeze_time(MONDAY):
            self.as_delivery(self.brand_book).action_request()
            self._set(side="us", reason="Release")
        with freeze_time("2026-03-02 12:00:00"):
            self.project.saas_live_on = date(2026, 3, 2)
        self.assertFalse(self._open())
        self.assertFalse(self.project.saas_waiting_on)
        self.assertEqual(self.project.saas_wait_us_hours, 3)
        with self.assertRaisesRegex(OnboardingError, "no running onboarding"):
            self._set()

    # Tasks -----------------------------------------------------------
    def test_customer_tasks_are_waited_for_once_they_can_be_done(self):
        with freeze_time(MONDAY):
            (self.invite | self.train).saas_is_customer_task = True
        self.assertEqual(self._open().task_id, self.invite)
        with freeze_time("2026-03-02 12:00:00"):
            self.as_delivery(self.invite).state = "1_done"
        self.assertEqual(self._open().task_id, self.train)
        with freeze_time("2026-03-02 13:00:00"):
            self.as_delivery(self.invite).state = "01_in_progress"
        self.assertEqual(self._open().task_id, self.invite)
        with freeze_time("2026-03-02 14:00:00"):
            self.invite.saas_is_customer_task = False
        self.assertFalse(self._open())
        self.assertEqual(self.project.saas_wait_customer_hours, 5)

    def test_deleted_and_moved_tasks_are_not_waited_for(self):
        with freeze_time(MONDAY):
            self.invite.saas_is_customer_task = True
        other = self.template.action_create_from_template({"name": "Elsewhere"})
        with freeze_time("2026-03-02 10:00:00"):
            self.invite.project_id = other
        self.assertFalse(self._open())
        self.assertEqual(self.project.saas_wait_customer_hours, 1)
        moved = other.saas_wait_ids.filtered(lambda wait: wait.task_id == self.invite)
        self.assertTrue(moved.is_open)
        with freeze_time("2026-03-02 11:00:00"):
            self.invite.unlink()
        self.assertEqual(moved.date_end, datetime(2026, 3, 2, 11))

    def test_open_waits_are_looked_up_once_for_all_tasks(self):
        Wait = type(self.env["saas.onboarding.wait"])
        look = patch.object(
            Wait, "_get_open", autospec=True, side_effect=Wait._get_open
        )
        with freeze_time(MONDAY), look as looked:
            (self.invite | self.train).saas_is_customer_task = True
        self.assertEqual(looked.call_count, 1)
        self.assertEqual(self._open().task_id, self.invite)

    def test_template_tasks_wait_for_nobody(self):
        self.assertFalse(self.template.saas_wait_ids)

    # By hand ---------------------------------------------------------
    def test_by_hand_with_reason_and_end(self):
        with freeze_time("2026-03-03 17:00:00"):
            self._set(date_start=datetime(2026, 3, 3, 12))
            self.assertEqual(self.project.saas_wait_customer_hours, 5)
            with self.assertRaisesRegex(OnboardingError, "Their admin is away"):
                self._set(reason="Again")
            self._set(side="us", reason="Release")
        self.assertEqual(self.project.saas_waiting_on, "both")
        with freeze_time("2026-03-04 10:00:00"):
            self.as_delivery(self.project).action_saas_end_waiting()
            self.as_delivery(self.project).action_saas_end_waiting()
        self.assertFalse(self.project.saas_waiting_on)
        self.assertEqual(self.project.saas_wait_customer_hours, 6)
        self.assertEqual(self.project.saas_wait_us_hours, 1)

    def test_not_in_the_future_nor_before_the_project(self):
        for moment in (datetime(2100, 1, 1), datetime(2000, 1, 1)):
            with self.assertRaises(ValidationError):
                self._set(date_start=moment)

    def test_only_what_was_set_by_hand_is_ended_by_hand(self):
        with freeze_time(MONDAY):
            self.as_delivery(self.agreement).action_request()
        with self.assertRaisesRegex(OnboardingError, "Data agreement"):
            self.as_delivery(self._open()).action_end()

    def test_one_open_interval_per_cause(self):
        with freeze_time(MONDAY):
            self.as_delivery(self.agreement).action_request()
            self._set()
        for wait in self._open():
            with (
                mute_logger("odoo.sql_db"),
                self.assertRaises(UniqueViolation),
                self.env.cr.savepoint(),
            ):
                wait.copy()

    def test_access(self):
        with freeze_time(MONDAY):
            self.as_delivery(self.agreement).action_request()
        wait = self._open()
        self.assertEqual(wait.with_user(self.auditor).side, "customer")
        with self.assertRaises(AccessError):
            self.as_delivery(wait).write({"date_end": "2026-03-02 09:00:00"})
        with self.assertRaises(AccessError):
            self.env["saas.onboarding.wait"].with_user(self.delivery).create(
                {
                    "project_id": self.project.id,
                    "side": "us",
                    "cause": "manual",
                    "date_start": MONDAY,
                }
            )
        with self.assertRaises(AccessError):
            self.project.with_user(self.auditor)._saas_set_manual_wait(
                "us", "x", datetime(2026, 3, 2)
            )
        with self.assertRaises(UserError):
            wait.with_user(self.auditor).action_end()
        other = self.env["res.company"].create({"name": "Other company"})
        stranger = self.new_user("wait_stranger", "project.group_project_user", other)
        theirs = wait.with_user(stranger).with_context(allowed_company_ids=other.ids)
        with self.assertRaises(AccessError):
            theirs.read(["side"])

    # KPI -------------------------------------------------------------
    def _kpi(self, month):
        [row] = self.env["project.project"]._saas_kpi_onboarding_wait_customer(
            None, self.company, date(2026, month, 1), date(2026, month + 1, 1)
        )
        return row

    def test_kpi_adds_working_days_per_project(self):
        with freeze_time("2026-03-30 13:00:00"):
            self.as_delivery(self.project).action_saas_request_documents()
        with freeze_time("2026-04-02 09:00:00"):
            self.waive(self.agreement | self.brand_book)
        self.assertEqual(float(self._kpi(3)["value"]), 1.5)
        self.assertEqual(float(self._kpi(4)["value"]), 1)
        self.assertEqual(float(self._kpi(5)["value"]), 0)
        self.assertEqual(self._kpi(3)["inputs"], {"projects": 1, "intervals": 2})
        rows = self.env["saas.onboarding.wait"].search(self._kpi(3)["domain"])
        self.assertEqual(rows, self.project.saas_wait_ids)

    def test_kpi_of_what_is_open_goes_as_far_as_the_daily_check(self):
        with freeze_time(MONDAY):
            self.as_delivery(self.agreement).action_request()
        self.project._saas_on_daily_check(date(2026, 3, 5))
        self.assertEqual(float(self._kpi(3)["value"]), 3)
        kpi = self.env["saas.kpi"].search([("code", "=", "onboarding_wait_customer")])
        self.assertEqual(kpi.unit, "days")
