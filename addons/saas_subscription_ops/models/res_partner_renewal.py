# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class ResPartner(models.Model):
    _inherit = "res.partner"

    saas_renewal_count = fields.Integer(
        compute="_compute_saas_renewal_count",
        string="Open Renewals",
        groups="saas_core.group_saas_core_user,sales_team.group_sale_salesman",
    )

    def _compute_saas_renewal_count(self):
        counts = dict(
            self.env["saas.renewal"]._read_group(
                [
                    ("partner_id", "in", self.commercial_partner_id.ids),
                    ("outcome", "=", "open"),
                ],
                ["partner_id"],
                ["__count"],
            )
        )
        for partner in self:
            partner.saas_renewal_count = counts.get(partner.commercial_partner_id, 0)

    def action_view_saas_renewals(self) -> dict:
        """Open the account's renewals.

        :return: window action
        """
        self.ensure_one()
        return self.env["saas.renewal"]._get_list_action(
            [("partner_id", "=", self.commercial_partner_id.id)]
        )
