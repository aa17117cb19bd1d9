# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import timedelta
from decimal import Decimal

from odoo import api, fields, models
from odoo.tools.misc import format_date

from .saas_charge import KINDS
from .saas_subscription_billing import to_decimal, to_stored


class SaasBillingRunCharge(models.Model):
    """A proposed charge: the preview a person approves, kept as evidence."""

    _name = "saas.billing.run.charge"
    _description = "Proposed Charge"
    _inherit = ["saas.default.guard"]
    _order = "run_line_id, service_start, id"

    run_line_id = fields.Many2one(
        "saas.billing.run.line",
        required=True,
        readonly=True,
        index=True,
        ondelete="cascade",
    )
    run_id = fields.Many2one(
        related="run_line_id.run_id", store=True, index=True, precompute=True
    )
    subscription_id = fields.Many2one(
        related="run_line_id.subscription_id", store=True, index=True, precompute=True
    )
    company_id = fields.Many2one(
        related="run_line_id.company_id", store=True, index=True, precompute=True
    )
    currency_id = fields.Many2one(related="subscription_id.currency_id")
    name = fields.Text(string="Description", readonly=True)
    reason = fields.Text(string="Why", readonly=True, help="Why this amount is due.")
    line_id = fields.Many2one(
        "saas.subscription.line",
        string="Subscription Line",
        readonly=True,
        index="btree_not_null",
        ondelete="cascade",
    )
    product_id = fields.Many2one(
        "product.product", readonly=True, index="btree_not_null", ondelete="restrict"
    )
    kind = fields.Selection(
        KINDS,
        required=True,
        readonly=True,
    )
    ref = fields.Char(string="Reference", required=True, readonly=True)
    revision = fields.Integer(readonly=True)
    service_start = fields.Date(readonly=True)
    service_end = fields.Date(readonly=True, help="First day not served.")
    quantity = fields.Float(digits=(20, 6), readonly=True)
    price_unit = fields.Float(digits=(20, 6), readonly=True, aggregator=None)
    amount = fields.Monetary(readonly=True)
    details = fields.Json(readonly=True)

    @api.model
    def _prepare_preview_vals(self, subscription, charge) -> dict:
        """Prepare the preview row of an engine charge.

        :param subscription: ``saas.subscription``
        :param ProposedCharge charge: engine row
        :return: values without the run line
        """
        vals = subscription._prepare_charge_vals(charge)
        names = (
            "line_id",
            "product_id",
            "kind",
            "ref",
            "revision",
            "service_start",
            "service_end",
            "quantity",
            "price_unit",
            "amount",
            "details",
        )
        preview = {name: vals[name] for name in names}
        preview["name"] = subscription._get_charge_label(charge)
        preview["reason"] = self._get_reason(subscription, charge)
        return preview

    # ------------------------------------------------------------------
    # The reason in words
    # ------------------------------------------------------------------
    @api.model
    def _get_reason(self, subscription, charge) -> str:
        """Say why an amount is due, for the person who approves it.

        :param subscription: ``saas.subscription``
        :param ProposedCharge charge: engine row
        :return: one or more sentences
        """
        kinds = {
            "one_time": self._get_one_time_reason,
            "recurring": self._get_recurring_reason,
            "usage": self._get_usage_reason,
            "adjustment": self._get_adjustment_reason,
            "credit": self._get_credit_reason,
        }
        return kinds[charge.kind](subscription, charge)

    def _get_one_time_reason(self, subscription, charge) -> str:
        return self.env._(
            "One-time charge, due on %(day)s.",
            day=format_date(self.env, charge.service_start),
        )

    def _get_recurring_reason(self, subscription, charge) -> str:
        values = {
            "start": format_date(self.env, charge.service_start),
            "end": format_date(self.env, charge.service_end - timedelta(days=1)),
        }
        if charge.timing == "arrears":
            text = self.env._("Period %(start)s to %(end)s has ended.", **values)
        else:
            text = self.env._("New period %(start)s to %(end)s.", **values)
        proration = subscription._get_proration_label(charge)
        if proration:
            return f"{text} {proration}."
        return f"{text} {self.env._('Whole period.')}"

    def _get_usage_reason(self, subscription, charge) -> str:
        text = self.env._(
            "Usage from %(start)s to %(end)s, rated after the period:",
            start=format_date(self.env, charge.service_start),
            end=format_date(self.env, charge.service_end - timedelta(days=1)),
        )
        quantity = subscription._get_quantity_label(charge) or self.env._(
            "%(quantity)s units.",
            quantity=format(charge.quantity.normalize(), "f"),
        )
        return f"{text}\n{quantity}"

    def _get_adjustment_reason(self, subscription, charge) -> str:
        """Say what was charged, what is due instead, and what became different."""
        money = subscription._format_money
        before = Decimal(str(charge.details.get("amount_before", 0)))
        after = Decimal(str(charge.details.get("amount_after", 0)))
        text = self.env._(
            "Correction: %(before)s was charged, %(after)s is due, difference "
            "%(difference)s.",
            before=money(before),
            after=money(after),
            difference=money(charge.amount),
        )
        if not after:
            return f"{text} {self.env._('The service is no longer due.')}"
        if charge.details.get("adjusts") == "usage":
            return f"{text} {self.env._('Usage or its price changed afterwards.')}"
        quantity = charge.quantity.normalize()
        if quantity:
            changed = self.env._(
                "Quantity changed by %(quantity)s.", quantity=format(quantity, "+f")
            )
            return f"{text} {changed}"
        if "served_days" in charge.details:
            changed = self.env._(
                "%(served)s of %(whole)s days are served.",
                served=charge.details["served_days"],
                whole=charge.details.get("period_days", "?"),
            )
            return f"{text} {changed}"
        return f"{text} {self.env._('Price or dates changed afterwards.')}"

    def _get_credit_reason(self, subscription, charge) -> str:
        text = subscription._get_credit_label(charge) or self.env._("Credit.")
        return text if text.endswith(".") else f"{text}."

    def _get_fingerprint(self) -> tuple:
        """Return what must not change between approval and posting."""
        self.ensure_one()
        return (
            self.kind,
            self.service_start,
            self.service_end,
            to_stored(to_decimal(self.quantity)),
            to_decimal(self.amount, self.currency_id.decimal_places),
        )

    @api.model
    def _get_engine_fingerprint(self, charge) -> tuple:
        """Return the fingerprint of an engine row, comparable to the stored one.

        :param ProposedCharge charge: engine row
        """
        return (
            charge.kind,
            charge.service_start,
            charge.service_end,
            to_stored(charge.quantity),
            charge.amount,
        )
