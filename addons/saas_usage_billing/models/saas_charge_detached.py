# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, models
from odoo.tools import SQL

from .usage_reading_book import dump_days, dump_groups


class SaasCharge(models.Model):
    _inherit = "saas.charge"

    @api.model
    def _find_unkept(self, partition, limit):
        """Return charges that need a month and have not kept what it says yet.

        All charges of levels need it: they come from everything before them.

        :param partition: ``saas.usage.partition``
        :param int limit: how many at most
        """
        self.flush_model()
        self.env["saas.usage.reading"].flush_model()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT c.id
                  FROM saas_charge c
                  JOIN saas_usage_price p ON p.id = (c.details ->> 'price_id')::integer
                  JOIN saas_meter m ON m.id = p.meter_id
                 WHERE c.base_kind = 'usage' AND c.details ? 'bounds'
                   AND (c.details -> 'bounds' ->> 'event_from')::timestamp < %(end)s
                   AND (m.is_level
                        OR (c.details -> 'bounds' ->> 'event_to')::timestamp
                           > %(start)s)
                   AND NOT EXISTS (SELECT 1 FROM saas_usage_reading r
                                    WHERE r.charge_id = c.id)
                 ORDER BY c.id
                 LIMIT %(limit)s
                """,
                start=partition.month,
                end=partition._get_end(),
                limit=limit,
            )
        )
        return self.browse([charge_id for (charge_id,) in rows])

    def _keep_evidence(self):
        """Keep what the charges were measured to be: in all, by day and dimension."""
        # sudo: kept for all, whatever the company
        Reading = self.env["saas.usage.reading"].sudo()
        Reading.create([charge._prepare_kept_vals() for charge in self])

    def _prepare_kept_vals(self):
        """Return the values of the reading that stands for the charge's events."""
        window, meter = self._get_usage_window(), self._get_usage_price().meter_id
        groups = self._measure_usage()
        parts = self._measure_usage(by_dimension=True) if meter.dimension_ids else {}
        bounds = self._get_usage_bounds().as_dict()
        return {
            "charge_id": self.id,
            "subscription_id": self.subscription_id.id,
            "company_id": self.company_id.id,
            "meter_id": meter.id,
            "event_type": meter.event_type,
            "time_start": window.start,
            "time_end": window.end,
            "tz": window.tz,
            "definition": f"charge:{self.id}",
            "groups": dump_groups(groups),
            "parts": dump_groups(parts),
            "days": dump_days(self._measure_usage_days()),
            "event_count": sum(one.count for one in groups.values()),
            "measured": bounds,
            "seen": bounds,
        }
