# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..exceptions import UsageStoreError
from .usage_store_api import MeterSpec

#: Aggregations that read a number from the event's data.
NUMERIC = ("sum", "max", "min", "avg", "latest")


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
        ],
        required=True,
        default="count",
        tracking=True,
    )
    value_key = fields.Char(
        tracking=True,
        help="Key in the event's data, for example bytes. Not needed to count events.",
    )
    filter_ids = fields.One2many(
        "saas.meter.filter",
        "meter_id",
        string="Conditions",
        copy=True,
        help="Only events that fulfil all of them count.",
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

    @api.depends("price_ids")
    def _compute_price_count(self):
        counts = dict(
            self.env["saas.usage.price"]._read_group(
                [("meter_id", "in", self.ids)], ["meter_id"], ["__count"]
            )
        )
        for meter in self:
            meter.price_count = counts.get(meter, 0)

    @api.constrains("aggregation", "value_key")
    def _check_value_key(self):
        for meter in self:
            if meter.aggregation != "count" and not (meter.value_key or "").strip():
                raise ValidationError(
                    self.env._(
                        "%(name)s: say which key of the event's data holds the value.",
                        name=meter.name,
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        self.env.registry.clear_cache()
        return super().create(vals_list)

    def write(self, vals):
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

    def _get_spec(self):
        """Return what the usage store has to compute.

        :return: ``MeterSpec``
        """
        self.ensure_one()
        return MeterSpec(
            self.event_type,
            self.aggregation,
            self.value_key or None,
            conditions=self._get_conditions(),
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
