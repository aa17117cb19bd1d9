# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The daily job: settle, open windows, take steps, watch notices."""

from datetime import date

from odoo import api, fields, models
from odoo.tools.misc import format_date

from ..cron_point import CronPoint
from .saas_renewal import STEP_FAILED, UNDECIDED
from .saas_subscription import LIVE_STATES

BATCH_SIZE = 200


class SaasRenewal(models.Model):
    _inherit = "saas.renewal"

    date_next_step = fields.Date(
        string="Next Step On",
        readonly=True,
        copy=False,
        index=True,
        help="Day on which the daily job looks at the renewal again.",
    )
    opened_on = fields.Date(
        readonly=True,
        copy=False,
        help="Day on which the window was opened. A term that was decided before, and "
        "open again later, waits for its window like any other.",
    )

    @api.model
    def _cron_process_renewals(self):
        """Take the renewal steps of the day, in small batches."""
        self._process_renewals(fields.Date.context_today(self), commit=True)

    @api.model
    def _process_renewals(self, day: date, commit=False):
        """Bring every renewal to a day; safe to repeat, and to run late.

        :param date day: the day to reach; nothing reads the clock below this point
        :param bool commit: report progress to the scheduler and commit per record
        """
        # sudo: the job looks after all contracts, whoever starts it
        point = CronPoint(self.env, day, is_kept=commit)
        model = self.sudo()
        stages = (
            model._settle_ended,
            model._open_windows,
            model._take_due_steps,
            model._watch_notices,
            model._watch_approvals,
            model._flag_undecided,
            model._forecast_day,
        )
        for number, stage in enumerate(stages):
            if point.enter(number) and stage(day, point) is False:
                # Out of time: the scheduler goes on with what is left, at least with
                # the stages that follow.
                self.env["ir.cron"]._commit_progress(remaining=1)
                return
        point.finish()

    # ------------------------------------------------------------------
    # Stages
    # ------------------------------------------------------------------
    def _settle_ended(self, day: date, point: CronPoint):
        """Settle what was decided, also by terms that ended while nothing ran."""
        Subscription = self.env["saas.subscription"]
        todo = Subscription._get_terms_ended_without_record()
        ended = self.search([("term_end", "<=", day), ("outcome", "=", "open")])
        final = self.search(
            [
                ("term_end", "<=", day),
                ("outcome", "not in", ("open", "moved")),
                ("is_final", "=", False),
            ]
        )
        todo |= (ended | final).subscription_id

        def settle(subscription):
            if not subscription._settle_renewals():
                return
            subscription.renewal_ids.filtered(
                lambda r: (
                    r.term_end <= day
                    and r.outcome not in ("open", "moved")
                    and not r.is_final
                )
            ).is_final = True

        return self._each(todo, settle, point)

    def _open_windows(self, day: date, point: CronPoint):
        """Make the records of terms whose window opens, and open those there are."""
        until = self.env["saas.subscription"]._get_terms_to_open(day)
        unopened = self.search(
            [
                ("outcome", "=", "open"),
                ("opened_on", "=", False),
                ("date_window", "<=", day),
            ]
        )
        todo = unopened.subscription_id.union(*until)

        def open_window(subscription):
            if subscription in until:
                subscription._sync_renewals(open_until=until[subscription])
            subscription.renewal_ids.filtered(
                lambda r: r.outcome == "open" and r.date_window <= day
            )._on_opened(day)

        return self._each(todo, open_window, point)

    def _take_due_steps(self, day: date, point: CronPoint):
        """Take the steps that are due; see ``saas_renewal_run_steps.py``."""
        todo = self.search(
            [
                ("outcome", "=", "open"),
                ("term_end", ">", day),
                ("date_next_step", "<=", day),
            ],
            order="term_end, id",
        )
        return self._each(todo, lambda renewal: renewal._run_steps(day), point)

    def _watch_notices(self, day: date, point: CronPoint):
        """Record that a notice day passed undecided, once."""
        todo = self.search(
            [
                ("outcome", "=", "open"),
                ("notice_passed_on", "=", False),
                ("date_notice", "<", day),
            ],
            order="term_end, id",
        )
        return self._each(todo, lambda r: r._on_notice_passed(day), point)

    def _watch_approvals(self, day: date, point: CronPoint):
        """Remind of signed renewals that wait for approval while the term runs out."""
        waiting = self.env["saas.amendment"].search(
            [
                ("kind", "=", "renewal"),
                ("state", "=", "to_approve"),
                ("subscription_id.state", "in", LIVE_STATES),
            ]
        )
        late = waiting.filtered(lambda amendment: amendment._is_approval_late(day))
        groups = late.grouped("subscription_id")
        return self._each(
            late.subscription_id,
            lambda subscription: groups[subscription]._raise_late_approval(),
            point,
        )

    def _flag_undecided(self, day: date, point: CronPoint):
        """Raise an exception for contracts that run on after their term.

        Not on the very day: the life cycle may decide it later than this job runs.
        """
        todo = self.search(
            [("outcome", "=", "open"), ("term_end", "<", day)], order="term_end, id"
        )
        return self._each(todo, lambda renewal: renewal._flag(), point)

    def _forecast_day(self, day: date, point: CronPoint):
        """Forecast what is open, and keep what was forecast."""
        opened = self.search(
            [("outcome", "=", "open"), ("opened_on", "!=", False)],
            order="term_end, id",
        )
        opened = self._skip_done(opened, point)
        batches = [
            opened[start : start + BATCH_SIZE]
            for start in range(0, len(opened), BATCH_SIZE)
        ]
        cron = self.env["ir.cron"]
        if point.is_kept:
            cron._commit_progress(remaining=len(batches))
        for batch in batches:
            key = self._get_done_key(batch[-1:])
            batch._process_daily(day)
            point.reach(key)
            if point.is_kept and not cron._commit_progress(1):
                return False
        return True

    # ------------------------------------------------------------------
    # Hooks
    # ------------------------------------------------------------------
    def _on_window_opened(self, day: date):
        """React to windows that open; ``saas_renewal_frozen.py`` keeps the forecast.

        :param date day: nothing reads the clock below this point
        """

    def _process_daily(self, day: date):
        """React to a day that has come; ``saas_renewal_frozen.py`` forecasts.

        :param date day: nothing reads the clock below this point
        """

    def _refresh_forecast(self, day: date):
        """Bring likelihood and category to a day; see ``saas_renewal_forecast.py``.

        :param date day: nothing reads the clock below this point
        """

    # ------------------------------------------------------------------
    # Reactions
    # ------------------------------------------------------------------
    def _on_opened(self, day: date):
        """Write once that a window has opened, and let the first steps be taken."""
        renewals = self.filtered(lambda renewal: not renewal.opened_on)
        for renewal in renewals:
            renewal.opened_on = day
            renewal.date_next_step = renewal.date_next_step or renewal.date_window
            renewal._saas_emit("renewal.opened", renewal._get_payload())
        renewals._on_window_opened(day)

    def _on_notice_passed(self, day: date):
        """Write the event, and tell the owner of a contract that would expire."""
        self.ensure_one()
        if self.outcome != "open" or self.notice_passed_on:
            return
        self.notice_passed_on = day
        self._saas_emit("renewal.notice_passed", self._get_payload())
        if self.is_expiring:
            self._plan_activity(
                self.env._("Notice passed: %(name)s", name=self.display_name),
                self.env._(
                    "The contract ends on %(day)s unless a renewal is signed.",
                    day=format_date(self.env, self.term_end),
                ),
                day,
            )
        self._refresh_forecast(day)

    def _flag(self):
        """Say that the term is over and nobody has decided."""
        self.ensure_one()
        subscription = self.subscription_id
        if subscription._saas_get_open_exceptions("subscription.lifecycle_failed"):
            # That one says why, and is cured there.
            return
        if self._saas_get_open_exceptions(UNDECIDED):
            return
        self._saas_raise(
            UNDECIDED,
            self.env._(
                "The term of %(subscription)s ended on %(day)s and it runs on: renew "
                "it or cancel it.",
                subscription=subscription.name,
                day=format_date(self.env, self.term_end),
            ),
            queue="sales_ops",
            severity="high",
            retry_method="saas_retry_settle",
        )

    def saas_retry_settle(self):
        """Look again what the contract says, from the exception queue.

        :raise UserError: it can't be read
        """
        self.check_access("write")
        self.subscription_id._sync_renewals()

    # ------------------------------------------------------------------
    # Tools
    # ------------------------------------------------------------------
    @api.model
    def _each(self, records, work, point: CronPoint) -> bool:
        """Do something for every record, each on its own; failures are queued.

        :param records: renewals or subscriptions
        :param work: callable, gets one record
        :param CronPoint point: how far the job got; progress is reported to the
            scheduler, and committed per record, when it is kept
        :return: False when the scheduler's time is over
        """
        cron = self.env["ir.cron"]
        records = self._skip_done(records, point)
        if point.is_kept:
            cron._commit_progress(remaining=len(records))
        for record in records:
            key = self._get_done_key(record)
            subscription = (
                record.subscription_id if record._name == self._name else record
            )
            # Whoever changes the contract now has it; tomorrow is another day.
            if subscription.try_lock_for_update():
                record._attempt_renewal(work)
            point.reach(key)
            if point.is_kept and not cron._commit_progress(1):
                return False
        return True

    @api.model
    def _get_done_key(self, record) -> list:
        """Return what a stage takes its records by: the urgent ones first.

        :param record: renewal or subscription
        """
        day = record.term_end if record._name == self._name else ""
        return [str(day), record.id]

    @api.model
    def _skip_done(self, records, point: CronPoint):
        """Return in order what had no turn yet in an interrupted run of the day.

        :param records: renewals or subscriptions
        :param CronPoint point: how far the job got
        """
        records = records.sorted(self._get_done_key)
        return records.filtered(lambda one: not point.is_done(self._get_done_key(one)))

    def _attempt_renewal(self, work):
        # One contract must not stop the day of the others. Steps say for themselves
        # when they are taken.
        self._saas_attempt(
            work, STEP_FAILED, "saas_retry_steps", queue="sales_ops", severity="high"
        )
