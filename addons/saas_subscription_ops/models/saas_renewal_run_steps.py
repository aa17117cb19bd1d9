# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The steps on the way to the end of a term, each taken once."""

from datetime import date, timedelta

from odoo import fields, models
from odoo.tools.misc import format_date

from ..exceptions import RenewalError
from .saas_renewal import STEP_FAILED


class SaasRenewal(models.Model):
    _inherit = "saas.renewal"

    # ------------------------------------------------------------------
    # Which, when
    # ------------------------------------------------------------------
    def _get_steps(self):
        """Return the steps that concern the renewal, the earliest first."""
        self.ensure_one()
        kind = "expiring" if self.is_expiring else "auto_renew"
        return self.plan_id._get_renewal_steps().filtered(
            lambda step: step.applies_to in ("all", kind)
        )

    def _get_open_steps(self):
        """Return the steps that were not taken yet; failed ones are tried again."""
        logs = self.step_log_ids.filtered(lambda log: log.result != "failed")
        return self._get_steps() - logs.step_id

    def _plan_next_step(self, day: date):
        """Set when the daily job looks at the renewal again.

        :param date day: day of the job: what is still due is tried the day after
        """
        days = [
            max(self._get_step_day(step), day + timedelta(days=1))
            for step in self._get_open_steps()
        ]
        self._write_changed({"date_next_step": min(days, default=False)})

    # ------------------------------------------------------------------
    # Taking them
    # ------------------------------------------------------------------
    def _run_steps(self, day: date, raise_errors=False):
        """Take all steps that are due, in order; safe to repeat.

        :param date day: the day to reach
        :param bool raise_errors: pass failures on, for a retry
        """
        self.ensure_one()
        if self.outcome != "open":
            return
        self._refresh_contract(day)
        due = self._get_open_steps().filtered(
            lambda step: self._get_step_day(step) <= day
        )
        passed = self._get_passed_over(due)
        failures = []
        for step in due:
            if step in passed:
                note = self.env._("Passed over: a later one was due as well")
                self._log_step(step, day, "skipped", note)
                continue
            failures.append(self._take_step(step, day, raise_errors))
        failures = [failure for failure in failures if failure]
        if failures:
            self._saas_raise(
                STEP_FAILED,
                "\n".join(failures),
                queue="sales_ops",
                severity="high",
                retry_method="saas_retry_steps",
            )
        else:
            self._saas_resolve(STEP_FAILED)
        self._plan_next_step(day)

    def _get_passed_over(self, due):
        """Return the steps that are too late: of a kind that tells people something.

        After an outage, an upgrade or an import much is due at once: whoever is told
        learns only the latest. What is made, is made once anyway.

        :param due: steps that are due, the earliest first
        """
        passed = due.browse()
        for action in ("activity", "remind"):
            passed |= due.filtered(lambda step, kind=action: step.action == kind)[:-1]
        return passed

    def _take_step(self, step, day: date, raise_errors=False) -> str | None:
        """Take one step in a savepoint.

        :return: why it failed, None when it did not
        """

        def take(renewal):
            done = getattr(renewal, f"_do_step_{step.action}")(step, day)
            if done:
                renewal._log_step(step, day, *done)

        error = self._saas_try(take)
        if not error:
            return None
        if raise_errors:
            raise error
        reason = str(error) or repr(error)
        self._log_step(step, day, "failed", reason)
        return f"{step.display_name}: {reason}"

    def _log_step(self, step, day: date, result: str, note: str, signed=None):
        """Keep what came of a step.

        :param signed: ``sale.order`` that made the step needless
        """
        log = self.step_log_ids.filtered(lambda log: log.step_id == step)
        vals = {"done_on": day, "result": result, "note": note}
        vals["order_id"] = signed.id if signed else False
        if not log:
            self.env["saas.renewal.step.log"].create(
                {"renewal_id": self.id, "step_id": step.id, **vals}
            )
        elif log.result == "failed":
            if (log.result, log.note) != (result, note):
                log.write(vals)

    def saas_retry_steps(self):
        """Take the steps that failed again, from the exception queue.

        :raise UserError: still failing
        """
        self.check_access("write")
        for renewal in self.sudo():
            # sudo: steps make opportunities, quotations and mails for others
            renewal._run_steps(fields.Date.context_today(self), raise_errors=True)

    # ------------------------------------------------------------------
    # Before a step
    # ------------------------------------------------------------------
    def _refresh_contract(self, day: date):
        """Bring amounts, dates, owner and problem to what is so now."""
        subscription = self.subscription_id
        fact = next(
            (f for f in subscription._get_term_ends() if f.end == self.term_end), None
        )
        if fact:
            self._settle(fact)
        vals = {"problem": self._get_quote_refusal() or False}
        if not subscription._can_own_renewal(self.user_id):
            user, skipped = subscription._find_renewal_owner()
            vals["user_id"] = user.id
            gone = self.user_id or skipped
            if gone:
                self._message_log(
                    body=self.env._(
                        "%(gone)s is no longer there: %(owner)s looks after the "
                        "renewal.",
                        gone=gone.name,
                        owner=user.name or self.env._("nobody"),
                    )
                )
                if self.lead_id and user and self.lead_id.user_id == self.user_id:
                    self.lead_id.with_context(mail_auto_subscribe_no_notify=True).write(
                        {"user_id": user.id}
                    )
        self._write_changed(vals)

    def _get_quote_refusal(self) -> str:
        """Return why no quotation can be made at present, or an empty text."""
        self.ensure_one()
        if self.subscription_id.state == "paused":
            return self.subscription_id._get_paused_refusal()
        return ""

    def _get_signed_order(self):
        """Return the renewal order that is signed, unless nobody carries it out."""
        # sudo: signed is signed, whoever asks
        orders = (
            self.env["sale.order"]
            .sudo()
            .search(
                [
                    ("saas_amended_subscription_id", "=", self.subscription_id.id),
                    ("saas_order_kind", "=", "renewal"),
                    ("state", "=", "sale"),
                    ("saas_start_date", ">", self.term_start),
                    ("saas_start_date", "<=", self.term_end),
                ]
            )
        )
        # One that has yet to make its amendment is signed all the same.
        return orders.filtered(lambda order: not order._saas_is_dropped())[:1]

    def _forget_signature(self, order):
        """Let offer and reminders be made that were left out for a signed order.

        :param order: ``sale.order`` that is signed but is not carried out
        """
        # sudo: renewals follow from the contract, whoever changes it
        subscriptions = order.sudo().saas_amended_subscription_id
        for renewal in subscriptions.renewal_ids.filtered(
            lambda renewal: renewal.outcome != "moved"
        ):
            if renewal.order_id in order:
                renewal.order_id = False
            renewal.step_log_ids.filtered(lambda log: log.order_id in order).unlink()
            if renewal.outcome == "open":
                renewal.date_next_step = False
                renewal._resume_steps()

    # ------------------------------------------------------------------
    # The steps
    # ------------------------------------------------------------------
    def _do_step_opportunity(self, step, day: date) -> tuple:
        """Make the opportunity, unless there is one."""
        if self.lead_id:
            return "done", self.lead_id.display_name
        lead = self._create_lead(step)
        return "done", lead.display_name

    def _do_step_activity(self, step, day: date) -> tuple:
        """Give the owner a to-do."""
        if not self.user_id:
            raise RenewalError(
                self.env._(
                    "Nobody looks after %(name)s: set a salesperson on the "
                    "subscription, a customer success manager on the account, or a "
                    "renewal owner on the plan or company.",
                    name=self.display_name,
                )
            )
        summary = step.summary or self.env._("Prepare the renewal")
        self._plan_activity(summary, self._get_activity_note(day), day)
        return "done", self.user_id.name

    def _get_activity_note(self, day: date) -> str:
        """Return what the owner has to know about the end of the term."""
        values = {
            "subscription": self.subscription_id.name,
            "end": format_date(self.env, self.term_end),
            "notice": format_date(self.env, self.date_notice),
        }
        if not self._is_notice_over(day):
            return self.env._(
                "The term of %(subscription)s ends on %(end)s, notice by %(notice)s.",
                **values,
            )
        if self.is_expiring:
            return self.env._(
                "The term of %(subscription)s ends on %(end)s, and the contract with "
                "it unless a renewal is signed.",
                **values,
            )
        return self.env._(
            "The term of %(subscription)s ends on %(end)s. It renews by itself: the "
            "day for notice, %(notice)s, has passed.",
            **values,
        )

    def _is_notice_over(self, day: date | None = None) -> bool:
        """Return whether it is too late to cancel; also for mail templates.

        :param date day: default the day of the job, else today
        """
        self.ensure_one()
        day = day or self.env.context.get("saas_renewal_day")
        day = fields.Date.to_date(day) or fields.Date.context_today(self)
        return bool(self.date_notice and self.date_notice < day)

    def _do_step_quote(self, step, day: date) -> tuple | None:
        """Make the renewal quotation, unless there is one; while paused it waits."""
        if self.problem:
            return None
        signed = self._get_signed_order()
        if signed:
            note = self.env._("%(order)s is signed", order=signed.name)
            return "skipped", note, signed
        order = self._find_open_quote()
        if not order:
            order = self.subscription_id._create_renewal_quote(
                term_months=step.term_months or None,
                uplift=step.uplift or None,
                pricelist=step.pricelist_id,
                owner=self.user_id,
            )
        self._link_order(order)
        if step.mail_template_id and order.state != "draft":
            # No mail today: a reminder of the same day must still go out.
            note = self.env._("%(order)s was sent before", order=order.name)
            return "skipped", note
        if step.mail_template_id:
            order._saas_send_quote(step.mail_template_id)
        elif order.state == "draft":
            self.quote_activity_id = self._plan_activity(
                self.env._("Check and send %(order)s", order=order.name),
                step.summary or "",
                day,
            )
        return "done", order.name

    def _do_step_remind(self, step, day: date) -> tuple:
        """Write to the customer, in the customer's language."""
        signed = self._get_signed_order()
        if signed:
            note = self.env._("%(order)s is signed", order=signed.name)
            return "skipped", note, signed
        if self.category == "lost" and self.is_manual_category:
            return "skipped", self.env._("It is lost, nobody has to be reminded")
        contact = self.subscription_id.partner_id
        if not contact.email:
            raise RenewalError(
                self.env._(
                    "%(customer)s has no e-mail address: enter one, then retry.",
                    customer=contact.display_name,
                )
            )
        template = step.mail_template_id.with_context(saas_renewal_day=str(day))
        template.send_mail(self.id, force_send=False)
        return "done", contact.email

    def _get_sent_quote(self):
        """Return the offer the customer can sign; for mail templates.

        A newer draft does not hide the one that was sent.
        """
        self.ensure_one()
        # sudo: the template is rendered for the customer
        quotes = self.sudo().subscription_id._get_open_renewal_quotes()
        return quotes.filtered(lambda quote: quote.state == "sent")[:1]

    def _find_open_quote(self):
        """Return the renewal quotation that is drafted or sent already."""
        self.ensure_one()
        return self.subscription_id._get_open_renewal_quotes()[:1]
