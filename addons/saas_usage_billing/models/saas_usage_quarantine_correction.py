# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.tools import SQL

#: Corrections the scheduled job stores at once.
_AT_ONCE = 1000


class SaasUsageQuarantine(models.Model):
    """Corrections of events that are not there yet."""

    _inherit = "saas.usage.quarantine"

    corrects = fields.Char(
        string="Waits For",
        readonly=True,
        help="ID of the event that is taken back. As soon as the source has sent it,"
        " this is stored by itself.",
    )

    _corrects_idx = models.Index(
        "(source_id, corrects) WHERE state = 'open' AND corrects IS NOT NULL"
    )

    @api.model
    def _replay_corrections(self, event_ids=None, is_follow_up=False):
        """Store corrections whose event is there by now.

        :param list event_ids: of these events only, of the current company
        :param bool is_follow_up: the events were stored in this transaction
        :return: ids of the corrections that were stored
        """
        rows = self.browse(self._find_corrections(event_ids))
        for company, own in rows.grouped("company_id").items():
            for seen_at, group in own.grouped("first_seen_at").items():
                self._replay_group(company, seen_at, group, is_follow_up=is_follow_up)
        rows.invalidate_recordset()
        return rows.filtered(lambda row: row.state == "replayed").mapped("event_id")

    @api.model
    def _find_corrections(self, event_ids):
        """Return the ids of the open corrections whose event is stored."""
        wanted = SQL("TRUE")
        if event_ids is not None:
            wanted = SQL(
                "q.company_id = %s AND q.corrects = ANY(%s)",
                self.env.company.id,
                event_ids,
            )
        rows = self.env.execute_query(
            SQL(
                """
                SELECT q.id
                  FROM saas_usage_quarantine q
                  JOIN saas_usage_event_key k
                    ON k.source_id = q.source_id AND k.event_id = q.corrects
                 WHERE q.state = 'open' AND q.corrects IS NOT NULL AND %(wanted)s
                 ORDER BY q.id
                 LIMIT %(limit)s
                """,
                wanted=wanted,
                # What a request stores is a bound of its own.
                limit=_AT_ONCE if event_ids is None else None,
            )
        )
        return [number for (number,) in rows]

    @api.model
    def _cron_replay_corrections(self):
        """Store corrections that a request and its target's have missed.

        Both see what the other one commits, unless somebody replays or uploads in a
        transaction that began before.
        """
        if len(self._replay_corrections()) == _AT_ONCE:
            self.env.ref("saas_usage_billing.ir_cron_saas_usage_corrections")._trigger()
