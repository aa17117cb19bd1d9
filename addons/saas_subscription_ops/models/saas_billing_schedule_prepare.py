# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import logging
from datetime import date

from odoo import Command, api, fields, models

_logger = logging.getLogger(__name__)

# Copied into every run.
RUN_FIELDS = (
    "variance_tolerance",
    "credit_tolerance",
    "first_tolerance",
    "expect_tax",
    "send_invoices",
)


class SaasBillingSchedule(models.Model):
    """Preparing the runs of a schedule, once per date."""

    _inherit = "saas.billing.schedule"

    @api.model
    def _cron_prepare_runs(self):
        """Prepare the runs that are due, and wake runs that lost their jobs."""
        now = fields.Datetime.now()
        schedules = self.search([("date_next", "<=", fields.Date.add(now, days=1))])
        schedules = schedules.filtered(
            lambda schedule: schedule.date_next <= schedule._get_today(now)
        )
        progress = self.env["ir.cron"]._commit_progress
        progress(remaining=len(schedules))
        for schedule in schedules:
            schedule = schedule.try_lock_for_update().filtered_domain(
                [("id", "=", schedule.id)]
            )
            if schedule:
                schedule._try_prepare(schedule._get_today(now))
            if not progress(1):
                return
        self.env["saas.billing.run"]._resume_stalled(now)
        progress(0)

    def _get_today(self, at) -> date:
        """Return the date in the company's time zone.

        :param datetime at: moment, UTC
        """
        self.ensure_one()
        zone = self.company_id.partner_id.tz or "UTC"
        return fields.Datetime.context_timestamp(self.with_context(tz=zone), at).date()

    def _try_prepare(self, today: date):
        """Prepare the run of today; a failing schedule never stops the others.

        :param date today: date in the company's time zone
        """
        self.ensure_one()
        try:
            with self.env.cr.savepoint():
                self._prepare_run(today)
        except Exception as error:  # noqa: BLE001 - becomes an exception record
            _logger.info("%s: %s", self.name, error, exc_info=True)
            self._saas_raise(
                "billing.schedule_failed",
                self.env._(
                    "%(schedule)s could not prepare its run: %(error)s",
                    schedule=self.name,
                    error=str(error) or repr(error),
                ),
                queue="finance",
                severity="high",
                retry_method="saas_retry_prepare",
            )
        else:
            self._saas_resolve("billing.schedule_failed")

    def saas_retry_prepare(self):
        """Prepare the run that is due, from the exception queue.

        :raise AccessError: no billing operator
        """
        self.env["saas.billing.run"]._check_role("operator")
        now = fields.Datetime.now()
        for schedule in self:
            # sudo: the run is the system's, whoever presses the button
            schedule.with_user(api.SUPERUSER_ID)._prepare_run(schedule._get_today(now))

    def _prepare_run(self, today: date):
        """Make the one run for all dates up to today that have none yet.

        Billing is cumulative, so the run of the last date bills what the runs that
        were missed would have billed.

        :param date today: date in the company's time zone
        :return: the ``saas.billing.run``, computing or computed; empty: nothing due
        """
        self.ensure_one()
        dates = self._get_missing_dates(today)
        Run = self.env["saas.billing.run"]
        if not dates:
            return Run
        day = dates[-1]
        run = Run.with_company(self.company_id).create(
            self._prepare_run_vals(day, today)
        )
        # Who wrote the schedule chose the scope: they prepared the run as well.
        run.preparer_ids = self.author_ids | self.create_uid | run.preparer_ids
        self.date_done = day
        if len(dates) > 1:
            run.message_post(
                body=self.env._(
                    "The dates %(dates)s were missed; this run bills them too.",
                    dates=", ".join(str(missed) for missed in dates[:-1][:31]),
                )
            )
        run._start_computing()
        return run

    def _get_missing_dates(self, today: date) -> list[date]:
        """Return the dates up to today without a run, oldest first."""
        dates = []
        day = self._get_next_date(self.date_done)
        while day and day <= today:
            dates.append(day)
            day = self._get_next_date(day)
        return dates

    def _prepare_run_vals(self, day: date, today: date) -> dict:
        """Prepare the run of a date.

        :param date day: date of the schedule
        :param date today: day on which the run is made, not before ``day``
        :return: values of ``saas.billing.run``
        """
        invoice = fields.Date.add(day, days=self.invoice_offset)
        if self.invoice_offset >= 0:
            invoice = max(invoice, today)
        return {
            "schedule_id": self.id,
            "date_scheduled": day,
            "company_id": self.company_id.id,
            "plan_ids": [Command.set(self.plan_ids.ids)],
            "partner_ids": [Command.set(self.partner_ids.ids)],
            "date_cutoff": fields.Date.add(day, days=self.cutoff_offset),
            "date_invoice": invoice,
            **{name: self[name] for name in RUN_FIELDS},
        }

    def _get_standing_approver(self):
        """Return who approved the plain runs of this schedule, if it still counts.

        :return: ``res.users``; empty when nobody approved it, or they left the role
            or the company since
        """
        self.ensure_one()
        user = self.approved_by_id
        counts = (
            self.auto_approve
            and user.active
            and user.has_group("saas_core.group_saas_core_billing_approver")
            and self.company_id in user.company_ids
            and user not in self.author_ids | self.create_uid
        )
        return user if counts else self.env["res.users"]
