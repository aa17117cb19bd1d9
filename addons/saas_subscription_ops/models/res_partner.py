# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class ResPartner(models.Model):
    _inherit = "res.partner"

    saas_subscription_count = fields.Integer(
        compute="_compute_saas_subscription_count",
        groups="saas_core.group_saas_core_user",
    )

    def _compute_saas_subscription_count(self):
        counts = dict(
            self.env["saas.subscription"]._read_group(
                [("commercial_partner_id", "in", self.commercial_partner_id.ids)],
                ["commercial_partner_id"],
                ["__count"],
            )
        )
        for partner in self:
            partner.saas_subscription_count = counts.get(
                partner.commercial_partner_id, 0
            )

    def action_view_saas_subscriptions(self) -> dict:
        """Open the account's subscriptions.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_subscription_ops.saas_subscription_action"
        )
        action["domain"] = [
            ("commercial_partner_id", "=", self.commercial_partner_id.id)
        ]
        action["context"] = {"default_partner_id": self.id}
        return action
