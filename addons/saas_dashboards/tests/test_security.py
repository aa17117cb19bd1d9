# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo.exceptions import AccessError
from odoo.tests import tagged

from .common import DashboardCase

DASHBOARDS = (
    "saas_dashboards.spreadsheet_dashboard_saas_executive",
    "saas_dashboards.spreadsheet_dashboard_saas_operations",
)


@tagged("post_install", "-at_install")
class TestSecurity(DashboardCase):
    """Who sees the dashboards and whose figures, in allowed and forbidden pairs."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.member = cls._user("dash_user", "saas_core.group_saas_core_user")
        cls.auditor = cls._user("dash_audit", "saas_core.group_saas_core_auditor")
        cls.administrator = cls._user(
            "dash_admin", "saas_core.group_saas_core_administrator"
        )
        cls.employee = cls._user("dash_employee", "base.group_user")
        cls.portal = cls._user("dash_portal", "base.group_portal")
        cls.mine = cls._store("mrr", date(2030, 1, 1), 100)
        cls.theirs = cls._store("mrr", date(2030, 1, 1), 55, cls.other_company)

    def _visible(self, user):
        records = self.env["spreadsheet.dashboard"].browse(
            self.env.ref(name).id for name in DASHBOARDS
        )
        return records.with_user(user)._filtered_access("read")

    def test_roles_see_both_dashboards(self):
        for user in (self.member, self.auditor, self.administrator):
            with self.subTest(user=user.login):
                self.assertEqual(len(self._visible(user)), 2)

    def test_others_see_no_dashboard(self):
        for user in (self.employee, self.portal):
            with self.subTest(user=user.login):
                self.assertFalse(self._visible(user))

    def test_auditor_writes_nothing(self):
        for record in (self.env.ref(DASHBOARDS[0]), self.mine, self.mine.kpi_id):
            with self.subTest(model=record._name):
                record = record.with_user(self.auditor)
                self.assertTrue(record.has_access("read"))
                for operation in ("write", "unlink", "create"):
                    self.assertFalse(record.has_access(operation))

    def test_administrator_sets_the_owner_of_a_kpi(self):
        kpi = self.mine.kpi_id
        kpi.with_user(self.administrator).saas_owner_id = self.member
        self.assertEqual(kpi.saas_owner_id, self.member)

    def test_member_sets_no_owner_of_a_kpi(self):
        with self.assertRaises(AccessError):
            self.mine.kpi_id.with_user(self.member).saas_owner_id = self.member

    def test_values_of_the_own_company_only(self):
        for flag in ("saas_is_latest", "saas_is_current", "saas_is_total"):
            found = self._search((flag, "=", True), user=self.member)
            self.assertEqual(found, self.mine)

    def test_values_of_another_company_are_refused(self):
        with self.assertRaises(AccessError):
            self.theirs.with_user(self.member).saas_value_text  # noqa: B018

    def test_member_of_both_companies_sees_both(self):
        both = self.company | self.other_company
        user = self._user("dash_both", "saas_core.group_saas_core_user", both)
        found = self._search(("saas_is_latest", "=", True), user=user, companies=both)
        self.assertEqual(found, self.mine | self.theirs)

    def test_member_chooses_the_own_kpi_mail(self):
        self.member.with_user(self.member).write({"saas_kpi_mail": "weekly"})
        self.assertEqual(self.member.saas_kpi_mail, "weekly")

    def test_member_chooses_nobody_elses_kpi_mail(self):
        with self.assertRaises(AccessError):
            self.auditor.with_user(self.member).write({"saas_kpi_mail": "weekly"})
