# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models

#: Context key ``saas_price_write``: the price writes its rows and checks them itself.
#: Nobody can send this object over RPC; compare with ``is``.
BY_PRICE = object()


class SaasUsagePricePart(models.AbstractModel):
    """A row of a price: checked with it, and as little to be changed as itself."""

    _name = "saas.usage.price.part"
    _description = "Part of a Usage Price"

    price_id = fields.Many2one(
        "saas.usage.price", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="price_id.company_id", store=True, index=True)

    @api.model
    def _get_terms_fields(self):
        """Return the fields that decide about the amount."""
        return {"price_id"}

    @api.model_create_multi
    def create(self, vals_list):
        parts = super().create(vals_list)
        parts._check_free()
        parts.price_id._forget_table()
        return parts

    def write(self, vals):
        if vals.keys() & self._get_terms_fields():
            self._check_free()
        self.price_id._forget_table()
        result = super().write(vals)
        if "price_id" in vals:
            self._check_free()
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_except_booked(self):
        self._check_free()
        self.price_id._forget_table()

    def _is_written_by_price(self) -> bool:
        return self.env.context.get("saas_price_write") is BY_PRICE

    def _check_free(self):
        """Leave rows of invoiced prices to the price, which asks for the reason.

        :raise UsagePriceError: invoiced, and what to do instead
        """
        if not self._is_written_by_price():
            self.price_id._check_reason("")
