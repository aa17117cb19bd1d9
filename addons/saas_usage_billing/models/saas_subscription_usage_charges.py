# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Rated usage as charges of the subscription."""

from collections import defaultdict

from odoo import models
from odoo.tools.misc import format_date

from odoo.addons.saas_subscription_ops.engine.ledger import ProposedCharge
from odoo.addons.saas_subscription_ops.engine.money import round_decimals, round_money
from odoo.addons.saas_subscription_ops.exceptions import BillingError
from odoo.addons.saas_subscription_ops.models.saas_subscription_billing import (
    to_decimal,
)

from ..engine.rating import Part, Usage, rate_usage, rounded
from ..exceptions import UsagePriceError
from .saas_subscription_usage_periods import CACHE
from .saas_usage_price import format_quantity

# Of the average price on an invoice line.
AVERAGE_DIGITS = 8


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    def _get_proposed_charges(self, date_cutoff):
        """Add the rated usage of every period that ended by the cut-off."""
        proposed = super()._get_proposed_charges(date_cutoff)
        if self.state == "draft" or not self._get_usage_lines():
            return proposed
        quantities = self._get_prefetched_usage(date_cutoff)
        prices = self._get_usage_prices(quantities)
        bounds = self._get_usage_bounds()
        rated = [
            self._propose_usage(period, quantity, prices[period], bounds)
            for period, quantity in quantities.items()
        ]
        return proposed + [charge for charge in rated if charge]

    def _get_usage_prices(self, usage_periods):
        """Return the price of each period, by its first day.

        :param usage_periods: iterable of ``UsagePeriod`` of this subscription
        :return: dict of period to ``saas.usage.price``, empty where there is none
        """
        self.ensure_one()
        table = self._get_price_table()
        scopes = ((0, self.id), (self.plan_id.id, 0), (0, 0))
        # sudo: the difference must find the price, whoever computes it
        Price = self.env["saas.usage.price"].sudo()
        result = {}
        for period in usage_periods:
            found = (
                price
                for scope in scopes
                for price in Price.browse(
                    table.get((self.currency_id.id, period.product_tmpl_id, *scope), ())
                )
                if price._applies(period)
            )
            result[period] = next(found, Price.browse())
        return result

    def _get_price_table(self):
        """Return the prices of the company, read once per transaction.

        :return: dict of (currency, product template, plan or 0, subscription or 0) to
            ids, the price that began last first
        """
        cache = self.env.cr.cache.setdefault(CACHE, {})
        key = "prices", self.company_id.id
        if key not in cache:
            # sudo: the difference must find the price, whoever computes it
            prices = (
                self.env["saas.usage.price"]
                .sudo()
                .search(
                    [
                        ("company_id", "=", self.company_id.id),
                        ("state", "=", "published"),
                    ]
                )
                .sorted("date_start", reverse=True)
            )
            table = defaultdict(list)
            for price in prices:
                table[price._get_table_key()].append(price.id)
            cache[key] = dict(table)
        return cache[key]

    def _propose_usage(self, period, quantity, price, bounds):
        """Return the engine charge of a period, None when there is nothing to charge.

        :raise BillingError: usage without a price, or a price that cannot be used
        """
        if not price:
            if quantity:
                raise BillingError(self._get_no_price_message(period, quantity))
            return None
        try:
            rated = self._rate_period(price, period, quantity)
        except UsagePriceError as error:
            raise BillingError(str(error.args[0])) from error
        if not rated.amount and not quantity:
            return None
        line = self.env["saas.subscription.line"].browse(period.line_id)
        return ProposedCharge(
            ref=f"usage:{price.root_id.id}:{period.start.isoformat()}",
            kind="usage",
            line_id=period.line_id,
            service_start=period.start,
            service_end=period.end,
            quantity=quantity,
            amount=rated.amount,
            timing="arrears",
            description=line.name,
            details={
                **price._prepare_details(rated),
                "bounds": {
                    "event_from": period.window.start.isoformat(),
                    "event_to": period.window.end.isoformat(),
                    "tz": period.window.tz,
                    **bounds.as_dict(),
                },
            },
        )

    def _rate_period(self, price, period, quantity):
        """Rate a quantity; the minimum of a part of a period is its part by days.

        :param price: ``saas.usage.price``
        :param UsagePeriod period: period it was used in
        :param Decimal quantity: metered units >= 0
        :return: ``RatedUsage``, rounded to the currency of the subscription
        :raise UsagePriceError: the terms cannot be used
        """
        part = None
        if period.days < period.full_days and self.plan_id.proration_policy != "none":
            part = Part(period.days, period.full_days)
        rated = rate_usage(
            price._get_terms(self._get_free_factor(price, period)),
            Usage(quantity),
            part,
        )
        return rounded(rated, to_decimal(self.currency_id.rounding))

    def _get_no_price_message(self, period, quantity):
        template = self.env["product.template"].browse(period.product_tmpl_id)
        return self.env._(
            "%(name)s used %(quantity)s %(unit)s of “%(product)s” from %(start)s, but"
            " no usage price in %(currency)s applies on that day. Add one under Usage >"
            " Prices.",
            name=self.name,
            quantity=format_quantity(quantity),
            unit=template.saas_meter_id.unit,
            product=template.name,
            start=format_date(self.env, period.start),
            currency=self.currency_id.name,
        )

    def _get_quantity_label(self, charge):
        """Say quantity and tiers of rated usage in words."""
        kind = charge.details.get("adjusts", charge.kind)
        if kind != "usage" or "price_id" not in charge.details:
            return super()._get_quantity_label(charge)
        # sudo: the words of the invoice, not the price list
        Price = self.env["saas.usage.price"].sudo()
        price = Price.browse(charge.details["price_id"])
        return "\n".join(price._describe(charge.details))

    def _prepare_invoice_line_vals(self, charge: ProposedCharge, sign: int) -> dict:
        """Show the metered quantity at its average price on the invoice line.

        The tiers are in the words of the line. Where an invoice line can't hold the
        quantity, or the average does not give the amount to the cent, it stays one
        unit of the amount.
        """
        vals = super()._prepare_invoice_line_vals(charge, sign)
        if charge.kind != "usage" or charge.quantity <= 0:
            return vals
        digits = self.env["decimal.precision"].precision_get("Product Unit")
        if round_decimals(charge.quantity, digits) != charge.quantity:
            return vals
        amount = charge.amount * sign
        average = round_decimals(amount / charge.quantity, AVERAGE_DIGITS)
        rounding = to_decimal(self.currency_id.rounding)
        if round_money(average * charge.quantity, rounding) == amount:
            vals["quantity"] = float(charge.quantity)
            vals["price_unit"] = float(average)
        return vals
