# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models


class SaasOrderRamp(models.Model):
    """A later price on a quotation: for one line, or in percent for all of them."""

    _name = "saas.order.ramp"
    _description = "Ramp Step of a Quotation"
    _order = "order_id, from_month, id"
    _check_company_auto = True

    order_id = fields.Many2one(
        "sale.order", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(
        related="order_id.company_id", store=True, index=True, precompute=True
    )
    currency_id = fields.Many2one(related="order_id.currency_id")
    order_line_id = fields.Many2one(
        "sale.order.line",
        string="Line",
        index="btree_not_null",
        ondelete="cascade",
        domain="[('order_id', '=', order_id), ('saas_charge_kind', '=', 'recurring')]",
        help="Empty: all recurring lines, in percent of their first price.",
    )
    from_month = fields.Integer(
        required=True,
        default=12,
        help="Months after the start from which the step applies; 12 is the beginning "
        "of the second year.",
    )
    date_start = fields.Date(
        string="From", compute="_compute_date_start", help="Day the step applies from."
    )
    percent = fields.Float(
        string="Price (% of the first)",
        default=100.0,
        digits=(16, 4),
        help="For a step without a line: 110 is ten percent more than the first price.",
    )
    quantity = fields.Float(
        digits="Product Unit",
        compute="_compute_from_line",
        store=True,
        readonly=False,
        precompute=True,
    )
    price_unit = fields.Float(
        string="Price",
        digits="Product Price",
        compute="_compute_from_line",
        store=True,
        readonly=False,
        precompute=True,
    )
    discount = fields.Float(
        string="Discount (%)",
        digits="Discount",
        compute="_compute_from_line",
        store=True,
        readonly=False,
        precompute=True,
    )

    _from_month_positive = models.Constraint(
        "CHECK (from_month > 0)",
        "A ramp step begins at least one month after the start; the first price is "
        "that of the line.",
    )
    _values_not_negative = models.Constraint(
        "CHECK (percent >= 0 AND quantity >= 0 AND price_unit >= 0)",
        "Percentage, quantity and price of a ramp step can't be negative.",
    )
    _discount_range = models.Constraint(
        "CHECK (discount >= 0 AND discount <= 100)",
        "The discount of a ramp step lies between 0 and 100 percent.",
    )

    @api.depends("order_line_id")
    def _compute_from_line(self):
        for step in self:
            line = step.order_line_id
            step.quantity = line.product_uom_qty
            step.price_unit = line.price_unit
            step.discount = line.discount

    @api.depends("from_month", "order_id.saas_start_date")
    def _compute_date_start(self):
        for step in self:
            start = step.order_id.saas_start_date
            step.date_start = start and fields.Date.add(start, months=step.from_month)

    @api.depends("from_month", "order_line_id")
    def _compute_display_name(self):
        for step in self:
            line = step.order_line_id.product_id.display_name
            step.display_name = self.env._(
                "%(line)s from month %(month)s",
                line=line or self.env._("All recurring lines"),
                month=step.from_month,
            )
