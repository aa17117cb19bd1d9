# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import models

from ..exceptions import RenewalError


class CrmLeadLost(models.TransientModel):
    """A renewal is lost for a reason: rates by reason are worth nothing without."""

    _inherit = "crm.lead.lost"

    def action_lost_reason_apply(self):
        renewals = self.lead_ids.filtered(lambda lead: lead.saas_lead_kind == "renewal")
        if renewals and not self.lost_reason_id:
            raise RenewalError(
                self.env._(
                    "Choose a Lost Reason: %(names)s is a renewal, and losses are "
                    "compared by reason.",
                    names=", ".join(renewals.mapped("name")),
                )
            )
        return super().action_lost_reason_apply()
