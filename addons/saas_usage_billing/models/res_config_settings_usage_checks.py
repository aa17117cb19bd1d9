# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    saas_usage_sigma = fields.Float(
        related="company_id.saas_usage_sigma", readonly=False
    )
    saas_usage_floor = fields.Monetary(
        related="company_id.saas_usage_floor",
        currency_field="saas_usage_currency_id",
        readonly=False,
    )
    saas_usage_currency_id = fields.Many2one(
        related="company_id.currency_id", string="Company Currency"
    )
