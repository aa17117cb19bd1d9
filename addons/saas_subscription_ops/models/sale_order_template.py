# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class SaleOrderTemplate(models.Model):
    _inherit = "sale.order.template"

    saas_term_months = fields.Integer(
        string="Subscription Term (months)", help="0: the term of the plan."
    )
    saas_coupon_id = fields.Many2one(
        "saas.coupon",
        string="Subscription Coupon",
        check_company=True,
        index="btree_not_null",
        help="Put on the quotation as long as it may be granted.",
    )
    saas_ramp_ids = fields.One2many(
        "saas.plan.ramp",
        "order_template_id",
        string="Ramp Prices",
        copy=True,
        help="Later prices in percent of the first; they replace those of the plan.",
    )

    _saas_term_not_negative = models.Constraint(
        "CHECK (saas_term_months IS NULL OR saas_term_months >= 0)",
        "The subscription term can't be negative. 0: the term of the plan.",
    )
