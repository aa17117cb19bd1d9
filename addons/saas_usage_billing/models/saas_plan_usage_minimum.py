# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models

from odoo.addons.saas_subscription_ops.models.saas_change_request import PRICE_GROUPS


class SaasPlan(models.Model):
    """The least a subscription of the plan costs in each period."""

    _inherit = "saas.plan"

    minimum_amount = fields.Monetary(
        string="Minimum per Period",
        currency_field="company_currency_id",
        tracking=True,
        groups=PRICE_GROUPS,
        help="In company currency, untaxed, of recurring charges and usage together."
        " Subscriptions get it as a commitment when they are activated; those that run"
        " keep theirs. 0: none.",
    )

    _minimum_amount_not_negative = models.Constraint(
        "CHECK (COALESCE(minimum_amount, 0) >= 0)",
        "The minimum of a plan can't be negative. Enter 0 for none.",
    )
