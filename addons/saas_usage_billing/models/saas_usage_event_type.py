# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Which types of events a source sends: what it is waited for."""

from odoo import api, models
from odoo.tools import SQL, ormcache


class SaasUsageEvent(models.Model):
    _inherit = "saas.usage.event"

    @api.model
    def _note_times(self, rows, left, result):
        """Note types a source sends for the first time, too."""
        noted = super()._note_times(rows, left, result)
        if not result.is_dry_run:
            sent = {(row[2], row[3]) for row in rows}
            self._note_types(sent - self._get_sent_types())
        return noted

    @api.model
    def _note_types(self, sent):
        """Note which types came from which sources.

        :param set sent: (source id, event type)
        """
        if not sent:
            return
        self.env.cr.execute(
            SQL(
                "INSERT INTO saas_usage_source_type (source_id, event_type) VALUES %s"
                " ON CONFLICT DO NOTHING",
                SQL(", ").join(SQL("(%s, %s)", *one) for one in sorted(sent)),
            )
        )
        self.env.registry.clear_cache()

    @api.model
    @ormcache()
    def _get_sent_types(self):
        """Return the (source id, event type) that were ever sent, in all companies."""
        rows = self.env.execute_query(
            SQL("SELECT source_id, event_type FROM saas_usage_source_type")
        )
        return frozenset(rows)
