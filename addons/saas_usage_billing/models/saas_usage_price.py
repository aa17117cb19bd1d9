# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools.misc import formatLang

from odoo.addons.saas_subscription_ops.models.saas_subscription_billing import (
    to_decimal,
)

from ..engine.errors import EngineError
from ..engine.rating import TIERED, PriceTerms, Usage, rate_usage, rounded
from ..exceptions import UsagePriceError

MODELS = [
    ("standard", "Per unit"),
    ("graduated", "Graduated"),
    ("volume", "Volume"),
    ("package", "Package"),
]


class SaasUsagePrice(models.Model):
    """How a metered quantity is charged, from a day to a day.

    The most specific price counts: for a subscription, then for a plan, then for the
    product alone; among equals the one that began last. ``date_end`` is the first day
    it no longer applies; the price of a period is the one of its first day.
    """

    _name = "saas.usage.price"
    _description = "Usage Price"
    _inherit = ["mail.thread"]
    _order = "product_tmpl_id, plan_id, subscription_id, date_start desc, id"
    _check_company_auto = True

    name = fields.Char(compute="_compute_name", store=True, readonly=False)
    active = fields.Boolean(default=True, tracking=True)
    company_id = fields.Many2one(
        "res.company",
        required=True,
        index=True,
        ondelete="restrict",
        default=lambda self: self.env.company,
    )
    currency_id = fields.Many2one(
        "res.currency",
        required=True,
        tracking=True,
        default=lambda self: self.env.company.currency_id,
    )
    product_tmpl_id = fields.Many2one(
        "product.template",
        string="Product",
        required=True,
        index=True,
        ondelete="restrict",
        check_company=True,
        domain="[('saas_meter_id', '!=', False)]",
        tracking=True,
    )
    meter_id = fields.Many2one(
        "saas.meter",
        required=True,
        index=True,
        ondelete="restrict",
        check_company=True,
        compute="_compute_meter_id",
        store=True,
        readonly=False,
        precompute=True,
    )
    unit = fields.Char(related="meter_id.unit")
    plan_id = fields.Many2one(
        "saas.plan",
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
        tracking=True,
        help="Only for subscriptions of this plan.",
    )
    subscription_id = fields.Many2one(
        "saas.subscription",
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
        tracking=True,
        help="Only for this subscription: an agreed price. Without a plan then.",
    )
    date_start = fields.Date(
        required=True, default="2000-01-01", tracking=True, help="First day it applies."
    )
    date_end = fields.Date(tracking=True, help="First day it no longer applies.")
    model = fields.Selection(
        MODELS,
        string="Price Model",
        required=True,
        default="standard",
        tracking=True,
        help="Graduated: each unit at the price of its tier. Volume: all units at the"
        " price of the tier reached. Package: started packages.",
    )
    unit_price = fields.Float(
        digits="Usage Price",
        aggregator=None,
        tracking=True,
        help="Price of one unit, or of one package.",
    )
    package_size = fields.Float(
        digits="Usage Quantity", default=1.0, aggregator=None, tracking=True
    )
    free_units = fields.Float(
        digits="Usage Quantity",
        aggregator=None,
        tracking=True,
        help="Units of each period that cost nothing; tiers count from there.",
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
    example_quantity = fields.Float(
        digits="Usage Quantity", default=5432, aggregator=None
    )
    example = fields.Text(compute="_compute_example")

    _interval_valid = models.Constraint(
        "CHECK (date_end IS NULL OR date_end > date_start)",
        "A price must apply on at least one day.",
    )
    _scope_single = models.Constraint(
        "CHECK (plan_id IS NULL OR subscription_id IS NULL)",
        "A price is for a plan or for a subscription, not for both.",
    )
    _amounts_valid = models.Constraint(
        "CHECK (free_units >= 0 AND minimum_amount >= 0 AND maximum_amount >= 0)",
        "Free units, minimum and maximum cannot be negative.",
    )

    @api.depends("product_tmpl_id", "plan_id", "subscription_id")
    def _compute_name(self):
        for price in self:
            scope = price.subscription_id.name or price.plan_id.name
            parts = [price.product_tmpl_id.name, scope]
            price.name = " / ".join(part for part in parts if part) or False

    @api.depends("product_tmpl_id")
    def _compute_meter_id(self):
        for price in self:
            price.meter_id = price.product_tmpl_id.saas_meter_id or price.meter_id

    @api.depends(
        "model",
        "unit_price",
        "package_size",
        "free_units",
        "minimum_amount",
        "maximum_amount",
        "currency_id",
        "example_quantity",
        "tier_ids.up_to",
        "tier_ids.unit_price",
        "tier_ids.flat_amount",
    )
    def _compute_example(self):
        for price in self:
            try:
                rated = price._rate(to_decimal(price.example_quantity))
            except (UsagePriceError, EngineError) as error:
                price.example = str(error.args[0]) if error.args else ""
                continue
            quantity, *texts = price._describe(price._prepare_details(rated))
            total = self.env._(
                "%(quantity)s cost %(amount)s",
                quantity=quantity,
                amount=price._format_amount(rated.amount),
            )
            price.example = "\n".join([total, *texts])

    @api.constrains(
        "model", "tier_ids", "package_size", "minimum_amount", "maximum_amount"
    )
    def _check_terms(self):
        for price in self:
            price._get_terms()

    @api.constrains(
        "product_tmpl_id",
        "plan_id",
        "subscription_id",
        "currency_id",
        "company_id",
        "date_start",
        "date_end",
        "active",
    )
    def _check_overlap(self):
        for price in self.filtered("active"):
            rivals = self.search(
                [
                    ("id", "!=", price.id),
                    ("company_id", "=", price.company_id.id),
                    ("product_tmpl_id", "=", price.product_tmpl_id.id),
                    ("plan_id", "=", price.plan_id.id),
                    ("subscription_id", "=", price.subscription_id.id),
                    ("currency_id", "=", price.currency_id.id),
                ]
            )
            for rival in rivals:
                if price._overlaps(rival):
                    raise ValidationError(
                        self.env._(
                            "“%(name)s” has another price from %(start)s that applies"
                            " at the same time. End it on the day this one begins.",
                            name=price.name,
                            start=rival.date_start,
                        )
                    )

    @api.model_create_multi
    def create(self, vals_list):
        self._forget_table()
        return super().create(vals_list)

    def write(self, vals):
        self._forget_table()
        return super().write(vals)

    @api.ondelete(at_uninstall=True)
    def _unlink_from_table(self):
        self._forget_table()

    def _forget_table(self):
        """Drop what billing has read of the price list in this transaction."""
        self.env.cr.cache.pop("saas_usage_billing", None)

    def _get_table_key(self):
        """Return what a price is looked up by."""
        self.ensure_one()
        return (
            self.currency_id.id,
            self.product_tmpl_id.id,
            self.plan_id.id or 0,
            self.subscription_id.id or 0,
        )

    def _overlaps(self, other):
        self.ensure_one()
        return (not other.date_end or self.date_start < other.date_end) and (
            not self.date_end or other.date_start < self.date_end
        )

    # ------------------------------------------------------------------
    # Border to the engine
    # ------------------------------------------------------------------
    def _get_terms(self):
        """Return the engine's terms of the price.

        :return: ``PriceTerms``
        :raise UsagePriceError: incomplete or contradicting terms
        """
        self.ensure_one()
        tiers = self.tier_ids.sorted(lambda tier: (tier.is_open, tier.up_to))
        try:
            return PriceTerms(
                model=self.model,
                unit=to_decimal(self.unit_price),
                tiers=tuple(tier._get_terms() for tier in tiers)
                if self.model in TIERED
                else (),
                package_size=to_decimal(self.package_size or 1),
                free_units=to_decimal(self.free_units),
                minimum=to_decimal(self.minimum_amount) or None,
                maximum=to_decimal(self.maximum_amount) or None,
            )
        except EngineError as error:
            raise UsagePriceError(
                self.env._(
                    "%(name)s: %(reason)s. A tiered price needs ascending bounds and a"
                    " last tier without a bound (0).",
                    name=self.name or "",
                    reason=error,
                )
            ) from error

    def _rate(self, quantity):
        """Rate a quantity, rounded to the currency.

        :param Decimal quantity: metered units >= 0
        :return: ``RatedUsage`` whose lines and steps add up to the amount
        :raise UsagePriceError: the terms cannot be used
        """
        self.ensure_one()
        unit = to_decimal(self.currency_id.rounding or 0.01)
        return rounded(rate_usage(self._get_terms(), Usage(quantity)), unit)

    def _applies(self, period):
        """Return whether the price is the one of a period, by its first day."""
        self.ensure_one()
        return (
            self.product_tmpl_id.id == period.product_tmpl_id
            and self.date_start <= period.start
            and (not self.date_end or period.start < self.date_end)
        )

    def _prepare_details(self, rated):
        """Prepare the evidence of a rated quantity, kept with its charge.

        :param rated: ``RatedUsage`` of this price
        :return: dict of plain values, numbers as text so that no digit is lost
        """
        self.ensure_one()
        lines = [line for line in rated.lines if line.quantity or line.amount]
        return {
            "meter": self.meter_id.code,
            "unit": self.unit or "",
            "price_id": self.id,
            "model": self.model,
            "quantity": _text(rated.quantity),
            "free": _text(rated.converted - rated.billable),
            "package_size": _text(to_decimal(self.package_size)),
            "tiers": [
                {
                    "above": _text(line.lower),
                    "up_to": None if line.upper is None else _text(line.upper),
                    "quantity": _text(line.quantity),
                    "unit_price": _text(line.unit),
                    "flat": _text(line.flat),
                    "amount": str(line.amount),
                }
                for line in lines
            ],
            "steps": [
                {"step": step.step, "amount": str(step.amount)}
                for step in rated.adjustments
            ],
        }

    def _describe(self, details):
        """Put a rated quantity into words, in the language of the environment.

        :param dict details: see ``_prepare_details``
        :return: list of str: the quantity, then one text per tier and step
        """
        self.ensure_one()
        texts = [f"{format_quantity(details['quantity'])} {self.unit or ''}".strip()]
        if Decimal(details["free"]):
            free = format_quantity(details["free"])
            texts.append(self.env._("%(free)s free of charge", free=free))
        texts += [self._describe_tier(details, tier) for tier in details["tiers"]]
        labels = self._get_step_labels()
        texts += [
            f"{labels.get(step['step'], step['step'])}:"
            f" {self._format_amount(step['amount'])}"
            for step in details["steps"]
        ]
        return texts

    def _describe_tier(self, details, tier):
        values = {
            "quantity": format_quantity(tier["quantity"]),
            "price": self._format_price(tier["unit_price"]),
            "amount": self._format_amount(tier["amount"]),
            "flat": self._format_price(tier["flat"]),
            "size": format_quantity(details["package_size"]),
        }
        if details["model"] == "package":
            return self.env._(
                "%(quantity)s in packages of %(size)s at %(price)s = %(amount)s",
                **values,
            )
        if Decimal(tier["flat"]):
            return self.env._(
                "%(quantity)s × %(price)s + %(flat)s = %(amount)s", **values
            )
        return self.env._("%(quantity)s × %(price)s = %(amount)s", **values)

    def _get_step_labels(self):
        return {
            "discount": self.env._("Discount"),
            "maximum": self.env._("Capped at the maximum"),
            "minimum": self.env._("Raised to the minimum"),
            "credits": self.env._("Prepaid credits"),
        }

    def _format_amount(self, amount):
        return formatLang(self.env, float(amount), currency_obj=self.currency_id)

    def _format_price(self, price):
        text = format_quantity(price)
        if len(text.partition(".")[2]) <= self.currency_id.decimal_places:
            return self._format_amount(price)
        return f"{text} {self.currency_id.name}"

    def action_view_events(self):
        """Open the events the price's meter counts.

        :return: window action
        """
        self.ensure_one()
        return self.meter_id.action_view_events()


def _text(number):
    return format(number.normalize() if number else Decimal(0), "f")


def format_quantity(quantity):
    """Write a quantity with grouped thousands and no superfluous zeros.

    :param quantity: Decimal, or its text
    """
    exact = Decimal(quantity)
    return f"{exact.normalize():,f}" if exact else "0"
