# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models


class SaasExternalId(models.Model):
    """Name of an account in another system."""

    _name = "saas.external.id"
    _description = "External ID"
    _order = "source, kind, value"
    _check_company_auto = True
    _rec_name = "value"

    source = fields.Char(required=True, index=True)
    kind = fields.Char(required=True)
    value = fields.Char(required=True)
    partner_id = fields.Many2one(
        "res.partner", string="Account", index="btree_not_null", ondelete="cascade"
    )
    company_id = fields.Many2one(
        "res.company",
        required=True,
        index=True,
        ondelete="restrict",
        default=lambda self: self.env.company,
    )

    _value_unique = models.Constraint(
        "UNIQUE (company_id, source, kind, value)",
        "This external id is taken. Open the existing one instead.",
    )

    @api.model
    def _resolve_many(self, source, kind, values, company):
        """Find the records that external ids stand for, in one query.

        :param str source: source system
        :param str kind: kind of id, for example ``tenant``
        :param values: iterable of ids
        :param company: ``res.company``
        :return: dict of each known value to its ``saas.external.id`` record
        """
        found = self.search(
            [
                ("company_id", "=", company.id),
                ("source", "=", source),
                ("kind", "=", kind),
                ("value", "in", [str(value) for value in values]),
            ]
        )
        return {row.value: row for row in found}
