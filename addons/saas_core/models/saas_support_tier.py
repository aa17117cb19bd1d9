# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class SaasSupportTier(models.Model):
    """What level of support an account has bought."""

    _name = "saas.support.tier"
    _description = "Support Tier"
    _order = "sequence, id"

    name = fields.Char(required=True, translate=True)
    code = fields.Char(required=True, help="Stable key for imports and integrations.")
    sequence = fields.Integer(
        default=10, help="Higher tiers have higher numbers: the order of the worklists."
    )
    description = fields.Text(translate=True)
    color = fields.Integer()
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company", index=True, help="Empty: the tier is offered by every company."
    )

    _code_unique = models.UniqueIndex(
        "(code, COALESCE(company_id, 0))", "A support tier with this code exists."
    )
