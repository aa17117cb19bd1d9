# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .usage_path import PathError, compile_path


class SaasUsageMappingData(models.Model):
    """A key of the events' data, and where its value stands in a payload."""

    _name = "saas.usage.mapping.data"
    _description = "Usage Mapping Data"
    _order = "mapping_id, sequence, id"

    mapping_id = fields.Many2one(
        "saas.usage.mapping", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(
        related="mapping_id.company_id", store=True, index=True
    )
    sequence = fields.Integer(default=10)
    key = fields.Char(
        required=True, help="As meters, conditions and dimensions name it."
    )
    path = fields.Char(required=True, help="JMESPath of a single value.")

    _key_unique = models.Constraint(
        "UNIQUE (mapping_id, key)", "A key of the data has one path only."
    )

    @api.depends("key", "path")
    def _compute_display_name(self):
        for row in self:
            row.display_name = f"{row.key}: {row.path}"

    @api.constrains("path")
    def _check_path(self):
        for row in self:
            try:
                compile_path(row.path)
            except PathError as error:
                raise ValidationError(
                    self.env._(
                        "Data “%(key)s”: %(problem)s", key=row.key, problem=error.text
                    )
                ) from error

    @api.model_create_multi
    def create(self, vals_list):
        self.env.registry.clear_cache()
        return super().create(vals_list)

    def write(self, vals):
        self.env.registry.clear_cache()
        before = self.mapping_id
        result = super().write(vals)
        if {"mapping_id", "company_id"} & vals.keys():
            # Access was checked for where it was.
            self.check_access("write")
        if "mapping_id" in vals:
            (before | self.mapping_id)._check_samples()
        return result

    def unlink(self):
        self.env.registry.clear_cache()
        return super().unlink()
