# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import models

from ..exceptions import QuoteError


class SaleAdvancePaymentInv(models.TransientModel):
    _inherit = "sale.advance.payment.inv"

    def create_invoices(self):
        billed = self.sale_order_ids.filtered("saas_is_billed_by_subscription")
        if billed:
            raise QuoteError(
                self.env._(
                    "%(orders)s: the subscription's billing runs invoice every line. "
                    "Create a billing run instead.",
                    orders=", ".join(billed.mapped("name")),
                )
            )
        return super().create_invoices()
