# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo import api, fields, models


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    def _get_mrr_on(self, day: date) -> float:
        """Return the monthly recurring revenue of the lines in force on a day.

        :param date day: calendar date in the subscription's time zone
        :return: untaxed amount per month, rounded once to the subscription currency
        """
        self.ensure_one()
        months = self.plan_id._get_months_per_period()
        lines = self.line_ids.filtered(
            lambda line: line.kind == "recurring" and line._is_in_force(day)
        )
        total = sum(line._get_untaxed_price() for line in lines)
        return self.currency_id.round(total * months.denominator / months.numerator)

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
            "dimension": "",
            "res_model": self._name,
            "domain": domain,
            "inputs": {"on": str(day)},
        }
