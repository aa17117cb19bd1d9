# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""When what is controlled: the daily job, one day or month in a transaction."""

from datetime import timedelta

from odoo import api, fields, models

#: Days that are looked at again: what is late to be seen is seen then.
DAYS = 3
FAILED = "usage.control_failed"
#: A job that was stopped is gone on with for so long, then it begins anew.
PATIENCE = timedelta(hours=12)


class SaasUsageControl(models.Model):
    _inherit = "saas.usage.control"

    @api.model
    def _cron_control(self):
        """Control the last days and months, and all rows with a difference again.

        Commits after each day and month; the next run goes on where the time was over.
        """
        tasks = self._get_tasks()
        progress = self.env["ir.cron"]._commit_progress
        progress(remaining=len(tasks))
        for kind, day in tasks:
            if kind == "intake":
                self._control_day(day)
            else:
                self._control_rating(day)
            if not progress(1):
                break

    @api.model
    def _get_tasks(self):
        """Return what is to be controlled: kind and day, what waits longest first.

        :return: list; without what this run of the job has done already
        """
        today = fields.Date.context_today(self.with_context(tz="UTC"))
        # sudo: of all companies
        model = self.sudo()
        tasks = {("intake", today - timedelta(days=n + 1)) for n in range(DAYS)}
        months = {today.replace(day=1), (today - timedelta(days=31)).replace(day=1)}
        months |= self._get_booked_months(today - timedelta(days=DAYS))
        tasks |= {("rating", month) for month in months}
        wrong = model.search([("has_difference", "=", True)])
        tasks |= {(row.kind, row.day) for row in wrong}
        begun = self._get_begin()
        done = {
            (kind, day): at
            for kind, day, at in model._read_group(
                [("day", "in", list({day for _kind, day in tasks}))],
                ["kind", "day:day"],
                ["checked_at:max"],
            )
        }
        # What has no row last: nothing is known of it, also because it failed.
        return sorted(
            (task for task in tasks if not begun or done.get(task, begun) <= begun),
            key=lambda task: (task not in done, done.get(task), *task),
        )

    @api.model
    def _get_begin(self):
        """Return when the job began, runs before that had no time for all included.

        :return: naive UTC datetime; None outside the job
        """
        # sudo: the job looks at its own progress
        model = self.env["ir.cron.progress"].sudo()
        current = model.browse(self.env.context.get("ir_cron_progress_id")).exists()
        if not current:
            return None
        begun = current.create_date
        for earlier in model.search(
            [
                ("cron_id", "=", current.cron_id.id),
                ("id", "<", current.id),
                ("create_date", ">", fields.Datetime.now() - PATIENCE),
            ],
            order="id desc",
        ):
            if not earlier.remaining:
                break
            begun = earlier.create_date
        # Rows are kept by the second.
        return begun.replace(microsecond=0)

    @api.model
    def _control_day(self, day):
        """Control the intake of a day; a failure is told and stops no other day.

        :param date day: of arrival, UTC
        """
        error = self._saas_try(lambda control: control._control_intake(day))
        self._note_outcome(
            self.env.company,
            str(day),
            error
            and self.env._(
                "The usage that arrived on %(day)s could not be controlled: %(error)s"
                " Mend what is in the way; it is tried again for %(days)s days.",
                day=day,
                error=error,
                days=DAYS,
            ),
        )

    @api.model
    def _note_outcome(self, company, key, message, meter=None):
        """Tell of a control that failed, or that it works again.

        :param company: ``res.company`` concerned
        :param str key: the day or month
        :param str message: what went wrong; None: nothing
        :param meter: ``saas.meter``; None for intake
        """
        # sudo: as all of the control
        issues = self.env["saas.exception"].sudo()
        if message:
            issues._saas_raise_for(
                company,
                FAILED,
                message,
                queue="finance",
                severity="high",
                retry_method="saas_retry_control" if meter else None,
                record=meter,
                key=key,
            )
            return
        found = issues.search(
            [
                ("code", "=", FAILED),
                ("company_id", "=", company.id),
                ("res_id", "=", meter.id if meter else False),
                ("dedup_key", "=", key),
                ("state", "in", ("open", "retrying")),
            ]
        )
        found._resolve(self.env._("A later control was possible."))
