# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, models


class SaasUsageQuarantine(models.Model):
    _inherit = "saas.usage.quarantine"

    @api.model
    def _saas_kpi_usage_quarantine_open(self, kpi, company, date_start, date_end):
        """Count the events that waited in the quarantine at the end of a period.

        :param kpi: ``saas.kpi`` record
        :param company: ``res.company``
        :param date date_start: first day of the period
        :param date date_end: first day after the period
        :return: one row, see ``saas_core``
        """
        domain = [
            ("company_id", "=", company.id),
            ("first_seen_at", "<", str(date_end)),
            "|",
            ("state", "=", "open"),
            ("closed_at", ">=", str(date_end)),
        ]
        count = self.search_count(domain)
        return [
            {
                "value": count,
                "res_model": self._name,
                "domain": domain,
                "inputs": {"events": count},
            }
        ]
