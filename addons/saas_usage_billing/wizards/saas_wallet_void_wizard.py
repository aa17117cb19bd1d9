# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class SaasWalletVoidWizard(models.TransientModel):
    """Ask why what is left of a grant is taken back."""

    _name = "saas.wallet.void.wizard"
    _description = "Void Credit"
    _inherit = ["saas.record.wizard.mixin"]
    _subject_fields = ("grant_id",)

    grant_id = fields.Many2one("saas.wallet.grant", required=True, ondelete="cascade")
    currency_id = fields.Many2one(related="grant_id.currency_id")
    remaining = fields.Monetary(related="grant_id.remaining")
    reason = fields.Char(required=True)

    def action_confirm(self) -> dict:
        """Take back what is left of the grant, never more.

        :return: action closing the dialog
        :raise AccessError: no right to change the wallet
        :raise WalletError: nothing of it is free
        """
        self.ensure_one()
        wallet = self.grant_id.wallet_id
        wallet.check_access("write")
        wallet._void(self.grant_id, self.reason.strip())
        return {"type": "ir.actions.act_window_close"}
