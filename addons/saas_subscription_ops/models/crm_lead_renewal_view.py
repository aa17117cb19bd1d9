# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models


class CrmLead(models.Model):
    _inherit = "crm.lead"

    saas_renewal_count = fields.Integer(
        compute="_compute_saas_renewal_count", string="Number of Renewals"
    )

    @api.depends("saas_renewal_ids")
    def _compute_saas_renewal_count(self):
        for lead in self:
            lead.saas_renewal_count = len(lead.saas_renewal_ids)

    def action_view_saas_renewals(self) -> dict:
        """Open the renewals this opportunity is about.

        :return: window action
        """
        self.ensure_one()
        return self.env["saas.renewal"]._get_list_action([("lead_id", "=", self.id)])
