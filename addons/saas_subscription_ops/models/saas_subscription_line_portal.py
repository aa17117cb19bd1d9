# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""In which steps a customer may change a quantity on the portal."""

from odoo import models


class SaasSubscriptionLine(models.Model):
    _inherit = "saas.subscription.line"

    def _portal_get_step(self) -> float:
        """Return what quantities of the customer are whole multiples of.

        One, or more where the unit is not sold in ones.
        """
        self.ensure_one()
        return max(self.product_uom_id.rounding, 1.0)

    def _portal_get_input_step(self) -> float | None:
        """Return the step of the input field; None when it does not fit today's value.

        A browser refuses a form with a value beside the steps, also one nobody touched.
        """
        self.ensure_one()
        step = self._portal_get_step()
        return None if self.quantity % step else step
