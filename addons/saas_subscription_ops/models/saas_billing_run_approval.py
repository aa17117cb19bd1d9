# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models
from odoo.exceptions import AccessError
from odoo.tools import plaintext2html

from ..exceptions import BillingError
from .saas_billing_run import NOT_APPROVED


class SaasBillingRun(models.Model):
    """Four eyes: review, approval by somebody else, refusal with a reason."""

    _inherit = "saas.billing.run"

    def action_review(self) -> bool:
        """Declare the preview checked; held lines stay held.

        :return: True
        :raise TransitionError: not computed
        """
        self._check_role("operator")
        for run in self:
            run._set_state(
                {"computed"},
                "reviewed",
                reviewed_by_id=self.env.uid,
                reviewed_at=fields.Datetime.now(),
                refused_by_id=False,
                refused_at=False,
                refuse_reason=False,
            )
            run._saas_emit("approval.requested", run._get_approval_facts())
        return True

    def action_approve(self) -> bool:
        """Approve a reviewed run somebody else prepared.

        :return: True
        :raise AccessError: no approver, or one who took part in the preparation
        :raise TransitionError: not reviewed
        """
        self._check_role("approver")
        for run in self:
            if self.env.user in run._get_preparers():
                raise AccessError(
                    self.env._(
                        "You took part in preparing %(run)s, so somebody else must "
                        "approve it.",
                        run=run.name,
                    )
                )
            run._set_state(
                {"reviewed"},
                "approved",
                approved_by_id=self.env.uid,
                approved_at=fields.Datetime.now(),
            )
            run._saas_emit("approval.granted", run._get_approval_facts())
        return True

    def action_ask_refusal(self) -> dict:
        """Open the dialog that asks why the run is refused.

        :return: window action
        """
        self.ensure_one()
        self._check_role("approver")
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_subscription_ops.saas_billing_run_refuse_wizard_action"
        )
        action["context"] = {"default_run_id": self.id}
        return action

    def action_refuse(self, reason: str) -> bool:
        """Send a run back to its preparers, before or after it was approved.

        :param str reason: what has to be corrected
        :return: True
        :raise BillingError: no reason
        :raise TransitionError: not reviewed or approved
        """
        self._check_role("approver")
        if not (reason or "").strip():
            raise BillingError(
                self.env._("Write down what has to be corrected, then refuse.")
            )
        for run in self:
            reviewer = run.reviewed_by_id
            run._set_state(
                {"reviewed", "approved"},
                "computed",
                **NOT_APPROVED,
                refused_by_id=self.env.uid,
                refused_at=fields.Datetime.now(),
                refuse_reason=reason,
            )
            run._saas_emit(
                "approval.refused", {**run._get_approval_facts(), "reason": reason}
            )
            run._ask_person(reviewer, self.env._("Refused: %(why)s", why=reason))
        return True

    def _get_approval_facts(self) -> dict:
        """Return what the events of an approval say about the run."""
        self.ensure_one()
        return {
            "run": self.name,
            "lines": self.line_count,
            "held": self.held_count,
            "failed": self.failed_count,
            "amount": str(self.amount_company),
            "currency": self.currency_id.name,
        }

    def _ask_person(self, user, note: str):
        """Give a person a to-do on the run.

        :param user: ``res.users``; nobody when empty or without a login
        :param str note: what to do, plain text
        """
        self.ensure_one()
        if user and user.active and not user._is_superuser():
            # sudo: who refuses a run need not write activities of other people
            self.sudo().activity_schedule(
                "mail.mail_activity_data_todo",
                summary=self.env._("Look at billing run %(run)s", run=self.name),
                note=plaintext2html(note),
                user_id=user.id,
            )
