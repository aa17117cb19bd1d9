# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    saas_usage_rate = fields.Integer(
        related="company_id.saas_usage_rate", readonly=False
    )
