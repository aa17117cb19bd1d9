# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .saas_usage_partition_retain import FEWEST, KEEP


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    saas_usage_keep_months = fields.Integer(
        string="Keep Usage For (Months)", config_parameter=KEEP
    )

    @api.constrains("saas_usage_keep_months")
    def _check_saas_usage_keep_months(self):
        for settings in self:
            months = settings.saas_usage_keep_months
            if months and months < FEWEST:
                raise ValidationError(
                    self.env._(
                        "Keep usage for %(fewest)s months at least, so that late usage"
                        " and its corrections are through, or enter 0 to keep it for"
                        " ever.",
                        fewest=FEWEST,
                    )
                )
            # sudo: the store is one for all companies
            sources = self.env["saas.usage.source"].sudo()
            sources.with_context(active_test=False).search([])._check_kept(months)
