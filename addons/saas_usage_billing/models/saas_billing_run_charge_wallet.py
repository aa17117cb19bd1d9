# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models


class SaasBillingRunCharge(models.Model):
    _inherit = "saas.billing.run.charge"

    wallet_id = fields.Many2one(
        "saas.wallet",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
        help="Prepaid credit that is reserved for the invoice.",
    )

    @api.model
    def _prepare_preview_vals(self, subscription, charge) -> dict:
        vals = super()._prepare_preview_vals(subscription, charge)
        return {**vals, "wallet_id": charge.details.get("wallet", False)}
