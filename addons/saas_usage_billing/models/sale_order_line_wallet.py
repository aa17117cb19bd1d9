# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What one line of prepaid credit puts into a wallet, and when."""

from decimal import Decimal

from odoo import fields, models

from odoo.addons.saas_subscription_ops.models.saas_subscription_billing import (
    to_decimal,
)

from ..exceptions import WalletError


class SaleOrderLine(models.Model):
    _inherit = "sale.order.line"

    def _saas_is_credit_released(self) -> bool:
        """Return whether the prepaid credit of the line may be granted now."""
        self.ensure_one()
        if self.order_id.state != "sale":
            return False
        if self.is_downpayment or self.product_uom_qty <= 0:
            return False
        if self.product_id.saas_wallet_release == "confirmed":
            return True
        invoices = self.invoice_lines.move_id.filtered(
            lambda move: move.move_type == "out_invoice" and move.state == "posted"
        )
        return (
            self.qty_invoiced >= self.product_uom_qty
            and bool(invoices)
            and all(move.payment_state in ("paid", "in_payment") for move in invoices)
        )

    def _saas_get_grants(self):
        return self.env["saas.wallet.grant"].search([("order_line_id", "in", self.ids)])

    def _saas_get_credit(self) -> dict:
        """Return what the line sells, untaxed: its price as paid, a discount as gift.

        Credit that waits for payment is no more than what was invoiced for it.

        :return: kind of grant to Decimal, zero or more
        """
        self.ensure_one()
        currency = self.currency_id
        decimals = currency.decimal_places
        untaxed = self.tax_ids.compute_all(
            self.price_unit,
            currency=currency,
            quantity=self.product_uom_qty,
            product=self.product_id,
            partner=self.order_id.partner_shipping_id,
        )["total_excluded"]
        face = to_decimal(currency.round(untaxed), decimals)
        given = to_decimal(currency.round(float(face) * self.discount / 100), decimals)
        paid = face - given
        if self.product_id.saas_wallet_release == "paid":
            invoiced = currency.round(self.untaxed_amount_invoiced)
            paid = min(paid, to_decimal(invoiced, decimals))
        amounts = {"paid": paid, "promotional": given}
        return {kind: max(amount, Decimal(0)) for kind, amount in amounts.items()}

    def _saas_find_missing_credit(self) -> dict:
        """Return what is still to be granted: all of it, or what a cancellation took.

        What was used, expired or voided by hand since the line was credited is not
        granted a second time.

        :return: kind of grant to Decimal above zero
        """
        self.ensure_one()
        missing = self._saas_get_credit()
        grants = self._saas_get_grants()
        taken = {grant: grant._get_taken_by_cancellation() for grant in grants}
        if grants and not any(taken.values()):
            return {}
        for grant in grants.filtered(lambda one: one.kind in missing):
            kept = grant.wallet_id._to_money(grant.amount) - taken[grant]
            missing[grant.kind] -= kept
        return {kind: amount for kind, amount in missing.items() if amount > 0}

    def _saas_grant_credit(self, wallet):
        """Grant what the line sells and was not granted yet.

        :param wallet: ``saas.wallet``
        :raise WalletError: a preview held part of it while the order was cancelled
        """
        self.ensure_one()
        missing = self._saas_find_missing_credit()
        if self._saas_get_grants().filtered(
            lambda one: one.kind in missing and one.state != "voided"
        ):
            raise WalletError(
                self.env._(
                    "%(order)s was credited before, and some of that is still there."
                    " Grant what is missing by hand: %(amount)s, on the wallet"
                    " %(wallet)s.",
                    order=self.order_id.name,
                    amount=wallet._format_money(sum(missing.values())),
                    wallet=wallet.name,
                )
            )
        start = fields.Date.context_today(self)
        months = self.product_id.saas_wallet_months
        terms = {
            "date_start": start,
            "date_expiry": fields.Date.add(start, months=months) if months else False,
            "order_line_id": self.id,
        }
        name = self.env._("Order %(order)s", order=self.order_id.name)
        for kind, amount in missing.items():
            wallet._grant(amount, kind, name, **terms)
