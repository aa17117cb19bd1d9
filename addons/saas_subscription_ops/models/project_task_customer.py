# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import datetime

from odoo import api, fields, models

from ..exceptions import OnboardingError

# What may make a task possible, done, or nobody's any more.
WAIT_FIELDS = frozenset(
    "state stage_id depend_on_ids saas_is_customer_task project_id active is_template"
    " allow_task_dependencies".split()
)
DONE = "1_done"


class ProjectTask(models.Model):
    """Tasks of the customer: shown in the portal, waited for once they can be done."""

    _inherit = "project.task"

    saas_is_customer_task = fields.Boolean(
        string="Task of the Customer",
        tracking=True,
        help="The customer sees its name, description and due day in the portal and "
        "marks it as done there. While it can be done and is not, the onboarding waits "
        "for the customer.",
        groups="base.group_user",
    )

    @api.model_create_multi
    def create(self, vals_list):
        tasks = super().create(vals_list)
        tasks._saas_sync_wait(fields.Datetime.now())
        return tasks

    def write(self, vals):
        result = super().write(vals)
        if WAIT_FIELDS & vals.keys():
            self._saas_sync_wait(fields.Datetime.now())
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_saas_end_wait(self):
        at = fields.Datetime.now()
        # sudo: see _saas_sync_wait
        waits = self.env["saas.onboarding.wait"].sudo()._get_open("task_id", self)
        projects = waits.project_id
        waits._close(at)
        projects._saas_refresh_waiting(at)

    def _saas_sync_wait(self, at: datetime):
        """Let the customer be waited for by the tasks that can be done, not by others.

        :param datetime at: naive UTC moment
        """
        # sudo: who may write one task need not read those that follow it
        tasks = self.sudo()
        Wait = tasks.env["saas.onboarding.wait"]
        tasks |= tasks.dependent_ids
        open_waits = Wait._get_open("task_id", tasks)
        waits = open_waits.grouped("task_id")
        tasks = tasks.filtered("saas_is_customer_task")
        changed = tasks.env["project.project"]
        for task in tasks | open_waits.task_id:
            current = waits.get(task, Wait)
            # A task may have been moved: the project that waited for it changes too.
            projects = task.project_id | current.project_id
            side = "customer" if task._saas_is_waited_for() else None
            if Wait._set_waiting(task.project_id, side, at, current, task=task):
                changed |= projects
        changed._saas_refresh_waiting(at)

    def _saas_is_waited_for(self) -> bool:
        """Return whether the customer could do the task now and has not."""
        self.ensure_one()
        return bool(
            self.saas_is_customer_task
            and self.active
            and not self.has_template_ancestor
            and self.project_id._saas_is_running_onboarding()
            and not self.is_closed
            and not self._saas_get_open_predecessors()
        )

    def _saas_get_open_predecessors(self):
        """Return the tasks that must be finished before this one."""
        self.ensure_one()
        if not self.allow_task_dependencies:
            return self.browse()
        return self.depend_on_ids.filtered(lambda task: not task.is_closed)

    def _saas_complete_in_portal(self) -> bool:
        """Mark a task of the customer as done; a repeated click changes nothing.

        Who may do it is checked by the portal, see ``project_project_portal.py``.

        :return: whether it was open
        :raise OnboardingError: no task of the customer, cancelled, or not its turn yet
        """
        self.ensure_one()
        if not self.saas_is_customer_task:
            raise OnboardingError(self.env._("This is not a task of yours."))
        if self.state == DONE:
            return False
        if self.is_closed:
            raise OnboardingError(
                self.env._("%(task)s is no longer needed.", task=self.name)
            )
        before = self._saas_get_open_predecessors()
        if before:
            raise OnboardingError(
                self.env._(
                    "%(task)s can be done once we have finished what comes before it. "
                    "We will let you know.",
                    task=self.name,
                )
                if not all(before.mapped("saas_is_customer_task"))
                else self.env._(
                    "%(task)s comes after: %(before)s. Finish that first.",
                    task=self.name,
                    before=", ".join(before.mapped("name")),
                )
            )
        self.state = DONE
        return True
