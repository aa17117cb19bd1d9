# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Requests of long ago: the control says what they said."""

from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.tools import SQL

from .usage_store_api import LOOK_BACK

#: Requests are kept so long at least.
KEPT = relativedelta(months=13)
#: Requests deleted in one transaction.
TOGETHER = 50_000


class SaasUsageControl(models.Model):
    _inherit = "saas.usage.control"

    is_forgotten = fields.Boolean(
        string="Requests Deleted",
        readonly=True,
        index=True,
        help="The single requests of the day are no longer kept; nothing was wrong.",
    )
    stored_forgotten = fields.Integer(
        string="Stored by Deleted Requests", readonly=True
    )

    @api.model
    def _cron_control(self):
        """Delete requests of long ago, too; commit after each portion."""
        result = super()._cron_control()
        today = fields.Date.context_today(self.with_context(tz="UTC"))
        while self._forget_requests(today):
            if not self.env["ir.cron"]._commit_progress():
                break
        return result

    @api.model
    def _control_intake(self, day):
        """Leave days as they were whose requests are deleted."""
        # sudo: as all of the control
        if self.sudo().search_count(
            [("kind", "=", "intake"), ("day", "=", day), ("is_forgotten", "=", True)],
            limit=1,
        ):
            return
        super()._control_intake(day)

    @api.model
    def _forget_requests(self, today):
        """Delete some requests of a day of long ago on which nothing was wrong.

        Kept are those that quarantined events or the silence of a source need, and all
        whose numbers may still be looked for by the bounds of an invoice.

        :param date today: UTC
        :return: whether there was such a day
        """
        # sudo: the job works for all companies
        row = self.sudo().browse(self._find_forgettable(today - KEPT))
        if not row:
            return False
        [[number, stored]] = self.env.execute_query(
            SQL(
                """
                WITH gone AS (
                    DELETE FROM saas_usage_batch
                     WHERE id IN (SELECT id FROM saas_usage_batch b
                                   WHERE %(of_row)s AND b.is_counted
                                     AND NOT EXISTS (
                                         SELECT FROM saas_usage_quarantine q
                                          WHERE q.batch_id = b.id)
                                     AND (b.source_id IS NULL OR EXISTS (
                                         SELECT FROM saas_usage_batch n
                                          WHERE n.source_id = b.source_id
                                            AND n.kind != 'replay' AND n.id > b.id))
                                   LIMIT %(most)s)
                    RETURNING stored
                )
                SELECT count(*), COALESCE(sum(stored), 0)::bigint FROM gone
                """,
                of_row=row._select_requests(),
                most=TOGETHER,
            )
        )
        row.write(
            {
                "stored_forgotten": row.stored_forgotten + stored,
                "is_forgotten": number < TOGETHER,
            }
        )
        self.env["saas.usage.batch"].invalidate_model()
        return True

    @api.model
    def _find_forgettable(self, before):
        """Return the id of the oldest row whose requests may be deleted, or None."""
        self.flush_model(["is_forgotten", "has_difference"])
        rows = self.env.execute_query(
            SQL(
                """
                SELECT c.id
                  FROM saas_usage_control c
                 WHERE c.kind = 'intake' AND c.is_forgotten IS NOT TRUE
                   AND c.day < %(before)s
                   AND NOT EXISTS (SELECT FROM saas_usage_control w
                                    WHERE w.kind = 'intake' AND w.day = c.day
                                      AND w.has_difference)
                   -- What bounds look at is there, also where ids are out of order.
                   AND NOT EXISTS (SELECT FROM saas_usage_batch b
                                    WHERE b.received_at >= c.day
                                      AND b.received_at < c.day + 1
                                      AND b.id > (SELECT max(id) - %(look_back)s
                                                    FROM saas_usage_batch))
                 ORDER BY c.day, c.id
                 LIMIT 1
                """,
                before=before,
                look_back=LOOK_BACK,
            )
        )
        return rows[0][0] if rows else None

    def _select_requests(self):
        """Return the condition on the requests ``b`` of a row."""
        self.ensure_one()
        return SQL(
            "b.received_at >= %s AND b.received_at < %s::date + 1 AND b.company_id = %s"
            " AND b.source_id IS NOT DISTINCT FROM %s",
            *(self.day, self.day, self.company_id.id, self.source_id.id or None),
        )
