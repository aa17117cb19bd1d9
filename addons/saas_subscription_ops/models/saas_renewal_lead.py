# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The opportunity and the to-dos of a renewal."""

from datetime import date

from odoo import fields, models
from odoo.tools import plaintext2html
from odoo.tools.misc import format_date

from ..exceptions import RenewalError


class SaasRenewal(models.Model):
    _inherit = "saas.renewal"

    # ------------------------------------------------------------------
    # Actions
    # ------------------------------------------------------------------
    def action_open_lead(self) -> dict:
        """Make the opportunity before its step, or open the one there is.

        :return: window action of the opportunity
        :raise RenewalError: decided already
        """
        self.ensure_one()
        self.check_access("write")
        if not self.lead_id:
            self._check_open()
            # sudo: the opportunity belongs to the owner, whoever asks for it
            renewal = self.sudo()
            renewal.subscription_id._saas_lock()
            renewal._refresh_contract(fields.Date.context_today(self))
            renewal._create_lead()
        return self.lead_id._get_records_action(context={})

    def action_make_quote(self) -> dict:
        """Make the renewal quotation, or open the one there is.

        :return: window action of the quotation
        :raise RenewalError: decided already, or not for this person
        :raise QuoteError: it can't be made, and why
        """
        self.ensure_one()
        self._check_open()
        # sudo: who looks after the contract may be named to whoever sees the renewal
        owner = self.sudo().subscription_id.user_id
        problem = self.subscription_id._get_quote_access_problem(owner)
        if problem:
            raise RenewalError(problem)
        return self.subscription_id.action_quote_renewal()

    # ------------------------------------------------------------------
    # To-dos and opportunity
    # ------------------------------------------------------------------
    def _plan_activity(self, summary: str, note: str, day: date):
        """Give the owner a to-do, on the opportunity when there is one.

        :param date day: deadline
        :return: ``mail.activity``, empty when nobody owns the renewal
        """
        todo = self.env.ref("mail.mail_activity_data_todo", raise_if_not_found=False)
        if not todo or not self.user_id:
            return self.env["mail.activity"]
        record = self.lead_id or self
        return record.with_context(mail_activity_quick_update=True).activity_schedule(
            activity_type_id=todo.id,
            summary=summary,
            note=plaintext2html(note),
            date_deadline=day,
            user_id=self.user_id.id,
        )

    def _create_lead(self, step=None):
        """Create the opportunity of the renewal, or join that of co-termed ones.

        :param step: ``saas.renewal.step``, for its title
        :return: ``crm.lead``
        """
        self.ensure_one()
        lead = self._find_shared_lead()
        if not lead:
            lead = (
                self.env["crm.lead"]
                .with_company(self.company_id)
                .with_context(
                    mail_auto_subscribe_no_notify=True, mail_create_nosubscribe=True
                )
                .create(self._prepare_lead_vals(step))
            )
        self.lead_id = lead
        lead._saas_follow_renewals()
        quote = self._find_open_quote()
        if quote:
            self._link_order(quote)
        return lead

    def _prepare_lead_vals(self, step=None) -> dict:
        """Prepare the opportunity.

        :return: values of ``crm.lead``
        """
        subscription = self.subscription_id
        title = step.summary if step else ""
        return {
            "name": self.env._(
                "%(title)s: %(subscription)s, %(day)s",
                title=title or self.env._("Renewal"),
                subscription=subscription.name,
                day=format_date(self.env, self.term_end),
            ),
            "type": "opportunity",
            "saas_lead_kind": "renewal",
            "partner_id": subscription.partner_id.id,
            "user_id": self.user_id.id,
            "company_id": self.company_id.id,
            "date_deadline": self.term_end,
        }

    def _find_shared_lead(self):
        """Return the opportunity of a renewal that ends together with this one.

        Only terms that were given a common end on purpose share one.
        """
        if not self._is_cotermed():
            return self.env["crm.lead"]
        others = self.search(
            [
                ("partner_id", "=", self.partner_id.id),
                ("company_id", "=", self.company_id.id),
                ("currency_id", "=", self.currency_id.id),
                ("term_end", "=", self.term_end),
                ("outcome", "=", "open"),
                ("lead_id", "!=", False),
                ("id", "!=", self.id),
            ]
        )
        return others.filtered(lambda other: other._is_cotermed()).lead_id[:1]

    def _is_cotermed(self) -> bool:
        """Return whether the term was agreed to end on a day."""
        last = (
            self.subscription_id._get_confirmed_amendments()
            .filtered(
                lambda a: a.kind == "renewal" and a.date_effective <= self.term_start
            )
            .sorted("date_effective")[-1:]
        )
        return bool(last.date_term_end)
