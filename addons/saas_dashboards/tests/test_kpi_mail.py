# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from unittest.mock import patch

from odoo.tests import tagged

from odoo.addons.mail.tests.common import MailCase

from .common import DashboardCase

MONDAY, NEXT_MONDAY = date(2030, 3, 4), date(2030, 3, 11)


@tagged("post_install", "-at_install")
class TestKpiMail(DashboardCase, MailCase):
    """The weekly mail goes to those who asked for it, once, with their figures."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.reader = cls._user(
            "mail_reader",
            "saas_core.group_saas_core_user",
            email="reader@example.com",
            saas_kpi_mail="weekly",
        )
        cls.mrr = cls._store("mrr", date(2030, 3, 1), "777.25")
        cls._store("mrr", date(2030, 3, 1), "999.75", cls.other_company)

    def _send(self, day=MONDAY):
        # Commits are forbidden inside a test's transaction.
        progress = patch.object(
            type(self.env["ir.cron"]), "_commit_progress", return_value=60.0
        )
        with self.mock_mail_gateway(), progress:
            self.env["res.users"]._send_saas_kpi_mails(day)
        return self._new_mails.filtered(lambda mail: "reader@" in (mail.email_to or ""))

    def _serve(self, user, day=MONDAY):
        with self.mock_mail_gateway():
            user._send_saas_kpi_mail(day)
        return self._new_mails

    def test_mail_shows_own_figures_only(self):
        mail = self._serve(self.reader)
        self.assertEqual(len(mail), 1)
        self.assertIn("777.25 USD", mail.body_html)
        self.assertNotIn("999.75", mail.body_html)
        self.assertIn("reader@example.com", mail.email_to)

    def test_run_skips_who_did_not_ask(self):
        self.reader.saas_kpi_mail = False
        self.assertFalse(self._send())

    def test_second_run_of_the_day_sends_nothing(self):
        self.assertEqual(len(self._send()), 1)
        self.assertFalse(self._send())
        self.assertEqual(len(self._send(NEXT_MONDAY)), 1)

    def test_off_target_mail_needs_something_off_target(self):
        self.reader.saas_kpi_mail = "off_target"
        self.assertFalse(self._serve(self.reader))
        kpi = self._kpi("sla_met_rate", direction="up")
        kpi.write({"target": 95, "warning_threshold": 95, "critical_threshold": 85})
        self._store("sla_met_rate", date(2030, 3, 1), 80)
        mail = self._serve(self.reader)
        self.assertIn("80.0 %", mail.body_html)
        self.assertNotIn("777.25", mail.body_html)

    def test_user_without_access_gets_nothing(self):
        outsider = self._user("mail_outsider", "base.group_user", email="o@example.com")
        outsider.saas_kpi_mail = "weekly"
        self.assertFalse(self._serve(outsider))

    def test_user_without_address_gets_nothing(self):
        self.reader.email = False
        self.assertFalse(self._serve(self.reader))
