# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError

#: Fields that decide which events go to the price.
TERMS = ("price_id", "dimension_id", "value")


class SaasUsagePriceMatch(models.Model):
    """A value of a dimension a price is for.

    Several values of one dimension are alternatives; an event needs one of each
    dimension the price names.
    """

    _name = "saas.usage.price.match"
    _description = "Usage Price Value"
    _inherit = ["saas.usage.price.part"]
    _order = "price_id, dimension_id, value, id"

    dimension_id = fields.Many2one(
        "saas.meter.dimension",
        required=True,
        index=True,
        ondelete="restrict",
        domain="[('meter_id', '=', parent.meter_id)]",
    )
    value = fields.Char(
        required=True,
        help="Compared exactly, also upper and lower case; numbers by their value."
        " Several values of one dimension are alternatives.",
    )

    _value_unique = models.UniqueIndex(
        "(price_id, dimension_id, value)", "The price has this value already."
    )

    @api.model
    def _get_terms_fields(self):
        """Return the fields that decide about the amount."""
        return super()._get_terms_fields() | set(TERMS)

    @api.constrains("value")
    def _check_value(self):
        for match in self:
            if not (match.value or "").strip():
                raise ValidationError(
                    self.env._(
                        "%(price)s: enter the value of “%(dimension)s” the price is"
                        " for. A price without any is for all the rest.",
                        price=match.price_id.name,
                        dimension=match.dimension_id.name,
                    )
                )

    @api.constrains(*TERMS)
    def _check_terms(self):
        if not self._is_written_by_price():
            self.price_id._check_terms()
            self.price_id._check_overlap()

    @api.depends("dimension_id.name", "value")
    def _compute_display_name(self):
        for match in self:
            match.display_name = f"{match.dimension_id.name} {match.value}"
