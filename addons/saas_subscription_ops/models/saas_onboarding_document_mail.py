# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What the customer is told about documents: requests, refusals, reminders."""

from datetime import date

from odoo import models
from odoo.tools import plaintext2html

MAX_REMINDERS = 3


class SaasOnboardingDocument(models.Model):
    _inherit = "saas.onboarding.document"

    def _send_mail(self, kind: str) -> bool:
        """Write one mail about documents of one project, in the customer's language.

        :param str kind: ``request``, ``refused`` or ``reminder``
        :return: False when there is nobody to write to
        """
        project = self.project_id
        contact = project._saas_get_customer_contact()
        if not contact:
            for document in self:
                document.message_post(
                    body=self.env._(
                        "The customer has no e-mail address: tell them by other means."
                    )
                )
            return False
        template = self.env.ref(
            f"saas_subscription_ops.mail_template_onboarding_document_{kind}"
        )
        # sudo: staff and cron need no right on templates, nor on the contact
        template.sudo().with_context(saas_document_ids=self.ids).send_mail(project.id)
        return True

    def saas_notify_review(self) -> bool:
        """Give the project manager a to-do for each document that came in.

        Called by the shipped automation rule. Safe to repeat: one to-do per document.

        :return: True
        """
        self.check_access("write")
        for document in self.filtered(lambda one: one.state == "received"):
            user = document.project_id.user_id
            user = user._saas_filter_assignable(document.company_id)[:1]
            if user and not document._get_review_activities():
                document.activity_schedule(
                    "mail.mail_activity_data_todo",
                    summary=self.env._("Review the document"),
                    note=plaintext2html(document.current_version_id.file_name),
                    user_id=user.id,
                )
        return True

    def saas_end_review(self) -> bool:
        """Close the to-dos of documents that need no review any more.

        Called by the shipped automation rule. Safe to repeat.

        :return: True
        """
        self.check_access("write")
        done = self.filtered(lambda one: one.state != "received")
        done._get_review_activities().action_done()
        return True

    def _get_review_activities(self):
        # sudo: whoever decides closes the to-do of whoever was to decide
        return self.sudo().activity_ids.filtered(
            lambda activity: (
                activity.automated
                and activity.activity_type_id
                == self.env.ref("mail.mail_activity_data_todo")
            )
        )

    def _filter_to_remind(self, day: date):
        """Return the documents whose customer is to be reminded on a day.

        :param date day: day of the check, in the company's time zone
        """
        return self.filtered(
            lambda one: one.reminder_count < MAX_REMINDERS and one._is_overdue_on(day)
        )

    def _filter_silent(self, day: date):
        """Return the documents whose customer did not answer the last reminder.

        :param date day: see ``_filter_to_remind``
        """
        return self.filtered(
            lambda one: one.reminder_count >= MAX_REMINDERS and one._is_overdue_on(day)
        )

    def _is_overdue_on(self, day: date) -> bool:
        """Return whether ``reminder_days`` working days passed since the last word."""
        self.ensure_one()
        since = max(
            (one for one in (self.requested_on, self.reminded_on) if one), default=None
        )
        if (
            not self._is_with_customer()
            or not self.reminder_days
            or not since
            or since >= day
        ):
            return False
        passed = self.project_id._saas_count_working_days(since, day)
        return passed >= self.reminder_days

    def _remind(self, day: date):
        """Remind the customer of documents of one project, with one mail.

        :param date day: day of the check
        """
        # sudo: counted by the daily check only
        for document in self.sudo():
            document.write(
                {"reminder_count": document.reminder_count + 1, "reminded_on": day}
            )
        self._send_mail("reminder")
