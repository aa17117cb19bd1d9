# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models

from odoo.addons.saas_subscription_ops.models.saas_subscription_billing import (
    to_decimal,
)

from ..engine.tiers import Tier


class SaasUsagePriceTier(models.Model):
    """One step of a tiered price: the units up to a bound, and what they cost."""

    _name = "saas.usage.price.tier"
    _description = "Usage Price Tier"
    _order = "price_id, is_open, up_to, id"

    price_id = fields.Many2one(
        "saas.usage.price", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="price_id.company_id", store=True, index=True)
    currency_id = fields.Many2one(related="price_id.currency_id")
    first_unit = fields.Float(
        string="Above",
        digits="Usage Quantity",
        compute="_compute_first_unit",
        help="Bound of the tier before.",
    )
    up_to = fields.Float(
        digits="Usage Quantity",
        aggregator=None,
        help="Last unit of this tier. 0: no end, for the last tier.",
    )
    is_open = fields.Boolean(compute="_compute_is_open", store=True, precompute=True)
    unit_price = fields.Float(digits="Usage Price", aggregator=None)
    flat_amount = fields.Float(
        string="Flat Fee",
        digits="Usage Price",
        aggregator=None,
        help="Due once, as soon as this tier is reached.",
    )

    _bound_not_negative = models.Constraint(
        "CHECK (up_to >= 0)", "The bound of a tier cannot be negative."
    )
    _bound_unique = models.UniqueIndex(
        "(price_id, up_to)", "Two tiers of this price end at the same unit."
    )

    @api.depends("up_to")
    def _compute_is_open(self):
        for tier in self:
            tier.is_open = not tier.up_to

    @api.depends("up_to", "price_id.tier_ids.up_to")
    def _compute_first_unit(self):
        for tier in self:
            bounds = tier.price_id.tier_ids.mapped("up_to")
            below = [
                bound
                for bound in bounds
                if bound and (tier.is_open or bound < tier.up_to)
            ]
            tier.first_unit = max(below, default=0.0)

    def _get_terms(self):
        """Return the engine's tier.

        :return: ``Tier``, exact decimals
        """
        self.ensure_one()
        return Tier(
            up_to=None if self.is_open else to_decimal(self.up_to),
            unit=to_decimal(self.unit_price),
            flat=to_decimal(self.flat_amount),
        )
