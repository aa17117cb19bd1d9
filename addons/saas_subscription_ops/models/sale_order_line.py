# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models


class SaleOrderLine(models.Model):
    _inherit = "sale.order.line"

    saas_charge_kind = fields.Selection(
        related="product_id.saas_charge_kind", string="Subscription Charge"
    )
    saas_subscription_line_ids = fields.One2many(
        "saas.subscription.line", "sale_line_id", string="Subscription Lines"
    )

    saas_is_subscription_line = fields.Boolean(
        compute="_compute_saas_is_subscription_line",
        string="Billed by Subscription",
    )

    @api.depends("order_id.saas_plan_id", "product_id.saas_charge_kind", "display_type")
    def _compute_saas_is_subscription_line(self):
        for line in self:
            line.saas_is_subscription_line = bool(
                line.order_id.saas_plan_id
                and line.product_id.saas_charge_kind
                and not line.display_type
            )

    @api.depends("order_id.saas_plan_id", "product_id.saas_charge_kind")
    def _compute_qty_to_invoice(self):
        # The charge ledger invoices these lines; invoicing them from the order as
        # well would bill the customer twice.
        result = super()._compute_qty_to_invoice()
        self.filtered("saas_is_subscription_line").qty_to_invoice = 0
        return result

    def _prepare_saas_subscription_line_vals(self) -> dict:
        """Prepare the subscription line that continues this order line.

        :return: values of ``saas.subscription.line`` without ``subscription_id``
        """
        self.ensure_one()
        plan = self.order_id.saas_plan_id
        kind = self.product_id.saas_charge_kind
        start = self.order_id.saas_start_date
        if kind == "recurring":
            start = fields.Date.add(start, days=plan.trial_days)
        return {
            "name": self.name,
            "sequence": self.sequence,
            "product_id": self.product_id.id,
            "quantity": self.product_uom_qty,
            "price_unit": self.price_unit,
            "discount": self.discount,
            "kind": kind,
            "timing": "arrears" if kind == "usage" else plan.timing,
            "date_start": start,
            "sale_line_id": self.id,
        }
