# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Whether an amendment can be made, and if not, why and what to do instead."""

from odoo import models
from odoo.tools.misc import format_date

from ..exceptions import AmendmentError, TransitionError
from .saas_amendment import LINE_KINDS
from .saas_subscription import LIVE_STATES, STATES

# The state chart: from which states a change may start. Ended subscriptions take
# corrections of the time before their end.
ALLOWED_STATES = {
    "pause": {"active"},
    "resume": {"active", "paused"},
    "cancel": set(LIVE_STATES),
    "renewal": {"trial", "active"},
    "trial": {"trial"},
}
ENDED_STATES = {"cancelled", "expired"}


class SaasAmendment(models.Model):
    _inherit = "saas.amendment"

    def _check_possible(self):
        """Refuse what the state chart, the plan or the terms do not allow.

        :raise TransitionError: not from this state
        :raise AmendmentError: not on this day or not with these values
        """
        self.ensure_one()
        self._check_date()
        self._check_subscription_state()
        check = getattr(self, f"_check_{self.kind}", None)
        if check:
            check()
        if self.kind in LINE_KINDS:
            self._check_lines()
        elif self.line_ids:
            raise AmendmentError(
                self.env._("Only changes of products have lines. Remove the lines.")
            )
        # Folding the terms finds what contradicts them.
        self.subscription_id._fold_terms(
            self.subscription_id._get_confirmed_amendments() | self
        )

    def _check_date(self):
        subscription, day = self.subscription_id, self.date_effective
        if not day:
            raise AmendmentError(
                self.env._("Choose the day on which the change takes effect.")
            )
        if day < subscription.date_start:
            raise AmendmentError(
                self.env._(
                    "%(subscription)s starts on %(start)s: choose that day or a later "
                    "one.",
                    subscription=subscription.name,
                    start=format_date(self.env, subscription.date_start),
                )
            )
        end = subscription.date_end
        if end and day >= end and self.kind != "renewal":
            raise AmendmentError(
                self.env._(
                    "%(subscription)s ends on %(end)s: choose an earlier day, or renew "
                    "it or undo its cancellation first.",
                    subscription=subscription.name,
                    end=format_date(self.env, end),
                )
            )

    def _check_subscription_state(self):
        subscription = self.subscription_id
        state = subscription.state
        allowed = ALLOWED_STATES.get(self.kind, {*LIVE_STATES, *ENDED_STATES})
        if self.kind == "cancel" and state in ENDED_STATES:
            # An end may be moved to an earlier day, to give back what was charged.
            allowed = allowed | ENDED_STATES
        if state in allowed:
            return
        labels = dict(STATES)
        labels.update(subscription._fields["state"]._description_selection(self.env))
        raise TransitionError(
            self.env._(
                "%(subscription)s is %(state)s, so this is not possible: %(kind)s "
                "needs one that is %(allowed)s.",
                subscription=subscription.name,
                state=labels[state],
                kind=dict(self._fields["kind"]._description_selection(self.env))[
                    self.kind
                ],
                allowed=", ".join(
                    label for key, label in labels.items() if key in allowed
                ),
            )
        )

    def _check_lines(self):
        if not self.line_ids and self.kind != "renewal":
            raise AmendmentError(
                self.env._("Add what changes: at least one line is needed.")
            )
        day = self.date_effective
        for line in self.line_ids.filtered("line_id"):
            current = line._get_current_line()
            end = current.date_end
            if current.date_start > day or (end and end <= day):
                raise AmendmentError(
                    self.env._(
                        "“%(line)s” is not charged on %(day)s: choose another day or "
                        "line.",
                        line=line.line_id.name,
                        day=format_date(self.env, day),
                    )
                )
            problem = line._get_problem()
            if problem:
                raise AmendmentError(problem)
        plan = self._get_new_plan()
        if plan:
            self.subscription_id._check_same_rhythm(plan)
        for line in self.line_ids.filtered(lambda line: line.action == "start"):
            product = line.product_id
            # A rhythm of its own goes with the product into any plan.
            if product.saas_plan_id and not product.saas_recurrence_unit:
                self.subscription_id._check_same_rhythm(product.saas_plan_id)

    # ------------------------------------------------------------------
    # Kinds
    # ------------------------------------------------------------------
    def _check_pause(self):
        plan = self.plan_id
        if not plan.pause_allowed:
            raise AmendmentError(
                self.env._(
                    "Subscriptions of plan %(plan)s can't be paused. Cancel it, or "
                    "allow pauses on the plan.",
                    plan=plan.name,
                )
            )
        if self.pause_mode == "extend" and plan.alignment == "calendar":
            raise AmendmentError(
                self.env._(
                    "The periods of plan %(plan)s follow the calendar and can't be "
                    "extended: let the pause credit the paused days.",
                    plan=plan.name,
                )
            )
        if plan.pause_max_days and (
            not self.date_resume
            or (self.date_resume - self.date_effective).days > plan.pause_max_days
        ):
            raise AmendmentError(
                self.env._(
                    "A pause on plan %(plan)s lasts at most %(days)s days: set a day "
                    "to resume within them.",
                    plan=plan.name,
                    days=plan.pause_max_days,
                )
            )
        self._check_pause_overlap()

    def _check_pause_overlap(self):
        end = self.date_resume
        for pause in self.subscription_id._get_pauses():
            if (not end or pause.start < end) and (
                pause.end is None or self.date_effective < pause.end
            ):
                raise AmendmentError(
                    self.env._(
                        "%(subscription)s is paused from %(start)s already: resume it "
                        "first, or choose other days.",
                        subscription=self.subscription_id.name,
                        start=format_date(self.env, pause.start),
                    )
                )

    def _check_resume(self):
        day = self.date_effective
        pauses = self.subscription_id._get_pauses()
        if any(
            pause.start < day and (pause.end is None or day < pause.end)
            for pause in pauses
        ):
            return
        if any(pause.start == day for pause in pauses):
            raise AmendmentError(
                self.env._(
                    "The pause begins on that very day: undo the pause, or resume on a "
                    "later day."
                )
            )
        raise AmendmentError(
            self.env._(
                "%(subscription)s is not paused on %(day)s, so there is nothing to "
                "resume.",
                subscription=self.subscription_id.name,
                day=format_date(self.env, day),
            )
        )

    def _check_cancel(self):
        subscription, day = self.subscription_id, self.date_effective
        scheduled = subscription.amendment_ids.filtered(
            lambda a: a.kind == "cancel" and a.state == "scheduled"
        )
        if scheduled:
            raise AmendmentError(
                self.env._(
                    "%(subscription)s is cancelled for %(day)s already: undo that "
                    "first.",
                    subscription=subscription.name,
                    day=format_date(self.env, scheduled[0].date_effective),
                )
            )
        minimum = subscription.min_term_end
        if minimum and day < minimum and not self.waive_minimum_term:
            raise AmendmentError(
                self.env._(
                    "The minimum term runs until %(minimum)s: cancel on that day or "
                    "later, or waive the minimum term, which somebody else has to "
                    "approve.",
                    minimum=format_date(self.env, minimum),
                )
            )

    def _check_trial(self):
        subscription, day = self.subscription_id, self.date_effective
        if subscription.date_end and day >= subscription.date_end:
            raise AmendmentError(
                self.env._("The trial can't last longer than the subscription.")
            )
        billed = subscription.line_ids.filtered(
            lambda line: (
                line.kind == "recurring"
                and line.is_billed
                and line.date_start == subscription.trial_end
            )
        )
        if billed:
            raise AmendmentError(
                self.env._(
                    "“%(line)s” was billed from the end of the trial already: the "
                    "trial can't be changed any more.",
                    line=billed[0].name,
                )
            )
