# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import models


class AccountMove(models.Model):
    _inherit = "account.move"

    def saas_grant_credits(self) -> bool:
        """Grant the prepaid credit that waited for the payment of these invoices.

        Safe to repeat, see ``sale.order.saas_grant_credits``.

        :return: True
        """
        self.check_access("write")
        # sudo: an accountant books the payment without any right on sales orders
        lines = self.sudo().invoice_line_ids.sale_line_ids.filtered(
            "product_id.saas_wallet_credit"
        )
        return lines.order_id.saas_grant_credits()
