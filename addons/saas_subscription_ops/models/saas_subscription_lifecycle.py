# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""States, the one funnel that changes them, and the daily job."""

import logging
from datetime import date

from odoo import api, fields, models

from ..cron_point import CronPoint
from ..exceptions import SubscriptionError
from .saas_subscription import LIVE_STATES

_logger = logging.getLogger(__name__)
BATCH_SIZE = 500


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    # ------------------------------------------------------------------
    # Actions
    # ------------------------------------------------------------------
    def action_activate(self) -> bool:
        """Start the subscription: trial when the plan grants one, else active.

        :return: True
        :raise SubscriptionError: a draft without recurring or usage lines
        :raise TransitionError: not a draft
        """
        self.check_access("write")
        for subscription in self:
            subscription._check_can_activate()
            trial = bool(subscription.trial_end) and (
                subscription.trial_end > subscription.date_start
            )
            target = "trial" if trial else "active"
            if subscription._set_state({"draft"}, target, self.env._("Activated")):
                subscription._on_activated()
        return True

    # ------------------------------------------------------------------
    # Life cycle
    # ------------------------------------------------------------------
    def _set_state(self, allowed: set, target: str, reason: str) -> bool:
        """Move the subscription to another state; the only place that does.

        :param set allowed: states the step may start from
        :param str target: state to reach
        :param str reason: one sentence for the timeline
        :return: False when the subscription is there already (a repeat is no error)
        :raise TransitionError: the present state is not in ``allowed``
        """
        self.ensure_one()
        if self.state == target:
            _logger.info("%s is %s already, nothing to do", self.name, target)
            return False
        self._check_state(allowed, target)
        # sudo: the funnel is the one writer of the state, access was checked above it
        self.sudo().write({"state": target})
        self._message_log(body=reason)
        return True

    def _check_can_activate(self):
        self.ensure_one()
        if not self.line_ids:
            raise SubscriptionError(
                self.env._(
                    "%(name)s has no lines: add what the customer pays for, then "
                    "activate it.",
                    name=self.name,
                )
            )

    def _on_activated(self):
        """React to the activation; the hook other modules extend."""
        self.ensure_one()
        # A start in the future counts from its first day.
        self.terms_date = max(self.date_start, fields.Date.context_today(self))
        self._apply_support_tier()
        self._saas_emit(
            "subscription.activated",
            {
                "number": self.name,
                "state": self.state,
                "date_start": str(self.date_start),
                "mrr": str(self.mrr),
                "currency": self.currency_id.name,
            },
        )

    def _apply_support_tier(self):
        """Give the account the support tier of the plan."""
        self.ensure_one()
        tier = self.plan_id.support_tier_id
        account = self._saas_account()
        if tier and account.saas_support_tier_id != tier:
            # sudo: whoever sells the plan need not be allowed to edit accounts
            account.sudo().saas_support_tier_id = tier

    def _saas_account(self):
        return self.commercial_partner_id

    @api.model
    def _cron_process_lifecycle(self):
        """End trials, renew or expire terms and refresh MRR, in small batches."""
        self._process_lifecycle(fields.Date.context_today(self), commit=True)

    @api.model
    def _process_lifecycle(self, day: date, commit=False):
        """Bring every subscription to its state on a day.

        :param date day: the day to reach; nothing reads the clock below this point
        :param bool commit: report progress to the scheduler and commit per batch
        """
        point = CronPoint(self.env, day, is_kept=commit)
        due = self.search(self._get_lifecycle_domain(day), order="id").filtered(
            lambda one: not point.is_done([one.id])
        )
        cron = self.env["ir.cron"]
        if commit:
            cron._commit_progress(remaining=len(due))
        for start in range(0, len(due), BATCH_SIZE):
            for subscription in due[start : start + BATCH_SIZE].try_lock_for_update():
                subscription._advance_to(day)
                point.reach([subscription.id])
                if commit and not cron._commit_progress(1):
                    return
        point.finish()

    @api.model
    def _get_lifecycle_domain(self, day: date) -> list:
        """Return the domain of subscriptions with something to do on a day."""
        boundary = self.env["saas.subscription.line"]._search(
            [("next_boundary", "<=", day)]
        )
        due = self.env["saas.amendment"]._search(
            [
                "|",
                "&",
                ("state", "=", "scheduled"),
                ("date_effective", "<=", day),
                "&",
                "&",
                ("state", "=", "applied"),
                ("date_resume", "<=", day),
                ("subscription_id.state", "=", "paused"),
            ]
        )
        # Coupons begin and end with periods of the lines, each in its own rhythm: MRR
        # is looked at every day.
        discounted = self.env["saas.subscription.coupon"]._search(
            [("duration", "!=", "once")]
        )
        return [
            ("state", "in", LIVE_STATES),
            "|",
            "&",
            "&",
            ("state", "=", "active"),
            ("terms_date", "<", day),
            ("coupon_ids", "in", discounted),
            "|",
            "|",
            "|",
            "|",
            ("amendment_ids", "in", due),
            "&",
            ("state", "=", "trial"),
            ("trial_end", "<=", day),
            ("date_end", "<=", day),
            ("term_end", "<=", day),
            ("line_ids", "in", boundary),
        ]

    def _advance_to(self, day: date):
        """Run the due life-cycle steps of one subscription; failures are queued."""
        # Whatever is wrong with one contract must not stop the day of the others.
        self._saas_attempt(
            lambda one: one._do_advance_to(day),
            "subscription.lifecycle_failed",
            "saas_retry_lifecycle",
            resolves=True,
            queue="sales_ops",
            severity="high",
        )

    def saas_retry_lifecycle(self):
        """Run the due life-cycle steps again, from the exception queue.

        :raise SubscriptionError: still failing
        """
        self.check_access("write")
        for subscription in self:
            subscription._do_advance_to(fields.Date.context_today(self))

    def _do_advance_to(self, day: date):
        """Bring one subscription to its state on a day.

        :param date day: nothing reads the clock below this point
        """
        if self.state == "draft":
            return
        if self.state == "trial" and self.trial_end and self.trial_end <= day:
            self._set_state({"trial"}, "active", self.env._("Trial ended"))
            self._saas_emit("subscription.trial_ended", {"on": str(self.trial_end)})
        for amendment in self._get_confirmed_amendments():
            if amendment.date_effective <= day:
                amendment._take_effect(day)
        if self.date_end and self.date_end <= day:
            self._check_can_end()
            self._end()
            return
        self._pause_or_resume(day)
        if not self._waits_for_resume():
            while self.term_end and self.term_end <= day and self.plan_id.term_months:
                self._renew_term()
        self.terms_date = max(self.date_start, day)

    def _pause_or_resume(self, day: date):
        pause = next(
            (
                pause
                for pause in self._get_pauses()
                if pause.start <= day and (not pause.end or day < pause.end)
            ),
            None,
        )
        if pause and self.state == "active":
            self._set_state({"active"}, "paused", self.env._("Paused"))
            self._saas_emit(
                "subscription.paused",
                {
                    "on": str(pause.start),
                    "until": str(pause.end or ""),
                    "mode": pause.mode,
                },
            )
        elif not pause and self.state == "paused":
            self._set_state({"paused"}, "active", self.env._("Resumed"))
            self._saas_emit("subscription.resumed", {"on": str(day)})

    def _waits_for_resume(self) -> bool:
        """Return whether the term stands still until an open pause ends."""
        return any(p.mode == "extend" and not p.end for p in self._get_pauses())

    def _renew_term(self):
        """Start the next term, as the plan's auto-renewal says."""
        # sudo: the contract renews by itself, whoever runs the daily job
        amendment = (
            self.env["saas.amendment"]
            .sudo()
            .create(
                {
                    "subscription_id": self.id,
                    "kind": "renewal",
                    "effective": "date",
                    "date_requested": self.term_end,
                    "date_effective": self.term_end,
                    "term_months": self.plan_id.term_months,
                    "source": "schedule",
                    "reason": self.env._("Renewed automatically"),
                }
            )
        )
        amendment._set_state({"draft"}, "scheduled")
        before = self.term_end
        self._sync_terms()
        if self.term_end <= before:
            raise SubscriptionError(
                self.env._(
                    "%(name)s: the term that ends on %(day)s can't be renewed, since "
                    "it is not known when the first term ended. Set its term end.",
                    name=self.name,
                    day=before,
                )
            )
        amendment._take_effect(amendment.date_effective)

    def _check_can_end(self):
        """Refuse to end what somebody has still to decide; a hook.

        :raise SubscriptionError: what is to be decided
        """

    def _end(self):
        """Reach the end: cancelled when somebody did, else expired."""
        end = self.date_end
        cancelled = self._get_confirmed_amendments().filtered(
            lambda a: a.kind == "cancel" and a.date_effective == end
        )[:1]
        target = "cancelled" if cancelled else "expired"
        reason = self.env._("Cancelled") if cancelled else self.env._("Term ended")
        if not self._set_state({*LIVE_STATES, "expired"}, target, reason):
            return
        self.terms_date = end
        payload = {"on": str(end)}
        if cancelled:
            payload.update(cancelled._get_payload())
        self._saas_emit(f"subscription.{target}", payload)
