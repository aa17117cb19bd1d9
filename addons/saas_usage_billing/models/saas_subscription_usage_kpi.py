# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, models

from odoo.addons.saas_subscription_ops.engine.ledger import base_kind
from odoo.addons.saas_subscription_ops.exceptions import BillingError


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    @api.model
    def _saas_kpi_usage_unbilled_amount(self, kpi, company, date_start, date_end):
        """Sum the rated usage of ended periods that is not booked yet.

        In company currency at the rate of the last day. Held usage is left out, and so
        are subscriptions whose usage can't be rated: these are counted.

        :param kpi: ``saas.kpi`` record
        :param company: ``res.company``
        :param date date_start: first day of the period
        :param date date_end: first day after the period
        :return: one row, see ``saas_core``
        """
        subscriptions = self.search(
            [
                ("company_id", "=", company.id),
                ("state", "!=", "draft"),
                ("line_ids.product_id.saas_meter_id", "!=", False),
            ]
        )
        total, failed = 0.0, 0
        open_ids = []
        for subscription in subscriptions:
            try:
                charges = subscription._get_unbooked_charges(date_end)
            except BillingError:
                failed += 1
                continue
            amounts = [
                charge.amount
                for charge in charges
                if base_kind(charge.kind, charge.details) == "usage"
            ]
            if amounts:
                open_ids.append(subscription.id)
                total += subscription.currency_id._convert(
                    float(sum(amounts)), company.currency_id, company, date_end
                )
        return [
            {
                "value": company.currency_id.round(total),
                "currency_id": company.currency_id.id,
                "res_model": self._name,
                "domain": [("id", "in", open_ids)],
                "inputs": {"subscriptions": len(open_ids), "failed": failed},
            }
        ]
