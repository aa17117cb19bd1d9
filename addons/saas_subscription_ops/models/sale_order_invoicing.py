# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models


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
