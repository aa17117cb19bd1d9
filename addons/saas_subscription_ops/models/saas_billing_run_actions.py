# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import models


class SaasBillingRun(models.Model):
    """Ways from a run to its lines, charges, invoices and report."""

    _inherit = "saas.billing.run"

    def action_print_report(self) -> dict:
        """Print the run report.

        :return: report action
        """
        return self.env.ref(
            "saas_subscription_ops.action_report_saas_billing_run"
        ).report_action(self)

    def action_download_report(self) -> dict:
        """Download the run report as a workbook.

        :return: URL action
        """
        self.ensure_one()
        return {
            "type": "ir.actions.act_url",
            "url": f"/saas/billing-run/{self.id}/report.xlsx",
            "target": "download",
        }

    def action_view_lines(self) -> dict:
        """Open the preview, one row per subscription.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_subscription_ops.saas_billing_run_line_action"
        )
        action["domain"] = [("run_id", "=", self.id)]
        return action

    def action_view_charges(self) -> dict:
        """Open the charges this run booked.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_subscription_ops.saas_charge_action"
        )
        action["domain"] = [("run_id", "=", self.id)]
        action["context"] = {}
        return action

    def action_view_invoices(self) -> dict:
        """Open the invoices and credit notes this run posted.

        :return: window action
        """
        self.ensure_one()
        moves = self.line_ids.move_id
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Invoices of %(run)s", run=self.name),
            "res_model": "account.move",
            "view_mode": "list,form",
            "domain": [("id", "in", moves.ids)],
            # The list has its columns by kind: without it there is no customer.
            "context": {"create": False, "default_move_type": "out_invoice"},
        }
