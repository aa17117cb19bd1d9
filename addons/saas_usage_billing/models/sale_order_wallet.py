# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Top-ups: orders of prepaid credit put money into the account's wallet."""

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .saas_wallet_ledger import CANCEL

GRANT_FAILED = "wallet.grant_failed"


class SaleOrder(models.Model):
    _inherit = "sale.order"

    saas_wallet_id = fields.Many2one(
        "saas.wallet",
        string="Wallet",
        copy=False,
        index="btree_not_null",
        check_company=True,
        ondelete="restrict",
        groups="saas_core.group_saas_core_user",
        help="Which wallet the prepaid credit goes to. Empty: the one of the account "
        "in the order's currency, made if there is none.",
    )

    @api.constrains("saas_wallet_id", "partner_id", "currency_id")
    def _check_saas_wallet(self):
        # sudo: whoever sells need not be allowed to see wallets
        for order in self.sudo().filtered("saas_wallet_id"):
            wallet = order.saas_wallet_id
            account = order.partner_id.commercial_partner_id
            if wallet.partner_id != account or wallet.currency_id != order.currency_id:
                raise ValidationError(
                    self.env._(
                        "%(order)s can't fill the wallet %(wallet)s: choose one of "
                        "%(account)s in %(currency)s, or none.",
                        order=order.name,
                        wallet=wallet.name,
                        account=account.name,
                        currency=order.currency_id.name,
                    )
                )

    def saas_grant_credits(self) -> bool:
        """Put the prepaid credit of confirmed orders into the account's wallet.

        Safe to repeat: an order line is credited once. An order that was cancelled and
        is confirmed again gets what its cancellation took back, no more. A failure
        never reaches the caller (who may be a customer signing), it becomes an
        exception.

        :return: True
        """
        return self._saas_run_step(
            lambda order: order._saas_do_grant_credits(),
            GRANT_FAILED,
            "finance",
            "saas_retry_grant_credits",
        )

    def saas_retry_grant_credits(self):
        """Repeat the step from the exception queue.

        :raise UserError: still failing
        """
        self._saas_repeat_step(lambda order: order._saas_do_grant_credits())

    def saas_void_credits(self) -> bool:
        """Take back what is left of the prepaid credit of cancelled orders.

        What was used stays used; what an invoice in preparation has reserved stays,
        too, until it is taken back by hand. Safe to repeat.

        :return: True
        """
        self.check_access("write")
        # sudo: whoever cancels an order need not be allowed to see wallets
        for order in self.sudo().filtered(lambda order: order.state == "cancel"):
            grants = self.env["saas.wallet.grant"].sudo()
            grants = grants.search([("order_line_id", "in", order.order_line.ids)])
            for wallet, own in grants.grouped("wallet_id").items():
                reason = order.env._("%(order)s was cancelled.", order=order.name)
                wallet._void_free(own, reason, CANCEL)
        return True

    def _saas_do_grant_credits(self):
        self.ensure_one()
        for line in self.order_line.filtered("product_id.saas_wallet_credit"):
            if line._saas_is_credit_released() and line._saas_find_missing_credit():
                line._saas_grant_credit(self._saas_find_wallet(line))

    def _saas_find_wallet(self, line):
        """Return the wallet a top-up goes to, made if there is none.

        :param line: order line of prepaid credit
        :return: open ``saas.wallet``
        """
        self.ensure_one()
        if self.saas_wallet_id:
            return self.saas_wallet_id
        account = self.partner_id.commercial_partner_id
        wallets = self.env["saas.wallet"].search(
            [
                ("partner_id", "=", account.id),
                ("company_id", "=", self.company_id.id),
                ("currency_id", "=", self.currency_id.id),
                ("state", "=", "open"),
            ],
            order="priority, id",
        )
        same = wallets.filtered(lambda wallet: wallet.product_id == line.product_id)
        wallet = (same or wallets)[:1]
        if not wallet:
            wallet = wallets.create(
                {
                    "name": line.product_id.name,
                    "partner_id": account.id,
                    "company_id": self.company_id.id,
                    "currency_id": self.currency_id.id,
                    "product_id": line.product_id.id,
                }
            )
        return wallet
