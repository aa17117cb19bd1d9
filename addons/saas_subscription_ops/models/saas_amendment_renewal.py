# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Renewals among the amendments: at the term end, early, or until a common day."""

from datetime import date

from odoo import fields, models

from ..engine.terms import Renewal
from ..exceptions import AmendmentError, TransitionError
from .saas_subscription_terms import CONFIRMED


class SaasAmendment(models.Model):
    _inherit = "saas.amendment"

    date_term_end = fields.Date(
        string="New Term Until",
        help="First day after the new term. Empty: as many months as the new term has.",
    )
    is_early = fields.Boolean(
        string="Early Renewal",
        readonly=True,
        copy=False,
        help="The next term begins before the running one was to end.",
    )

    _term_end_after_start = models.Constraint(
        "CHECK (date_term_end IS NULL OR date_term_end > date_effective)",
        "The new term ends after it begins: choose a later day.",
    )

    # ------------------------------------------------------------------
    # Fold
    # ------------------------------------------------------------------
    def _get_renewal_terms(self) -> Renewal:
        """Return the renewal as the engine knows it."""
        self.ensure_one()
        return Renewal(
            day=self.date_effective,
            months=self.term_months,
            until=self.date_term_end or None,
            is_early=self._is_early(),
            sequence=self._get_sequence(),
            key=self._get_sequence(),
        )

    def _is_early(self) -> bool:
        """Return whether the renewal ends the running term before its time."""
        self.ensure_one()
        if self.state in CONFIRMED:
            return self.is_early
        end = self.subscription_id.term_end
        day = self.date_effective
        return bool(self.kind == "renewal" and end and day and day < end)

    def _get_effective_day(self, days: dict) -> date:
        """Return the effective day, also of one that follows a moved term end.

        :param dict days: other days, see ``FoldedTerms``
        """
        self.ensure_one()
        return days.get(self._get_sequence(), self.date_effective)

    def _get_own_ramp_steps(self):
        """Return the ramp steps that were signed together with this renewal."""
        self.ensure_one()
        if not self.order_id:
            return self.browse()
        return self.subscription_id.amendment_ids.filtered(
            lambda a: (
                a.kind == "ramp"
                and a.order_id == self.order_id
                and a.state in CONFIRMED
            )
        )

    def _get_moved_ramp_day(self, renewal, start: date) -> date:
        """Return the day of a ramp step when its term begins on another day.

        :param renewal: the renewal it was signed with, still on its old day
        :param date start: new first day of the term
        """
        self.ensure_one()
        before = renewal.date_effective
        for month in self.order_id.saas_ramp_ids.mapped("from_month"):
            if fields.Date.add(before, months=month) == self.date_effective:
                return fields.Date.add(start, months=month)
        return self.date_effective + (start - before)

    # ------------------------------------------------------------------
    # Checks
    # ------------------------------------------------------------------
    def _check_subscription_state(self):
        subscription = self.subscription_id
        if self.kind == "renewal" and subscription.state == "paused":
            raise TransitionError(subscription._get_paused_refusal())
        return super()._check_subscription_state()

    def _check_renewal(self):
        subscription = self.subscription_id
        self._check_uplift(self.uplift)
        problem = subscription._get_renewable_problem()
        if problem:
            raise AmendmentError(problem)
        if not self.term_months and not self.date_term_end:
            raise AmendmentError(
                self.env._("Set the length of the new term in months, or its end.")
            )
        if any(
            amendment.kind == "cancel"
            for amendment in subscription._get_confirmed_amendments()
        ):
            raise AmendmentError(
                self.env._(
                    "%(subscription)s is cancelled: undo the cancellation first.",
                    subscription=subscription.name,
                )
            )
        problem = subscription._get_term_problem(
            self.date_effective, self.date_term_end
        )
        if problem:
            raise AmendmentError(problem)

    def _do_confirm(self, **stamp):
        # sudo: the steps are the one writer of these fields, access was checked
        self.sudo().is_early = self._is_early()
        return super()._do_confirm(**stamp)
