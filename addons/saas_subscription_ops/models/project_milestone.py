# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import float_compare

from ..context_marks import COPYING, PLANNING


class ProjectMilestone(models.Model):
    _inherit = "project.milestone"

    saas_day_offset = fields.Integer(
        string="Due After (Working Days)",
        help="In an onboarding template: the milestone is due this many working days "
        "of the company calendar after the kick-off. 0: no deadline.",
        groups="base.group_user",
    )
    saas_phase_id = fields.Many2one(
        "saas.onboarding.phase",
        string="Phase",
        index="btree_not_null",
        ondelete="restrict",
        help="While this is the first open milestone, the project is in this phase.",
        groups="base.group_user",
    )
    saas_is_go_live = fields.Boolean(
        string="Means Live",
        help="Reaching it means that the customer is live. Without any such milestone "
        "the last one counts.",
        groups="base.group_user",
    )
    saas_billing_percent = fields.Float(
        string="Bills (%)",
        groups="base.group_user",
        help="Share of the package that may be invoiced when the milestone is reached, "
        "for products invoiced based on milestones.",
    )
    saas_package_id = fields.Many2one(
        "saas.onboarding.package",
        string="Package",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
        groups="base.group_user",
    )
    saas_predicted_on = fields.Date(
        string="Predicted",
        readonly=True,
        copy=False,
        groups="base.group_user",
        help="When the milestone will be reached, as its tasks stand today.",
    )

    _saas_billing_percent_range = models.Constraint(
        "CHECK (saas_billing_percent IS NULL OR"
        " saas_billing_percent BETWEEN 0 AND 100)",
        "A milestone bills between 0 and 100 percent of its package.",
    )
    _saas_day_offset_positive = models.Constraint(
        "CHECK (saas_day_offset IS NULL OR saas_day_offset >= 0)",
        "A milestone can't be due before the kick-off: enter 0 or more working days.",
    )

    @api.constrains("saas_billing_percent", "project_id")
    def _check_saas_billing_percent(self):
        if self.env.context.get("saas_project_copy") is COPYING:
            # Their copies are still with the original: checked when all is copied.
            return
        for project in self.project_id.filtered("is_template"):
            percent = sum(project.milestone_ids.mapped("saas_billing_percent"))
            if float_compare(percent, 100, precision_digits=2) > 0:
                raise ValidationError(
                    self.env._(
                        "The milestones of %(template)s bill %(percent)s %% together: "
                        "lower them to 100 %% at most.",
                        template=project.name,
                        percent=round(percent, 2),
                    )
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

    def saas_update_forecast(self) -> bool:
        """Bring forecast and health of the onboarding projects up to date.

        Safe to repeat. A failure becomes an exception, the change itself stays.

        :return: True
        """
        self.check_access("write")
        if self.env.context.get("saas_planning") is not PLANNING:
            # sudo: who may change the milestone need not write the project
            self.sudo().project_id._saas_update_forecast()
        return True
