# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo.tests import HttpCase, tagged

from .common import ROLE, SubscriptionCase


@tagged("post_install", "-at_install")
class TestSaasBillingRunTour(SubscriptionCase, HttpCase):
    """The screens of runs and schedules, each with the lowest rights that do."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.new_user("run_operator", f"{ROLE}billing_operator")
        cls.new_user("run_approver", f"{ROLE}billing_approver")
        for _number in range(2):
            cls.create_subscription()

    def tour(self, run, name, login):
        self.start_tour(f"/odoo/saas-billing-runs/{run.id}", name, login=login)
        run.invalidate_recordset()
        run.line_ids.invalidate_recordset()

    def test_decide_refuse_pause_and_finish(self):
        run = self.create_run()
        run.action_compute()
        self.tour(run, "saas_billing_run_decide", "run_operator")
        self.assertEqual(sorted(run.line_ids.mapped("state")), ["held", "ok"])
        held = run.line_ids.filtered(lambda line: line.state == "held")
        held.with_user(self.operator).comment = "fine"
        held.with_user(self.operator).action_release()
        run.with_user(self.operator).action_review()
        self.tour(run, "saas_billing_run_refuse", "run_approver")
        self.assertEqual(run.state, "computed")
        self.approve(run)
        self.tour(run, "saas_billing_run_pause", "run_operator")
        self.assertEqual((run.state, run.is_paused), ("posting", False))
        self.post(run)
        self.tour(run, "saas_billing_run_done", "run_approver")

    def test_schedule_is_written_and_approved(self):
        self.start_tour(
            "/odoo/saas-billing-schedules",
            "saas_billing_schedule_write",
            login="run_operator",
        )
        schedule = self.env["saas.billing.schedule"].search(
            [("company_id", "=", self.company.id)]
        )
        self.assertTrue(schedule.auto_approve)
        self.start_tour(
            f"/odoo/saas-billing-schedules/{schedule.id}",
            "saas_billing_schedule_approve",
            login="run_approver",
        )
        schedule.invalidate_recordset()
        self.assertEqual(schedule.approved_by_id.login, "run_approver")
