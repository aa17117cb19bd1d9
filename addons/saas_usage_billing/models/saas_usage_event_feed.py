# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, models


class SaasUsageEvent(models.Model):
    _inherit = "saas.usage.event"

    @api.model
    def _ingest_feed(self, source, payloads, correlation_id=None, dry_run=False):
        """Store what a source sent in a shape of its own; see ``_ingest``.

        :param source: ``saas.usage.source``
        :param list payloads: decoded by ``usage_json.load_flat``
        :param str correlation_id: id of the process, kept with the request
        :param bool dry_run: tell what would become of the events, and keep nothing
        :return: ``IngestResult``; its events are those the mappings made
        :raise TooManyEventsError: the payloads make more events than are taken at once
        """
        events = source._map_payloads(payloads)
        return self._ingest(events, correlation_id, "feed", dry_run=dry_run)
