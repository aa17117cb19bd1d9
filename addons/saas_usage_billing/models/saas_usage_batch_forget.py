# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import models


class SaasUsageBatch(models.Model):
    _inherit = "saas.usage.batch"

    def _compute_display_name(self):
        """Name requests that are no longer kept, too: their events still are."""
        kept = self.exists()
        result = super(SaasUsageBatch, kept)._compute_display_name()
        for request in self - kept:
            request.display_name = self.env._(
                "%(number)s, no longer kept", number=request.id
            )
        return result
