# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What one line of prepaid credit puts into a wallet, and when."""

from decimal import Decimal

from odoo import fields, models

from odoo.addons.saas_subscription_ops.models.saas_subscription_billing import (
    to_decimal,
)


class SaleOrderLine(models.Model):
    _inherit = "sale.order.line"

    def _saas_is_credit_released(self) -> bool:
        """Return whether the prepaid credit of the line may be granted now."""
        self.ensure_one()
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

    def _saas_grant_credit(self, wallet):
        """Grant what the line sells: its price as paid, a discount as promotion.

        :param wallet: ``saas.wallet``
        """
        self.ensure_one()
        currency = self.currency_id
        decimals = currency.decimal_places
        face = to_decimal(
            currency.round(self.price_unit * self.product_uom_qty), decimals
        )
        given = to_decimal(currency.round(float(face) * self.discount / 100), decimals)
        start = fields.Date.context_today(self)
        months = self.product_id.saas_wallet_months
        terms = {
            "date_start": start,
            "date_expiry": fields.Date.add(start, months=months) if months else False,
            "order_line_id": self.id,
        }
        name = self.env._("Order %(order)s", order=self.order_id.name)
        for kind, amount in (("paid", face - given), ("promotional", given)):
            if amount > Decimal(0):
                wallet._grant(amount, kind, name, **terms)
