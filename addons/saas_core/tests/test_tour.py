# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo.tests import HttpCase, new_test_user, tagged


@tagged("post_install", "-at_install")
class TestTour(HttpCase):
    """Work on an exception as people do."""

    def test_exception_worklist(self):
        user = new_test_user(
            self.env,
            login="core_tour",
            groups="base.group_user,saas_core.group_saas_core_administrator",
        )
        kpi = self.env.ref("saas_core.saas_kpi_open_exceptions")
        retried = kpi._saas_raise(
            "core.tour_retry",
            "Core tour: retry me",
            severity="critical",
            retry_method="saas_retry_compute",
        )
        ignored = kpi._saas_raise("core.tour_ignore", "Core tour: ignore me")
        self.start_tour("/odoo", "saas_core_exception_worklist", login=user.login)
        self.assertEqual(retried.owner_id, user)
        self.assertEqual(retried.state, "resolved")
        self.assertEqual(ignored.state, "ignored")
        self.assertEqual(ignored.close_reason, "Only a tour")
