# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import models


class SaasBillingRunLine(models.Model):
    _inherit = "saas.billing.run.line"

    def _set_usage_bounds(self):
        """Hold usage whose source has not sent everything, before holds are read."""
        for run, lines in self.grouped("run_id").items():
            lines.subscription_id._hold_lagging_usage(run.date_cutoff)
        return super()._set_usage_bounds()
