# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models

from ..exceptions import UsageStoreError
from .saas_meter import has_booked_charges


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

    def write(self, vals):
        if "saas_meter_id" in vals:
            for template in self:
                if template.saas_meter_id.id != (vals["saas_meter_id"] or False):
                    template._check_meter_free()
        return super().write(vals)

    def _check_meter_free(self):
        """Refuse another meter for a product whose usage was invoiced.

        :raise UsageStoreError: a charge is booked
        """
        self.ensure_one()
        # sudo: whether invoices depend on it is the same for every user
        prices = self.sudo().with_context(active_test=False).saas_usage_price_ids
        if has_booked_charges(prices):
            raise UsageStoreError(
                self.env._(
                    "Usage of %(name)s has been invoiced: with another meter those"
                    " periods would be counted anew. Duplicate the product instead.",
                    name=self.name,
                )
            )

    @api.depends("saas_meter_id")
    def _compute_saas_charge_kind(self):
        result = super()._compute_saas_charge_kind()
        for template in self:
            if template.saas_meter_id and not template.saas_charge_kind:
                template.saas_charge_kind = "usage"
        return result
