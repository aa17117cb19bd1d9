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
        foreign = self._get_foreign_codes(kind)
        return [disown(problem, foreign, self.env.uid) for problem in problems]

    @api.model
    def _get_foreign_codes(self, kind="api"):
        """Return the codes of the sources the user may not use, archived ones, too.

        :param str kind: of the request
        :return: set of str
        """
        sources, _types = self._get_cached_rules(self.env.company.id)
        return {
            code
            for code, _id, _age, _future, senders, _active in sources
            if not self._may_send(senders, kind)
        }

    @api.model
    def _get_sources_not_asked_by(self):
        """Return the sources by whose names the user may not ask about customers.

        Whoever sends for some sources asks by what these name; whoever sends for none
        reads for all of the company.

        :return: list of sources as external ids have them
        """
        sources, _types = self._get_cached_rules(self.env.company.id)
        if not any(self.env.uid in senders for *_others, senders, _active in sources):
            return []
        key = self.env["saas.external.id"]._normalise_key
        return [key(code) for code in self._get_foreign_codes()]
