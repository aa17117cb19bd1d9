# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..exceptions import UsageStoreError

#: Keys a quantity may be broken down by.
MAX_DIMENSIONS = 4


class SaasMeterDimension(models.Model):
    """A key of the event's data the quantity of a meter is broken down by."""

    _name = "saas.meter.dimension"
    _description = "Meter Dimension"
    _order = "meter_id, sequence, id"

    meter_id = fields.Many2one(
        "saas.meter", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="meter_id.company_id", store=True, index=True)
    sequence = fields.Integer(default=10)
    key = fields.Char(
        required=True, help="Key in the event's data, for example region."
    )
    name = fields.Char(
        required=True, translate=True, help="Word for the key, for example Region."
    )

    _key_unique = models.UniqueIndex(
        "(meter_id, key)", "The meter has a dimension with this key already."
    )

    @api.constrains("key")
    def _check_key(self):
        for dimension in self:
            if not (dimension.key or "").strip():
                raise ValidationError(
                    self.env._(
                        "%(meter)s: say which key of the event's data the dimension"
                        " “%(name)s” is.",
                        meter=dimension.meter_id.name,
                        name=dimension.name,
                    )
                )

    @api.constrains("meter_id")
    def _check_number(self):
        counts = self._read_group(
            [("meter_id", "in", self.meter_id.ids)], ["meter_id"], ["__count"]
        )
        for meter, count in counts:
            if count > MAX_DIMENSIONS:
                raise ValidationError(
                    self.env._(
                        "%(name)s: usage is broken down by %(number)s dimensions at"
                        " most. Remove some.",
                        name=meter.name,
                        number=MAX_DIMENSIONS,
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        self.env.registry.clear_cache()
        return super().create(vals_list)

    def write(self, vals):
        for dimension in self:
            if "key" in vals and vals["key"] != dimension.key:
                dimension._check_unpriced()
        # Last: what is looked up on the way must not be remembered.
        self.env.registry.clear_cache()
        return super().write(vals)

    def unlink(self):
        result = super().unlink()
        self.env.registry.clear_cache()
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_except_priced(self):
        for dimension in self:
            dimension._check_unpriced()

    def _check_unpriced(self):
        """Refuse another key for a dimension that prices are for.

        :raise UsageStoreError: a price names a value of it
        """
        self.ensure_one()
        # sudo: whether a price depends on it is the same for every user
        match = self.env["saas.usage.price.match"].sudo()
        found = match.search([("dimension_id", "=", self.id)], limit=1)
        if found:
            raise UsageStoreError(
                self.env._(
                    "The price “%(price)s” is for values of “%(name)s”, which would go"
                    " to another price. Add a dimension for the other key, or take the"
                    " values out of the price first.",
                    price=found.price_id.name,
                    name=self.name,
                )
            )

    def _describe(self, texts):
        """Return the texts of a group in words.

        :param texts: in the order of the dimensions, empty where the key is missing
        :return: such as “Region eu, Plan none”
        """
        return ", ".join(
            f"{dimension.name} {text or self.env._('none')}"
            for dimension, text in zip(self, texts, strict=True)
        )
