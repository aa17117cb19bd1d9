# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Factories: KPI definitions and values, written the way KPI code writes them."""

import datetime
from decimal import Decimal

from odoo import Command
from odoo.tests import new_test_user
from odoo.tests.common import TransactionCase

COMPUTE = {
    "compute_model": "saas.exception",
    "compute_method": "_saas_kpi_open_exceptions",
}
KPIS = {
    "mrr": {"unit": "money", "period": "month"},
    "active_subscriptions": {"unit": "count", "period": "month"},
    "invoiced_recurring": {"unit": "money", "period": "month"},
    "invoiced_usage": {"unit": "money", "period": "month"},
    "open_exceptions": {"unit": "count", "period": "day", "direction": "down"},
    "sla_met_rate": {"unit": "percent", "period": "month"},
    "open_tickets": {"unit": "count", "period": "day", "direction": "down"},
    "onboarding_open": {"unit": "count", "period": "day"},
    "renewal_available": {"unit": "money", "period": "month"},
    "renewal_gross_rate": {"unit": "percent", "period": "month"},
    "renewal_forecast_accuracy": {"unit": "percent", "period": "month"},
    "onboarding_on_time_rate": {"unit": "percent", "period": "month"},
}


class DashboardFactory:
    """Mixed into test cases; everything is created by the superuser of the test."""

    @classmethod
    def _setup_companies(cls):
        """Two companies with currencies of their own, and their readers."""
        cls.env = cls.env(context=dict(cls.env.context, tracking_disable=True))
        cls.usd = cls.env.ref("base.USD")
        cls.eur = cls.env.ref("base.EUR")
        (cls.usd | cls.eur).active = True
        cls.company, cls.other_company = cls.env["res.company"].create(
            [
                {"name": "Dashboard One", "currency_id": cls.usd.id},
                {"name": "Dashboard Two", "currency_id": cls.eur.id},
            ]
        )

    @classmethod
    def _user(cls, login, groups, companies=None, **values):
        companies = companies or cls.company
        return new_test_user(
            cls.env,
            login=login,
            groups=groups,
            company_id=companies[0].id,
            company_ids=[Command.set(companies.ids)],
            tz="UTC",
            **values,
        )

    @classmethod
    def _kpi(cls, code, **values):
        """Return the KPI of a code, created when its module is not installed."""
        kpis = cls.env["saas.kpi"]
        kpi = kpis.with_context(active_test=False).search([("code", "=", code)])
        plain = {**KPIS.get(code, {}), **values}
        if not kpi:
            kpi = kpis.create({"code": code, "name": code, **COMPUTE, **plain})
        return kpi

    @classmethod
    def _store(cls, code, start, value, company=None, dimension=None, **definition):
        """Store one value through the registry of the KPIs.

        :param date start: first day of the period
        :param value: number, or ``{dimension: number}``
        """
        company = company or cls.company
        kpi = cls._kpi(code, **definition)
        end = start + datetime.timedelta(days=1)
        if kpi.period == "month":
            end = (start.replace(day=28) + datetime.timedelta(days=4)).replace(day=1)
        values = value if isinstance(value, dict) else {dimension or "": value}
        rows = [
            kpi._check_row(
                {
                    "value": Decimal(str(number)),
                    "currency_id": company.currency_id.id
                    if kpi.unit == "money"
                    else False,
                    "dimension": key,
                    "res_model": "saas.exception",
                    "domain": [("company_id", "=", company.id)],
                }
            )
            for key, number in values.items()
        ]
        return cls.env["saas.kpi.value"]._store(kpi, company, start, end, rows)


class DashboardCase(DashboardFactory, TransactionCase):
    """Base of the tests that need no browser."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._setup_companies()

    def _search(self, *domain, user=None, companies=None):
        values = self.env["saas.kpi.value"]
        values = values.with_user(user or self.env.user)
        companies = companies or self.company
        return values.with_context(allowed_company_ids=companies.ids).search(
            [("company_id", "in", (self.company | self.other_company).ids), *domain]
        )
