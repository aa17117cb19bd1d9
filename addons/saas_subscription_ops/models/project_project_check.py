# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The daily look at every running onboarding: forecast, alerts, reminders."""

import logging
from collections.abc import Callable
from datetime import date, timedelta

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY
from odoo.tools.misc import format_date

from ..check_facts import FACTS
from ..engine.onboarding import get_percent
from .project_project import ONBOARDING

_logger = logging.getLogger(__name__)

BATCH_SIZE = 50


class ProjectProject(models.Model):
    _inherit = "project.project"

    saas_alert_ids = fields.One2many(
        "saas.onboarding.alert",
        "project_id",
        string="Alerts",
        groups="base.group_user",
    )
    saas_alert_count = fields.Integer(
        string="Open Alerts",
        compute="_compute_saas_alert_count",
        groups="base.group_user",
    )
    saas_checked_on = fields.Date(
        string="Checked On",
        copy=False,
        readonly=True,
        index=True,
        groups="base.group_user",
        help="Day of the last daily check, also of one that failed.",
    )

    @api.depends("saas_alert_ids.date_closed")
    def _compute_saas_alert_count(self):
        counts = dict(
            self.env["saas.onboarding.alert"]._read_group(
                [("project_id", "in", self.ids), ("date_closed", "=", False)],
                ["project_id"],
                ["__count"],
            )
        )
        for project in self:
            project.saas_alert_count = counts.get(project._origin, 0)

    # ------------------------------------------------------------------
    # Cron
    # ------------------------------------------------------------------
    @api.model
    def _cron_check_onboarding(self):
        """Check every running onboarding, in small batches."""
        self._check_onboarding(fields.Date.context_today(self), commit=True)

    @api.model
    def _check_onboarding(self, day: date, commit=False):
        """Bring health, alerts and reminders to a day.

        Running it again on the same day goes on with what was not checked yet. What
        failed is repeated from the exception queue, or the day after.

        :param date day: the day to reach; nothing reads the clock below this point
        :param bool commit: report progress to the scheduler and commit per batch
        """
        due = self.search(
            Domain("saas_checked_on", "!=", day) & self._saas_get_check_domain(day),
            order="saas_checked_on nulls first, id",
        ).ids
        cron = self.env["ir.cron"]
        if commit:
            cron._commit_progress(remaining=len(due))
        for start in range(0, len(due), BATCH_SIZE):
            ids = due[start : start + BATCH_SIZE]
            try:
                checked = self.browse(ids)._saas_check_batch(day)
            except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
                if not commit:
                    raise
                # Somebody changed one of them: the next run has them, the others go on.
                _logger.info("projects %s: changed meanwhile", ids, exc_info=True)
                self.env.cr.rollback()
                continue
            # Whoever holds a project now keeps it: it is the first one tomorrow.
            if commit and not cron._commit_progress(len(ids)) and checked:
                return

    def _saas_check_batch(self, day: date):
        """Check the projects nobody changes now, reading for all of them at once.

        :param date day: the day to reach
        :return: the projects that were checked, also those that failed
        """
        projects = self.try_lock_for_update(allow_referencing=True)
        if not projects:
            return projects
        good = self.browse()
        for project in projects._saas_with_facts():
            if project._saas_guard(lambda one: one._saas_check_day(day)):
                good += project
        good._saas_resolve("onboarding.check_failed")
        stale = projects.filtered(lambda one: one.saas_checked_on != day)
        stale.with_context(tracking_disable=True).saas_checked_on = day
        return projects

    @api.model
    def _saas_get_check_domain(self, day: date) -> Domain:
        """Return the projects the daily check looks at; extend it with ``|``.

        :param date day: the day of the check
        :return: running onboardings, and those with open alerts
        """
        running = Domain([*ONBOARDING, ("saas_live_on", "=", False)])
        # Alerts of what went live in the meantime are over.
        return running | Domain("saas_alert_ids", "any", [("date_closed", "=", False)])

    def saas_retry_check_onboarding(self):
        """Repeat today's check from the exception queue.

        :raise UserError: still failing
        """
        for project in self._saas_as_delivery():
            project._saas_check_day(fields.Date.context_today(project))

    def _saas_guard(self, step: Callable) -> bool:
        """Run a step in a savepoint; a failure is queued with a retry of the check.

        :param Callable step: gets the project
        :return: whether it worked
        """
        # One bad plan must not hide the alerts of the other customers.
        return self._saas_attempt(
            step,
            "onboarding.check_failed",
            "saas_retry_check_onboarding",
            queue="customer_success",
        )

    def _saas_check_day(self, day: date):
        """Check one project on a day."""
        self.ensure_one()
        project = self.with_company(self.company_id)._saas_with_correlation()
        project = project._saas_with_facts()
        if project._saas_is_onboarding():
            project._saas_assess(day)
            silent = "customer_silent" in project._saas_get_open_alerts()
            project._saas_sync_alerts(project._saas_get_alert_facts(day), day)
            if silent != ("customer_silent" in project._saas_get_open_alerts()):
                project._saas_assess(day)
        else:
            project._saas_sync_alerts([], day)
        project._saas_on_daily_check(day)

    def _saas_on_daily_check(self, day: date):
        """Hook: what else is looked at once a day, for example reminders.

        Runs after the alerts, in the savepoint of the project. It must be safe to
        repeat on the same day.

        :param date day: the day of the check
        """

    # ------------------------------------------------------------------
    # Alerts
    # ------------------------------------------------------------------
    def _saas_get_open_alerts(self) -> set:
        """Return the codes of the project's open alerts."""
        self.ensure_one()
        return set(
            self.saas_alert_ids.filtered(lambda alert: not alert.date_closed).mapped(
                "code"
            )
        )

    def _saas_get_alert_facts(self, day: date) -> list[dict]:
        """Hook: return what is true of the project and worth an alert.

        Extend it: call ``super()`` and append. A fact that is not returned any more
        closes its alert.

        :param date day: the day of the check
        :return: dicts of ``code``, ``message`` and, if it is about one, ``task_id``
        """
        self.ensure_one()
        facts = self._saas_get_hours_facts()
        facts += self._saas_get_late_facts()
        idle = self._saas_get_idle_days(day)
        limit = self.saas_inactive_days or self.company_id.saas_onboarding_inactive_days
        if limit and idle >= limit:
            message = self.env._(
                "Nobody worked, wrote or changed a task for %(days)s working days.",
                days=idle,
            )
            facts.append({"code": "inactive", "message": message})
        return facts

    def _saas_get_hours_facts(self) -> list[dict]:
        known = self._saas_get_facts()
        percent = get_percent(known.hours_spent, known.hours_budget)
        message = self.env._(
            "%(spent)s of %(budget)s hours are used.",
            spent=round(self.saas_hours_spent, 2),
            budget=round(self.saas_hours_budget, 2),
        )
        return [
            {"code": f"hours_{limit}", "message": message}
            for limit in (80, 100)
            if percent >= limit
        ]

    def _saas_get_late_facts(self) -> list[dict]:
        """Return late tasks, and the go-live when it is past its tolerance."""
        facts = []
        if self.saas_health == "late":
            reasons = self.saas_health_reason or ""
            facts.append({"code": "go_live_late", "message": reasons.split("\n", 1)[0]})
        for task in self._saas_get_tasks().sorted("id"):
            due = self._saas_get_due(task)
            if task.is_closed or not due or not task.saas_predicted_on:
                continue
            if task.saas_predicted_on > due:
                message = self.env._(
                    "%(task)s was due on %(due)s and is predicted for %(predicted)s.",
                    task=task.name,
                    due=format_date(self.env, due),
                    predicted=format_date(self.env, task.saas_predicted_on),
                )
                facts.append(
                    {"code": "task_late", "message": message, "task_id": task.id}
                )
        return facts

    def _saas_get_idle_days(self, day: date) -> int:
        """Return the working days since anybody did anything on the project.

        Counted are hours booked, messages and changes by people, reached milestones.

        :param date day: counted when it is a working day
        :return: 0 or more
        """
        self.ensure_one()
        begin = [self.saas_kickoff_on] if self.saas_kickoff_on else []
        since = max(begin + self._saas_get_activity_days(), default=day)
        if since >= day:
            return 0
        days = self._saas_get_workdays(self.company_id, since + timedelta(days=1), day)
        return len(days)

    def _saas_get_activity_days(self) -> list:
        """Return the last days of hours, messages, stage changes and milestones."""
        project = self._saas_with_facts()
        facts = project.env.context[FACTS]
        tasks = project._saas_get_tasks(archived=True)
        about = [(self._name, self.id), *((tasks._name, one) for one in tasks.ids)]
        written = [facts.written[key] for key in about if key in facts.written]
        # The first message is of its creation, which may be after the kick-off.
        created = [facts.created[key] for key in about if key in facts.created]
        moments = [*written, *sorted(created)[:1]]
        moments += [task.date_last_stage_update for task in tasks]
        reached = self.milestone_ids.mapped("reached_date")
        days = [moment.date() for moment in moments if moment]
        return [day for day in (facts.booked.get(self.id), *reached, *days) if day]

    def _saas_sync_alerts(self, facts: list[dict], day: date):
        """Open alerts for new facts and close those of facts that are over."""
        self.ensure_one()
        # sudo: alerts are written by the check only
        Alert = self.env["saas.onboarding.alert"].sudo()
        still_open = self.sudo().saas_alert_ids.filtered(
            lambda one: not one.date_closed
        )
        known = {(alert.code, alert.task_id.id): alert for alert in still_open}
        current = {(fact["code"], fact.get("task_id") or False): fact for fact in facts}
        gone = [alert for key, alert in known.items() if key not in current]
        Alert.browse(alert.id for alert in gone)._close(day)
        Alert.create(
            [
                {**fact, "project_id": self.id, "date_opened": day}
                for key, fact in current.items()
                if key not in known
            ]
        )
