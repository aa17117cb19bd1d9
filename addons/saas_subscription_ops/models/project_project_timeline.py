# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What the timeline of onboarding projects shows."""

from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.fields import Domain

from .project_project import HEALTHS, ONBOARDING

ROW_LIMIT = 500
#: Days of room left and right of what is shown.
MARGIN = timedelta(days=14)
PROJECT_FIELDS = (
    "name",
    "user_id",
    "saas_phase_id",
    "saas_health",
    "saas_health_reason",
    "saas_kickoff_on",
    "saas_go_live_planned",
    "saas_go_live_predicted",
    "saas_live_on",
)
MILESTONE_FIELDS = (
    "name",
    "project_id",
    "deadline",
    "is_reached",
    "reached_date",
    "saas_predicted_on",
)


class ProjectProject(models.Model):
    _inherit = "project.project"

    @api.model
    @api.readonly
    def saas_get_timeline(self, filters: dict | None = None) -> dict:
        """Return the onboarding projects the user may read, grouped by phase.

        :param dict filters: ``mine`` (own projects only), ``health`` (``on_track``,
            ``at_risk``, ``late``), ``company_id`` (one of the active companies),
            ``with_live`` (also those that are live)
        :return: ``today``, ``start``, ``end`` (ISO dates that hold everything shown),
            ``phases`` (``id``, ``name``, ``projects``), ``companies``, ``count`` shown
            and ``total`` found; dates are ISO or False
        :raise AccessError: portal or public user
        """
        if not self.env.user._is_internal():
            raise AccessError(self.env._("The timeline is for employees."))
        domain = self._get_saas_timeline_domain(filters or {})
        projects = self.search_fetch(
            domain, PROJECT_FIELDS, limit=ROW_LIMIT, order="saas_kickoff_on, id"
        )
        today = fields.Date.context_today(self)
        milestones = self._get_saas_timeline_milestones(projects, today)
        rows = [
            (project, project._prepare_saas_timeline_row(milestones.get(project, [])))
            for project in projects
        ]
        total = len(projects)
        if total == ROW_LIMIT:
            total = self.search_count(domain)
        return {
            "today": str(today),
            **self._get_saas_timeline_range(rows, today),
            "phases": self._get_saas_timeline_phases(rows),
            "companies": [
                {"id": company.id, "name": company.name}
                for company in self.env.companies
            ],
            "count": len(projects),
            "total": total,
        }

    @api.model
    def _get_saas_timeline_domain(self, filters: dict) -> Domain:
        """Return which projects the filters leave; unknown values are no filter."""
        domain = Domain(list(ONBOARDING))
        if not filters.get("with_live"):
            domain &= Domain("saas_live_on", "=", False)
        if filters.get("mine"):
            domain &= Domain("user_id", "=", self.env.uid)
        if filters.get("health") in dict(HEALTHS):
            domain &= Domain("saas_health", "=", filters["health"])
        if filters.get("company_id") in self.env.companies.ids:
            domain &= Domain("company_id", "=", filters["company_id"])
        return domain

    @api.model
    def _get_saas_timeline_milestones(self, projects, today) -> dict:
        """Return the dated milestones of projects, in one query.

        :return: dict of project to a list of ``id, name, date, state``
        """
        marks = self.env["project.milestone"].search_fetch(
            [("project_id", "in", projects.ids)], MILESTONE_FIELDS
        )
        result = {}
        for mark in marks:
            day = mark.deadline or mark.saas_predicted_on
            if mark.is_reached:
                day, state = mark.reached_date or day, "reached"
            else:
                state = "overdue" if mark.deadline and mark.deadline < today else "open"
            if day:
                row = {"id": mark.id, "name": mark.name, "date": str(day)}
                result.setdefault(mark.project_id, []).append({**row, "state": state})
        return result

    def _prepare_saas_timeline_row(self, milestones: list) -> dict:
        """Prepare what the timeline shows of one project."""
        self.ensure_one()
        iso = lambda day: str(day) if day else False  # noqa: E731
        return {
            "id": self.id,
            "name": self.name,
            "manager": self.user_id.name or "",
            "health": "live" if self.saas_live_on else self.saas_health or "none",
            "reason": self.saas_health_reason or "",
            "kickoff": iso(self.saas_kickoff_on),
            "agreed": iso(self.saas_go_live_planned),
            "predicted": iso(self.saas_go_live_predicted),
            "live": iso(self.saas_live_on),
            "milestones": milestones,
        }

    @api.model
    def _get_saas_timeline_range(self, rows: list, today) -> dict:
        """Return the first and last day to show; at least three months."""
        names = ("kickoff", "agreed", "predicted", "live")
        days = [row[name] for _project, row in rows for name in names if row[name]]
        days += [mark["date"] for _project, row in rows for mark in row["milestones"]]
        days = [fields.Date.to_date(day) for day in days] or [today]
        start = min(min(days), today) - MARGIN
        end = max(max(days) + MARGIN, start + timedelta(days=92))
        return {"start": str(start), "end": str(end)}

    @api.model
    def _get_saas_timeline_phases(self, rows: list) -> list:
        """Return the rows by phase, in the order of phases, those without one last."""
        groups = {}
        for project, row in rows:
            groups.setdefault(project.saas_phase_id, []).append(row)
        order = sorted(
            groups, key=lambda phase: (not phase, phase.sequence or 0, phase.id or 0)
        )
        return [
            {
                "id": phase.id or 0,
                "name": phase.name or self.env._("Without a phase"),
                "projects": groups[phase],
            }
            for phase in order
        ]
