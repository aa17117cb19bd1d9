# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Tiers that count over the contract year while each period is invoiced."""

from odoo import fields, models

from ..engine.running import RUNNING_MODELS


class SaasUsagePrice(models.Model):
    _inherit = "saas.usage.price"

    tier_period = fields.Selection(
        [("period", "Each Period"), ("contract_year", "The Contract Year")],
        string="Tiers Count Over",
        required=True,
        default="period",
        tracking=True,
        help="Tiers, free units, minimum and maximum count over each period, or over"
        " the years from the first day of the subscription: every period then pays what"
        " the running total of the year costs more than before, a minimum is due with"
        " the first period.",
    )

    def _find_faults(self):
        """Yield what keeps the terms from being used: the field, and the cure."""
        yield from super()._find_faults()
        if self.tier_period != "contract_year":
            return
        falls = self.model == "block" and self.block_policy == "top_tier"
        if self.model not in RUNNING_MODELS or falls:
            yield self.env._(
                "With this price model further units can lower what earlier ones cost,"
                " or it needs single events: “Tiers Count Over” can only be each"
                " period. Choose Graduated for tiers of a year."
            )
        if self.is_per_event or self.is_per_window:
            yield self.env._(
                "Events and spans are priced on their own: let “Tiers Count Over” be"
                " each period, or empty what is per event or span."
            )
