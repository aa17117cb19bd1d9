# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models


class SaasBillingRun(models.Model):
    """What becomes of a run that a schedule prepared."""

    _inherit = "saas.billing.run"

    def _on_computed(self):
        result = super()._on_computed()
        # Computed again by a person: it is theirs from there on.
        if self.schedule_id and self.computed_by_id.id == api.SUPERUSER_ID:
            self._decide_scheduled()
        return result

    def _decide_scheduled(self):
        """Post a plain run under the standing approval, give any other to people."""
        self.ensure_one()
        approver = self.schedule_id._get_standing_approver()
        reasons = self._get_attention_reasons(approver)
        if not reasons:
            self._approve_standing(approver)
            self._start_posting()
            return
        if not self.line_count:
            return
        self._saas_emit(
            "approval.requested", {**self._get_approval_facts(), "reasons": reasons}
        )
        self._ask_person(self.schedule_id.operator_id, " ".join(reasons))

    def _get_attention_reasons(self, approver) -> list[str]:
        """Return, in words, why a scheduled run can't be posted without a person.

        :param approver: ``res.users`` of the standing approval, maybe empty
        """
        self.ensure_one()
        reasons = []
        if not approver:
            reasons.append(
                self.env._(
                    "%(schedule)s has no valid standing approval.",
                    schedule=self.schedule_id.name,
                )
            )
        elif approver in self._get_preparers():
            reasons.append(
                self.env._(
                    "%(user)s took part in preparing this run.", user=approver.name
                )
            )
        for count, text in (
            (
                self.held_count,
                self.env._("Held by a check: %(count)s.", count=self.held_count),
            ),
            (
                self.failed_count,
                self.env._("Failed: %(count)s.", count=self.failed_count),
            ),
        ):
            if count:
                reasons.append(text)
        return reasons

    def _approve_standing(self, approver):
        """Approve under the rule that somebody else approved with the schedule.

        :param approver: ``res.users``, never one who prepared the run
        """
        self.ensure_one()
        now = fields.Datetime.now()
        self._set_state(
            {"computed"}, "reviewed", reviewed_by_id=self.env.uid, reviewed_at=now
        )
        self._set_state(
            {"reviewed"},
            "approved",
            approved_by_id=approver.id,
            approved_at=now,
            is_standing_approval=True,
        )
        self._saas_emit(
            "approval.granted",
            {
                **self._get_approval_facts(),
                "schedule": self.schedule_id.name,
                "standing_approval_of": approver.id,
            },
        )
        self.message_post(
            body=self.env._(
                "No check fired: approved under the standing approval of %(user)s, "
                "given with %(schedule)s on %(day)s.",
                user=approver.name,
                schedule=self.schedule_id.name,
                day=fields.Date.to_string(self.schedule_id.approved_at.date()),
            )
        )
