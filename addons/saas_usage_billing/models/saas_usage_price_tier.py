# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models

from odoo.addons.saas_subscription_ops.models.saas_subscription_billing import (
    to_decimal,
)

from ..engine.models.block import BlockTier
from ..engine.money import CONTEXT
from ..engine.tiers import Tier
from .saas_usage_price import format_quantity

#: Fields that make the amount.
TERMS = ("price_id", "up_to", "unit_price", "block_size", "flat_amount")


class SaasUsagePriceTier(models.Model):
    """One step of a tiered price: the units up to a bound, and what they cost."""

    _name = "saas.usage.price.tier"
    _description = "Usage Price Tier"
    _inherit = ["saas.usage.price.part"]
    _order = "price_id, is_open, up_to, id"

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
    unit_price = fields.Float(
        digits="Usage Price",
        aggregator=None,
        help="Price of one unit, or of one block; percent in a percentage price.",
    )
    block_size = fields.Float(
        digits="Usage Quantity",
        default=1.0,
        aggregator=None,
        help="Units in one block. A started block is paid in full.",
    )
    max_blocks = fields.Float(
        string="Blocks",
        digits="Usage Quantity",
        compute="_compute_max_blocks",
        help="Blocks until the end of the tier. 0: no end.",
    )
    flat_amount = fields.Float(
        string="Flat Fee",
        digits="Usage Price",
        aggregator=None,
        help="Due once, as soon as this tier is reached.",
    )

    _bound_not_negative = models.Constraint(
        "CHECK (up_to >= 0)", "The bound of a tier cannot be negative."
    )

    @api.constrains(*TERMS)
    def _check_terms(self):
        if not self._is_written_by_price():
            self.price_id._check_terms()

    @api.model
    def _get_terms_fields(self):
        """Return the fields that decide about the amount."""
        return super()._get_terms_fields() | set(TERMS)

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

    @api.depends("up_to", "first_unit", "block_size")
    def _compute_max_blocks(self):
        for tier in self:
            blocks = None if tier.block_size <= 0 else tier._get_block().max_blocks
            tier.max_blocks = float(blocks or 0)

    def _get_block(self):
        """Return the engine's tier of blocks: as many as fit up to the bound.

        :return: ``BlockTier``, exact decimals
        """
        self.ensure_one()
        size = to_decimal(self.block_size)
        units = to_decimal(self.up_to) - to_decimal(self.first_unit)
        return BlockTier(
            size=size,
            price=to_decimal(self.unit_price),
            max_blocks=CONTEXT.divide(units, size) if self.up_to else None,
        )

    def _find_block_faults(self):
        """Yield what keeps the tier from selling blocks: the field, and the cure."""
        self.ensure_one()
        if self.block_size <= 0:
            yield self.env._(
                "The tier above %(above)s has no “Block Size”. Enter the units in one"
                " block, more than 0.",
                above=format_quantity(to_decimal(self.first_unit)),
            )
            return
        blocks = self._get_block().max_blocks
        if blocks is not None and blocks != blocks.to_integral_value():
            units = to_decimal(self.up_to) - to_decimal(self.first_unit)
            yield self.env._(
                "The tier above %(above)s holds %(units)s units: no whole number of"
                " blocks of %(size)s. Change its “Up To” or its “Block Size”.",
                above=format_quantity(to_decimal(self.first_unit)),
                units=format_quantity(units),
                size=format_quantity(to_decimal(self.block_size)),
            )

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
