# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models

from ..context_marks import PLANNING


class ProjectTask(models.Model):
    _inherit = "project.task"

    saas_day_offset = fields.Integer(
        string="Due After (Working Days)",
        help="In an onboarding template: the task is due this many working days of "
        "the company calendar after the kick-off. 0: no deadline.",
        groups="base.group_user",
    )
    saas_duration_days = fields.Integer(
        string="Takes (Working Days)",
        default=1,
        help="Working days the task takes once it can be done. The forecast counts "
        "them from the end of its predecessors.",
        groups="base.group_user",
    )
    saas_package_id = fields.Many2one(
        "saas.onboarding.package",
        string="Package",
        compute="_compute_saas_package_id",
        store=True,
        readonly=False,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
        domain="[('project_id', '=', project_id)]",
        help="The package whose hours budget the task uses.",
        groups="base.group_user",
    )
    saas_template_task_id = fields.Many2one(
        "project.task",
        string="Made From",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
        groups="base.group_user",
    )
    saas_predicted_on = fields.Date(
        string="Predicted End",
        readonly=True,
        copy=False,
        help="When the task will be done, as its predecessors stand today.",
        groups="base.group_user",
    )

    _saas_duration_days_positive = models.Constraint(
        "CHECK (saas_duration_days IS NULL OR saas_duration_days > 0)",
        "A task takes at least one working day: enter 1 or more.",
    )
    _saas_day_offset_positive = models.Constraint(
        "CHECK (saas_day_offset IS NULL OR saas_day_offset >= 0)",
        "A task can't be due before the kick-off: enter 0 or more working days.",
    )

    @api.depends("project_id", "parent_id")
    def _compute_saas_package_id(self):
        for task in self:
            # sudo: whoever adds a task need not see what was sold
            packages = task.sudo().project_id.saas_package_ids
            if task.saas_package_id in packages:
                continue
            parent = task.sudo().parent_id.saas_package_id
            if parent in packages:
                task.saas_package_id = parent
            else:
                task.saas_package_id = packages if len(packages) == 1 else False

    def copy_data(self, default=None):
        vals_list = super().copy_data(default)
        if self.env.context.get("copy_from_project_template"):
            for task, vals in zip(self, vals_list, strict=True):
                vals["saas_template_task_id"] = task.id
        return vals_list

    def saas_update_forecast(self) -> bool:
        """Bring forecast and health of the onboarding projects up to date.

        Safe to repeat. A failure becomes an exception, the change itself stays.

        :return: True
        """
        self.check_access("write")
        if self.env.context.get("saas_planning") is not PLANNING:
            # sudo: who may change the task need not be allowed to write the project
            self.sudo().project_id._saas_update_forecast()
        return True
