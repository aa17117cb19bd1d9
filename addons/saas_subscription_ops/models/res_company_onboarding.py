# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class ResCompany(models.Model):
    """How a company hands over and changes onboarding work."""

    _inherit = "res.company"

    saas_handover_policy = fields.Selection(
        [
            ("none", "No order"),
            ("opportunity", "Orders from an opportunity"),
            ("all", "All orders with an onboarding package"),
        ],
        string="Handover Required For",
        default="opportunity",
        required=True,
    )
    saas_change_product_id = fields.Many2one(
        "product.product",
        string="Change Request Product",
        domain=[("saas_charge_kind", "=", "one_time")],
        check_company=True,
        help="One-time charge on the amendment quotation of a change request.",
    )
    saas_change_order_product_id = fields.Many2one(
        "product.product",
        string="Change Request Product without Subscription",
        domain=[("saas_charge_kind", "=", False), ("type", "=", "service")],
        check_company=True,
        help="Service on the order of a change request whose project has no running "
        "subscription; it is invoiced from the order.",
    )
