# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models


class SaasPlanRamp(models.Model):
    """A price step a plan or a quotation template proposes for its quotations."""

    _name = "saas.plan.ramp"
    _description = "Default Ramp Step"
    _order = "from_month, id"

    plan_id = fields.Many2one("saas.plan", index="btree_not_null", ondelete="cascade")
    order_template_id = fields.Many2one(
        "sale.order.template",
        string="Quotation Template",
        index="btree_not_null",
        ondelete="cascade",
    )
    company_id = fields.Many2one(
        "res.company", compute="_compute_company_id", store=True, index=True
    )
    from_month = fields.Integer(
        required=True,
        default=12,
        help="Months after the start from which the price applies; 12 is the "
        "beginning of the second year.",
    )
    percent = fields.Float(
        string="Price (% of the first)",
        required=True,
        default=100.0,
        digits=(16, 4),
        help="Price of all recurring lines in percent of the price they start with; "
        "110 is ten percent more.",
    )

    _one_owner = models.Constraint(
        "CHECK ((plan_id IS NULL) <> (order_template_id IS NULL))",
        "A ramp step belongs to a plan or to a quotation template.",
    )
    _from_month_positive = models.Constraint(
        "CHECK (from_month > 0)",
        "A ramp step begins at least one month after the start; the first price is "
        "that of the line.",
    )
    _percent_not_negative = models.Constraint(
        "CHECK (percent >= 0)", "A ramp price can't be negative."
    )
    _plan_month_uniq = models.UniqueIndex(
        "(plan_id, from_month) WHERE plan_id IS NOT NULL",
        "Two ramp steps of a plan begin in the same month.",
    )
    _template_month_uniq = models.UniqueIndex(
        "(order_template_id, from_month) WHERE order_template_id IS NOT NULL",
        "Two ramp steps of a quotation template begin in the same month.",
    )

    @api.depends("plan_id.company_id", "order_template_id.company_id")
    def _compute_company_id(self):
        for step in self:
            step.company_id = (step.plan_id or step.order_template_id).company_id

    def _prepare_order_ramp_vals(self) -> dict:
        """Prepare the same step on a quotation.

        :return: values of ``saas.order.ramp`` without the order
        """
        self.ensure_one()
        return {"from_month": self.from_month, "percent": self.percent}
