# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Terms that end, and the renewal record each of them has."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from odoo import api, fields, models
from odoo.tools import SQL

from ..engine import renewal as engine
from ..exceptions import SubscriptionError
from .saas_renewal import STEP_FAILED
from .saas_subscription import LIVE_STATES
from .saas_subscription_billing import to_decimal

SETTLE_FAILED = "renewal.settle_failed"
ENDED = ("expired", "cancelled")


@dataclass(frozen=True, slots=True)
class TermEnd:
    """What is known about the end of a term; ``amendment`` is what decided it."""

    start: date
    end: date
    outcome: str
    amendment: models.BaseModel


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    renewal_ids = fields.One2many("saas.renewal", "subscription_id", string="Renewals")

    # ------------------------------------------------------------------
    # Life cycle: every change of the terms may decide a renewal
    # ------------------------------------------------------------------
    def _sync_terms(self):
        result = super()._sync_terms()
        self._settle_renewals()
        return result

    def _end(self):
        result = super()._end()
        self._settle_renewals()
        return result

    def _check_can_end(self):
        """Let a contract not expire while its signed renewal waits for approval.

        :raise SubscriptionError: what to approve or refuse
        """
        result = super()._check_can_end()
        # sudo: the terms are the same whoever brings them to a day
        amendments = self.sudo().amendment_ids
        waiting = amendments.filtered(
            lambda a: a.kind == "renewal" and a.state == "to_approve"
        )
        cancelled = self._get_confirmed_amendments().filtered(
            lambda a: a.kind == "cancel" and a.date_effective == self.date_end
        )
        if waiting and not cancelled and self.state in LIVE_STATES:
            raise SubscriptionError(waiting[0]._get_waiting_text())
        return result

    def _settle_renewals(self) -> bool:
        """Bring the renewals in line with the terms; a failure stops nothing else.

        The daily job settles what failed here.

        :return: whether all were settled
        """
        settled = [
            subscription._saas_attempt(
                lambda one: one._sync_renewals(),
                SETTLE_FAILED,
                "saas_retry_settle_renewals",
                queue="sales_ops",
                severity="high",
            )
            for subscription in self
        ]
        return all(settled)

    def saas_retry_settle_renewals(self):
        """Bring the renewals in line with the terms again, from the exception queue.

        :raise UserError: still failing
        """
        self.check_access("write")
        for subscription in self:
            subscription._sync_renewals()

    # ------------------------------------------------------------------
    # What ends, and how
    # ------------------------------------------------------------------
    def _get_term_ends(self) -> list[TermEnd]:
        """Return the ends of all terms with what is decided about them.

        Nothing but the confirmed amendments and the state is read.
        """
        self.ensure_one()
        amendments = self._get_confirmed_amendments()
        terms = self._fold_terms(amendments).terms
        by_id = {amendment.id: amendment for amendment in amendments}
        nothing = amendments.browse()
        result = []
        for index, term in enumerate(terms):
            following = terms[index + 1] if index + 1 < len(terms) else None
            if self.date_end and self.date_end <= term.end:
                outcome, amendment = self._get_final_outcome(amendments)
                result.append(TermEnd(term.start, term.end, outcome, amendment))
                break
            outcome, amendment = "open", nothing
            if following:
                outcome, amendment = "renewed", by_id[following.key]
            elif self.state in ENDED:
                # It went on after its term, until it ended.
                outcome, amendment = self._get_final_outcome(amendments)
            result.append(TermEnd(term.start, term.end, outcome, amendment))
        return result

    def _get_final_outcome(self, amendments) -> tuple:
        """Return the outcome of the term the subscription ends in, and its cause."""
        cancel = amendments.filtered(
            lambda a: a.kind == "cancel" and a.date_effective == self.date_end
        )[:1]
        if cancel:
            return "cancelled", cancel
        return ("expired" if self.state in ENDED else "open"), cancel

    def _get_arr_on(self, day: date) -> Decimal:
        """Return what is agreed for a day, per year; a pause does not lower it.

        :param date day: calendar date in the subscription's time zone
        :return: twelve times the monthly recurring revenue, rounded once
        """
        self.ensure_one()
        lines = self.line_ids.filtered(
            lambda line: line.kind == "recurring" and line._is_in_force(day)
        )
        yearly = engine.annual(to_decimal(self._sum_monthly(lines, day, ()), 12))
        return to_decimal(self.currency_id.round(float(yearly)))

    def _prepare_renewal_amounts(self, fact: TermEnd) -> dict:
        """Return the amounts of a term that ends.

        :return: values of ``saas.renewal``
        """
        end = min(fact.end, self.date_end or fact.end)
        available = self._get_arr_on(max(end - timedelta(days=1), self.date_start))
        vals = dict.fromkeys(
            ("renewed", "pure", "expansion", "contraction", "lost"), Decimal(0)
        )
        if fact.outcome != "open":
            renewed = Decimal(0)
            if fact.outcome == "renewed":
                renewed = self._get_arr_on(fact.end)
            parts = engine.split(available, renewed)
            vals = {name: getattr(parts, name) for name in vals}
        vals["available"] = available
        return {f"amount_{name}": float(value) for name, value in vals.items()}

    # ------------------------------------------------------------------
    # Records
    # ------------------------------------------------------------------
    def _sync_renewals(self, open_until: date | None = None):
        """Bring the renewal records to what the amendments say; safe to repeat.

        What is decided gets its record at once. An open term gets one only when its
        window has opened, which the daily job finds out.

        :param date open_until: open the window of terms that end up to this day
        """
        # sudo: renewals follow from the contract, whoever changes it
        for subscription in self.sudo():
            facts = {fact.end: fact for fact in subscription._get_term_ends()}
            renewals = subscription.renewal_ids
            losing = renewals.filtered(
                lambda r, ends=facts: r.term_end not in ends and r.outcome != "moved"
            )
            gaining = renewals.filtered(
                lambda r, ends=facts: r.term_end in ends and r.outcome == "moved"
            )
            missing = subscription._get_missing_ends(
                list(facts.values()), len(losing) - len(gaining), open_until
            )
            gaining |= renewals.create(
                [subscription._prepare_renewal_vals(fact) for fact in missing]
            )
            losing._move_to(gaining)
            for renewal in renewals | gaining:
                if renewal.term_end in facts:
                    renewal._settle(facts[renewal.term_end])
            subscription._saas_resolve(SETTLE_FAILED)

    def _get_missing_ends(self, facts: list, moved: int, open_until) -> list[TermEnd]:
        """Return the term ends that have no record and need one.

        :param list facts: all term ends, ascending
        :param int moved: records whose term end is none any more; as many new ones
            take their place, decided or not
        :param date open_until: open the window of terms that end up to this day
        """
        known = set(self.renewal_ids.mapped("term_end"))
        missing = []
        for fact in facts:
            if fact.end in known:
                continue
            is_due = bool(open_until and fact.end <= open_until)
            if fact.outcome != "open" or is_due or len(missing) < moved:
                missing.append(fact)
        return missing

    def _prepare_renewal_vals(self, fact: TermEnd) -> dict:
        """Prepare the record of a term that ends.

        :return: values of ``saas.renewal``
        """
        self.ensure_one()
        return {
            "subscription_id": self.id,
            "term_start": min(fact.start, fact.end),
            "term_end": fact.end,
            "user_id": self._find_renewal_owner()[0].id,
            **self._prepare_renewal_dates(fact),
        }

    def _prepare_renewal_dates(self, fact: TermEnd) -> dict:
        """Return the days that follow from plan and term."""
        plan = self.plan_id
        start = min(fact.start, fact.end)
        window = fact.end - timedelta(days=plan._get_renewal_window_days())
        notice = fact.end - timedelta(days=plan.notice_days)
        return {
            "date_window": max(window, start),
            "date_notice": max(notice, start),
            "is_expiring": self._is_expiring(fact.end),
        }

    def _is_expiring(self, term_end: date) -> bool:
        """Return whether the contract ends with the term unless it is renewed."""
        self.ensure_one()
        ends = self.date_end and self.date_end <= term_end
        return bool(ends or not self.plan_id.term_months)

    def _find_renewal_owner(self) -> tuple:
        """Return who looks after the renewal, and who would have but can't.

        :return: two ``res.users``, either may be empty
        """
        self.ensure_one()
        # sudo: accounts and users are looked up for whoever runs the job
        subscription = self.sudo()
        skipped = self.env["res.users"].sudo()
        for user in (
            subscription.user_id,
            subscription.commercial_partner_id.saas_csm_id,
            subscription.plan_id.renewal_user_id,
            subscription.company_id.saas_renewal_user_id,
        ):
            if subscription._can_own_renewal(user):
                return user, skipped
            skipped = skipped or user
        return self.env["res.users"].sudo(), skipped

    def _can_own_renewal(self, user) -> bool:
        """Return whether a user is there to look after the renewal.

        :param user: ``res.users``, may be empty
        """
        return bool(
            user
            and user.active
            and not user.share
            and self.company_id in user.company_ids
        )

    # ------------------------------------------------------------------
    # What the daily job looks for
    # ------------------------------------------------------------------
    @api.model
    def _get_terms_ended_without_record(self):
        """Return the subscriptions a term of which was decided without a record.

        They come from the time before renewals were kept, or from a failure.

        :return: ``saas.subscription``
        """
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT DISTINCT a.subscription_id
                  FROM saas_amendment a
                 WHERE a.kind = 'renewal' AND a.state IN ('scheduled', 'applied')
                   AND NOT EXISTS (
                       SELECT 1 FROM saas_renewal r
                        WHERE r.subscription_id = a.subscription_id
                          AND r.term_end = a.date_effective)
                   AND NOT EXISTS (
                       SELECT 1 FROM saas_subscription s
                        WHERE s.id = a.subscription_id
                          AND s.date_end < a.date_effective)
                UNION
                SELECT s.id
                  FROM saas_subscription s
                 WHERE s.state IN ('expired', 'cancelled')
                   AND s.initial_term_end IS NOT NULL
                   AND NOT EXISTS (
                       SELECT 1 FROM saas_renewal r
                        WHERE r.subscription_id = s.id
                          AND r.outcome IN ('expired', 'cancelled'))
                """
            )
        )
        return self.browse(sorted(row[0] for row in rows))

    @api.model
    def _get_terms_to_open(self, day: date) -> dict:
        """Return the subscriptions whose renewal window opens, with its last day.

        :param date day: the day to reach
        :return: term end up to which windows are open, by ``saas.subscription``
        """
        self.env.flush_all()
        result = {}
        # sudo: the job looks after all plans
        for plan in (
            self.env["saas.plan"].sudo().with_context(active_test=False).search([])
        ):
            until = day + timedelta(days=plan._get_renewal_window_days())
            rows = self.env.execute_query(
                SQL(
                    """
                    SELECT s.id
                      FROM saas_subscription s
                     WHERE s.plan_id = %s AND s.state IN %s AND s.term_end <= %s
                       AND s.date_start <= %s
                       AND NOT EXISTS (
                           SELECT 1 FROM saas_renewal r
                            WHERE r.subscription_id = s.id
                              AND r.term_end = s.term_end AND r.outcome != 'moved')
                     ORDER BY s.id
                    """,
                    plan.id,
                    LIVE_STATES,
                    until,
                    day,
                )
            )
            result.update((self.browse(row[0]), until) for row in rows)
        return result

    def _attempt_renewal(self, work):
        self._saas_attempt(
            work,
            STEP_FAILED,
            "saas_retry_settle_renewals",
            resolves=True,
            queue="sales_ops",
            severity="high",
        )
