# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from dataclasses import replace
from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Domain
from odoo.tools import ormcache

from ..engine.errors import TermsError
from ..engine.meter import Spans, can_be_level
from ..exceptions import UsageStoreError
from .usage_screen import Need
from .usage_store_api import MeterSpec

#: Aggregations that look at the text of a key; all others but counts read a number.
TEXTUAL = ("unique", "unique_days")


def has_booked_charges(prices):
    """Return whether a charge was booked with one of some prices.

    :param prices: ``saas.usage.price`` records
    """
    refs = Domain.OR(
        Domain("ref", "=like", f"usage:{price_id}:%") for price_id in prices.ids
    )
    # sudo: the answer is the same for every reader
    return bool(prices.env["saas.charge"].sudo().search_count(refs, limit=1))


class SaasMeter(models.Model):
    """What is counted: an event type and how its events become a quantity."""

    _name = "saas.meter"
    _description = "Meter"
    _inherit = ["mail.thread"]
    _order = "sequence, name, id"
    _check_company_auto = True

    name = fields.Char(required=True, translate=True, tracking=True)
    code = fields.Char(
        required=True, tracking=True, help="Short name for programs, in API answers."
    )
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True, tracking=True)
    company_id = fields.Many2one(
        "res.company",
        index=True,
        help="Leave empty to share the meter between all companies.",
    )
    event_type = fields.Char(
        required=True,
        tracking=True,
        index=True,
        help="The attribute “type” of the events this meter counts. Several meters may"
        " count the same events.",
    )
    aggregation = fields.Selection(
        [
            ("count", "Count of events"),
            ("sum", "Sum of a value"),
            ("max", "Maximum of a value"),
            ("min", "Minimum of a value"),
            ("avg", "Average of a value"),
            ("unique", "Number of different values"),
            ("latest", "Latest value"),
            ("unique_days", "Different values by active days"),
            ("weighted_sum", "Level weighted by time"),
            ("percentile", "Percentile of a value"),
            ("window", "Over spans of time"),
        ],
        required=True,
        default="count",
        tracking=True,
    )
    value_key = fields.Char(
        tracking=True,
        help="Key in the event's data, for example bytes. Not needed to count events.",
    )
    operation_key = fields.Char(
        tracking=True,
        help="Key in the event's data that says “remove” when a value goes, for example"
        " a seat; with anything else it is added. Without a key values are only added.",
    )
    percentile = fields.Float(
        digits=(6, 3),
        default=95.0,
        tracking=True,
        aggregator=None,
        help="The smallest value that at least this part of all values does not exceed;"
        " always one that occurred.",
    )
    window_size = fields.Integer(
        string="Span", default=1, tracking=True, aggregator=None
    )
    window_unit = fields.Selection(
        [("minute", "Minutes"), ("hour", "Hours"), ("day", "Days")],
        default="hour",
        tracking=True,
        help="Spans are counted from the beginning of the period; days are those of the"
        " customer's time zone.",
    )
    window_aggregation = fields.Selection(
        [
            ("count", "Count of events"),
            ("sum", "Sum of a value"),
            ("max", "Maximum of a value"),
            ("avg", "Average of a value"),
            ("unique", "Number of different values"),
        ],
        string="In Each Span",
        default="sum",
        tracking=True,
    )
    window_outer = fields.Selection(
        [
            ("max", "Highest span"),
            ("sum", "Sum of the spans"),
            ("avg", "Average span"),
        ],
        string="Of All Spans",
        default="max",
        tracking=True,
        help="Spans without events are zero for the average.",
    )
    is_level = fields.Boolean(
        string="Carried Over",
        tracking=True,
        help="A period begins with what the last one left: 50 seats added in January"
        " are 50 in March, too, without any event. All events before the period count,"
        " also those before the subscription began.",
    )
    can_be_level = fields.Boolean(compute="_compute_can_be_level")
    needs_key = fields.Boolean(compute="_compute_needs_key")
    allow_negative = fields.Boolean(
        string="Values Below Zero",
        tracking=True,
        help="Events may take away, for example returned units or a level that falls. A"
        " total below zero is measured as zero.",
    )
    decimals = fields.Integer(
        default=12,
        tracking=True,
        aggregator=None,
        help="Places after the point the quantity of a period is rounded to, half up.",
    )
    is_booked = fields.Boolean(
        compute="_compute_is_booked",
        help="Charges were booked with this definition, so it stays as it is.",
    )
    filter_ids = fields.One2many(
        "saas.meter.filter",
        "meter_id",
        string="Conditions",
        copy=True,
        help="Only events that fulfil all of them count.",
    )
    dimension_ids = fields.One2many(
        "saas.meter.dimension",
        "meter_id",
        string="Dimensions",
        copy=True,
        help="What usage is broken down by, in this order.",
    )
    unit = fields.Char(
        required=True,
        default=lambda self: self.env._("units"),
        translate=True,
        help="Word for the quantity on invoices, for example API calls.",
    )
    description = fields.Text(translate=True)
    price_ids = fields.One2many("saas.usage.price", "meter_id")
    price_count = fields.Integer(compute="_compute_price_count")
    product_ids = fields.One2many("product.template", "saas_meter_id")

    _code_unique = models.UniqueIndex(
        "(code, COALESCE(company_id, 0))",
        "Another meter of this company has this code.",
    )

    @api.depends("aggregation", "window_aggregation")
    def _compute_needs_key(self):
        for meter in self:
            kind = meter.aggregation
            if kind == "window":
                kind = meter.window_aggregation
            meter.needs_key = kind != "count"

    @api.depends("aggregation", "operation_key")
    def _compute_can_be_level(self):
        for meter in self:
            meter.can_be_level = can_be_level(meter.aggregation, meter.operation_key)

    @api.onchange("aggregation", "operation_key")
    def _onchange_can_be_level(self):
        if not self.can_be_level:
            self.is_level = False

    @api.depends("price_ids")
    def _compute_is_booked(self):
        for meter in self:
            meter.is_booked = meter._has_booked_charges()

    @api.depends("price_ids")
    def _compute_price_count(self):
        counts = dict(
            self.env["saas.usage.price"]._read_group(
                [("meter_id", "in", self.ids)], ["meter_id"], ["__count"]
            )
        )
        for meter in self:
            meter.price_count = counts.get(meter, 0)

    @api.constrains("event_type")
    def _check_event_type(self):
        for meter in self:
            if not meter.event_type.strip() or not meter.event_type.isprintable():
                raise ValidationError(
                    self.env._(
                        "%(name)s: the event type is printable text on one line, as"
                        " the source sends it.",
                        name=meter.name,
                    )
                )

    @api.constrains("aggregation", "window_aggregation", "value_key")
    def _check_value_key(self):
        for meter in self:
            if meter.needs_key and not (meter.value_key or "").strip():
                raise ValidationError(
                    self.env._(
                        "%(name)s: say which key of the event's data holds the value.",
                        name=meter.name,
                    )
                )

    @api.constrains(
        "aggregation",
        "decimals",
        "percentile",
        "window_unit",
        "window_size",
        "window_aggregation",
        "window_outer",
        "operation_key",
        "is_level",
    )
    def _check_terms(self):
        for meter in self:
            if not 0 <= meter.decimals <= 12:
                message = self.env._(
                    "%(name)s: a quantity has from 0 to 12 places after the point.",
                    name=meter.name,
                )
                raise ValidationError(message)
            try:
                meter._get_spec()
            except TermsError as error:
                raise ValidationError(meter._get_terms_problem()) from error

    def _get_terms_problem(self):
        """Say what the aggregation still needs."""
        if self.is_level and not self.can_be_level:
            return self.env._(
                "%(name)s: only a sum, the latest value, a level weighted by time, and"
                " different values with an “Operation Key” leave something for the next"
                " period. Choose one of these, or empty “Carried Over”.",
                name=self.name,
            )
        if self.aggregation == "percentile":
            return self.env._(
                "%(name)s: enter a percentile above 0 and up to 100, like 95.",
                name=self.name,
            )
        return self.env._(
            "%(name)s: enter how long a span is, one or more whole minutes, hours or"
            " days, and what is taken in each span and of all spans.",
            name=self.name,
        )

    # ------------------------------------------------------------------
    # The definition of what was invoiced stays
    # ------------------------------------------------------------------
    @api.model
    def _get_definition_fields(self):
        """Return the fields that decide about a quantity."""
        return {
            "event_type",
            "aggregation",
            "value_key",
            "operation_key",
            "percentile",
            "window_size",
            "window_unit",
            "window_aggregation",
            "window_outer",
            "decimals",
            "is_level",
        }

    def _has_booked_charges(self):
        """Return whether a charge was booked with one of the meters."""
        # sudo: whether invoices depend on the meter is the same for every reader
        return has_booked_charges(self.sudo().with_context(active_test=False).price_ids)

    def _check_definition_free(self):
        """Refuse a change of what invoiced periods were counted with.

        :raise UsageStoreError: a charge is booked
        """
        for meter in self:
            if meter._has_booked_charges():
                raise UsageStoreError(
                    self.env._(
                        "%(name)s has booked charges: what it counts cannot change,"
                        " since invoiced periods would be counted anew. Duplicate the"
                        " meter and give the copy to the products from now on.",
                        name=meter.name,
                    )
                )

    def _is_redefined(self, vals):
        """Return whether values change the definition of the meter."""
        self.ensure_one()
        return any(
            name in vals
            and self[name]
            != self._fields[name].convert_to_record(
                self._fields[name].convert_to_cache(vals[name], self), self
            )
            for name in self._get_definition_fields()
        )

    def copy_data(self, default=None):
        """Give a copy a code and name of its own."""
        default = dict(default or {})
        result = super().copy_data(default)
        for meter, vals in zip(self, result, strict=True):
            if "code" not in default:
                vals["code"] = meter._get_free_code()
            if "name" not in default:
                vals["name"] = self.env._("%(name)s (copy)", name=meter.name)
        return result

    def _get_free_code(self):
        # sudo: codes of shared meters of other companies are taken, too
        meters = self.env["saas.meter"].sudo().with_context(active_test=False)
        taken = set(meters.search([("code", "=like", f"{self.code}%")]).mapped("code"))
        numbers = range(2, len(taken) + 3)
        return next(
            code for code in (f"{self.code}_{n}" for n in numbers) if code not in taken
        )

    @api.model_create_multi
    def create(self, vals_list):
        self.env.registry.clear_cache()
        return super().create(vals_list)

    def write(self, vals):
        for meter in self:
            if meter._is_redefined(vals):
                meter._check_definition_free()
        # Last: what is looked up on the way must not be remembered.
        self.env.registry.clear_cache()
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_priced(self):
        self.env.registry.clear_cache()
        for meter in self:
            if meter.price_ids:
                raise UsageStoreError(
                    self.env._(
                        "%(name)s has prices, which invoices may refer to. Archive the"
                        " meter instead.",
                        name=meter.name,
                    )
                )

    def _get_spec(self, by_dimension=False, rules=(), conditions=()):
        """Return what the usage store has to compute.

        :param bool by_dimension: a quantity for each combination of the dimensions
        :param tuple rules: engine rules; a quantity for each price they lead to
        :param tuple conditions: what an event has to fulfil besides
        :return: ``MeterSpec``
        """
        self.ensure_one()
        # A meter that is not saved has no definition to be remembered.
        known = self._read_definition(self.id) if self.id else self._make_definition()
        return replace(
            known,
            conditions=(*known.conditions, *conditions),
            keys=known.keys if by_dimension else (),
            rules=tuple(rules),
        )

    @api.model
    @ormcache("meter_id")
    def _read_definition(self, meter_id):
        """Return what a meter computes by all its dimensions, read once.

        :param int meter_id: id of the meter
        :return: ``MeterSpec``
        """
        # sudo: a definition is the same for every reader
        return self.sudo().browse(meter_id)._make_definition()

    def _make_definition(self):
        kind = self.aggregation
        return MeterSpec(
            self.event_type,
            kind,
            self.value_key or None,
            conditions=self._get_conditions(),
            decimals=self.decimals,
            operation_key=(kind in TEXTUAL and self.operation_key) or None,
            percentile=self._get_percentile() if kind == "percentile" else None,
            spans=self._get_spans() if kind == "window" else None,
            is_level=self.is_level,
            keys=tuple(self.dimension_ids.mapped("key")),
        )

    def _get_percentile(self):
        return round(Decimal(repr(self.percentile)), 3).normalize()

    def _get_spans(self):
        return Spans(
            self.window_unit,
            self.window_size,
            self.window_aggregation,
            self.window_outer,
        )

    def _get_need(self):
        """Return what the data of an event has to have.

        :return: ``Need``, None when events are only counted
        """
        self.ensure_one()
        if not self.needs_key:
            return None
        kind = self.aggregation
        if kind == "window":
            kind = self.window_aggregation
        is_numeric = kind not in TEXTUAL
        return Need(
            self.value_key,
            is_numeric,
            self._get_conditions(),
            is_numeric and self.allow_negative,
        )

    def _get_conditions(self):
        """Return what an event has to fulfil to count.

        :return: tuple of the engine's ``Condition``
        """
        return tuple(row._get_condition() for row in self.filter_ids)

    def action_view_prices(self):
        """Open the prices of the meter.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_usage_billing.saas_usage_price_action"
        )
        action["domain"] = [("meter_id", "=", self.id)]
        action["context"] = {"default_meter_id": self.id}
        return action

    def action_view_events(self):
        """Open the stored events the meter counts.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_usage_billing.saas_usage_event_action"
        )
        domain = [("counted_by_id", "=", self.id)]
        if self.company_id:
            domain.append(("company_id", "=", self.company_id.id))
        action["domain"] = domain
        return action
