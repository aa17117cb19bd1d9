# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models


class ProductTemplate(models.Model):
    _inherit = "product.template"

    saas_meter_id = fields.Many2one(
        "saas.meter",
        string="Meter",
        check_company=True,
        index="btree_not_null",
        ondelete="restrict",
        help="A subscription line with this product is charged by usage: the quantity"
        " comes from this meter, the amount from the meter's prices.",
    )
    saas_usage_price_ids = fields.One2many("saas.usage.price", "product_tmpl_id")

    @api.depends("saas_meter_id")
    def _compute_saas_charge_kind(self):
        result = super()._compute_saas_charge_kind()
        for template in self:
            if template.saas_meter_id and not template.saas_charge_kind:
                template.saas_charge_kind = "usage"
        return result
