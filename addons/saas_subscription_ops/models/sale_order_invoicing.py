# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models

from ..exceptions import QuoteError


class SaleOrder(models.Model):
    _inherit = "sale.order"

    saas_is_billed_by_subscription = fields.Boolean(
        compute="_compute_saas_is_billed_by_subscription",
        help="All lines are invoiced by billing runs, none from the order.",
    )

    @api.depends("order_line.saas_is_subscription_line", "order_line.display_type")
    def _compute_saas_is_billed_by_subscription(self):
        for order in self:
            lines = order.order_line.filtered(lambda line: not line.display_type)
            order.saas_is_billed_by_subscription = bool(lines) and all(
                line.saas_is_subscription_line for line in lines
            )


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
