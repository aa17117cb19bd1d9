# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Steps of onboardings that the customer's usage does."""

from datetime import datetime, timezone

from odoo import api, models
from odoo.exceptions import UserError

from odoo.addons.project.models.project_task import CLOSED_STATES

BLOCKED = "usage.milestone_blocked"


class ProjectProject(models.Model):
    _inherit = "project.project"

    @api.model
    def _saas_find_usage_goals(self, projects_domain):
        """Return the open steps that usage does, of running onboardings.

        :param list projects_domain: which projects
        :return: dict of project to list of tasks, then milestones
        """
        wanted = [("saas_usage_meter_id", "!=", False)]
        projects = [
            (f"project_id.{name}", operator, value)
            for name, operator, value in [
                ("saas_order_id", "!=", False),
                ("is_template", "=", False),
                *projects_domain,
            ]
        ]
        found = {}
        for model, is_open in (
            ("project.task", [("state", "not in", list(CLOSED_STATES))]),
            ("project.milestone", [("is_reached", "=", False)]),
        ):
            for goal in self.env[model].search(wanted + is_open + projects):
                found.setdefault(goal.project_id, []).append(goal)
        return {
            project: goals
            for project, goals in found.items()
            if project.active and project._saas_is_running_onboarding()
        }

    @api.model
    def _cron_complete_by_usage(self):
        """Do what usage does also where nothing arrived since it could be done."""
        self._saas_complete_goals([])

    @api.model
    def _saas_complete_goals(self, projects_domain):
        # sudo: usage does the steps, nobody in particular
        projects = self.sudo()
        for project, goals in projects._saas_find_usage_goals(projects_domain).items():
            project._saas_complete_by_usage(goals)

    def saas_complete_by_usage(self) -> bool:
        """Do the steps of the onboarding that the customer's usage does.

        Safe to repeat: what is done stays done.

        :return: True
        """
        self.check_access("write")
        self._saas_complete_goals([("id", "in", self.ids)])
        return True

    def saas_retry_usage_milestones(self):
        """Try again what was in the way, from the exception queue.

        :raise UserError: it is still in the way
        """
        self.saas_complete_by_usage()
        blocked = self._saas_get_open_exceptions(BLOCKED)
        if blocked:
            raise UserError("\n".join(blocked.mapped("name")))

    def _saas_complete_by_usage(self, goals):
        """Do those of some open steps for which enough was used.

        What is in the way becomes one exception of the project.
        """
        self.ensure_one()
        now = datetime.now(timezone.utc)
        subscriptions = self._saas_get_used_subscriptions()
        problems = []
        for goal in goals:
            # What fails here must undo neither the others nor the counting.
            error = self._saas_try(
                lambda _project, goal=goal: goal._saas_complete_if_used(
                    subscriptions, now
                )
            )
            if error:
                problems.append(f"{goal.display_name}: {error}")
        self._saas_note_blocked(problems)

    def _saas_get_used_subscriptions(self):
        """Return the subscriptions of the customer whose usage counts."""
        domain = [
            (
                "commercial_partner_id",
                "=",
                self.partner_id.commercial_partner_id.id,
            ),
            ("state", "!=", "draft"),
        ]
        if self.company_id:
            domain.append(("company_id", "=", self.company_id.id))
        return self.env["saas.subscription"].search(domain)

    def _saas_note_blocked(self, problems):
        """Raise the exception once, or resolve it when nothing is in the way."""
        if not problems:
            self._saas_resolve(BLOCKED)
            return
        text = self.env._(
            "%(project)s: enough was used, but something is in the way. Settle it and"
            " retry.\n%(problems)s",
            project=self.name,
            problems="\n".join(problems),
        )
        open_now = self._saas_get_open_exceptions(BLOCKED)
        if open_now and open_now[0].name == text:
            return
        self._saas_raise(
            BLOCKED,
            text,
            queue="customer_success",
            retry_method="saas_retry_usage_milestones",
        )
