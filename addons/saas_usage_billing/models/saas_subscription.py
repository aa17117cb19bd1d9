# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone

from odoo import api, fields, models
from odoo.tools.misc import format_date

from odoo.addons.saas_subscription_ops.engine.ledger import ProposedCharge
from odoo.addons.saas_subscription_ops.engine.money import round_decimals, round_money
from odoo.addons.saas_subscription_ops.engine.period import (
    day_start,
)
from odoo.addons.saas_subscription_ops.exceptions import BillingError
from odoo.addons.saas_subscription_ops.models.saas_subscription_billing import (
    to_decimal,
)

from ..engine.rating import rate, rounded
from ..exceptions import UsagePriceError, UsageStoreError
from .saas_usage_price import format_quantity
from .usage_store import Window, aggregate, read_bounds

_CACHE = "saas_usage_billing"
# Of the average price on an invoice line.
AVERAGE_DIGITS = 8


@dataclass(frozen=True, slots=True)
class UsagePeriod:
    """A period of metered use of one product: half-open dates, and who is charged."""

    subscription_id: int
    line_id: int
    product_tmpl_id: int
    meter_id: int
    start: date
    end: date
    full_days: int
    window: Window

    @property
    def days(self):
        """Return the calendar dates served."""
        return (self.end - self.start).days


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    usage_event_count = fields.Integer(
        compute="_compute_usage_event_count",
        string="Usage Events",
        help="Events of the current period.",
        groups="saas_core.group_saas_core_user",
    )
    has_usage = fields.Boolean(
        compute="_compute_has_usage", groups="saas_core.group_saas_core_user"
    )
    usage_html = fields.Html(
        compute="_compute_usage_html",
        string="Current Usage",
        sanitize=False,
        groups="saas_core.group_saas_core_user",
    )

    def _compute_has_usage(self):
        for subscription in self:
            subscription.has_usage = bool(subscription._get_usage_lines())

    def _compute_usage_event_count(self):
        now = datetime.now(timezone.utc)
        for subscription in self:
            period = subscription._get_current_period(now)
            subscription.usage_event_count = (
                self.env["saas.usage.event"].search_count(
                    subscription._get_usage_domain(*period)
                )
                if period and subscription.ids
                else 0
            )

    def _compute_usage_html(self):
        now = datetime.now(timezone.utc)
        for subscription in self:
            subscription.usage_html = subscription._render_current_usage(now)

    def _get_portal_usage_html(self):
        """Return the usage of the running period for the customer's own page.

        :return: markup; empty without metered products
        """
        self.ensure_one()
        # sudo: the page belongs to this subscription, whoever was let in to see it;
        # meters, prices and events themselves stay hidden from customers
        subscription = self.sudo()
        if not subscription._get_usage_lines():
            return ""
        return subscription._render_current_usage(datetime.now(timezone.utc))

    def _render_current_usage(self, now):
        rows = self._get_current_usage(now) if self.ids else []
        return self.env["ir.qweb"]._render(
            "saas_usage_billing.current_usage",
            {
                "rows": [self._prepare_usage_row(row) for row in rows],
                "format_quantity": format_quantity,
            },
        )

    @api.ondelete(at_uninstall=False)
    def _unlink_except_with_usage(self):
        if self.env["saas.usage.event"]._has_events("subscription_id", self.ids):
            raise UsageStoreError(
                self.env._(
                    "Usage was stored for this subscription, so it cannot be deleted."
                    " Cancel it instead."
                )
            )

    # ------------------------------------------------------------------
    # Periods and quantities
    # ------------------------------------------------------------------
    def _get_usage_lines(self):
        """Return the lines charged by usage."""
        return self.line_ids.filtered(
            lambda line: line.kind == "usage" and line.product_id.saas_meter_id
        )

    def _get_usage_periods(self, until, running=False):
        """Return the periods of metered use up to a day, since the beginning.

        Lines of the same product that follow or overlap each other are one.

        :param date until: exclusive; periods end on or before it
        :param bool running: return periods that begin before it instead
        :return: list of ``UsagePeriod``
        """
        self.ensure_one()
        result = []
        lines = self._get_usage_lines().sorted("date_start")
        for template, own in lines.grouped(
            lambda line: line.product_id.product_tmpl_id
        ).items():
            for line, start, end in self._merge_lines(own):
                for served in self._cut_periods(start, end, until, running):
                    result.append(self._make_period(line, template, *served))
        return result

    def _merge_lines(self, lines):
        """Return (first line, start, end) of each stretch without a gap."""
        stretches = []
        for line in lines:
            end = self._get_line_end(line)
            if end and end <= line.date_start:
                continue
            if stretches and (
                stretches[-1][2] is None or line.date_start <= stretches[-1][2]
            ):
                last = stretches[-1][2]
                ends = None if last is None or end is None else max(last, end)
                stretches[-1] = (*stretches[-1][:2], ends)
            else:
                stretches.append((line, line.date_start, end))
        return stretches

    def _cut_periods(self, start, end, until, running):
        """Yield (start, end, days of the whole plan period) of a stretch."""
        bound = min(end, until) if end else until
        first = min(self.trial_end or self.date_start, start)
        # Late usage still gets on the invoice of its period.
        closed = until - timedelta(days=self.plan_id.grace_days)
        for begins, ends, days in self._get_grid_periods(first, bound):
            served = max(begins, start)
            stop = min(filter(None, (ends, end)), default=None)
            if stop is None and running:
                # A pause keeps the period open: it has lasted until now.
                stop = bound
            if stop and stop > served and (running or stop <= closed):
                yield served, stop, days

    def _make_period(self, line, template, start, end, full_days):
        return UsagePeriod(
            subscription_id=self.id,
            line_id=line.id,
            product_tmpl_id=template.id,
            meter_id=template.saas_meter_id.id,
            start=start,
            end=end,
            full_days=full_days,
            window=Window(
                self.id,
                _naive(day_start(start, self.tz)),
                _naive(day_start(end, self.tz)),
            ),
        )

    @api.model
    def _get_usage_quantities(self, usage_periods, bounds=None):
        """Return the quantities of periods of any number of subscriptions.

        One statement per meter, whatever the number of subscriptions and periods.

        :param usage_periods: list of ``UsagePeriod``
        :param bounds: ``Bounds``, to repeat an earlier computation
        :return: dict of period to Decimal
        """
        by_meter = defaultdict(list)
        for period in usage_periods:
            by_meter[period.meter_id].append(period)
        result = {}
        # sudo: whoever may see a charge need not be allowed to see the meter
        meters = self.env["saas.meter"].sudo().browse(by_meter)
        for meter in meters:
            own = by_meter[meter.id]
            windows = [period.window for period in own]
            quantities = aggregate(self.env, meter._get_spec(), windows, bounds)
            result.update(zip(own, quantities, strict=True))
        return result

    def _get_prefetched_usage(self, date_cutoff):
        """Return the quantities of closed periods, read once for a whole batch.

        A billing run asks subscription by subscription; the first question answers
        for all that were browsed together. The answer lives as long as the transaction
        and is dropped when events are stored in it.

        :return: dict of ``UsagePeriod`` to Decimal, of this subscription
        """
        self.ensure_one()
        cache = self.env.cr.cache.setdefault(_CACHE, {})
        key = date_cutoff, self.id
        if key not in cache:
            batch = self.browse(self._prefetch_ids)
            batch = batch.filtered(lambda record: (date_cutoff, record.id) not in cache)
            by_record = {
                record.id: record._get_usage_periods(date_cutoff)
                for record in batch | self
                if record.state != "draft"
            }
            every = [period for own in by_record.values() for period in own]
            quantities = self._get_usage_quantities(every)
            for record_id, own in by_record.items():
                cache[date_cutoff, record_id] = {p: quantities[p] for p in own}
        found = cache.get(key, {})
        # Lines may have changed since the batch was read: what is asked now counts.
        wanted = self._get_usage_periods(date_cutoff)
        missing = [period for period in wanted if period not in found]
        if missing:
            found.update(self._get_usage_quantities(missing))
        return {period: found[period] for period in wanted}

    # ------------------------------------------------------------------
    # Proposed charges
    # ------------------------------------------------------------------
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

    def _get_usage_bounds(self):
        """Return the bounds of what this transaction sees, read once."""
        cache = self.env.cr.cache.setdefault(_CACHE, {})
        if "bounds" not in cache:
            cache["bounds"] = read_bounds(self.env.cr)
        return cache["bounds"]

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
        cache = self.env.cr.cache.setdefault(_CACHE, {})
        key = "prices", self.company_id.id
        if key not in cache:
            # sudo: the difference must find the price, whoever computes it
            prices = (
                self.env["saas.usage.price"]
                .sudo()
                .search([("company_id", "=", self.company_id.id)])
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
            ref=f"usage:{price.id}:{period.start.isoformat()}",
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
                    **bounds.as_dict(),
                },
            },
        )

    def _rate_period(self, price, period, quantity):
        """Rate a quantity; the minimum of a part of a period is its part by days."""
        terms = price._get_terms()
        unit = to_decimal(self.currency_id.rounding)
        if (
            terms.minimum
            and period.days < period.full_days
            and self.plan_id.proration_policy != "none"
        ):
            part = terms.minimum * period.days / period.full_days
            terms = replace(terms, minimum=round_money(part, unit))
        return rounded(rate(terms, quantity), unit)

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

    # ------------------------------------------------------------------
    # Actions
    # ------------------------------------------------------------------
    def action_view_usage(self):
        """Open the events of the current period, by day.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_usage_billing.saas_usage_event_action"
        )
        action["domain"] = [("subscription_id", "=", self.id)]
        action["views"] = [
            (False, "graph"),
            (False, "list"),
            (False, "pivot"),
            (False, "form"),
        ]
        action["context"] = {}
        return action


def _naive(moment):
    """Return an aware datetime as Odoo stores it: naive UTC."""
    return moment.astimezone(timezone.utc).replace(tzinfo=None)
