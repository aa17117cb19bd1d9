# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What a price asks: model, tiers and options, as terms of the engine."""

from odoo import api, fields, models

from odoo.addons.saas_subscription_ops.models.saas_subscription_billing import (
    to_decimal,
)

from ..engine.errors import EngineError
from ..engine.rated import rounded
from ..engine.rating import TIERED, PriceTerms, Usage, rate_usage
from ..exceptions import UsagePriceError
from .saas_usage_price import format_quantity

MODELS = [
    ("standard", "Per unit"),
    ("graduated", "Graduated"),
    ("volume", "Volume"),
    ("package", "Package"),
    ("block", "Blocks in tiers"),
    ("stairstep", "Stairstep"),
    ("percentage", "Percentage"),
    ("graduated_percentage", "Graduated percentage"),
    ("dynamic", "Amounts of the events"),
    ("prorated_graduated", "Graduated level by time"),
]
PERCENTAGES = ("percentage", "graduated_percentage")
ROUND_MODES = [
    ("ceil", "Up"),
    ("floor", "Down"),
    ("half_up", "To the nearest"),
]
#: Fields that make the amount: changing one corrects the periods invoiced with it.
TERMS = (
    "model",
    "unit_price",
    "rate_percent",
    "package_size",
    "package_mode",
    "block_policy",
    "divide_by",
    "round_mode",
    "round_to",
    "free_units",
    "free_per_product_id",
    "prorate_allowance",
    "discount_percent",
    "minimum_amount",
    "maximum_amount",
    "fixed_fee",
    "free_events",
    "free_total",
    "event_minimum",
    "event_maximum",
    "amount_key",
    "multiplier",
    "is_per_window",
    "tier_period",
    "tier_ids",
    "match_ids",
    "sequence",
)


class SaasUsagePrice(models.Model):
    _inherit = "saas.usage.price"

    model = fields.Selection(
        MODELS,
        string="Price Model",
        required=True,
        default="standard",
        tracking=True,
        help="Per unit: every unit at one price.\n"
        "Graduated: each unit at the price of its tier.\n"
        "Volume: all units at the price of the tier reached.\n"
        "Package: started packages of one size.\n"
        "Blocks in tiers: started blocks, each tier with a size and price of its own.\n"
        "Stairstep: the tier reached has one fixed price.\n"
        "Percentage: of the quantity, which is an amount of money.\n"
        "Graduated percentage: each part of the amount at the rate of its tier.\n"
        "Amounts of the events: what the events themselves say, times a factor.\n"
        "Graduated level by time: each unit of a level at the price of the tier it"
        " rose into, for the part of the period it was there.",
    )
    unit_price = fields.Float(
        digits="Usage Price",
        aggregator=None,
        tracking=True,
        help="Price of one unit, or of one package.",
    )
    rate_percent = fields.Float(
        string="Rate (%)",
        digits="Usage Price",
        aggregator=None,
        tracking=True,
        help="Percent of the quantity, which is an amount of money.",
    )
    package_size = fields.Float(
        digits="Usage Quantity", default=1.0, aggregator=None, tracking=True
    )
    package_mode = fields.Selection(
        [("ceil", "Started packages"), ("floor", "Full packages only")],
        string="Charged Packages",
        required=True,
        default="ceil",
        tracking=True,
    )
    block_policy = fields.Selection(
        [
            ("all_tiers", "Fill tier after tier"),
            ("top_tier", "All units in blocks of the tier reached"),
        ],
        string="Blocks",
        required=True,
        default="all_tiers",
        tracking=True,
    )
    divide_by = fields.Float(
        digits="Usage Quantity",
        default=1.0,
        aggregator=None,
        tracking=True,
        help="Metered units that make one unit of the price: 1024 turns MB into GB."
        " Comes first: free units and tiers count what comes out.",
    )
    round_mode = fields.Selection(
        ROUND_MODES,
        string="Round",
        tracking=True,
        help="How the quantity is rounded before it is priced. Empty: not at all.",
    )
    round_to = fields.Float(
        string="Multiples Of",
        digits="Usage Quantity",
        default=1.0,
        aggregator=None,
        tracking=True,
    )
    free_units = fields.Float(
        digits="Usage Quantity",
        aggregator=None,
        tracking=True,
        help="Units of each period that cost nothing; tiers count from there.",
    )
    free_per_product_id = fields.Many2one(
        "product.product",
        string="Free Units Per",
        ondelete="restrict",
        check_company=True,
        domain="[('saas_charge_kind', '=', 'recurring')]",
        tracking=True,
        help="Each unit of this product that the subscription has on the first day of"
        " the period brings the free units: 1,000 calls per seat.",
    )
    prorate_allowance = fields.Boolean(
        tracking=True,
        help="A part of a period has its part of the free units and of the maximum, by"
        " days. Else it has all of them. The minimum is always prorated, and of levels"
        " and averages over time all that a whole period costs.",
    )
    discount_percent = fields.Float(
        string="Discount (%)",
        digits="Usage Price",
        aggregator=None,
        tracking=True,
        help="Taken off what the price asks, before maximum and minimum.",
    )
    minimum_amount = fields.Monetary(
        aggregator=None, tracking=True, help="Charged at least, each whole period."
    )
    maximum_amount = fields.Monetary(
        aggregator=None,
        tracking=True,
        help="Charged at most, each period. 0: no limit.",
    )
    tier_ids = fields.One2many("saas.usage.price.tier", "price_id", copy=True)

    _amounts_valid = models.Constraint(
        "CHECK (free_units >= 0 AND minimum_amount >= 0 AND maximum_amount >= 0)",
        "Free units, minimum and maximum cannot be negative.",
    )

    @api.constrains(*TERMS)
    def _check_terms(self):
        for price in self:
            price._get_terms()

    # ------------------------------------------------------------------
    # Border to the engine
    # ------------------------------------------------------------------
    def _get_terms(self, free_factor=1):
        """Return the engine's terms of the price.

        :param Decimal free_factor: how often the free units are granted
        :return: ``PriceTerms``
        :raise UsagePriceError: incomplete or contradicting terms, with the field
            and what to enter
        """
        self.ensure_one()
        fault = next(self._find_faults(), None)
        try:
            terms = None if fault else PriceTerms(**self._prepare_terms(free_factor))
        except EngineError as error:
            fault = str(error)
        if fault:
            raise UsagePriceError(
                self.env._(
                    "%(name)s: %(reason)s", name=self.name or "", reason=fault
                ).removeprefix(": ")
            )
        return terms

    def _prepare_terms(self, free_factor):
        tiers = self._get_tiers()
        is_block = self.model == "block"
        rate = self.rate_percent if self.model in PERCENTAGES else self.unit_price
        return {
            "model": self.model,
            "unit": to_decimal(rate),
            "tiers": tuple(tier._get_terms() for tier in tiers)
            if self.model in TIERED
            else (),
            "package_size": to_decimal(self.package_size or 1),
            "package_mode": self.package_mode or "ceil",
            "block_tiers": tuple(tier._get_block() for tier in tiers if is_block),
            "block_policy": self.block_policy or "all_tiers",
            "divide_by": to_decimal(self.divide_by),
            "round_mode": self.round_mode or None,
            "round_to": to_decimal(self.round_to or 1),
            "free_units": to_decimal(self.free_units) * free_factor,
            "prorate_allowance": self.prorate_allowance,
            "discount_percent": to_decimal(self.discount_percent),
            "minimum": to_decimal(self.minimum_amount) or None,
            "maximum": to_decimal(self.maximum_amount) or None,
            "is_timed": self._is_timed(),
        }

    def _is_timed(self) -> bool:
        """Return whether a part of a period costs its part of the whole, by days."""
        self.ensure_one()
        # sudo: whoever may see a charge need not be allowed to see the meter
        meter = self.sudo().meter_id
        return (
            meter.is_level
            or meter.aggregation in ("weighted_sum", "unique_days")
            or self.model == "prorated_graduated"
        )

    def _get_tiers(self):
        """Return the tiers in ascending order, the one without an end last."""
        return self.tier_ids.sorted(lambda tier: (not tier.up_to, tier.up_to))

    def _find_faults(self):
        """Yield what keeps the terms from being used: the field, and the cure."""
        self.ensure_one()
        if self.model in TIERED or self.model == "block":
            yield from self._find_tier_faults()
        if self.model == "block":
            for tier in self.tier_ids:
                yield from tier._find_block_faults()
        if self.model == "package" and self.package_size <= 0:
            yield self.env._("“Package Size” must be above 0: units in one package.")
        if self.model == "percentage" and self.rate_percent < 0:
            yield self.env._("“Rate (%)” is negative. Enter 0 or more.")
        if self.divide_by <= 0:
            yield self.env._(
                "“Divide By” must be above 0; 1 leaves the quantity as it is."
            )
        if self.round_mode and self.round_to <= 0:
            yield self.env._("“Multiples Of” must be above 0; 1 rounds to whole units.")
        if self.free_per_product_id and self.free_units <= 0:
            yield self.env._(
                "“Free Units” is 0. Enter how many each unit of %(product)s brings, or"
                " empty “Free Units Per”.",
                product=self.free_per_product_id.display_name,
            )
        if not 0 <= self.discount_percent <= 100:
            yield self.env._("“Discount (%)” must lie between 0 and 100.")
        if 0 < self.maximum_amount < self.minimum_amount:
            yield self.env._(
                "“Minimum Amount” %(minimum)s is above “Maximum Amount” %(maximum)s."
                " Lower the minimum, or enter 0 as maximum for no limit.",
                minimum=self._format_amount(self.minimum_amount),
                maximum=self._format_amount(self.maximum_amount),
            )

    def _find_tier_faults(self):
        bounds = self._get_tiers().mapped("up_to")
        if not bounds:
            yield self.env._(
                "“Tiers” is empty. Add a line; the last one has 0 as “Up To”, which"
                " means no end."
            )
        elif min(bounds) < 0:
            yield self.env._("A tier has a negative “Up To”. Enter its last unit.")
        elif bounds[-1]:
            yield self.env._(
                "No tier goes on after %(bound)s. Add a last line with 0 as “Up To”,"
                " so that every quantity has a price.",
                bound=format_quantity(to_decimal(bounds[-1])),
            )
        elif len(set(bounds)) < len(bounds):
            yield self.env._(
                "Two tiers have the same “Up To”. Give each its own; only the last"
                " one has 0."
            )

    def _rate(self, quantity):
        """Rate an example, rounded to the currency.

        :param Decimal quantity: metered units >= 0
        :return: ``RatedUsage`` whose lines and steps add up to the amount
        :raise UsagePriceError: the terms cannot be used
        """
        self.ensure_one()
        unit = to_decimal(self.currency_id.rounding or 0.01)
        usage = self._get_example_usage(quantity)
        return rounded(rate_usage(self._get_terms(), usage), unit)

    def _get_example_usage(self, quantity):
        """Return what the example is about, as the engine knows it."""
        return Usage(quantity)
