# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Confirming, approving, undoing an amendment, and what it does on its day."""

from odoo import fields, models
from odoo.exceptions import AccessError
from odoo.tools import plaintext2html

from ..exceptions import AmendmentError
from .saas_amendment import CHANGE_KINDS


class SaasAmendment(models.Model):
    _inherit = "saas.amendment"

    # ------------------------------------------------------------------
    # Steps
    # ------------------------------------------------------------------
    def action_confirm(self) -> bool:
        """Make the change part of the terms, or ask for the approval it needs.

        :return: True
        :raise AmendmentError: it can't be made
        """
        self.check_access("write")
        for amendment in self:
            if amendment.state in ("scheduled", "applied"):
                continue
            amendment._check_state({"draft"})
            amendment._check_possible()
            reasons = amendment._get_approval_reasons()
            if reasons:
                amendment._ask_approval(reasons)
            else:
                amendment._do_confirm(requested_by_id=self.env.uid)
        return True

    def action_approve(self) -> bool:
        """Approve a change somebody else asked for.

        :return: True
        :raise AccessError: no subscription manager, or who asked for it
        """
        for amendment in self:
            amendment._check_state({"to_approve"})
            amendment._check_approver()
            amendment._check_possible()
            amendment._do_confirm(
                approved_by_id=self.env.uid, approved_at=fields.Datetime.now()
            )
            amendment._saas_emit("approval.granted", {"number": amendment.name})
        return True

    def action_refuse(self) -> bool:
        """Refuse a request or a change that waits for approval.

        :return: True
        """
        self.check_access("write")
        for amendment in self:
            amendment._set_state({"draft", "to_approve"}, "refused")
            amendment._saas_emit(
                "approval.refused",
                {"number": amendment.name, "reason": amendment.reason or ""},
            )
            amendment._close_activities()
            if amendment.order_id and amendment.kind != "ramp":
                amendment.order_id._saas_on_amendment_refused(amendment)
        return True

    def action_undo(self) -> bool:
        """Take a scheduled change back, as long as it has not taken effect.

        :return: True
        :raise TransitionError: it was applied already
        :raise AmendmentError: a later change builds on it
        """
        self.check_access("write")
        for amendment in self:
            amendment._undo({"scheduled", "to_approve"})
        return True

    def _take_back(self):
        """Undo what took effect but only adds charges that nobody was billed.

        :raise AmendmentError: it does more, or was billed
        """
        self.ensure_one()
        self.subscription_id._saas_lock()
        if not self._is_only_unbilled_fees():
            raise AmendmentError(
                self.env._(
                    "%(name)s was billed, or changes more than one-time charges: amend "
                    "%(subscription)s instead.",
                    name=self.name,
                    subscription=self.subscription_id.name,
                )
            )
        self._undo({"applied"})

    def _is_only_unbilled_fees(self) -> bool:
        """Return whether all it does is to add one-time charges nobody was billed."""
        self.ensure_one()
        added = self.line_ids.line_id
        added.invalidate_recordset(["is_billed"])
        return all(line.action == "start" for line in self.line_ids) and all(
            line.kind == "one_time" and not line.is_billed for line in added
        )

    def _undo(self, allowed: set):
        """Take the amendment out of the terms, with what came with it, once.

        :param set allowed: states it may be undone from
        """
        self.ensure_one()
        subscription = self.subscription_id
        subscription._saas_lock()
        is_in_terms = self.state in allowed & {"scheduled", "applied"}
        if is_in_terms and self.order_id and self.kind != "ramp":
            self.order_id._saas_on_amendment_undone(self)
        self._check_not_built_on()
        if not self._set_state(allowed, "undone"):
            return
        if is_in_terms:
            subscription._sync_terms()
        self._saas_emit("amendment.undone", self._get_payload())
        self._close_activities()

    def _check_not_built_on(self):
        """Refuse to undo what adds a product that a later change is about.

        :raise AmendmentError: names the later change
        """
        self.ensure_one()
        resume = self._get_own_resume()
        if resume:
            raise AmendmentError(
                self.env._(
                    "%(later)s ends this pause: undo that first.", later=resume.name
                )
            )
        later = (
            self.env["saas.amendment.line"]
            # sudo: the terms are the same whoever asks for them
            .sudo()
            .search(
                [
                    ("line_id.amendment_id", "=", self.id),
                    ("line_id", "!=", False),
                    ("amendment_id", "!=", self.id),
                    ("amendment_id.state", "in", ("scheduled", "applied")),
                ],
                limit=1,
            )
        )
        if later:
            raise AmendmentError(
                self.env._(
                    "%(later)s changes what %(name)s adds: undo that first.",
                    later=later.amendment_id.name,
                    name=self.name,
                )
            )

    def _get_own_resume(self):
        """Return the confirmed amendment that ends this pause, if there is one."""
        self.ensure_one()
        if self.kind != "pause" or self.state != "scheduled":
            return self.browse()
        confirmed = self.subscription_id._get_confirmed_amendments()
        later = confirmed.filtered(
            lambda a: (
                a.kind in ("pause", "resume") and a.date_effective > self.date_effective
            )
        )[:1]
        return later.filtered(lambda a: a.kind == "resume")

    def action_view_subscription(self) -> dict:
        """Open the subscription.

        :return: window action
        """
        self.ensure_one()
        return self.subscription_id._get_records_action(context={})

    # ------------------------------------------------------------------
    # Confirming and taking effect
    # ------------------------------------------------------------------
    def _do_confirm(self, **stamp):
        self.ensure_one()
        # sudo: the steps are the one writer of these fields, access was checked
        amendment = self.sudo()
        subscription = amendment.subscription_id
        subscription._saas_lock()
        before = subscription._get_mrr_on(amendment.date_effective)
        amendment._add_uplift()
        amendment._create_new_lines()
        stamp.setdefault("confirmed_at", fields.Datetime.now())
        amendment._set_state({"draft", "to_approve"}, "scheduled", **stamp)
        if amendment.kind == "trial":
            subscription._set_trial_end(amendment.date_effective)
        subscription._sync_terms()
        amendment.write(
            {
                "mrr_before": before,
                "mrr_after": subscription._get_mrr_on(amendment.date_effective),
            }
        )
        amendment._saas_emit("amendment.scheduled", amendment._get_payload())
        amendment._close_activities()
        today = fields.Date.context_today(amendment)
        if amendment.date_effective <= today or amendment.kind == "trial":
            amendment._take_effect(max(today, amendment.date_effective))
            subscription._do_advance_to(today)
        if amendment.order_id and amendment.kind != "ramp":
            amendment.order_id._saas_on_amended(amendment)

    def _add_uplift(self):
        """Turn the uplift of a renewal into new prices of its recurring lines.

        Raised is what other amendments make of the price on that day. Lines the
        renewal itself prices, or ends, are left to it.
        """
        if self.kind != "renewal" or not self.uplift:
            return
        subscription = self.subscription_id
        priced = self.line_ids.filtered(
            lambda line: line.action == "end" or line.has_price
        ).line_id
        day = fields.Date.subtract(self.date_effective, days=1)
        for line in subscription._get_quotable_lines(day):
            agreed = line._get_line_on(self.date_effective)
            if not agreed or line.root_id in priced.root_id:
                continue
            price = subscription._get_raised_price(agreed.price_unit, self.uplift)
            self.line_ids.create(
                {
                    "amendment_id": self.id,
                    "action": "set",
                    "line_id": line.id,
                    "quantity": agreed.quantity,
                    "has_quantity": False,
                    "has_price": price != agreed.price_unit,
                    "has_discount": False,
                    "price_unit": price,
                    "discount": agreed.discount,
                }
            )

    def _create_new_lines(self):
        """Make the first line of every new product."""
        for line in self.line_ids.filtered(
            lambda line: line.action == "start" and not line.line_id
        ):
            line.line_id = self.env["saas.subscription.line"].create(
                line._prepare_line_vals()
            )

    def _take_effect(self, day):
        """Apply a scheduled amendment whose day has come: state and event, once.

        :param date day: the day it is applied
        """
        self.ensure_one()
        if self.state != "scheduled":
            return
        # sudo: the daily job and the portal apply what was confirmed
        amendment = self.sudo()
        amendment._set_state({"scheduled"}, "applied", applied_on=day)
        amendment._apply_plan()
        subscription = amendment.subscription_id
        name = amendment._get_event_name()
        if name:
            subscription._saas_emit(name, amendment._get_payload())
        if amendment.kind == "pause" and amendment._is_over(day):
            # Made known after it was over: the state never shows it.
            subscription._saas_emit("subscription.paused", amendment._get_payload())
            subscription._saas_emit("subscription.resumed", amendment._get_payload())
        subscription._message_log(
            body=self.env._(
                "%(amendment)s took effect on %(day)s. %(reason)s",
                amendment=amendment.display_name,
                day=amendment.date_effective,
                reason=amendment.reason or "",
            )
        )

    def _is_over(self, day) -> bool:
        """Return whether a pause has ended on a day already."""
        return bool(self.date_resume and self.date_resume <= day)

    def _apply_plan(self):
        """Follow an upgrade to a product of another plan."""
        plan = self._get_new_plan()
        if plan:
            self.subscription_id._change_plan(plan)

    def _get_new_plan(self):
        """Return the plan an upgrade leads to; empty when the plan stays."""
        self.ensure_one()
        plans = self.line_ids.filtered(
            lambda line: line.action == "set"
        ).product_id.saas_plan_id
        return (
            plans[:1] if len(plans) == 1 and plans != self.plan_id else plans.browse()
        )

    def _get_event_name(self) -> str | None:
        if self.kind in CHANGE_KINDS:
            change = self.currency_id.compare_amounts(self.mrr_after, self.mrr_before)
            return {
                1: "subscription.upgraded",
                -1: "subscription.downgraded",
                0: "subscription.amended",
            }[change]
        # The state itself tells about pauses, trials and ends, when it changes.
        return "subscription.renewed" if self.kind == "renewal" else None

    def _get_payload(self) -> dict:
        """Return what the events of the amendment say."""
        self.ensure_one()
        return {
            "amendment": self.name,
            "kind": self.kind,
            "effective": str(self.date_effective),
            "mrr_before": str(self.mrr_before),
            "mrr_after": str(self.mrr_after),
            "currency": self.currency_id.name,
            "source": self.source,
            "reason": self.reason_id.name or self.reason or "",
            "term_end": str(self.subscription_id.term_end or ""),
        }

    # ------------------------------------------------------------------
    # Approval
    # ------------------------------------------------------------------
    def _get_approval_reasons(self) -> list[str]:
        """Return why somebody else has to approve; nobody has to when empty.

        Extend it to add a rule: call ``super()`` and append a sentence.
        """
        self.ensure_one()
        reasons = []
        if self.waive_minimum_term:
            reasons.append(self.env._("The minimum term is waived."))
        limit = self.plan_id.approval_credit_limit
        if limit:
            # Net: one more seat credits the old line and charges the new one.
            credit = -self._get_ledger_effect()["net"]
            company = self.company_id
            amount = self.currency_id._convert(
                float(credit), company.currency_id, company, self.date_requested
            )
            if amount > limit:
                reasons.append(
                    self.env._(
                        "It credits %(amount)s, more than %(limit)s.",
                        amount=company.currency_id.format(amount),
                        limit=company.currency_id.format(limit),
                    )
                )
        return reasons

    def _ask_approval(self, reasons: list[str]):
        # sudo: the step is the one writer of these fields
        self.sudo()._set_state(
            {"draft"},
            "to_approve",
            requested_by_id=self.env.uid,
            approval_reasons="\n".join(reasons),
        )
        self._saas_emit("approval.requested", {"number": self.name, "reasons": reasons})
        self._plan_activity(
            self.env._("Approve %(name)s", name=self.display_name), reasons
        )

    def _plan_activity(self, summary: str, notes: list[str]):
        """Give the account's owner a to-do about the amendment."""
        todo = self.env.ref("mail.mail_activity_data_todo", raise_if_not_found=False)
        user = self._get_responsible()
        if todo and user:
            self.sudo().activity_schedule(
                activity_type_id=todo.id,
                summary=summary,
                note=plaintext2html("\n".join(notes)),
                user_id=user.id,
            )

    def _get_responsible(self):
        """Return who looks after requests: sales, success or any manager."""
        # sudo: a customer who asks has no rights on users
        amendment = self.sudo()
        user = amendment.user_id or amendment.partner_id.saas_csm_id
        if user or self.env.user._is_internal():
            return user or self.env.user
        group = self.env.ref("saas_core.group_saas_core_subscription_manager").sudo()
        return group.all_user_ids.filtered(
            lambda user: amendment.company_id in user.company_ids
        )[:1]

    def _close_activities(self):
        # sudo: the to-do is done, whoever it was given to
        self.sudo().activity_ids.action_done()

    def _check_approver(self):
        self.check_access("write")
        group = "saas_core.group_saas_core_subscription_manager"
        if not self.env.user.has_group(group):
            raise AccessError(
                self.env._(
                    "Approving an amendment needs the role Subscription Manager."
                )
            )
        if self.env.user == self.requested_by_id:
            raise AccessError(
                self.env._(
                    "You asked for %(name)s, so somebody else must approve it.",
                    name=self.name,
                )
            )
