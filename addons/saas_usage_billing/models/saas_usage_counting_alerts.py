# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Thresholds of what was counted."""

from datetime import datetime, timezone

from odoo import api, models
from odoo.tools import SQL

from .saas_subscription_threshold import THRESHOLD_FAILED

#: Subscriptions looked at in one transaction.
TOGETHER = 50


class SaasUsageCounting(models.AbstractModel):
    _inherit = "saas.usage.counting"

    @api.model
    def _cron_count(self):
        """Look at the thresholds of what got events; commit after some of them."""
        result = super()._cron_count()
        now = datetime.now(timezone.utc)
        while checked := self._check_touched(now):
            remaining = self._count_waiting() + self._count_touched()
            if not self.env["ir.cron"]._commit_progress(checked, remaining=remaining):
                break
        return result

    @api.model
    def _after_count(self, subscription_ids):
        """Note whose thresholds are to be looked at, in the same transaction."""
        # sudo: thresholds react whoever sends
        if subscription_ids and self.env["saas.usage.threshold"].sudo().search_count(
            [], limit=1
        ):
            self.env.cr.execute(
                # Who waits already keeps its place.
                "INSERT INTO saas_usage_touched (subscription_id) SELECT unnest(%s)"
                " ON CONFLICT DO NOTHING",
                [sorted(subscription_ids)],
            )
        return super()._after_count(subscription_ids)

    @api.model
    def _count_touched(self):
        """Return the number of subscriptions whose thresholds are to be looked at."""
        query = SQL("SELECT count(*) FROM saas_usage_touched")
        return self.env.execute_query(query)[0][0]

    @api.model
    def _check_touched(self, now):
        """Look at the thresholds of those that wait longest since they got events.

        :param now: aware UTC datetime
        :return: number of subscriptions; 0 when none is left
        """
        rows = self.env.execute_query(
            SQL(
                """
                DELETE FROM saas_usage_touched
                 WHERE subscription_id IN (
                           SELECT subscription_id FROM saas_usage_touched
                            ORDER BY touched_at, subscription_id LIMIT %s
                              FOR UPDATE SKIP LOCKED
                       )
                RETURNING subscription_id
                """,
                TOGETHER,
            )
        )
        ids = [subscription for (subscription,) in rows]
        subscriptions = self.env["saas.subscription"].browse(ids).exists()
        failed = subscriptions._saas_get_open_exceptions(THRESHOLD_FAILED).mapped(
            "res_id"
        )
        thresholds = self.env["saas.usage.threshold"].search([])
        for subscription in subscriptions:
            subscription._try_thresholds(thresholds, now, subscription.id in failed)
        return len(ids)
