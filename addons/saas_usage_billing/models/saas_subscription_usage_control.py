# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import timedelta

from odoo import models


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    def _get_unrated_reason(self, meter, month):
        """Say why events of a month are in no booked charge.

        :param meter: ``saas.meter`` that counts them
        :param date month: its first day
        :return: field of ``saas.usage.control``
        """
        self.ensure_one()
        lines = self._get_usage_lines()
        if meter not in lines.product_id.product_tmpl_id.saas_meter_id:
            return "not_sold"
        end = (month + timedelta(days=32)).replace(day=1)
        if self._get_usage_holds()._covers(meter.id, month, end):
            return "held"
        last = self.env["saas.billing.run.line"].search(
            [("subscription_id", "=", self.id)], order="id desc", limit=1
        )
        return "failed" if last.state == "failed" else "open"
