# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo.tests import freeze_time, tagged

from .common_onboarding_documents import PDF, DocumentCase


@tagged("post_install", "-at_install")
class TestOnboardingDocumentReminders(DocumentCase):
    """Three reminders at most, and what ends or begins them anew."""

    # Reminders -------------------------------------------------------
    def _request_on_monday(self):
        with freeze_time("2026-03-02 10:00:00"):
            self.as_delivery(self.agreement).action_request()
        self.mails().unlink()

    def _check(self, day):
        self.project._saas_on_daily_check(date(2026, 3, day))

    def test_three_reminders_then_the_customer_is_silent(self):
        self._request_on_monday()
        for day in range(2, 21):
            for _repeat in range(2):
                self.project._saas_check_day(date(2026, 3, day))
            is_silent = "customer_silent" in self.project._saas_get_open_alerts()
            self.assertEqual(is_silent, day >= 12, day)
        self.assertEqual(self.agreement.reminder_count, 3)
        # every two working days: Wednesday, Friday, Tuesday
        self.assertEqual(self.agreement.reminded_on, date(2026, 3, 10))
        self.assertEqual(len(self.mails()), 3)
        silent = self.project.saas_alert_ids.filtered(
            lambda alert: alert.code == "customer_silent"
        )
        self.assertEqual(len(silent), 1)
        self.assertIn("Data agreement", silent.message)
        with freeze_time("2026-03-23 10:00:00"):
            self.as_delivery(self.agreement)._add_version("a.pdf", PDF)
        self.project._saas_check_day(date(2026, 3, 23))
        self.assertNotIn("customer_silent", self.project._saas_get_open_alerts())

    def test_after_an_outage_one_reminder_only(self):
        self._request_on_monday()
        self._check(20)
        self.assertEqual(self.agreement.reminder_count, 1)
        self.assertEqual(len(self.mails()), 1)

    def test_nobody_is_reminded_of_what_came_in(self):
        self._request_on_monday()
        self.as_delivery(self.agreement)._add_version("a.pdf", PDF)
        self._check(20)
        self.assertFalse(self.mails())

    def test_an_answer_starts_the_count_anew(self):
        self._request_on_monday()
        self._check(5)
        with freeze_time("2026-03-06 10:00:00"):
            self.as_delivery(self.agreement)._add_version("a.pdf", PDF)
            self.refuse(self.agreement)
        self.assertEqual(self.agreement.reminder_count, 0)
        self._check(9)
        self.assertEqual(self.agreement.reminder_count, 0)
        self._check(10)
        self.assertEqual(self.agreement.reminder_count, 1)

    def test_a_failing_reminder_is_an_exception_with_a_retry(self):
        self._request_on_monday()
        self.partner.email = False
        self._check(9)
        self.assertEqual(self.agreement.reminder_count, 0)
        failed = self.exceptions("onboarding.reminder_failed")
        self.assertIn("no e-mail address", failed.name)
        self.partner.email = "acme@example.com"
        with freeze_time("2026-03-09 12:00:00"):
            self.as_delivery(self.project).saas_retry_reminders()
        self.assertEqual(self.agreement.reminder_count, 1)
