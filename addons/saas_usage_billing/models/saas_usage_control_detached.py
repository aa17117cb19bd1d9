# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import datetime, time

from odoo import api, models


class SaasUsageControl(models.Model):
    _inherit = "saas.usage.control"

    @api.model
    def _control_rating(self, month, meters=None):
        """Leave the rows of detached months as they were, without a difference."""
        # sudo: as all of the control
        until = self.env["saas.usage.partition"].sudo()._get_detached_until()
        if until and datetime.combine(month, time.min) < until:
            return True
        return super()._control_rating(month, meters)
