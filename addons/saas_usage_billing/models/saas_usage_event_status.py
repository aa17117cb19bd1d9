# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, models
from odoo.tools import SQL


class SaasUsageEvent(models.Model):
    _inherit = "saas.usage.event"

    @api.model
    def _get_status_answer(self, source, event_id):
        """Tell what became of one event.

        :param source: ``saas.usage.source`` it came from
        :param str event_id: id as sent
        :return: dict for the API, None when no such event is known
        """
        common = {"source": source.code, "id": event_id}
        stored = self._find_stored_event(source, event_id)
        if stored:
            return {**common, "status": "stored", **stored}
        # sudo: the sender may ask for its own events, not look through the others
        waiting = (
            self.env["saas.usage.quarantine"]
            .sudo()
            .search(
                [
                    ("source_id", "=", source.id),
                    ("event_id", "=", event_id),
                    ("state", "!=", "replayed"),
                ],
                order="id desc",
                limit=1,
            )
        )
        if not waiting:
            return None
        return {
            **common,
            "status": "quarantined",
            "code": waiting.reason,
            "message": waiting.message,
        }

    @api.model
    def _find_stored_event(self, source, event_id):
        rows = self.env.execute_query(
            SQL(
                """
                SELECT k.event_time, COALESCE(s.stored_at, own.stored_at),
                       COALESCE(s.batch_id, own.batch_id), v.row_id IS NOT NULL,
                       CASE WHEN v.by_row_id IS NOT NULL THEN v.by_event_id END
                  FROM saas_usage_event_key k
                  LEFT JOIN saas_usage_event_store s
                         ON s.event_time = k.event_time AND s.id = k.row_id
                  LEFT JOIN saas_usage_event_void v
                         ON v.source_id = k.source_id AND v.event_id = k.event_id
                  LEFT JOIN saas_usage_event_void own
                         ON own.source_id = k.source_id
                        AND own.by_event_id = k.event_id
                 WHERE k.source_id = %s AND k.event_id = %s
                """,
                source.id,
                event_id,
            )
        )
        if not rows:
            return None
        event_time, stored_at, batch_id, is_voided, replaced_by = rows[0]
        return {
            "event_time": f"{event_time.isoformat()}Z",
            "stored_at": f"{stored_at.isoformat()}Z" if stored_at else None,
            "batch_id": batch_id,
            "voided": is_voided,
            "replaced_by": replaced_by,
        }
