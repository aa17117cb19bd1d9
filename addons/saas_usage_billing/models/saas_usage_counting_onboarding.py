# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, models


class SaasUsageCounting(models.AbstractModel):
    _inherit = "saas.usage.counting"

    @api.model
    def _after_count(self, subscription_ids):
        """Let usage do what it does in the onboarding of its customers."""
        result = super()._after_count(subscription_ids)
        if subscription_ids:
            # sudo: as everything the counting does
            subscriptions = self.env["saas.subscription"].sudo()
            accounts = subscriptions.browse(subscription_ids).commercial_partner_id
            self.env["project.project"]._saas_complete_goals(
                [("partner_id.commercial_partner_id", "in", accounts.ids)]
            )
        return result
