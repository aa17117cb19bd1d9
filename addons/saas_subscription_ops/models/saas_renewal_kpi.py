# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Key figures of renewals, per month in which the terms end."""

from collections import defaultdict
from datetime import date
from decimal import Decimal

from odoo import api, models

from ..engine import renewal as engine
from .saas_renewal import DECIDED
from .saas_subscription_billing import to_decimal

CENT = Decimal("0.01")
HUNDRED = 100


class SaasRenewal(models.Model):
    _inherit = "saas.renewal"

    @api.model
    def _get_kpi_domain(self, company, date_start: date, date_end: date) -> list:
        """Return the domain of the terms that end in a period.

        A term that was moved before it ended is counted where it ends now.

        :param company: ``res.company``
        :param date date_start: first day
        :param date date_end: first day after the period
        """
        return [
            ("company_id", "=", company.id),
            ("term_end", ">=", str(date_start)),
            ("term_end", "<", str(date_end)),
            ("outcome", "!=", "moved"),
        ]

    def _sum_in_company(self, company, *names: str) -> list[Decimal]:
        """Add amounts, each at the rate of its term end.

        :param company: ``res.company``
        :param names: monetary fields
        :return: one sum per field, in company currency
        """
        return [
            sum(
                (renewal._get_company_amount(company, name) for renewal in self),
                Decimal(0),
            )
            for name in names
        ]

    def _get_company_amount(self, company, name: str) -> Decimal:
        """Return an amount in company currency, at the rate of the term end.

        :param company: ``res.company``
        :param str name: monetary field
        """
        self.ensure_one()
        return to_decimal(
            self.currency_id._convert(
                self[name], company.currency_id, company, self.term_end
            )
        )

    @api.model
    def _saas_kpi_renewal_available(self, kpi, company, date_start, date_end) -> list:
        """Sum the yearly worth of the terms that end in the period.

        :param kpi: ``saas.kpi`` record
        :param company: ``res.company``
        :param date date_start: first day of the period
        :param date date_end: first day after the period
        :return: one row, see ``saas_core``
        """
        domain = self._get_kpi_domain(company, date_start, date_end)
        renewals = self.search(domain)
        available = engine.available_to_renew(
            renewal._get_company_amount(company, "amount_available")
            for renewal in renewals
        )
        return [
            self._prepare_renewal_row(
                available,
                domain,
                {"renewals": len(renewals)},
                currency=company.currency_id,
            )
        ]

    @api.model
    def _saas_kpi_renewal_forecast_coverage(
        self, kpi, company, date_start, date_end
    ) -> list:
        """Tell which part of the available amount had a forecast at its window.

        :param kpi: ``saas.kpi`` record
        :param company: ``res.company``
        :param date date_start: first day of the period
        :param date date_end: first day after the period
        :return: one row in percent, none when no term ended
        """
        domain = self._get_kpi_domain(company, date_start, date_end)
        renewals = self.search(domain)
        kept = renewals.filtered("is_forecast_kept")
        (available,) = renewals._sum_in_company(company, "amount_available")
        (covered,) = kept._sum_in_company(company, "amount_available")
        inputs = {"available": available, "covered": covered}
        rate = engine.coverage(available, covered)
        return self._prepare_rate_rows(rate, domain, inputs)

    @api.model
    def _saas_kpi_renewal_forecast_accuracy(
        self, kpi, company, date_start, date_end
    ) -> list:
        """Compare the forecast of the window's opening with the pure renewal.

        :param kpi: ``saas.kpi`` record
        :param company: ``res.company``
        :param date date_start: first day of the period
        :param date date_end: first day after the period
        :return: a row for the company and one per owner at that time, in percent;
            none when nothing with a forecast was decided
        """
        domain = [
            *self._get_kpi_domain(company, date_start, date_end),
            ("outcome", "in", DECIDED),
            ("is_forecast_kept", "=", True),
        ]
        renewals = self.search(domain)
        if not renewals:
            return []
        rows = [renewals._prepare_accuracy_row(company, domain)]
        per_owner = defaultdict(self.browse)
        for renewal in renewals:
            window = renewal.snapshot_ids.filtered(lambda one: one.kind == "window")
            per_owner[window.user_id] |= renewal
        for owner, owned in per_owner.items():
            rows.append(
                owned._prepare_accuracy_row(
                    company,
                    [("id", "in", owned.ids)],
                    self._get_owner_dimension(owner, per_owner),
                )
            )
        return rows

    @api.model
    def _get_owner_dimension(self, owner, owners) -> str:
        """Return the name of an owner, with the login when two have the same.

        :param owner: ``res.users``, empty for none
        :param owners: all owners of the period
        """
        if not owner:
            return "-"
        same = [user for user in owners if user.name == owner.name]
        return f"{owner.name} ({owner.login})" if len(same) > 1 else owner.name

    def _prepare_accuracy_row(self, company, domain: list, dimension="") -> dict:
        names = ("amount_kept", "amount_pure", "amount_deviation")
        forecast, actual, deviation = self._sum_in_company(company, *names)
        return self._prepare_renewal_row(
            (HUNDRED * engine.accuracy(forecast, actual)).quantize(CENT),
            domain,
            {"forecast": forecast, "actual": actual, "deviation": deviation},
            dimension,
        )

    @api.model
    def _saas_kpi_renewal_on_time_rate(
        self, kpi, company, date_start, date_end
    ) -> list:
        """Tell which part of the decided renewals was decided by the term end.

        :param kpi: ``saas.kpi`` record
        :param company: ``res.company``
        :param date date_start: first day of the period
        :param date date_end: first day after the period
        :return: one row in percent, none when nothing was decided
        """
        domain = [
            *self._get_kpi_domain(company, date_start, date_end),
            ("outcome", "in", DECIDED),
        ]
        renewals = self.search(domain)
        on_time = renewals.filtered("is_on_time")
        inputs = {"decided": len(renewals), "on_time": len(on_time)}
        rate = engine.on_time_rate(len(on_time), len(renewals))
        return self._prepare_rate_rows(rate, domain, inputs)

    @api.model
    def _saas_kpi_renewal_gross_rate(self, kpi, company, date_start, date_end) -> list:
        """Tell which part of the available amount was renewed, without expansion.

        :param kpi: ``saas.kpi`` record
        :param company: ``res.company``
        :param date date_start: first day of the period
        :param date date_end: first day after the period
        :return: one row in percent, none when nothing was decided
        """
        domain = [
            *self._get_kpi_domain(company, date_start, date_end),
            ("outcome", "in", DECIDED),
        ]
        names = ("amount_available", "amount_pure", "amount_expansion")
        renewals = self.search(domain)
        available, pure, expansion = renewals._sum_in_company(company, *names)
        inputs = {"available": available, "pure": pure, "expansion": expansion}
        rate = engine.gross_rate(available, pure)
        return self._prepare_rate_rows(rate, domain, inputs)

    @api.model
    def _prepare_rate_rows(self, rate, domain: list, inputs: dict) -> list:
        """Prepare the row of a rate in percent, none when it is not defined."""
        if rate is None:
            return []
        value = (HUNDRED * rate).quantize(CENT)
        return [self._prepare_renewal_row(value, domain, inputs)]

    @api.model
    def _prepare_renewal_row(
        self, value, domain: list, inputs: dict, dimension="", currency=None
    ) -> dict:
        """Prepare one row for the KPI store.

        :param Decimal value: figure
        :param list domain: renewals the figure is made of
        :param dict inputs: what it was computed from
        :param str dimension: empty for the whole company
        :param currency: ``res.currency`` of money
        """
        return {
            "value": value,
            "currency_id": currency.id if currency else False,
            "dimension": dimension,
            "domain": domain,
            "inputs": inputs,
        }
