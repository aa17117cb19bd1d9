# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class SaasBillingRunRefuseWizard(models.TransientModel):
    """Ask why a billing run is refused."""

    _name = "saas.billing.run.refuse.wizard"
    _description = "Refuse a Billing Run"

    run_id = fields.Many2one("saas.billing.run", required=True, ondelete="cascade")
    reason = fields.Text(required=True)

    def action_confirm(self) -> dict:
        """Send the run back with the reason.

        :return: action closing the dialog
        :raise BillingError: no reason
        """
        self.ensure_one()
        self.run_id.action_refuse(self.reason.strip())
        return {"type": "ir.actions.act_window_close"}
