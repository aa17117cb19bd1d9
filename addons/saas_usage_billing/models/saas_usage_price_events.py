# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Prices that look at the events one by one, at what they carry, or at spans."""

from odoo import api, fields, models
from odoo.tools import float_is_zero

from odoo.addons.saas_subscription_ops.models.saas_subscription_billing import (
    to_decimal,
)

from ..engine.event_pricing import EVENT_MODELS, Usage
from ..engine.models.percentage import PercentageTerms
from ..engine.models.prorated_graduated import ProratedUnits
from ..engine.money import CONTEXT

#: Fields of a percentage that are about single events.
PER_EVENT = ("fixed_fee", "free_events", "free_total", "event_minimum", "event_maximum")


class SaasUsagePrice(models.Model):
    _inherit = "saas.usage.price"

    fixed_fee = fields.Float(
        string="Fixed Fee per Event",
        digits="Usage Price",
        aggregator=None,
        tracking=True,
        help="Added for every event that is not free.",
    )
    free_events = fields.Integer(
        aggregator=None,
        tracking=True,
        help="The first events of each period cost nothing. With a free total as well,"
        " an event is free only while both last. 0: none.",
    )
    free_total = fields.Float(
        string="Free Amount",
        digits="Usage Quantity",
        aggregator=None,
        tracking=True,
        help="The first amounts of each period cost nothing, up to this sum. 0: none.",
    )
    event_minimum = fields.Float(
        string="Minimum per Event",
        digits="Usage Price",
        aggregator=None,
        tracking=True,
        help="Every event that is not free costs at least this.",
    )
    event_maximum = fields.Float(
        string="Maximum per Event",
        digits="Usage Price",
        aggregator=None,
        tracking=True,
        help="No event costs more. 0: no limit.",
    )
    amount_key = fields.Char(
        tracking=True,
        help="Key in the event's data that holds the amount of money, for example"
        " price. Every event must have one of zero or more.",
    )
    multiplier = fields.Float(
        string="Factor",
        digits="Usage Price",
        default=1.0,
        aggregator=None,
        tracking=True,
        help="The amounts are multiplied with it: 1.2 for 20 percent on top, 0.01 for"
        " amounts in cents.",
    )
    is_per_window = fields.Boolean(
        string="Each Span on Its Own",
        tracking=True,
        help="Every span of the meter is priced on its own, with tiers, free units,"
        " minimum and maximum. Else the quantity of the whole period is.",
    )
    is_per_event = fields.Boolean(compute="_compute_is_per_event")
    has_windows = fields.Boolean(compute="_compute_has_windows")
    example_events = fields.Integer(
        string="In Events", default=100, aggregator=None, help="Of the same amount."
    )

    @api.depends("model", *PER_EVENT)
    def _compute_is_per_event(self):
        for price in self:
            price.is_per_event = price.model == "percentage" and any(
                not float_is_zero(price[name], 9) for name in PER_EVENT
            )

    @api.depends("meter_id.aggregation")
    def _compute_has_windows(self):
        for price in self:
            price.has_windows = price.meter_id.aggregation == "window"

    def _reads_values(self):
        """Return whether the price needs the values of its events one by one."""
        self.ensure_one()
        return self.model == "prorated_graduated" or self.is_per_event

    def _prepare_terms(self, free_factor):
        terms = super()._prepare_terms(free_factor)
        is_per_event = self.is_per_event
        if is_per_event or self.model in EVENT_MODELS:
            terms.update(free_units=to_decimal(0), round_mode=None)
        if self.model in EVENT_MODELS:
            terms["divide_by"] = to_decimal(1)
        return {
            **terms,
            "per_event": self._prepare_event_terms() if is_per_event else None,
            "multiplier": to_decimal(self.multiplier),
            "is_per_window": self.is_per_window,
        }

    def _prepare_event_terms(self):
        return PercentageTerms(
            rate=to_decimal(self.rate_percent),
            fixed=to_decimal(self.fixed_fee),
            free_events=self.free_events or None,
            free_total=to_decimal(self.free_total) or None,
            minimum=to_decimal(self.event_minimum) or None,
            maximum=to_decimal(self.event_maximum) or None,
        )

    def _find_faults(self):
        """Yield what keeps the terms from being used: the field, and the cure."""
        yield from super()._find_faults()
        meter = self.meter_id
        if self.is_per_event:
            yield from self._find_event_faults()
        if self.model == "dynamic" and not (self.amount_key or "").strip():
            yield self.env._(
                "“Amount Key” is empty. Enter the key in the event's data that holds"
                " the amount."
            )
        if self.multiplier <= 0:
            yield self.env._("“Factor” must be above 0; 1 leaves amounts as they are.")
        if meter.is_level and (self.is_per_event or self.model == "dynamic"):
            yield self.env._(
                "%(meter)s carries its quantity over, also into periods without events,"
                " but this price looks at the events of the period. Choose another"
                " model, empty what is per event, or choose another meter.",
                meter=meter.name,
            )
        if self.model == "prorated_graduated" and meter.aggregation != "weighted_sum":
            yield self.env._(
                "“Graduated level by time” needs a meter that weights a level by time;"
                " %(meter)s does not. Choose another model or meter.",
                meter=meter.name,
            )
        if self.is_per_window and meter.aggregation != "window":
            yield self.env._(
                "%(meter)s has no spans of time. Empty “Each Span on Its Own”, or"
                " choose a meter over spans of time.",
                meter=meter.name,
            )
        if self.is_per_window and (self.is_per_event or self.model in EVENT_MODELS):
            yield self.env._(
                "A span has a quantity, not events. Empty “Each Span on Its Own”, or"
                " choose a model that prices quantities."
            )

    def _find_event_faults(self):
        """Yield what keeps events from being charged one by one."""
        meter = self.meter_id
        if any(self[name] < 0 for name in PER_EVENT):
            yield self.env._("Fees and limits per event are 0 or more.")
        if meter.aggregation != "sum" or meter.allow_negative:
            yield self.env._(
                "Fees and limits per event need a meter that sums values of zero or"
                " more; %(meter)s does not. Empty them, or choose such a meter.",
                meter=meter.name,
            )
        if 0 < self.event_maximum < self.event_minimum:
            yield self.env._(
                "“Minimum per Event” %(minimum)s is above “Maximum per Event”"
                " %(maximum)s. Lower the minimum, or enter 0 as maximum for no limit.",
                minimum=self._format_price(to_decimal(self.event_minimum)),
                maximum=self._format_price(to_decimal(self.event_maximum)),
            )

    def _get_example_usage(self, quantity):
        """Return the example as equal events, or as one change of a level."""
        count = max(self.example_events, 1) if self.is_per_event else 1
        return Usage(
            quantity,
            amount=quantity,
            amounts=[CONTEXT.divide(quantity, to_decimal(count))] * count,
            changes=[ProratedUnits(quantity, quantity)] if quantity else [],
            windows=(quantity,),
        )

    def _get_step_labels(self):
        return {
            "event_limits": self.env._("Minimum and maximum per event"),
            **super()._get_step_labels(),
        }

    def _get_tier_template(self, model, has_flat):
        """Return how a tier of a price model is put, with named placeholders."""
        if model == "dynamic":
            return self.env._("%(quantity)s at the amounts of the events = %(amount)s")
        return super()._get_tier_template(model, has_flat)
