# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class ProjectMilestone(models.Model):
    _inherit = "project.milestone"

    saas_day_offset = fields.Integer(
        string="Due After (Working Days)",
        help="In an onboarding template: the milestone is due this many working days "
        "of the company calendar after the subscription starts. 0: no deadline.",
    )

    def saas_check_onboarding_live(self) -> bool:
        """Record reached milestones and set the account live with the last one.

        Safe to repeat: each milestone and each go-live is recorded once.

        :return: True
        """
        self.check_access("write")
        # sudo: delivery may mark milestones, the account belongs to others
        for milestone in self.sudo().filtered("is_reached"):
            project = milestone.project_id
            if project.saas_order_id and not project.is_template:
                project._saas_run_milestone_step(milestone)
        return True
