# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class SaasPlan(models.Model):
    """What the invoice shows of the usage behind it."""

    _inherit = "saas.plan"

    usage_appendix = fields.Selection(
        [
            ("none", "None"),
            ("summary", "Tiers and Dimensions"),
            ("daily", "Tiers, Dimensions and Days"),
        ],
        required=True,
        default="none",
        tracking=True,
        help="Pages after the invoice that show how each amount of metered use came "
        "about. In the language of the customer.",
    )
