# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What was taken back, by what, and corrections that came before their event."""

import json

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from .usage_store_api import Bounds, Correction
from .usage_store_voids import standing

#: Corrections of corrections stored behind an event that was missing, in one request.
#: What is left is stored by the scheduled job.
_DEPTH = 100


class SaasUsageEvent(models.Model):
    _inherit = "saas.usage.event"

    is_voided = fields.Boolean(
        string="Taken Back",
        compute="_compute_correction",
        search="_search_is_voided",
        help="The event does not count: its source has taken it back.",
    )
    voided_by = fields.Char(
        string="Taken Back By",
        compute="_compute_correction",
        help="ID of the void, or of the event that counts instead.",
    )
    voided_at = fields.Datetime(
        string="Taken Back At", compute="_compute_correction", help="UTC."
    )
    replaced_by_id = fields.Many2one(
        "saas.usage.event",
        compute="_compute_correction",
        help="The event that counts instead.",
    )
    replaces_id = fields.Many2one(
        "saas.usage.event",
        compute="_compute_correction",
        help="The event this one counts instead of.",
    )
    standing_text = fields.Char(
        compute="_compute_standing_text",
        search="_search_standing_text",
        help="To search by: bounds of a computation, as a JSON object. Events that were"
        " taken back by then are left out.",
    )

    @api.depends("event_id")
    def _compute_correction(self):
        ids = [(one.source_id.id, one.event_id) for one in self if one.event_id]
        rows = self.env.execute_query(
            SQL(
                """
                SELECT row_id, by_event_id, stored_at, by_row_id
                  FROM saas_usage_event_void
                 WHERE (source_id, event_id) IN %(ids)s
                 UNION ALL
                SELECT by_row_id, NULL, NULL, row_id
                  FROM saas_usage_event_void
                 WHERE (source_id, by_event_id) IN %(ids)s
                """,
                ids=tuple(ids or [(0, "")]),
            )
        )
        by_id = {number: row for number, *row in rows if row[0]}
        replaced = {number: row[2] for number, *row in rows if not row[0]}
        for event in self:
            voided_by, voided_at, replaced_by = by_id.get(event.id, (False,) * 3)
            event.is_voided = bool(voided_by)
            event.voided_by = voided_by
            event.voided_at = voided_at
            event.replaced_by_id = replaced_by
            event.replaces_id = replaced.get(event.id, False)

    @api.model
    def _search_is_voided(self, operator, value):
        if operator != "in":
            return NotImplemented
        voided = SQL("(SELECT row_id FROM saas_usage_event_void)")
        return [("id", "in" if True in value else "not in", voided)]

    def _compute_standing_text(self):
        # Only to search by: it depends on what was stored by then.
        self.standing_text = False

    @api.model
    def _search_standing_text(self, operator, value):
        """Return the events nothing takes back within some bounds."""
        if operator not in ("=", "in"):
            return NotImplemented
        wanted = [value] if operator == "=" else list(value)
        return Domain.OR(
            self._get_standing_domain(Bounds.from_dict(json.loads(one)))
            for one in wanted
        )

    def _get_standing_domain(self, bounds):
        return Domain.custom(
            to_sql=lambda _model, alias, _query: standing(SQL.identifier(alias), bounds)
        )

    # ------------------------------------------------------------------
    # Ingest
    # ------------------------------------------------------------------
    @api.model
    def _get_corrections(self, screened, sources):
        """Return what the good events of a request take back, in their order."""
        if not screened.voids and not screened.replaces:
            return []
        oldest = {
            rule.source_id: rule.oldest.replace(tzinfo=None).isoformat()
            for rule in sources.values()
        }
        found = [
            (
                row[0],
                Correction(n, row[1], row[2], screened.get_target(row), oldest[row[2]]),
            )
            for n, row in enumerate(screened.rows + screened.voids)
            if n >= len(screened.rows) or row[0] in screened.replaces
        ]
        return [correction for _index, correction in sorted(found)]

    @api.model
    def _store_waiting(self, result):
        """Store the corrections that waited for what a request has stored.

        :param result: ``IngestResult``
        """
        stored_ids = result.stored_ids
        if not stored_ids or not result.is_waiting:
            return
        # sudo: who sends an event may not look into the quarantine
        quarantine = self.env["saas.usage.quarantine"].sudo()
        for _depth in range(_DEPTH):
            stored_ids = quarantine._replay_corrections(stored_ids, True)
            if not stored_ids:
                return
