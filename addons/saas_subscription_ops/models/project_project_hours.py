# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The hours of the packages are the allocated time of a project."""

from contextlib import contextmanager

from odoo import models
from odoo.tools import float_compare


class ProjectProject(models.Model):
    _inherit = "project.project"

    @contextmanager
    def _saas_follow_budget(self):
        """Let the allocated time of the projects follow their packages.

        What a person has set instead of the sum of the packages stays.
        """
        # sudo: who may plan the hours of a package plans those of its project
        projects = self.sudo()
        before = {project: project._saas_get_budget() for project in projects}
        followed = projects.filtered(
            lambda project: (
                # What came from the template is replaced by what was sold.
                not project.saas_package_ids
                or _is_same(project.allocated_hours, before[project])
            )
        )
        yield
        for project in followed.exists():
            budget = project._saas_get_budget()
            if not _is_same(budget, before[project]):
                project.allocated_hours = budget

    def _saas_get_budget(self) -> float:
        """Return the hours of all packages."""
        self.ensure_one()
        return sum(self.saas_package_ids.mapped("hours_budget"))


def _is_same(one: float, other: float) -> bool:
    return not float_compare(one, other, precision_digits=2)
