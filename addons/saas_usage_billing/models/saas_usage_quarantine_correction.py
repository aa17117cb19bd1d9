# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from functools import partial

from odoo import api, fields, models
from odoo.tools import SQL

from .saas_usage_source_quarantine import CORRECTION_FAILED

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
        rows._try_replay(is_follow_up)
        rows.invalidate_recordset()
        return rows.filtered(lambda row: row.state == "replayed").mapped("event_id")

    def _try_replay(self, is_follow_up=False):
        """Replay corrections; where a group fails, each by itself.

        What fails alone is told to whoever looks after its source and undoes nothing
        else; the scheduled job tries it again.

        :param bool is_follow_up: their events were stored in this transaction
        :return: ``saas.usage.source`` of what failed
        """
        failed = self.env["saas.usage.source"]
        for company, seen_at, group in self._get_groups():
            step = partial(
                self._replay_group, company, seen_at, is_follow_up=is_follow_up
            )
            for row in group if group._try_step(step) else ():
                if error := row._try_step(step):
                    failed |= row.source_id
                    row._tell_correction_failed(error)
        return failed

    def _try_step(self, step):
        source = self.source_id[:1]
        return source._saas_try(lambda _source: step(self))

    def _tell_correction_failed(self, error):
        self.source_id._saas_raise(
            CORRECTION_FAILED,
            self.env._(
                "“%(event)s” takes back “%(target)s”, which is stored, but could not be"
                " stored itself: %(error)s Mend the cause and retry, or ignore it in"
                " the quarantine.",
                event=self.event_id,
                target=self.corrects,
                error=error,
            ),
            queue="integration",
            severity="high",
            retry_method="saas_retry_corrections",
        )

    @api.model
    def _find_corrections(self, event_ids=None, after=0, sources=None):
        """Return the ids of the open corrections whose event is stored.

        :param list event_ids: of these events only, of the current company
        :param int after: without events, the first ones behind this id
        :param sources: without events, of these ``saas.usage.source`` only
        """
        wanted = SQL("q.id > %s", after)
        if sources is not None:
            wanted = SQL("%s AND q.source_id = ANY(%s)", wanted, sources.ids)
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
        progress = self.env["ir.cron"]._commit_progress
        failed, after = self.env["saas.usage.source"], 0
        while ids := self._find_corrections(after=after):
            failed |= self.browse(ids)._try_replay()
            after = ids[-1]
            if not progress(len(ids)):
                return
        told = failed._saas_find_told(CORRECTION_FAILED)
        (told - failed)._saas_resolve(
            CORRECTION_FAILED, self.env._("Stored, or ignored meanwhile.")
        )
