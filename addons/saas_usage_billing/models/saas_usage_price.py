# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Prices of usage: for what and when. What they ask is in the files beside."""

from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import ValidationError


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

    _interval_valid = models.Constraint(
        "CHECK (date_end IS NULL OR date_end > date_start)",
        "A price must apply on at least one day.",
    )
    _scope_single = models.Constraint(
        "CHECK (plan_id IS NULL OR subscription_id IS NULL)",
        "A price is for a plan or for a subscription, not for both.",
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

    @api.constrains(
        "product_tmpl_id",
        "plan_id",
        "subscription_id",
        "currency_id",
        "company_id",
        "date_start",
        "date_end",
        "active",
        "state",
    )
    def _check_overlap(self):
        for price in self:
            if not price.active or price.state == "draft":
                continue
            for rival in price._get_rivals():
                if price._overlaps(rival):
                    raise ValidationError(
                        self.env._(
                            "“%(name)s” has another price from %(start)s that applies"
                            " at the same time. End it on the day this one begins.",
                            name=price.name,
                            start=rival.date_start,
                        )
                    )

    def _get_rivals(self):
        """Return the other prices that bill the same usage, at any time."""
        self.ensure_one()
        return self.search(
            [
                ("id", "!=", self.id),
                ("state", "=", "published"),
                ("company_id", "=", self.company_id.id),
                ("product_tmpl_id", "=", self.product_tmpl_id.id),
                ("plan_id", "=", self.plan_id.id),
                ("subscription_id", "=", self.subscription_id.id),
                ("currency_id", "=", self.currency_id.id),
            ]
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

    def _get_order(self):
        """Return what decides between prices of a scope: the lowest is tried first."""
        self.ensure_one()
        return (
            -self.match_count,
            self.sequence,
            self.state != "draft",
            -self.date_start.toordinal(),
            self.id,
        )

    def _get_reached(self, period):
        """Return those that apply to a period, up to the first for all events.

        :param UsagePeriod period: its first day counts
        """
        found = []
        for price in self:
            # Drafts are there in simulations only, whatever day they begin on.
            if price.state == "draft" or price._applies(period):
                found.append(price.id)
                if not price.match_count:
                    break
        return self.browse(found).with_prefetch(self._prefetch_ids)

    def _overlaps(self, other):
        self.ensure_one()
        return (not other.date_end or self.date_start < other.date_end) and (
            not self.date_end or other.date_start < self.date_end
        )

    def _applies(self, period):
        """Return whether the price is the one of a period, by its first day."""
        self.ensure_one()
        return (
            self.product_tmpl_id.id == period.product_tmpl_id
            and self.date_start <= period.start
            and (not self.date_end or period.start < self.date_end)
        )

    def _get_charge_ref(self, period) -> str:
        """Return what all versions of the price are booked under for a period.

        :param UsagePeriod period: its first day counts
        """
        self.ensure_one()
        return f"usage:{self.root_id.id}:{period.start.isoformat()}"

    def action_view_events(self):
        """Open the events the price's meter counts.

        :return: window action
        """
        self.ensure_one()
        return self.meter_id.action_view_events()


def format_quantity(quantity):
    """Write a quantity with grouped thousands and no superfluous zeros.

    :param quantity: Decimal, or its text
    """
    exact = Decimal(quantity)
    return f"{exact.normalize():,f}" if exact else "0"
