# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Signed renewals that wait for approval, and what follows from dropping one."""

from datetime import date, timedelta

from odoo import models
from odoo.tools.misc import format_date

from ..exceptions import AmendmentError

APPROVAL_LATE = "renewal.approval_late"
#: Days before the term end at which an approval is late, whatever the notice.
LATE_DAYS = 7


class SaasAmendment(models.Model):
    _inherit = "saas.amendment"

    def _set_state(self, allowed, target, **stamp):
        before = self.state
        changed = super()._set_state(allowed, target, **stamp)
        if not changed or self.kind == "ramp":
            return changed
        if before == "to_approve":
            self._saas_resolve(APPROVAL_LATE)
            if self.kind == "renewal" and target == "scheduled":
                # The contract no longer waits for it.
                self.subscription_id._saas_resolve("subscription.lifecycle_failed")
        if self.order_id and target in ("undone", "refused"):
            self.order_id._saas_on_amendment_dropped(self)
        return changed

    def _check_renewal(self):
        result = super()._check_renewal()
        if self.date_term_end:
            problem = self.subscription_id._get_whole_period_problem(self.date_term_end)
            if problem:
                raise AmendmentError(problem)
        return result

    def _is_approval_late(self, day: date) -> bool:
        """Return whether the notice day or the last week of the term has come.

        :param date day: nothing reads the clock below this point
        """
        self.ensure_one()
        ends = filter(None, (self.date_effective, self.subscription_id.term_end))
        ahead = max(self.plan_id.notice_days, LATE_DAYS)
        return day >= min(ends) - timedelta(days=ahead)

    def _raise_late_approval(self):
        """Say once that a signed renewal waits while its term runs out."""
        for amendment in self:
            known = self.env["saas.exception"].search_count(
                [
                    ("res_model", "=", self._name),
                    ("res_id", "=", amendment.id),
                    ("code", "=", APPROVAL_LATE),
                ],
                limit=1,
            )
            if not known:
                amendment._saas_raise(
                    APPROVAL_LATE,
                    amendment._get_waiting_text(),
                    queue="sales_ops",
                    severity="high",
                )

    def _get_waiting_text(self) -> str:
        """Return who asked for the approval, of what, and until when it is needed."""
        self.ensure_one()
        subscription = self.subscription_id
        end = subscription.date_end or subscription.term_end or self.date_effective
        # sudo: who asked is told to whoever looks after the queue
        asked = self.sudo().requested_by_id or self.sudo().create_uid
        return self.env._(
            "%(asked)s asked for the approval of %(name)s, the renewal of "
            "%(subscription)s%(order)s. Its term ends on %(end)s: approve or refuse "
            "it.",
            asked=asked.name,
            name=self.name,
            subscription=subscription.name,
            order=f" ({self.order_id.name})" if self.order_id else "",
            end=format_date(self.env, end),
        )
