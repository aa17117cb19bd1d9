# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Live figures against the events they are made of."""

from datetime import timedelta

from odoo import api, models
from odoo.tools import SQL, groupby

from .saas_usage_counting import DIFFERENCE
from .usage_bucket import find_differences
from .usage_bucket_state import distrust

#: Part of the days that are compared with their events every day, and how far back.
SHARE, CHECKED_DAYS = 0.01, 35
#: Days of subscriptions that are compared in one transaction.
DAYS = 500


class SaasUsageCounting(models.AbstractModel):
    _inherit = "saas.usage.counting"

    @api.model
    def _cron_check(self):
        """Compare some of the buckets with their events; commit after each portion."""
        self._check(SHARE, self.env["ir.cron"]._commit_progress)

    @api.model
    def _check(self, share, after=None):
        """Compare a part of the days with their events; what differs is made anew.

        A sample is small: it is gone through to its end.

        :param float share: part of all days, up to 1
        :param Callable after: called after each portion
        """
        today = self._get_today()
        for meter in self._get_counted():
            days = self._choose_days(meter, today, share)
            for begin in range(0, len(days), DAYS):
                self._compare(meter, days[begin : begin + DAYS])
                if after:
                    after()

    @api.model
    def _compare(self, meter, days):
        """Compare days with their events.

        Counting may go on: both are as of one moment.

        :param Counted meter: whose
        :param list days: of (subscription, day)
        """
        differing = find_differences(self.env, meter, days)
        if differing:
            self._note_differences(meter, differing)
            pairs = {(row[0], meter.meter_id) for row in differing}
            distrust(self.env, sorted(pairs))

    @api.model
    def _choose_days(self, meter, today, share, subscription_ids=None):
        """Return (subscription, day) of the days to look at.

        A day is left out while a request that took back events of it is not counted:
        its bucket has them until then.

        :param Counted meter: whose
        :param float share: part of them
        :param list subscription_ids: only these
        """
        return self.env.execute_query(
            SQL(
                """
                WITH waiting AS MATERIALIZED (
                    SELECT v.subscription_id, v.event_time
                      FROM saas_usage_batch b
                      JOIN saas_usage_event_void v ON v.batch_id = b.id
                     WHERE b.is_counted IS NOT TRUE AND v.event_type = %(type)s
                )
                SELECT s.subscription_id, d.day::date
                  FROM saas_usage_bucket_state s
                  JOIN generate_series(%(first)s::date, %(today)s, '1 day') AS d(day)
                    ON d.day >= s.complete_from
                 WHERE s.meter_id = %(meter)s AND s.digest = %(digest)s
                   AND (%(ids)s::integer[] IS NULL
                        OR s.subscription_id = ANY(%(ids)s::integer[]))
                   AND random() <= %(share)s
                   AND NOT EXISTS (
                       SELECT FROM waiting w
                        WHERE w.subscription_id = s.subscription_id
                          AND (w.event_time AT TIME ZONE 'UTC'
                               AT TIME ZONE s.tz)::date = d.day::date
                   )
                """,
                type=meter.spec.event_type,
                first=today - timedelta(days=CHECKED_DAYS),
                today=today,
                meter=meter.meter_id,
                digest=meter.digest,
                ids=subscription_ids,
                share=share,
            )
        )

    @api.model
    def _note_differences(self, meter, differing):
        """Raise the exception of each subscription whose live figures were wrong."""
        # sudo: as for the search
        name = self.env["saas.meter"].sudo().browse(meter.meter_id).display_name
        for subscription_id, own in groupby(differing, key=lambda row: row[0]):
            days = ", ".join(str(day) for _subscription, day in own)
            subscription = self.env["saas.subscription"].browse(subscription_id)
            subscription._saas_raise(
                DIFFERENCE,
                self.env._(
                    "Live figures of %(meter)s were not what the events of %(days)s add"
                    " up to. They are counted anew; invoices read the events and are"
                    " not concerned. Retry once counted, and report it if it comes"
                    " back.",
                    meter=name,
                    days=days,
                ),
                queue="finance",
                severity="high",
                retry_method="saas_retry_bucket_difference",
            )
