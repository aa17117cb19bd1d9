# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models

from ..exceptions import GoLiveError


class ProjectMilestone(models.Model):
    """Which milestones make a project live, and how a wrong mark is taken back.

    Before the go-live any milestone can be taken back: the ledger says so. Afterwards
    one the go-live rests on can't, the go-live itself has to be taken back first.
    """

    _inherit = "project.milestone"

    saas_is_required = fields.Boolean(
        string="Needed to Go Live",
        default=True,
        help="The project is live when its go-live milestone and all needed ones are "
        "reached. Clear it for what comes afterwards, such as a review.",
        groups="base.group_user",
    )

    def write(self, vals):
        if "is_reached" in vals and not vals["is_reached"] and not self.env.su:
            for milestone in self.filtered("is_reached"):
                milestone._check_may_be_taken_back()
        return super().write(vals)

    def _check_may_be_taken_back(self):
        """Refuse to take back what a go-live rests on.

        :raise GoLiveError: the project is live because of it
        """
        self.ensure_one()
        project = self.project_id
        if project.saas_live_on and self in project._saas_get_needed_milestones():
            raise GoLiveError(
                self.env._(
                    "%(project)s is live because %(milestone)s was reached. If that "
                    "was wrong, use 'Take Go-Live Back' on the project first.",
                    project=project.name,
                    milestone=self.name,
                )
            )

    def saas_record_taken_back(self) -> bool:
        """Write to the ledger that reached milestones were taken back, once each.

        :return: True
        """
        self.check_access("write")
        # sudo: nobody has a right on the ledger
        for milestone in self.sudo().filtered(lambda item: not item.is_reached):
            project = milestone.project_id
            if project.saas_order_id and project._saas_has_milestone_event(milestone):
                project._saas_emit(
                    "onboarding.milestone_reopened",
                    {"milestone": milestone.id, "name": milestone.name},
                )
        return True
