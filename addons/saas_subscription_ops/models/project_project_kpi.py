# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from decimal import Decimal

from odoo import api, fields, models

from .project_project import ONBOARDING

CENT = Decimal("0.01")


class ProjectProject(models.Model):
    _inherit = "project.project"

    @api.model
    def _saas_kpi_onboarding_open(self, kpi, company, date_start, date_end) -> list:
        """Count the onboarding projects running at the end of a period, per phase.

        The phases are those of today: a project that was open then counts where it
        stands now. The first row is the total.

        :param kpi: ``saas.kpi`` record
        :param company: ``res.company``
        :param date date_start: first day of the period
        :param date date_end: first day after the period
        :return: rows, see ``saas_core``
        """
        domain = self._saas_get_open_domain(company, date_end)
        phases = self._read_group(domain, ["saas_phase_id"], ["__count"])
        total = sum(count for _phase, count in phases)
        rows = [self._prepare_saas_open_row(total, "", domain, date_end)]
        if not any(phase for phase, _count in phases):
            return rows
        return rows + [
            self._prepare_saas_open_row(
                count,
                phase.name or self.env._("No phase"),
                [*domain, ("saas_phase_id", "=", phase.id)],
                date_end,
            )
            for phase, count in phases
        ]

    @api.model
    def _saas_get_open_domain(self, company, date_end) -> list:
        return [
            ("company_id", "=", company.id),
            *ONBOARDING,
            ("saas_started_on", "<", str(date_end)),
            "|",
            ("saas_live_on", "=", False),
            ("saas_live_on", ">=", str(date_end)),
        ]

    @api.model
    def _prepare_saas_open_row(self, count, dimension, domain, date_end) -> dict:
        return {
            "value": count,
            "dimension": dimension,
            "domain": domain,
            "inputs": {"on": str(fields.Date.subtract(date_end, days=1))},
        }

    @api.model
    def _saas_kpi_onboarding_on_time_rate(
        self, kpi, company, date_start, date_end
    ) -> list:
        """Share of the projects gone live in a period that kept the first plan.

        :param kpi: ``saas.kpi`` record
        :param company: ``res.company``
        :param date date_start: first day of the period
        :param date date_end: first day after the period
        :return: one row in percent, none when nothing with a plan went live
        """
        domain = [
            ("company_id", "=", company.id),
            *ONBOARDING,
            ("saas_live_on", ">=", str(date_start)),
            ("saas_live_on", "<", str(date_end)),
            ("saas_go_live_baseline", "!=", False),
        ]
        projects = self.search(domain)
        if not projects:
            return []
        kept = projects.filtered(lambda p: p.saas_live_on <= p.saas_go_live_baseline)
        return [
            {
                "value": (Decimal(100 * len(kept)) / len(projects)).quantize(CENT),
                "domain": domain,
                "inputs": {"live": len(projects), "on_time": len(kept)},
            }
        ]

    @api.model
    def _saas_kpi_onboarding_budget_used(
        self, kpi, company, date_start, date_end
    ) -> list:
        """Hours booked by the end of a period against the budget, in percent.

        Of the projects with a budget that were open at its end or went live in it.

        :param kpi: ``saas.kpi`` record
        :param company: ``res.company``
        :param date date_start: first day of the period
        :param date date_end: first day after the period
        :return: one row in percent, none without budgets
        """
        domain = [
            ("company_id", "=", company.id),
            *ONBOARDING,
            ("saas_started_on", "<", str(date_end)),
            ("saas_hours_budget", ">", 0),
            "|",
            ("saas_live_on", "=", False),
            ("saas_live_on", ">=", str(date_start)),
        ]
        projects = self.search(domain)
        budget = sum(projects.mapped("saas_hours_budget"))
        if not budget:
            return []
        # sudo: hours of colleagues count, whoever computes the figure
        [[spent]] = (
            self.env["account.analytic.line"]
            .sudo()
            ._read_group(
                [("project_id", "in", projects.ids), ("date", "<", str(date_end))],
                aggregates=["unit_amount:sum"],
            )
        )
        spent = Decimal(str(round(spent or 0, 4)))
        budget = Decimal(str(round(budget, 4)))
        return [
            {
                "value": (100 * spent / budget).quantize(CENT),
                "domain": domain,
                "inputs": {"spent": str(spent), "budget": str(budget)},
            }
        ]
