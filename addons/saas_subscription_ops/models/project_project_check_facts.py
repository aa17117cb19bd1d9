# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What the daily check reads once for many projects instead of once for each."""

from datetime import date

from odoo import api, models
from odoo.fields import Domain

from ..check_facts import FACTS, CheckFacts


class ProjectProject(models.Model):
    _inherit = "project.project"

    def _saas_with_facts(self):
        """Return the projects knowing the facts of all of them, in their context."""
        if FACTS in self.env.context:
            return self
        return self.with_context(**{FACTS: self._saas_collect_facts()})

    def _saas_collect_facts(self) -> CheckFacts:
        """Read what the daily check needs to know about the projects."""
        facts = CheckFacts()
        tasks = self._saas_get_all_tasks()
        facts.task_ids = tuple(tasks.ids)
        facts.tasks = {project.id: [] for project in self}
        for task in tasks:
            facts.tasks[task.project_id.id].append(task.id)
        Line = self.env["account.analytic.line"]
        facts.started = {
            task.id: day
            for task, day in Line._read_group(
                [("task_id", "in", (tasks | tasks.depend_on_ids).ids)],
                ["task_id"],
                ["date:min"],
            )
        }
        facts.booked = {
            project.id: day
            for project, day in Line._read_group(
                [("project_id", "in", self.ids)], ["project_id"], ["date:max"]
            )
        }
        self._saas_collect_messages(facts)
        facts.waits = self._saas_collect_waits(facts)
        return facts

    def _saas_collect_messages(self, facts: CheckFacts):
        robot = self.env.ref("base.partner_root")
        about = Domain("model", "=", "project.task")
        about &= Domain("res_id", "in", facts.task_ids)
        about |= Domain("model", "=", self._name) & Domain("res_id", "in", self.ids)
        Message = self.env["mail.message"]
        # Tracked changes are messages too; what crons write comes from the robot.
        people = about & Domain("author_id", "not in", (False, robot.id))
        facts.written = {
            (model, res_id): moment
            for model, res_id, moment in Message._read_group(
                people, ["model", "res_id"], ["date:max"]
            )
        }
        facts.created = {
            (model, res_id): moment
            for model, res_id, moment in Message._read_group(
                about, ["model", "res_id"], ["date:min"]
            )
        }

    def _saas_collect_waits(self, facts: CheckFacts) -> dict:
        # sudo: see saas.onboarding.wait
        projects = self.sudo()
        documents = projects.saas_document_ids
        waits = {("document_id", one.id): [] for one in documents}
        waits.update((("task_id", one), []) for one in facts.task_ids)
        found = projects.env["saas.onboarding.wait"].search(
            [
                ("date_end", "=", False),
                "|",
                ("document_id", "in", documents.ids),
                ("task_id", "in", facts.task_ids),
            ]
        )
        for wait in found:
            for name in ("document_id", "task_id"):
                key = (name, wait[name].id)
                if key in waits:
                    waits[key].append(wait.id)
        return waits

    # ------------------------------------------------------------------
    # Used by the check, and without it
    # ------------------------------------------------------------------
    def _saas_get_tasks(self, archived=False):
        """Return the tasks and subtasks of a project.

        Templates of tasks are no work: tasks are made from them one day, or not.

        :param bool archived: archived ones too
        """
        self.ensure_one()
        Task = self.env["project.task"]
        facts = self.env.context.get(FACTS)
        if not facts or self.id not in facts.tasks:
            Task = Task.with_context(active_test=not archived)
            tasks = Task.search([("project_id", "=", self.id)])
        else:
            tasks = Task.browse(facts.tasks[self.id]).with_prefetch(facts.task_ids)
            tasks = tasks if archived else tasks.filtered("active")
        return tasks.filtered(lambda task: not task.has_template_ancestor)

    def _saas_get_first_hours(self, tasks) -> dict:
        """Return the day of the first hours by id of the tasks."""
        facts = self.env.context.get(FACTS)
        if facts and self.id in facts.tasks:
            return facts.started
        groups = self.env["account.analytic.line"]._read_group(
            [("task_id", "in", tasks.ids)], ["task_id"], ["date:min"]
        )
        return {task.id: day for task, day in groups}

    @api.model
    def _saas_read_work_intervals(self, company, first: date, last: date) -> list:
        facts = self.env.context.get(FACTS)
        if not facts:
            return super()._saas_read_work_intervals(company, first, last)
        intervals = facts.get_intervals(
            company,
            first,
            last,
            lambda *days: super(ProjectProject, self)._saas_read_work_intervals(
                company, *days
            ),
        )
        return [
            (begin, end)
            for begin, end in intervals
            if begin.date() <= last and end.date() >= first
        ]
