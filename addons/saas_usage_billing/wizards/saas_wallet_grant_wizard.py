# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class SaasWalletGrantWizard(models.TransientModel):
    """Ask what is put into a wallet by hand."""

    _name = "saas.wallet.grant.wizard"
    _description = "Grant Credit"
    _inherit = ["saas.record.wizard.mixin"]
    _subject_fields = ("wallet_id",)

    wallet_id = fields.Many2one("saas.wallet", required=True, ondelete="cascade")
    currency_id = fields.Many2one(related="wallet_id.currency_id")
    kind = fields.Selection(
        [("paid", "Paid"), ("promotional", "Promotional")],
        required=True,
        default="promotional",
        help="Paid: the customer has paid for it outside of sales orders.",
    )
    amount = fields.Monetary(required=True)
    date_start = fields.Date(
        string="Valid From",
        required=True,
        default=lambda self: fields.Date.context_today(self),
    )
    date_expiry = fields.Date(
        string="Expires On",
        help="First day whose service it does not pay for any more. Empty: never.",
    )
    priority = fields.Integer(
        required=True, default=50, help="From 1 to 50, the lowest is used first."
    )
    rollover_min = fields.Monetary(
        string="Roll Over at Least",
        help="What is left when it expires is lifted to this amount.",
    )
    rollover_max = fields.Monetary(
        string="Roll Over at Most",
        help="As much as this goes on once when it expires, for as long again.",
    )
    reason = fields.Char(required=True)

    def action_confirm(self) -> dict:
        """Put the money into the wallet.

        :return: action closing the dialog
        :raise AccessError: no right to change the wallet
        :raise WalletError: the wallet is closed, or the amount is no money
        """
        self.ensure_one()
        self.wallet_id.check_access("write")
        grant = self.wallet_id._grant(
            self.amount,
            self.kind,
            self.reason.strip(),
            date_start=self.date_start,
            date_expiry=self.date_expiry,
            priority=self.priority,
            rollover_min=self.rollover_min if self.date_expiry else 0.0,
            rollover_max=self.rollover_max if self.date_expiry else 0.0,
        )
        self.wallet_id._message_log(
            body=self.env._(
                "Granted: %(amount)s. %(reason)s",
                amount=self.wallet_id._format_money(grant.amount),
                reason=grant.name,
            )
        )
        return {"type": "ir.actions.act_window_close"}
