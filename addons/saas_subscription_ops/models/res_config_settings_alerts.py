# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    saas_onboarding_inactive_days = fields.Integer(
        related="company_id.saas_onboarding_inactive_days", readonly=False
    )
