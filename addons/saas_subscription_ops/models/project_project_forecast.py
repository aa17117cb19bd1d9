# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""From records to the engine's forecast and back: predicted days and health."""

from datetime import date
from decimal import Decimal

import pytz

from odoo import fields, models
from odoo.tools.misc import format_date

from ..context_marks import PLANNING
from ..engine import onboarding

NAMES_SHOWN = 3


class ProjectProject(models.Model):
    _inherit = "project.project"

    def action_saas_assess(self) -> bool:
        """Bring forecast and health up to date.

        :return: True
        """
        for project in self._saas_as_delivery():
            if project._saas_is_onboarding():
                project._saas_assess(fields.Date.context_today(project))
        return True

    def _saas_update_forecast(self):
        """Forecast what is running; a failure is queued for the daily check."""
        for project in self:
            if project._saas_is_onboarding():
                day = fields.Date.context_today(project)
                project._saas_guard(lambda one, day=day: one._saas_assess(day))

    def _saas_is_onboarding(self) -> bool:
        """Return whether this is an onboarding project that is not live yet."""
        self.ensure_one()
        return bool(
            self.saas_order_id and not self.is_template and not self.saas_live_on
        )

    def _saas_assess(self, day: date):
        """Predict the ends of what is open and judge the project.

        :param date day: today
        :return: engine ``Assessment``
        """
        self.ensure_one()
        tasks, milestones = self._saas_get_engine_tasks(), self._saas_get_engine_marks()
        calendar = self._saas_get_plan_calendar(day, self.saas_kickoff_on)
        with self._saas_word_plan_errors():
            predicted = onboarding.forecast(tasks, milestones, day, calendar)
            result = onboarding.assess(
                tasks, milestones, predicted, self._saas_get_facts(), day, calendar
            )
        self._saas_store_forecast(predicted)
        self._saas_change({"saas_go_live_predicted": predicted.go_live or False})
        reasons = [self._saas_word_reason(reason) for reason in result.reasons]
        self._saas_change(
            {
                "saas_health": result.health,
                "saas_health_reason": "\n".join(reasons) or False,
                "saas_assessed_on": day,
            }
        )
        return result

    def _saas_change(self, values: dict):
        """Write what differs, so that a day without news writes nothing."""
        changed = {name: new for name, new in values.items() if self[name] != new}
        if changed:
            self.with_context(saas_planning=PLANNING).write(changed)

    # ------------------------------------------------------------------
    # To the engine
    # ------------------------------------------------------------------
    def _saas_get_engine_tasks(self) -> list:
        """Return the tasks of the project and those they wait for elsewhere."""
        self.ensure_one()
        own = self._saas_get_tasks()
        tasks = own | own.depend_on_ids
        started = self._saas_get_first_hours(tasks)
        return [
            onboarding.Task(
                key=task.id,
                due=self._saas_get_due(task) or None,
                duration=max(task.saas_duration_days, 1),
                is_done=task.is_closed,
                done_on=self._saas_get_done_day(task),
                started=started.get(task.id),
                needs=frozenset(task.depend_on_ids.ids),
                parts=frozenset((task.child_ids & own).ids),
                milestone=task.milestone_id.id if task in own else None,
            )
            for task in tasks
        ]

    def _saas_get_done_day(self, task) -> date | None:
        moment = task.date_end or task.date_last_stage_update
        if not task.is_closed or not moment:
            return None
        tz = self._saas_get_tz(self.company_id)
        return pytz.utc.localize(moment).astimezone(tz).date()

    def _saas_get_engine_marks(self) -> list:
        live = self._saas_get_go_live_milestones()
        return [
            onboarding.Milestone(
                key=milestone.id,
                order=order,
                due=milestone.deadline or None,
                is_reached=milestone.is_reached,
                reached_on=milestone.reached_date or None,
                is_go_live=milestone in live,
            )
            for order, milestone in enumerate(self._saas_get_milestones())
        ]

    def _saas_get_facts(self):
        """Return what the project is measured against.

        :return: engine ``Facts``
        """
        self.ensure_one()
        return onboarding.Facts(
            agreed=self.saas_go_live_planned or None,
            tolerance=self.saas_tolerance_days,
            hours_budget=Decimal(str(round(self.saas_hours_budget, 4))),
            hours_spent=Decimal(str(round(self.saas_hours_spent, 4))),
            is_customer_silent="customer_silent" in self._saas_get_open_alerts(),
        )

    # ------------------------------------------------------------------
    # From the engine
    # ------------------------------------------------------------------
    def _saas_store_forecast(self, predicted):
        for items, ends in (
            (self._saas_get_tasks(), predicted.tasks),
            (self.milestone_ids, predicted.milestones),
        ):
            items = items.with_context(saas_planning=PLANNING, mail_notrack=True)
            changed = items.filtered(
                lambda item, ends=ends: item.saas_predicted_on != ends[item.id]
            )
            for day, group in changed.grouped(
                lambda item, ends=ends: ends[item.id]
            ).items():
                group.saas_predicted_on = day

    def _saas_word_reason(self, reason) -> str:
        """Put a reason of the engine into words.

        :param reason: engine ``Reason``
        :return: one sentence
        """
        self.ensure_one()
        if reason.code == "go_live_late":
            return self._saas_word_delay(reason.value)
        if reason.code == "hours_used":
            return self.env._(
                "%(percent)s %% of the hours are used.", percent=reason.value
            )
        if reason.code == "customer_silent":
            return self.env._("The customer does not answer.")
        model = "project.task"
        if reason.code.startswith("milestone"):
            model = "project.milestone"
        names = self._saas_list_names(model, reason.keys)
        return {
            "dependency_cycle": self.env._(
                "Tasks wait for each other: %(names)s.", names=names
            ),
            "milestone_overdue": self.env._(
                "Milestones overdue: %(names)s.", names=names
            ),
            "task_overdue": self.env._("Tasks overdue: %(names)s.", names=names),
            "milestone_late": self.env._(
                "Milestones predicted late: %(names)s.", names=names
            ),
            "task_late": self.env._("Tasks predicted late: %(names)s.", names=names),
        }[reason.code]

    def _saas_word_delay(self, days: int) -> str:
        return self.env._(
            "Go-live is predicted for %(predicted)s, %(days)s working days after the "
            "agreed %(agreed)s.",
            predicted=format_date(self.env, self.saas_go_live_predicted),
            days=days,
            agreed=format_date(self.env, self.saas_go_live_planned),
        )

    def _saas_list_names(self, model: str, keys) -> str:
        """Return the names of the first records, and how many more there are."""
        records = self.env[model].browse(keys).exists()
        names = ", ".join(records[:NAMES_SHOWN].mapped("name"))
        more = len(records) - NAMES_SHOWN
        if more <= 0:
            return names
        return self.env._("%(names)s and %(more)s more", names=names, more=more)
