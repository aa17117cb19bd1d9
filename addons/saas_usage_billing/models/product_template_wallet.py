# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError


class ProductTemplate(models.Model):
    """Products that put prepaid credit into the customer's wallet."""

    _inherit = "product.template"

    saas_wallet_credit = fields.Boolean(
        string="Prepaid Credit",
        help="Selling it puts its price into the wallet of the account. Book its "
        "income to a deferred revenue account: the invoices that use the credit take "
        "it off there again.",
    )
    saas_wallet_release = fields.Selection(
        [("confirmed", "Order confirmed"), ("paid", "Invoice paid")],
        string="Credit Is Granted When",
        default="confirmed",
        required=True,
    )
    saas_wallet_months = fields.Integer(
        string="Credit Expires After (Months)", help="0: it does not expire."
    )

    _saas_wallet_months_check = models.Constraint(
        "CHECK (saas_wallet_months >= 0)",
        "Prepaid credit can't expire before it is granted: 0 months or more.",
    )

    @api.constrains("saas_wallet_credit", "saas_charge_kind")
    def _check_saas_wallet_credit(self):
        for template in self:
            if template.saas_wallet_credit and template.saas_charge_kind:
                raise ValidationError(
                    self.env._(
                        "%(product)s is charged by subscriptions, so it can't be "
                        "prepaid credit as well. Make a product of its own for that.",
                        product=template.name,
                    )
                )
