# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, models

from .saas_usage_event import SENT
from .usage_screen import disown


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

    # ------------------------------------------------------------------
    # Senders
    # ------------------------------------------------------------------
    @api.model
    def _may_send(self, senders, kind):
        """Return whether the user may use a source with these senders."""
        return not senders or self.env.uid in senders or kind not in SENT

    @api.model
    def _disown_foreign(self, problems, kind):
        """Keep events of sources the user may not use apart from those of the sources.

        Of archived sources, too: what they have sent may still wait in quarantine.
        """
        sources, _types = self._get_cached_rules(self.env.company.id)
        foreign = {
            code
            for code, _id, _age, _future, senders, _active in sources
            if not self._may_send(senders, kind)
        }
        return [disown(problem, foreign, self.env.uid) for problem in problems]
