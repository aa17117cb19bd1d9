# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo import api, fields, models

from ..engine.proposal import coupon_applies
from .saas_subscription_terms import FoldedTerms


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    def _get_mrr_on(self, day: date) -> float:
        """Return the monthly recurring revenue on a day.

        Untaxed recurring lines in force, every recurrence in months, less the coupons
        that recur; nothing while paused.

        :param date day: calendar date in the subscription's time zone
        :return: amount per month, rounded once to the subscription currency
        """
        self.ensure_one()
        lines = self.line_ids.filtered(
            lambda line: line.kind == "recurring" and line._is_in_force(day)
        )
        return self._sum_mrr(lines, day, self._get_pauses() if lines else ())

    def _get_folded_mrr(self, terms: FoldedTerms, day: date) -> float:
        """Return the monthly recurring revenue that folded terms give on a day.

        :param FoldedTerms terms: see ``_fold_terms``
        :param date day: calendar date in the subscription's time zone
        """
        self.ensure_one()
        lines = self.env["saas.subscription.line"]
        if not terms.date_end or day < terms.date_end:
            for segments in terms.segments.values():
                for segment in segments:
                    end = segment.date_end
                    if segment.date_start <= day and not (end and end <= day):
                        lines |= lines.new(self._prepare_probe_vals(segment))
        lines = lines.filtered(lambda line: line.kind == "recurring")
        return self._sum_mrr(lines, day, terms.pauses)

    def _prepare_probe_vals(self, segment) -> dict:
        values = segment.values
        recurrence = values["recurrence"]
        return {
            "subscription_id": self.id,
            "product_id": values["product_id"],
            "kind": values["kind"],
            "timing": values["timing"],
            "quantity": float(values["quantity"]),
            "price_unit": float(values["price_unit"]),
            "discount": float(values["discount"]),
            "recurrence_unit": recurrence and recurrence.unit,
            "recurrence_count": recurrence and recurrence.count,
        }

    def _sum_mrr(self, lines, day: date, pauses) -> float:
        """Sum recurring lines to an amount per month.

        :param lines: ``saas.subscription.line`` in force on the day
        :param date day: calendar date
        :param pauses: engine pauses
        """
        return self.currency_id.round(self._sum_monthly(lines, day, pauses))

    def _sum_monthly(self, lines, day: date, pauses) -> float:
        """Sum recurring lines to an unrounded amount per month; see ``_sum_mrr``."""
        if any(p.start <= day and (not p.end or day < p.end) for p in pauses):
            return 0.0
        plan = self._get_plan_terms(pauses) if self.coupon_ids else None
        products = [(line.id, line.product_id) for line in lines]
        coupons = self._get_coupon_terms(products) if plan else []
        left = {}
        for line in lines:
            months = line._get_months_per_period()
            price = line._get_untaxed_price()
            left[line.id] = price * months.denominator / months.numerator
        for coupon in coupons:
            if coupon.duration != "once":
                self._take_off_mrr(plan, coupon, lines, left, day)
        return sum(left.values())

    def _take_off_mrr(self, plan, coupon, lines, left: dict, day: date):
        """Take one coupon off the amounts per month, as the engine does it in billing.

        :param plan: engine ``PlanTerms``
        :param coupon: engine ``CouponTerms``
        :param lines: ``saas.subscription.line`` in force on the day
        :param dict left: what the coupons before left per line id; reduced in place
        :param date day: calendar date
        """
        is_amount = coupon.discount_type == "amount"
        own = lines.filtered(
            lambda line: coupon.line_ids is None or line.id in coupon.line_ids
        )
        if is_amount:
            # An amount is taken off once per period of the plan, so only off lines
            # that follow it.
            own = own.filtered(
                lambda line: line._get_recurrence() in (None, plan.recurrence)
            )
        own = own.filtered(
            lambda line: coupon_applies(plan, coupon, line._get_recurrence(), day)
        )
        whole = sum(left[line.id] for line in own)
        if whole <= 0:
            return
        share = float(coupon.value) / 100
        if is_amount:
            months = self.plan_id._get_months_per_period()
            off = float(coupon.value) * months.denominator / months.numerator
            # Never more than its own lines cost, whatever the others do.
            share = min(off / whole, 1)
        for line in own:
            left[line.id] *= 1 - share

    @api.model
    def _get_running_domain(self, day: date) -> list:
        """Return the domain of subscriptions that ran on a day.

        Nothing but dates is asked, so the answer for a past day does not move when
        the subscription changes later.
        """
        return [
            ("state", "!=", "draft"),
            ("date_start", "<=", str(day)),
            "|",
            ("date_end", "=", False),
            ("date_end", ">", str(day)),
        ]

    @api.model
    def _saas_kpi_mrr(self, kpi, company, date_start, date_end) -> list:
        """Compute MRR at the end of a period, in company currency.

        :param kpi: ``saas.kpi`` record
        :param company: ``res.company``
        :param date date_start: first day of the period
        :param date date_end: first day after the period
        :return: one row, see ``saas_core``; rate of the period's last day
        """
        day = fields.Date.subtract(date_end, days=1)
        domain = [
            ("company_id", "=", company.id),
            *self._get_running_domain(day),
        ]
        subscriptions = self.search(domain)
        per_currency = {}
        for subscription in subscriptions:
            per_currency.setdefault(subscription.currency_id, []).append(
                subscription._get_mrr_on(day)
            )
        value = sum(
            currency._convert(sum(amounts), company.currency_id, company, day)
            for currency, amounts in per_currency.items()
        )
        return [self._prepare_kpi_row(value, domain, day, company.currency_id)]

    @api.model
    def _saas_kpi_active_subscriptions(
        self, kpi, company, date_start, date_end
    ) -> list:
        """Count the subscriptions running at the end of a period.

        :param kpi: ``saas.kpi`` record
        :param company: ``res.company``
        :param date date_start: first day of the period
        :param date date_end: first day after the period
        :return: one row, see ``saas_core``
        """
        day = fields.Date.subtract(date_end, days=1)
        domain = [("company_id", "=", company.id), *self._get_running_domain(day)]
        return [self._prepare_kpi_row(self.search_count(domain), domain, day)]

    @api.model
    def _prepare_kpi_row(self, value, domain, day: date, currency=None) -> dict:
        """Prepare one row for the KPI store.

        :param value: figure
        :param list domain: records the figure is made of
        :param date day: day it was computed for
        :param currency: ``res.currency`` of money
        """
        return {
            "value": value,
            "currency_id": currency.id if currency else False,
            "domain": domain,
            "inputs": {"on": str(day)},
        }
