# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Quotations about a running subscription, and the coupons they grant."""

from datetime import date

from odoo import Command, fields, models
from odoo.tools.float_utils import float_round

from ..exceptions import QuoteError
from .saas_subscription import LIVE_STATES


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    coupon_ids = fields.One2many(
        "saas.subscription.coupon", "subscription_id", string="Coupons"
    )
    quote_ids = fields.One2many(
        "sale.order", "saas_amended_subscription_id", string="Quotations"
    )
    quote_count = fields.Integer(compute="_compute_quote_count")

    def _compute_quote_count(self):
        counts = dict(
            self.env["sale.order"]
            # sudo: a number, the list itself shows what one may see
            .sudo()
            ._read_group(
                [("saas_amended_subscription_id", "in", self.ids)],
                ["saas_amended_subscription_id"],
                ["__count"],
            )
        )
        for subscription in self:
            subscription.quote_count = counts.get(subscription, 0)

    # ------------------------------------------------------------------
    # Actions
    # ------------------------------------------------------------------
    def action_quote_amendment(self, effective: str = "now") -> dict:
        """Make a quotation with the present recurring lines, to be changed and signed.

        :param str effective: ``now`` or ``next_period``: the day it proposes
        :return: window action of the quotation
        :raise QuoteError: the subscription does not run
        """
        self.ensure_one()
        self._check_quotable()
        start = max(fields.Date.context_today(self), self.date_start)
        if effective == "next_period":
            start = self._get_next_boundary(start)
        return self._create_quote("amendment", start)._saas_get_form_action()

    def action_view_quotes(self) -> dict:
        """Open the amendment and renewal quotations of the subscription.

        :return: window action
        """
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Quotations for %(name)s", name=self.name),
            "res_model": "sale.order",
            "view_mode": "list,form",
            "domain": [("saas_amended_subscription_id", "=", self.id)],
            "context": {"create": False},
        }

    # ------------------------------------------------------------------
    # Quotation
    # ------------------------------------------------------------------
    def _check_quotable(self):
        """Refuse a quotation about a subscription that does not run.

        :raise QuoteError: not running
        """
        if self.state not in LIVE_STATES:
            states = dict(self._fields["state"]._description_selection(self.env))
            raise QuoteError(
                self.env._(
                    "%(name)s is %(state)s, only a running subscription can be "
                    "amended or renewed. Make a quotation for a new one.",
                    name=self.name,
                    state=states[self.state],
                )
            )

    def _create_quote(
        self,
        kind: str,
        start: date,
        term_months: int = 0,
        uplift: float = 0.0,
        pricelist=None,
        **vals,
    ):
        """Create the quotation; see the actions.

        :param pricelist: price list the prices are taken from; else they stay
        :param vals: further values of the quotation
        :return: ``sale.order``
        """
        order_vals = {**self._prepare_quote_vals(kind, start, term_months), **vals}
        if pricelist:
            order_vals["pricelist_id"] = pricelist.id
        order = self.env["sale.order"].create(order_vals)
        day = fields.Date.subtract(start, days=1) if kind == "renewal" else start
        vals_list = []
        for line in self._get_quotable_lines(max(day, self.date_start)):
            agreed = line._get_line_on(start)
            if agreed:
                listed = self._get_listed_price(pricelist, agreed, start)
                vals_list.append(
                    self._prepare_quote_line_vals(line, uplift, start, listed)
                )
        order.order_line = [Command.create(line_vals) for line_vals in vals_list]
        return order

    def _get_listed_price(self, pricelist, line, day: date) -> float | None:
        """Return the price of a line on a price list; None without a list.

        :param pricelist: ``product.pricelist`` in the subscription's currency
        :param line: ``saas.subscription.line``
        :param date day: day the price counts
        """
        if not pricelist:
            return None
        return pricelist._get_product_price(
            line.product_id,
            line.quantity or 1.0,
            currency=self.currency_id,
            uom=line.product_uom_id,
            date=day,
        )

    def _get_quotable_lines(self, day: date):
        """Return the recurring lines in force on a day, which a quotation repeats."""
        return self.line_ids.filtered(
            lambda line: line.kind == "recurring" and line._is_in_force(day)
        )

    def _prepare_quote_vals(self, kind: str, start: date, term_months: int) -> dict:
        """Prepare an amendment or renewal quotation without its lines.

        :return: values of ``sale.order``
        """
        self.ensure_one()
        vals = {
            "saas_order_kind": kind,
            "saas_amended_subscription_id": self.id,
            "saas_start_date": start,
            "saas_term_months": term_months,
            "partner_id": self.partner_id.id,
            "partner_invoice_id": self.bill_to_id.id,
            "company_id": self.company_id.id,
            "user_id": self.user_id.id or self.env.uid,
            "origin": self.name,
            "client_order_ref": self.client_order_ref,
            "sale_order_template_id": False,
        }
        pricelist = self.pricelist_id or self._find_quote_pricelist()
        if pricelist:
            vals["pricelist_id"] = pricelist.id
        if self.payment_term_id:
            vals["payment_term_id"] = self.payment_term_id.id
        if self.fiscal_position_id:
            vals["fiscal_position_id"] = self.fiscal_position_id.id
        return vals

    def _find_quote_pricelist(self):
        """Return a price list in the subscription's currency, where one is needed.

        :raise QuoteError: the currency has no price list
        """
        if self.currency_id == self.company_id.currency_id:
            return self.env["product.pricelist"]
        pricelist = self.env["product.pricelist"].search(
            [
                ("currency_id", "=", self.currency_id.id),
                ("company_id", "in", (False, self.company_id.id)),
            ],
            limit=1,
        )
        if not pricelist:
            raise QuoteError(
                self.env._(
                    "%(name)s is charged in %(currency)s and there is no price list in "
                    "%(currency)s: create one, or set it on the subscription.",
                    name=self.name,
                    currency=self.currency_id.name,
                )
            )
        return pricelist

    def _get_raised_price(self, price: float, uplift: float) -> float:
        """Return a price after an uplift, rounded half up as prices are.

        :param float price: price of one unit
        :param float uplift: percent
        """
        if not uplift:
            return price
        digits = self.env["decimal.precision"].precision_get("Product Price")
        return float_round(price * (1 + uplift / 100), precision_digits=digits)

    def _prepare_quote_line_vals(
        self, line, uplift: float, start: date, listed=None
    ) -> dict:
        """Prepare the order line that continues a subscription line.

        :param line: ``saas.subscription.line``
        :param float uplift: percent
        :param date start: day the quotation counts; what is agreed for that very day
            is what it repeats
        :param float listed: price it starts from instead of its own
        :return: values of ``sale.order.line``
        """
        agreed = line._get_line_on(start) or line
        price = agreed.price_unit if listed is None else listed
        return {
            "saas_continued_line_id": line.id,
            "saas_quoted_terms": line._get_quotable_terms(start),
            "product_id": agreed.product_id.id,
            "product_uom_id": agreed.product_uom_id.id,
            "name": agreed.name,
            "sequence": agreed.sequence,
            "product_uom_qty": agreed.quantity,
            "price_unit": self._get_raised_price(price, uplift),
            # Another price list has its own idea of what is cheap.
            "discount": agreed.discount if listed is None else 0.0,
            "analytic_distribution": agreed.analytic_distribution,
        }
