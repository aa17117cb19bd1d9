# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    saas_handover_policy = fields.Selection(
        related="company_id.saas_handover_policy", readonly=False
    )
    saas_change_product_id = fields.Many2one(
        related="company_id.saas_change_product_id", readonly=False
    )
    saas_change_order_product_id = fields.Many2one(
        related="company_id.saas_change_order_product_id", readonly=False
    )
