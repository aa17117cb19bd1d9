# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The customer is told that the prepaid credit runs low."""

from odoo import api, fields, models
from odoo.exceptions import ValidationError

MAIL_FAILED = "wallet.mail_failed"


class SaasWallet(models.Model):
    _inherit = "saas.wallet"

    notify_customer = fields.Boolean(
        string="E-mail to the Customer",
        tracking=True,
        help="When the live balance falls below the limit, the account gets an e-mail: "
        "once, until something is granted.",
    )
    low_template_id = fields.Many2one(
        "mail.template",
        string="E-mail Template",
        domain=[("model", "=", "saas.wallet")],
        ondelete="set null",
        help="Empty: the shipped one.",
    )
    low_mailed_at = fields.Datetime(
        string="Customer Told",
        readonly=True,
        copy=False,
        help="When the customer was told that the credit runs low, this time; UTC.",
    )

    @api.constrains("low_template_id")
    def _check_low_template(self):
        for wallet in self:
            # sudo: who chooses a template may not read it
            template = wallet.low_template_id.sudo()
            if template and template.model != "saas.wallet":
                raise ValidationError(
                    self.env._(
                        "%(name)s: the template “%(template)s” is not for wallets."
                        " Choose one of these, or none for the shipped one.",
                        name=wallet.name,
                        template=template.name,
                    )
                )

    def _set_not_low(self):
        self.low_mailed_at = False
        return super()._set_not_low()

    def saas_mail_low(self):
        """Write to the customer, once each time the wallet runs low.

        Called by the shipped rule, harmless to repeat. A message that fails stops
        neither the check nor the top-up: it is an exception with a retry.

        :return: True
        """
        self.check_access("write")
        # sudo: the rule runs as whoever checked
        for wallet in self.sudo()._get_unmailed():
            wallet._saas_attempt(
                lambda one: one._mail_low(),
                MAIL_FAILED,
                "saas_retry_mail_low",
                resolves=True,
                queue="customer_success",
            )
        return True

    def saas_retry_mail_low(self):
        """Write to the customer from the exception queue.

        :raise UserError: still failing
        """
        self.check_access("read")
        # sudo: whoever works on the queue may not write wallets
        for wallet in self.sudo()._get_unmailed():
            wallet._mail_low()

    def _get_unmailed(self):
        return self.filtered(
            lambda one: one.notify_customer and one.is_low and not one.low_mailed_at
        )

    def _mail_low(self):
        self.ensure_one()
        shipped = self.env.ref(
            "saas_usage_billing.mail_template_wallet_low", raise_if_not_found=False
        )
        template = self.low_template_id or shipped
        if template:
            self.low_mailed_at = fields.Datetime.now()
            template.send_mail(self.id)
