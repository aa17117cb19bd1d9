# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Whether accounts use what they pay for: looked at every week."""

from datetime import datetime, timezone

from odoo import api, fields, models
from odoo.tools import SQL

from ..engine.trend import FALLS, GROWS, STEADY, STOPPED, trend

#: Subscriptions looked at in one transaction.
TOGETHER = 200
CHECK_FAILED = "adoption.check_failed"
TRENDS = {FALLS: "fallen", GROWS: "risen", STOPPED: "stopped"}


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    usage_trend = fields.Selection(
        [
            (FALLS, "Falls"),
            (GROWS, "Rises"),
            (STEADY, "Steady"),
            (STOPPED, "Stopped"),
        ],
        readonly=True,
        copy=False,
        index="btree_not_null",
        help="The last 28 days against the 28 days before, looked at every week.",
        groups="saas_core.group_saas_core_user",
    )
    usage_trend_date = fields.Date(
        readonly=True,
        copy=False,
        groups="saas_core.group_saas_core_user",
    )

    @api.model
    def _cron_adoption(self):
        """Look which way usage goes; commit after some subscriptions."""
        cron = self.env["ir.cron"]
        today = datetime.now(timezone.utc).date()
        domain = [
            ("state", "=", "active"),
            ("line_ids.kind", "=", "usage"),
            "|",
            ("usage_trend_date", "=", False),
            ("usage_trend_date", "<", today),
        ]
        cron._commit_progress(remaining=self.search_count(domain))
        while True:
            found = self.search(domain, order="id", limit=TOGETHER)
            # Those somebody works on are looked at next week, if not before.
            found = found.try_lock_for_update()
            found._check_adoption(today)
            if not found or not cron._commit_progress(len(found)):
                break

    def _check_adoption(self, today):
        """Note the trend of each subscription; one that fails is told of.

        :param date today: the day after the last one looked at
        """
        if not self._saas_try(lambda them: them._note_adoption(today)):
            self._saas_resolve(CHECK_FAILED, self.env._("Looked at again."))
            return
        # One of them is in the way of the others: each on its own.
        for subscription in self:
            subscription._saas_attempt(
                lambda one: one._note_adoption(today),
                CHECK_FAILED,
                "saas_retry_adoption",
                resolves=True,
                queue="customer_success",
            )
        # Those that failed are looked at next week, not for ever today.
        self.env.cr.execute(
            SQL(
                "UPDATE saas_subscription SET usage_trend_date = %s WHERE id = ANY(%s)",
                today,
                self.ids,
            )
        )
        self.invalidate_recordset(["usage_trend_date"], flush=False)

    def saas_retry_adoption(self):
        """Look again which way usage goes, from the exception queue."""
        self.check_access("read")
        # sudo: whoever works on the queue may not write subscriptions
        self.sudo()._note_adoption(datetime.now(timezone.utc).date())

    def _note_adoption(self, today):
        """Note the trend of each subscription; open an alert when it changed.

        :param date today: the day after the last one looked at
        :return: ``saas.usage.alert``
        """
        alerts = self.env["saas.usage.alert"]
        pairs = self._get_usage_pairs(today)
        for subscription in self:
            direction, change = trend(pairs.get(subscription.id, ()))
            before = subscription.usage_trend
            subscription.write(
                {"usage_trend": direction or False, "usage_trend_date": today}
            )
            if direction in TRENDS and direction != before:
                alerts |= alerts._open(
                    {
                        "kind": "adoption",
                        "subscription_id": subscription.id,
                        "period_start": today,
                        "trend": TRENDS[direction],
                        "change": change,
                    }
                )
        return alerts
