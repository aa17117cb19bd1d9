# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, models

from ..exceptions import UsageStoreError


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    @api.ondelete(at_uninstall=False)
    def _unlink_except_with_usage(self):
        if self.env["saas.usage.event"]._has_events("subscription_id", self.ids):
            raise UsageStoreError(
                self.env._(
                    "Usage was stored for this subscription, so it cannot be deleted."
                    " Cancel it instead."
                )
            )
