# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""One mail about renewals to a contact on a day, also when much is due at once."""

from datetime import date, timedelta

from odoo import models


class SaasRenewal(models.Model):
    _inherit = "saas.renewal"

    def _do_step_quote(self, step, day: date) -> tuple | None:
        """Make the quotation; one that is sent waits for a day without a mail."""
        if step.mail_template_id and self._find_mail(day) and self._can_wait(day):
            return None
        return super()._do_step_quote(step, day)

    def _do_step_remind(self, step, day: date) -> tuple | None:
        """Write to the customer, unless the contact got a mail that day already."""
        mail = self._find_mail(day)
        if mail.renewal_id == self:
            note = self.env._("The quotation was sent to them that day")
            return "skipped", note
        if mail and self._can_wait(day):
            return None
        return super()._do_step_remind(step, day)

    def _find_mail(self, day: date):
        """Return the step by which the contact was written to on a day, own ones first.

        :return: ``saas.renewal.step.log``, may be empty
        """
        self.ensure_one()
        contact = self.subscription_id.partner_id
        logs = self.env["saas.renewal.step.log"].search(
            [
                ("renewal_id.subscription_id.partner_id", "=", contact.id),
                ("done_on", "=", day),
                ("result", "=", "done"),
                "|",
                ("step_id.action", "=", "remind"),
                "&",
                ("step_id.action", "=", "quote"),
                ("step_id.mail_template_id", "!=", False),
            ]
        )
        return logs.sorted(lambda log: log.renewal_id != self)[:1]

    def _can_wait(self, day: date) -> bool:
        """Return whether the customer can still be told tomorrow.

        Not on the last day before the notice or the end of the term: rather two mails
        than one too late.
        """
        tomorrow = day + timedelta(days=1)
        return tomorrow < self.term_end and day != self.date_notice
