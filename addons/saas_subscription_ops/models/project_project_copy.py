# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, models
from odoo.exceptions import ValidationError

from ..context_marks import COPYING
from ..exceptions import OnboardingError


class ProjectProject(models.Model):
    """Projects and templates: copied one from the other, never turned into another."""

    _inherit = "project.project"

    def copy(self, default=None):
        origins = self.with_context(saas_project_copy=COPYING)
        projects = super(ProjectProject, origins).copy(default)
        context = dict(projects.env.context)
        context.pop("saas_project_copy", None)
        projects = projects.with_env(projects.env(context=context))
        projects.milestone_ids._check_saas_billing_percent()
        return projects

    @api.constrains("is_template")
    def _check_saas_is_template(self):
        for project in self.filtered("is_template"):
            problem = project._saas_get_onboarding_problem()
            if problem:
                raise ValidationError(problem)

    def _saas_get_onboarding_problem(self) -> str:
        """Return why the project can't become a template, empty when it can."""
        self.ensure_one()
        # sudo: who converts projects may not see orders
        if not self.sudo().saas_order_id:
            return ""
        return self.env._(
            "%(project)s is the onboarding of a customer: as a template it would leave "
            "boards, alerts and the portal. To reuse its plan, duplicate it and "
            "convert the copy to a template.",
            project=self.name,
        )

    def action_toggle_project_template_mode(self):
        self._saas_check_no_onboarding()
        return super().action_toggle_project_template_mode()

    def action_create_template_from_project(self):
        # Odoo copies the project and archives it, which would end the onboarding.
        self._saas_check_no_onboarding()
        return super().action_create_template_from_project()

    def _saas_check_no_onboarding(self):
        """Refuse to make a template of the onboarding of a customer.

        :raise OnboardingError: the project delivers an order
        """
        problem = self._saas_get_onboarding_problem()
        if problem:
            raise OnboardingError(problem)
