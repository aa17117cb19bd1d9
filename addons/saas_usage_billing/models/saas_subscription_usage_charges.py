# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Rated usage as charges of the subscription."""

from collections import defaultdict
from dataclasses import replace

from odoo import models
from odoo.tools.misc import format_date

from odoo.addons.saas_subscription_ops.engine.ledger import ProposedCharge
from odoo.addons.saas_subscription_ops.engine.money import round_decimals, round_money
from odoo.addons.saas_subscription_ops.exceptions import BillingError
from odoo.addons.saas_subscription_ops.models.saas_subscription_billing import (
    to_decimal,
)

from ..engine.errors import QuantityError
from ..engine.money import ZERO
from ..engine.rated import rounded
from ..engine.rating import Part, rate_usage
from ..engine.running import rate_further
from ..exceptions import UsagePriceError
from .saas_subscription_usage_periods import CACHE
from .saas_usage_price import format_quantity
from .usage_drafts import get_drafts
from .usage_kept import get_kept
from .usage_store_api import get_store

# Of the average price on an invoice line.
AVERAGE_DIGITS = 8
#: Combinations of values named when they have no price.
NAMED = 5


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    def _get_proposed_charges(self, date_cutoff):
        """Add the rated usage of every period that ended by the cut-off."""
        proposed = super()._get_proposed_charges(date_cutoff)
        if self.state == "draft" or not self._get_usage_lines():
            return proposed
        bounds = self._get_usage_bounds()
        history = self._get_prefetched_usage(date_cutoff)
        return proposed + [
            charge
            for period in history
            for charge in self._propose_period(period, history, bounds)
        ]

    def _propose_period(self, period, history, bounds):
        """Yield the charges of a period, one for each price that asks something.

        :param UsagePeriod period: one of the history
        :param dict history: see ``_get_prefetched_usage``
        :raise BillingError: usage without a price, or a price that cannot be used
        """
        prices, measured = history[period]
        unpriced = measured.get(0)
        if unpriced and unpriced.quantity:
            raise BillingError(self._get_no_price_message(period, prices, unpriced))
        evidence = self._prepare_usage_evidence(period, prices, bounds)
        for price in prices:
            charge = self._propose_usage(period, price, history, evidence)
            if charge:
                yield charge

    def _prepare_usage_evidence(self, period, prices, bounds):
        """Prepare what it takes to find the events of a charge again.

        :return: dict of plain values
        """
        rules = prices._prepare_rules()
        return {
            "bounds": {
                "event_from": period.window.start.isoformat(),
                "event_to": period.window.end.isoformat(),
                "tz": period.window.tz,
                **bounds.as_dict(),
            },
            **({"rules": rules} if rules else {}),
        }

    def _get_usage_prices(self, usage_periods):
        """Return the prices of each period, by its first day.

        Every event goes to the first of them that matches it. An agreed price comes
        first, then that of the plan; then the one that names most dimensions, by
        sequence, and the one that began last. What follows a price for all events is
        never reached and left out.

        :param usage_periods: iterable of ``UsagePeriod`` of this subscription
        :return: dict of period to ``saas.usage.price``, empty where there is none
        """
        self.ensure_one()
        usage_periods = list(usage_periods)
        table = self._get_price_table(usage_periods)
        scopes = ((0, self.id), (self.plan_id.id, 0), (0, 0))
        # sudo: the difference must find the price, whoever computes it
        Price = self.env["saas.usage.price"].sudo()
        found = {}
        for period in usage_periods:
            key = self.currency_id.id, period.product_tmpl_id
            found[period] = [
                one for scope in scopes for one in table.get((*key, *scope), ())
            ]
        every = list({one for ids in found.values() for one in ids})
        return {
            period: Price.browse(ids).with_prefetch(every)._get_reached(period)
            for period, ids in found.items()
        }

    def _get_price_table(self, usage_periods):
        """Return the prices of the company, read once per transaction.

        A subscription that is looked at alone needs few of them.

        :param list usage_periods: what they are for
        :return: dict of (currency, product template, plan or 0, subscription or 0) to
            ids, in the order they are tried
        """
        scope = [("company_id", "=", self.company_id.id)]
        if len(tuple(self._prefetch_ids)) == 1:
            templates = {one.product_tmpl_id for one in usage_periods}
            scope += [
                ("product_tmpl_id", "in", tuple(sorted(templates))),
                ("plan_id", "in", (self.plan_id.id, False)),
                ("subscription_id", "in", (self.id, False)),
            ]
        cache = self.env.cr.cache.setdefault(CACHE, {})
        key = "prices", tuple(scope), get_drafts(self.env)._ids
        if key not in cache:
            table = defaultdict(list)
            for price in self._find_prices(scope).sorted(lambda one: one._get_order()):
                table[price._get_table_key()].append(price.id)
            cache[key] = dict(table)
        return cache[key]

    def _find_prices(self, scope):
        """Return the prices that bill, or are simulated.

        :param list scope: domain of them
        """
        # sudo: the difference must find the price, whoever computes it
        # Archived ones bill nothing new, whatever the caller's context asks to see.
        Price = self.env["saas.usage.price"].sudo().with_context(active_test=True)
        prices = Price.search([*scope, ("state", "=", "published")])
        drafts = get_drafts(Price.env)
        # In a simulation drafts stand in for all versions of their prices.
        return (
            prices.filtered(lambda price: price.root_id not in drafts.root_id) + drafts
        )

    def _propose_usage(self, period, price, history, evidence):
        """Return the engine charge of a price's part of a period.

        Nothing is proposed as such where something was booked: events that were all
        taken back are a correction with evidence like any other.

        :param dict history: see ``_get_prefetched_usage``
        :param dict evidence: see ``_prepare_usage_evidence``
        :return: ``ProposedCharge``, None when there is nothing to charge
        :raise BillingError: a price that cannot be used
        """
        measured = history[period][1][price.id]
        try:
            rated = self._rate_period(price, period, measured, history)
        except UsagePriceError as error:
            raise BillingError(str(error.args[0])) from error
        ref = price._get_charge_ref(period)
        found = measured.quantity, rated.amount
        quantity, amount = get_kept(self.env).get(ref, found)
        if not amount and not quantity and not self._has_booked(ref):
            return None
        line = self.env["saas.subscription.line"].browse(period.line_id)
        return ProposedCharge(
            ref=ref,
            kind="usage",
            line_id=period.line_id,
            service_start=period.start,
            service_end=period.end,
            quantity=quantity,
            amount=amount,
            timing="arrears",
            description=self._get_usage_description(line, price),
            details={**price._prepare_details(rated), **evidence},
        )

    def _has_booked(self, ref) -> bool:
        """Return whether the ledger has a row of a charge.

        :param str ref: of the charge
        """
        # sudo: the difference must see the whole ledger, whoever computes it
        charges = self.sudo().charge_ids
        cache = self.env.cr.cache.setdefault(CACHE, {}).setdefault("booked_refs", {})
        known, refs = cache.get(self.id, (None, frozenset()))
        if known != charges._ids:
            # the ref of a row never changes, so only new rows need another look
            refs = frozenset(charges.mapped("ref"))
            cache[self.id] = charges._ids, refs
        return ref in refs

    def _get_usage_description(self, line, price):
        if not price.match_count:
            return line.name
        return f"{line.name} ({price.match_text})"

    def _rate_period(self, price, period, measured, history=None):
        """Rate what was measured; a part of a period has its part of the minimum.

        :param price: ``saas.usage.price``
        :param UsagePeriod period: period it was used in
        :param Measured measured: of the price, see ``_get_usage_quantities``
        :param dict history: earlier periods, see ``_get_prefetched_usage``; read when
            it is not given and needed
        :return: ``RatedUsage``, rounded to the currency of the subscription
        :raise UsagePriceError: the terms, or the events, cannot be used
        """
        unit = to_decimal(self.currency_id.rounding)
        terms = price._get_terms(self._get_free_factor(price, period))
        if price.tier_period == "contract_year":
            before = self._get_quantity_before(price, period, history)
            quantity = self._count_in_year(price, period, measured.quantity)
            rated = rate_further(terms, before or ZERO, quantity, unit, before is None)
            return replace(rated, quantity=measured.quantity)
        part = self._get_part(period)
        usage = self._make_usage(price, period, measured)
        try:
            rated = rate_usage(terms, usage, part)
        except QuantityError as error:
            raise UsagePriceError(self._get_unusable_message(price, period)) from error
        return rounded(rated, unit)

    def _get_part(self, period):
        """Return the part a period is of a whole one, None: of all of it.

        :param UsagePeriod period: that may be cut
        :return: ``Part``
        """
        if period.days < period.full_days and self.plan_id.proration_policy != "none":
            return Part(period.days, period.full_days)
        return None

    def _get_unusable_message(self, price, period):
        """Say that events lack what the price needs of each of them."""
        meter = price.meter_id
        return self.env._(
            "%(name)s: usage of “%(product)s” from %(start)s has events without an"
            " amount of zero or more in “%(key)s”, which the price “%(price)s” needs of"
            " each. Replace these events, or choose another price.",
            name=self.name,
            product=price.product_tmpl_id.name,
            start=format_date(self.env, period.start),
            key=price.amount_key if price.model == "dynamic" else meter.value_key,
            price=price.name,
        )

    def _get_no_price_message(self, period, prices, measured):
        """Say which usage has no price, and what to do about it.

        :param prices: those of the period, none of which match
        :param Measured measured: what they leave over
        """
        template = self.env["product.template"].browse(period.product_tmpl_id)
        words = {
            "name": self.name,
            "quantity": format_quantity(measured.quantity),
            "unit": template.saas_meter_id.unit,
            "product": template.name,
            "start": format_date(self.env, period.start),
            "currency": self.currency_id.name,
        }
        if prices:
            return self.env._(
                "%(name)s used %(quantity)s %(unit)s of “%(product)s” from %(start)s"
                " that no usage price in %(currency)s matches: %(values)s. Under"
                " Usage > Prices add one for these values, or one without values for"
                " all the rest.",
                values=self._describe_unpriced(period, prices),
                **words,
            )
        return self.env._(
            "%(name)s used %(quantity)s %(unit)s of “%(product)s” from %(start)s, but"
            " no usage price in %(currency)s applies on that day. Add one under Usage >"
            " Prices.",
            **words,
        )

    def _describe_unpriced(self, period, prices):
        """Name the values of the usage no price matches, those with most of it."""
        # sudo: whoever may see a charge need not be allowed to see the meter
        meter = self.env["saas.meter"].sudo().browse(period.meter_id)
        spec = meter._get_spec(by_dimension=True, rules=prices._get_rules())
        [groups] = get_store(self.env).aggregate(
            spec, [period.window], self._get_given_bounds()
        )
        left = [
            (-measured.quantity, texts)
            for (price, *texts), measured in groups.items()
            if not price
        ]
        names = [
            meter.dimension_ids._describe(texts)
            for _quantity, texts in sorted(left)[:NAMED]
        ]
        if len(left) > NAMED:
            names.append(self.env._("%(number)s more", number=len(left) - NAMED))
        return "; ".join(names)

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
