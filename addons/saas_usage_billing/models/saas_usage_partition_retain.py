# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Months that are no longer kept: closed, detached, and dropped by a person."""

from datetime import datetime, time, timedelta, timezone

from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL, ormcache

from odoo.addons.saas_subscription_ops.engine.period import local_day
from odoo.addons.saas_subscription_ops.exceptions import BillingError

from ..exceptions import UsageStoreError
from .saas_subscription_usage_periods import CACHE
from .usage_fields import BigInteger
from .usage_openings import forget_openings, get_detached_until
from .usage_partition_detach import (
    close,
    drop_month,
    hold_ledger,
    next_month,
    purge_keys,
    purge_rest,
)
from .usage_store_api import get_store

BLOCKED = "usage.retention_blocked"
#: System parameter: whole months that are kept; 0: all, for ever.
KEEP = "saas_usage_billing.keep_months"
#: Fewer would be detached before late usage and corrections of it are through.
FEWEST = 6
#: Charges whose evidence is kept in one transaction.
TOGETHER = 500
#: Subscriptions named one by one.
NAMED = 10
#: Arrivals of so many days are still compared with the store, see the control.
CONTROLLED = timedelta(days=4)
ADMINISTRATOR = "saas_core.group_saas_core_administrator"


class SaasUsagePartition(models.Model):
    _inherit = "saas.usage.partition"

    purged_id = BigInteger(
        readonly=True, aggregator=None, help="Last event whose key is deleted."
    )
    is_purged = fields.Boolean(
        string="Cleaned Up",
        readonly=True,
        help="The ids of its events, and live figures of its days, are deleted, too.",
    )

    # ------------------------------------------------------------------
    # What is kept
    # ------------------------------------------------------------------
    @api.model
    def _get_kept_months(self):
        """Return how many whole months are kept, 0: all."""
        # sudo: whoever bills need not be allowed to see settings
        value = self.env["ir.config_parameter"].sudo().get_param(KEEP, "0")
        return int(value) if value.isdigit() else 0

    @api.model
    def _get_detached_until(self):
        """Return the first moment whose events are in the store.

        :return: naive UTC datetime, None: all are
        """
        cache = self.env.cr.cache.setdefault(CACHE, {})
        if "detached" not in cache:
            self.flush_model(["state"])
            cache["detached"] = get_detached_until(self.env)
        return cache["detached"]

    @api.model
    @ormcache()
    def _get_kept_from(self):
        """Return the first moment that may still come in.

        :return: aware UTC datetime, None: none is too old for the store
        """
        self.flush_model(["state"])
        [[moment]] = self.env.execute_query(
            SQL("SELECT NULLIF(saas_usage_kept_from(), '-infinity')")
        )
        return moment and moment.replace(tzinfo=timezone.utc)

    def _get_end(self):
        """Return the first moment after the month: naive UTC datetime."""
        self.ensure_one()
        return datetime.combine(next_month(self.month), time.min)

    def _set_state(self, state):
        self.ensure_one()
        self.state = state
        self.flush_recordset()
        # Senders are told by rules that all workers remember.
        self.env.registry.clear_cache()
        self.env.cr.cache.pop(CACHE, None)

    # ------------------------------------------------------------------
    # Job
    # ------------------------------------------------------------------
    @api.model
    def _cron_retain(self):
        """Detach what is older than is kept, oldest first; go on where it stopped.

        Commits after each step: a job that is stopped goes on with the next one.
        """
        progress = self.env["ir.cron"]._commit_progress
        # sudo: the job works for all companies
        partitions = self.sudo()
        left = partitions.search(
            [("state", "=", "detached"), ("is_purged", "=", False)], order="month"
        )
        old = partitions._get_outdated()
        progress(remaining=len(left) + len(old))
        for partition in left:
            if not partition._purge(progress) or not progress(1):
                return
        for partition in old.filtered(lambda one: one.state == "attached"):
            if not partition._close(progress):
                break
            if not progress():
                return
        for partition in old:
            if not partition._retain(progress) or not progress(1):
                return

    @api.model
    def _get_outdated(self):
        """Return the months that are no longer kept, oldest first."""
        months = self._get_kept_months()
        if not months:
            return self.browse()
        today = fields.Date.context_today(self.with_context(tz="UTC"))
        first = today.replace(day=1) - relativedelta(months=max(months, FEWEST))
        return self.search(
            [("state", "in", ("attached", "frozen")), ("month", "<", first)],
            order="month",
        )

    def _close(self, progress):
        """Close a month that is no longer kept.

        :param progress: commits
        :return: whether it is closed; what was closed before can be detached anyway
        """
        self.ensure_one()
        if not self._check_retained(progress):
            return False
        try:
            self._freeze()
        except UsageStoreError as error:
            self._raise_blocked(str(error))
            progress()
            return False
        return True

    def _retain(self, progress):
        """Detach a closed month, once nothing comes in for its periods any more.

        :param progress: commits; says whether there is time left
        :return: whether it was detached and cleaned up
        """
        self.ensure_one()
        if self.state != "frozen" or self._get_last_end() > self._get_closed_until():
            return False
        try:
            self._detach(progress)
        except UsageStoreError as error:
            self._raise_blocked(str(error))
            progress()
            return False
        self._saas_resolve(BLOCKED, self.env._("The month is detached."))
        return bool(progress()) and self._purge(progress)

    def _check_retained(self, progress):
        """Tell of what is in the way; return whether nothing is."""
        problem = self._get_problem()
        if problem:
            self._raise_blocked(problem)
            progress()
        return not problem

    def _raise_blocked(self, problem):
        self._saas_raise(
            BLOCKED,
            problem,
            queue="finance",
            severity="medium",
            retry_method="saas_retry_retain",
        )

    def saas_retry_retain(self):
        """Try again to detach the month, from the exception queue.

        :raise UserError: something is still in the way
        """
        self._check_administrator()
        # sudo: partitions are written by code only
        for partition in self.sudo().filtered(lambda one: one.state != "detached"):
            problem = partition._get_problem()
            if problem:
                raise UserError(problem)
            self.env.ref(
                "saas_usage_billing.ir_cron_saas_usage_retain"
            ).sudo()._trigger()
            partition._saas_resolve(
                BLOCKED, self.env._("Nothing is in the way any more: the job goes on.")
            )

    # ------------------------------------------------------------------
    # What is in the way
    # ------------------------------------------------------------------
    def _get_problem(self):
        """Say why the month cannot be detached, and what to do; empty: it can."""
        self.ensure_one()
        states = ("attached",) if self.state == "attached" else ("attached", "frozen")
        older = self.search(
            [("month", "<", self.month), ("state", "in", states)],
            order="month",
            limit=1,
        )
        if older:
            return self.env._(
                "%(older)s is older. Close, and detach, the oldest month first.",
                older=older.display_name,
            )
        return self._get_control_problem() or self._get_unbilled_problem()

    def _get_open_problem(self):
        """Say whether usage of periods that touch the month may still come in."""
        last = self._get_last_end()
        if last <= self._get_closed_until():
            return ""
        return self.env._(
            "Billing periods that began in this month last until %(moment)s UTC. Close"
            " the months up to then first, so that none of their usage is left out.",
            moment=last,
        )

    def _get_control_problem(self):
        """Say whether what arrived of the month is still compared with the store."""
        since = fields.Datetime.now() - CONTROLLED
        # sudo: whatever the company
        late = (
            self.env["saas.usage.batch"]
            .sudo()
            .search(
                [
                    ("received_at", ">=", since),
                    ("stored", ">", 0),
                    ("time_min", "<", self._get_end()),
                ],
                order="received_at desc",
                limit=1,
            )
        )
        if late:
            return self.env._(
                "Usage of this month arrived on %(day)s. It is compared with the store"
                " for some days: detach the month %(days)s days later.",
                day=late.received_at.date(),
                days=CONTROLLED.days,
            )
        wrong = (
            self.env["saas.usage.control"]
            .sudo()
            .search_count([("has_difference", "=", True)], limit=1)
        )
        if wrong:
            return self.env._(
                "The control report has a difference. Clear it up first: what is"
                " detached is no evidence any more."
            )
        return ""

    def _get_unbilled_problem(self):
        """Name the subscriptions whose usage of the month is not settled."""
        today = fields.Date.context_today(self.with_context(tz="UTC"))
        waiting = []
        for subscription in self._get_subscriptions():
            try:
                is_unbilled = subscription._has_unbilled_usage(
                    self._get_last_day(subscription), today
                )
            except BillingError as error:
                waiting.append(str(error))
                continue
            if is_unbilled:
                waiting.append(subscription.name)
        if not waiting:
            return ""
        names = waiting[:NAMED]
        if waiting[NAMED:]:
            names.append(self.env._("%(number)s more", number=len(waiting) - NAMED))
        return self.env._(
            "%(name)s has usage that is not invoiced, corrected or settled: %(names)s."
            " Run the billing, release or settle the holds, then retry.",
            name=self.display_name,
            names="; ".join(names),
        )

    def _get_subscriptions(self):
        """Return the subscriptions that may have usage of the month."""
        # sudo: the usage of all companies
        subscriptions = self.env["saas.subscription"].sudo()
        return subscriptions.with_context(active_test=False).search(
            [
                ("state", "!=", "draft"),
                ("line_ids.kind", "=", "usage"),
                # Where the day begins first it is the first of the next month.
                ("date_start", "<=", next_month(self.month)),
            ],
            order="id",
        )

    def _get_last_end(self):
        """Return when the last of the periods ends that touch the month.

        Late usage of all of such a period would have to be rated with the rest of it.

        :return: naive UTC datetime
        """
        return max(
            (
                period.window.end
                for subscription in self._get_subscriptions()
                for period in subscription._get_usage_periods(
                    self._get_last_day(subscription), running=True
                )
            ),
            default=self._get_end(),
        )

    @api.model
    def _get_closed_until(self):
        """Return the first moment that may still come in, naive UTC."""
        moment = self._get_kept_from()
        return moment.replace(tzinfo=None) if moment else datetime.min

    def _get_last_day(self, subscription):
        """Return the day before which periods begin that touch the month."""
        last = self._get_end() - timedelta(microseconds=1)
        day = local_day(last.replace(tzinfo=timezone.utc), subscription.tz)
        return day + timedelta(days=1)

    # ------------------------------------------------------------------
    # Steps
    # ------------------------------------------------------------------
    def _freeze(self):
        """Let nothing come into the month any more."""
        close(self.env, self.name)
        self._set_state("frozen")

    def _detach(self, progress):
        """Keep what follows from the events of a closed month, then take them out.

        :raise UsageStoreError: something is in the way
        """
        problem = self._get_problem() or self._get_open_problem()
        if problem:
            raise UsageStoreError(problem)
        Charge = self.env["saas.charge"]
        while charges := Charge._find_unkept(self, TOGETHER):
            charges._keep_evidence()
            progress()
        store = get_store(self.env)
        store.write_openings(self._get_levels(), self._get_end())
        progress()
        # A charge that is booked in this moment would have no evidence.
        hold_ledger(self.env)
        if Charge._find_unkept(self, 1):
            raise UsageStoreError(
                self.env._("Usage is being invoiced. Try again when this is over.")
            )
        store.detach(self.month)
        self._set_state("detached")
        forget_openings(self.env, self._get_end())

    @api.model
    def _get_levels(self):
        """Return all levels, each with the keys it may be grouped or priced by."""
        # sudo: the levels of all companies
        meters = self.env["saas.meter"].sudo().with_context(active_test=False)
        return [
            (meter._get_spec(), meter.dimension_ids.mapped("key"))
            for meter in meters.search([("is_level", "=", True)])
        ]

    def _purge(self, progress):
        """Delete what the store keeps of a detached month besides the events.

        :return: whether it is done
        """
        while not self.is_purged:
            last = purge_keys(self.env, self.name, self.purged_id)
            if last:
                self.purged_id = last
            elif not purge_rest(self.env, self._get_end()):
                self.is_purged = True
            if not progress():
                return self.is_purged
        return True

    # ------------------------------------------------------------------
    # Buttons
    # ------------------------------------------------------------------
    def _check_administrator(self):
        if not self.env.user.has_group(ADMINISTRATOR):
            raise AccessError(
                self.env._("Only SaaS administrators close and detach stored usage.")
            )

    def _check_state(self, state):
        """Refuse a button that does not fit.

        :raise UsageStoreError: another state
        """
        self._check_administrator()
        if self.state != state:
            raise UsageStoreError(
                self.env._(
                    "%(name)s is not in the right state for this. Close a month in use,"
                    " detach a closed one, drop a detached one.",
                    name=self.display_name,
                )
            )

    def action_freeze(self):
        """Close the month: events of it, and of before, are too old from now on."""
        self.ensure_one()
        self._check_state("attached")
        # sudo: partitions are written by code only
        partition = self.sudo()
        if partition._get_end() > fields.Datetime.now():
            raise UsageStoreError(
                self.env._("This month is not over: its usage still arrives.")
            )
        problem = partition._get_problem()
        if problem:
            raise UsageStoreError(problem)
        partition._freeze()

    def action_detach(self):
        """Take the events of a closed month out of the store."""
        self.ensure_one()
        self._check_state("frozen")
        # sudo: partitions are written by code only
        self.sudo()._detach(lambda: None)
        self.env.ref("saas_usage_billing.ir_cron_saas_usage_retain").sudo()._trigger()

    def action_drop(self):
        """Drop the table of a detached month, for ever."""
        self.ensure_one()
        self._check_state("detached")
        # sudo: partitions are written by code only
        partition = self.sudo()
        if not partition.is_purged:
            raise UsageStoreError(
                self.env._(
                    "The ids of its events are still being deleted: the daily job goes"
                    " on with that. Drop the month afterwards."
                )
            )
        drop_month(self.env, partition.name)
        partition._set_state("dropped")
