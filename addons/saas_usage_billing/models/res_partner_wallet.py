# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class ResPartner(models.Model):
    _inherit = "res.partner"

    saas_wallet_ids = fields.One2many(
        "saas.wallet", "partner_id", groups="saas_core.group_saas_core_user"
    )
    saas_wallet_text = fields.Char(
        compute="_compute_saas_wallet_text",
        string="Prepaid Credit",
        groups="saas_core.group_saas_core_user",
    )

    def _compute_saas_wallet_text(self):
        for partner in self:
            wallets = partner.commercial_partner_id.saas_wallet_ids
            partner.saas_wallet_text = wallets._describe()

    def action_view_saas_wallets(self) -> dict:
        """Open the account's wallets.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_usage_billing.saas_wallet_action"
        )
        account = self.commercial_partner_id
        action["domain"] = [("partner_id", "=", account.id)]
        action["context"] = {"default_partner_id": account.id}
        return action
