# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import models


class SaleOrder(models.Model):
    _inherit = "sale.order"

    def _saas_get_line_problems(self, line) -> list[str]:
        problems = super()._saas_get_line_problems(line)
        return problems + self._saas_get_meter_problems(line)

    def _saas_get_meter_problems(self, line) -> list[str]:
        """Return why usage of a line can't be charged.

        :param line: order line with a subscription charge
        :return: one sentence per problem
        """
        product = line.product_id
        if product.saas_charge_kind != "usage":
            return []
        # sudo: whoever sells need not see meters to be told that there is none
        if product.sudo().saas_meter_id:
            return []
        return [
            self.env._(
                "%(line)s is charged by usage but has no meter: set one on the "
                "product.",
                line=product.display_name,
            )
        ]
