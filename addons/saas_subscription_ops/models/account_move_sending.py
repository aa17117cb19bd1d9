# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).

from odoo import models
from odoo.exceptions import UserError
from odoo.tools import split_every

from ..exceptions import BillingError

SEND_FAILED = "billing.send_failed"
SEND_SIZE = 10


class AccountMove(models.Model):
    """Invoices of billing runs, sent as each customer wants them, in the background."""

    _inherit = "account.move"

    def _saas_enqueue_sending(self):
        """Queue the sending of posted invoices; nothing is sent in this transaction.

        The jobs begin when the invoices are committed, so a failing one can't take
        an invoice back.
        """
        for ids in split_every(SEND_SIZE, self.ids):
            self.browse(ids).with_delay(
                description=self.env._("Send %(count)s invoices", count=len(ids)),
                priority=30,
                identity_key=f"saas_send:{','.join(map(str, sorted(ids)))}",
            )._saas_job_send()

    def _saas_job_send(self):
        """Send the invoices that were not sent yet; failing ones go to finance."""
        for move in self.exists().filtered(
            lambda move: move.state == "posted" and not move.is_move_sent
        ):
            error = move._saas_try(lambda one: one._saas_send())
            document = move._get_saas_send_document()
            if error:
                document._saas_raise(
                    SEND_FAILED,
                    self.env._(
                        "%(number)s is posted, but was not sent: %(error)s",
                        number=move.name,
                        error=str(error) or repr(error),
                    ),
                    queue="finance",
                    severity="medium",
                    retry_method="saas_retry_send",
                )
            else:
                document._saas_resolve(SEND_FAILED)

    def _get_saas_send_document(self):
        """Return what the exception is raised on.

        Billing Operators work on exceptions of runs without a right on invoices, so
        it is the run line that made the invoice.
        """
        line = self.env["saas.billing.run.line"].search(
            [("move_id", "=", self.id)], limit=1
        )
        return line or self

    def _saas_send(self):
        """Send the invoice by Odoo's own mechanism, as set on its customer.

        :raise BillingError: there is no address to send it to
        :raise UserError: a document can't be made
        """
        self.ensure_one()
        Send = self.env["account.move.send"]
        methods = Send._get_default_sending_methods(self)
        if methods <= {"email", "manual"} and not self.partner_id.email:
            raise BillingError(
                self.env._(
                    "%(partner)s has no e-mail address. Add one and retry.",
                    partner=self.partner_id.display_name,
                )
            )
        settings = {"sending_methods": {"email"}} if "manual" in methods else {}
        Send._generate_and_send_invoices(self, **settings)
        if not self.is_move_sent:
            raise UserError(
                self.env._("Odoo did not send it. See the messages on the invoice.")
            )

    def saas_retry_send(self):
        """Send posted invoices of runs now, unless they were sent already.

        :raise AccessError: no right to edit them
        :raise UserError: still failing
        """
        self.check_access("write")
        for move in self:
            if (
                move.saas_charge_count
                and move.state == "posted"
                and not move.is_move_sent
            ):
                # sudo: documents and mails are made by the run
                move.sudo()._saas_send()
