# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo.tests import HttpCase, tagged

from .common import ROLE, SubscriptionCase


@tagged("post_install", "-at_install")
class TestTour(SubscriptionCase, HttpCase):
    """The screens: a quote is confirmed, a run prepared, somebody else approves."""

    def test_quote_to_approved_run(self):
        groups = ("sales_team.group_sale_manager", "project.group_project_user")
        self.new_user("tour_sales", ",".join((*groups, f"{ROLE}subscription_manager")))
        self.new_user("tour_operator", f"{ROLE}billing_operator")
        self.new_user("tour_approver", f"{ROLE}billing_approver")
        order = self.create_order(client_order_ref="PO-77")
        self.start_tour(
            f"/odoo/sales/{order.id}", "saas_quote_confirm", login="tour_sales"
        )
        order.invalidate_recordset()
        self.assertEqual(order.saas_subscription_ids.state, "active")
        self.start_tour(
            "/odoo/saas-billing-runs", "saas_billing_run_prepare", login="tour_operator"
        )
        run = self.env["saas.billing.run"].search(
            [("company_id", "=", self.company.id)]
        )
        self.assertEqual(run.state, "reviewed")
        self.start_tour(
            f"/odoo/saas-billing-runs/{run.id}",
            "saas_billing_run_approve",
            login="tour_approver",
        )
        run.invalidate_recordset()
        self.assertEqual(run.state, "approved")
        self.post(run)
        self.assertEqual(run.state, "done")
        self.assertEqual(order.saas_subscription_ids.charge_ids.move_id.ref, "PO-77")
