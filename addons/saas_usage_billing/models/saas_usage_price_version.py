# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Versions of a price: what it asks from a day on, and what it asked before."""

from datetime import timedelta

from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL
from odoo.tools.misc import format_date

from ..exceptions import UsagePriceError
from .saas_usage_price_part import BY_PRICE
from .saas_usage_price_terms import TERMS

# What all versions have in common: they are booked under one reference.
SCOPE = (
    "product_tmpl_id",
    "plan_id",
    "subscription_id",
    "currency_id",
    "company_id",
)


class SaasUsagePrice(models.Model):
    _inherit = "saas.usage.price"

    root_id = fields.Many2one(
        "saas.usage.price",
        string="First Version",
        readonly=True,
        copy=False,
        index=True,
        ondelete="restrict",
    )
    version_number = fields.Integer(
        string="Version", default=1, readonly=True, copy=False, aggregator=None
    )
    state = fields.Selection(
        [("draft", "Draft"), ("published", "Published")],
        required=True,
        readonly=True,
        default="published",
        copy=False,
        tracking=True,
        help="A draft bills nothing until it is published.",
    )
    version_count = fields.Integer(compute="_compute_version_count")
    booked_count = fields.Integer(
        string="Invoiced Periods",
        compute="_compute_booked_count",
        help="Periods of all subscriptions that were invoiced with this version.",
    )
    change_reason = fields.Char(
        string="Reason of the Change",
        store=False,
        help="Why a price is changed that invoices were made with. Kept in the log.",
    )

    def init(self):
        result = super().init()
        # Prices from before there were versions are the first of their own.
        self.env.cr.execute(
            SQL("UPDATE saas_usage_price SET root_id = id WHERE root_id IS NULL")
        )
        return result

    def _compute_version_count(self):
        groups = self.with_context(active_test=False)._read_group(
            [("root_id", "in", self.root_id.ids)], ["root_id"], ["__count"]
        )
        counts = {root.id: count for root, count in groups}
        for price in self:
            price.version_count = counts.get(price.root_id.id, 0)

    def _compute_booked_count(self):
        counts = self._count_booked()
        for price in self:
            price.booked_count = counts.get(price._origin.id, 0)

    def _count_booked(self):
        """Return how many periods were invoiced with each price.

        :return: dict of id to number, without those that have none
        """
        charges = self.env["saas.charge"]
        charges.flush_model()
        products = self.product_tmpl_id.with_context(active_test=False)
        if not self._origin.ids or not products.product_variant_ids:
            return {}
        # By product first: there is an index, and the evidence has none.
        rows = self.env.execute_query(
            SQL(
                """
                SELECT (details->>'price_id')::integer,
                       COUNT(DISTINCT (subscription_id, service_start))
                  FROM saas_charge
                 WHERE product_id = ANY(%(products)s)
                   AND (details->>'price_id')::integer = ANY(%(prices)s)
                 GROUP BY 1
                """,
                products=products.product_variant_ids.ids,
                prices=self._origin.ids,
            )
        )
        return dict(rows)

    @api.constrains(*SCOPE, "root_id")
    def _check_scope(self):
        for price in self.filtered("root_id"):
            versions = price._get_versions()
            if any(len(versions.grouped(name)) > 1 for name in SCOPE):
                raise ValidationError(
                    self.env._(
                        "All versions of “%(name)s” are for the same product, plan,"
                        " subscription and currency. Make a new price instead.",
                        name=price.name,
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        writing = self.with_context(saas_price_write=BY_PRICE)
        prices = super(SaasUsagePrice, writing).create(vals_list)
        prices = prices.with_env(self.env)
        for price in prices:
            if not price.root_id:
                price.root_id = price
        return prices

    def write(self, vals):
        vals = dict(vals)
        reason = vals.pop("change_reason", None)
        booked = self._check_reason(reason) if vals.keys() & set(TERMS) else {}
        writing = self.with_context(saas_price_write=BY_PRICE)
        result = super(SaasUsagePrice, writing).write(vals)
        for price in self.browse(booked):
            price.message_post(
                body=self.env._(
                    "Changed after %(count)s periods were invoiced: %(reason)s",
                    count=booked[price.id],
                    reason=reason,
                )
            )
        return result

    def _check_reason(self, reason):
        """Refuse to change what invoices were made with without a reason.

        :param str reason: may be empty
        :return: how many periods were invoiced with each price, by id
        :raise UsagePriceError: some were, and there is no reason
        """
        booked = self._count_booked()
        if booked and not (reason or "").strip():
            price = self.browse(next(iter(booked)))
            raise UsagePriceError(
                self.env._(
                    "%(count)s invoiced periods were rated with “%(name)s”, which the"
                    " next billing run would correct. Use New Version for what is to"
                    " change from a day on; to correct, enter a “Reason of the"
                    " Change”.",
                    count=booked[price.id],
                    name=price.name,
                )
            )
        return booked

    @api.ondelete(at_uninstall=False)
    def _unlink_except_booked(self):
        booked = self._count_booked()
        if booked:
            raise UsagePriceError(
                self.env._(
                    "“%(name)s” is the evidence of invoices. Archive it instead: it"
                    " goes on for the periods it was invoiced for, and no others.",
                    name=self.browse(next(iter(booked))).name,
                )
            )
        for price in self:
            if price._get_versions() - self and price.root_id == price:
                raise UsagePriceError(
                    self.env._(
                        "“%(name)s” is the first of several versions. Archive it, or"
                        " delete the later ones first.",
                        name=price.name,
                    )
                )

    def _get_versions(self):
        """Return all versions of the price, also archived ones."""
        self.ensure_one()
        return self.with_context(active_test=False).search(
            [("root_id", "=", self.root_id.id)], order="version_number"
        )

    # ------------------------------------------------------------------
    # Actions
    # ------------------------------------------------------------------
    def action_new_version(self, date_start=None):
        """Make a draft of what the price asks from a day on, and open it.

        :param date date_start: first day, default the first day of next month
        :return: window action of the draft
        :raise UsagePriceError: the price is a draft itself
        """
        self.ensure_one()
        if self.state == "draft":
            raise UsagePriceError(
                self.env._(
                    "“%(name)s” is a draft already. Change it, then publish it.",
                    name=self.name,
                )
            )
        today = fields.Date.context_today(self)
        start = date_start or today.replace(day=1) + relativedelta(months=1)
        start = max(start, self.date_start + timedelta(days=1))
        ends_later = self.date_end and self.date_end > start
        version = self.copy(
            {
                "active": True,
                "root_id": self.root_id.id,
                "version_number": self._get_versions()[-1].version_number + 1,
                "state": "draft",
                "date_start": start,
                "date_end": self.date_end if ends_later else False,
            }
        )
        return version._get_records_action(context={})

    def action_publish(self):
        """Let drafts bill from their first day on; the version before ends there.

        :raise UsagePriceError: no draft, or it begins with the version it follows
        :raise ValidationError: another price applies at the same time
        """
        for price in self:
            if price.state != "draft":
                raise UsagePriceError(
                    self.env._("“%(name)s” is published already.", name=price.name)
                )
            for other in price._get_rivals().filtered(price._overlaps):
                price._end_version(other)
            price.state = "published"

    def _end_version(self, other):
        """End an earlier version of this price where this one begins."""
        self.ensure_one()
        if other.root_id != self.root_id or other.date_start > self.date_start:
            # Two prices or a later version: people have to say which one counts.
            return
        if other.date_start == self.date_start:
            raise UsagePriceError(
                self.env._(
                    "Version %(number)s of “%(name)s” begins on %(date)s, too. Let this"
                    " one begin later, or change version %(number)s itself to correct"
                    " it from its first day.",
                    number=other.version_number,
                    name=self.name,
                    date=format_date(self.env, other.date_start),
                )
            )
        other.date_end = self.date_start

    def action_view_versions(self):
        """Open all versions of the price.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_usage_billing.saas_usage_price_action"
        )
        action["domain"] = [("root_id", "=", self.root_id.id)]
        action["context"] = {"active_test": False}
        return action
