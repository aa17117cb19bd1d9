# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Requests to live figures, each exactly once."""

from datetime import datetime, timedelta, timezone

from odoo import api, models
from odoo.tools import SQL, groupby

from .usage_bucket import (
    Requests,
    add_requests,
    rebuild_days,
    touched,
    voided,
)
from .usage_bucket_state import extend, forget, sync_states

#: Requests counted in one transaction.
REQUESTS = 200
#: Numbers further apart than this are read on their own: the events of one that ended
#: late lie far from those of its neighbours.
_APART = 2_000
DIFFERENCE = "usage.bucket_difference"


class SaasUsageCounting(models.AbstractModel):
    """Adds what arrives to the buckets behind the live figures.

    Whatever goes wrong, the transaction that counted a request has marked it, too.
    """

    _name = "saas.usage.counting"
    _description = "Counting of Usage"

    # ------------------------------------------------------------------
    # Jobs
    # ------------------------------------------------------------------
    @api.model
    def _cron_count(self):
        """Count what arrived; commit after each portion of requests."""
        cron = self.env["ir.cron"]
        cron._commit_progress(remaining=self._count_waiting())
        while True:
            counted = self._count()
            if not cron._commit_progress(counted) or not counted:
                break
        failed = set()
        while self._extend(failed) or self._forget():
            if not cron._commit_progress():
                break

    # ------------------------------------------------------------------
    # Count
    # ------------------------------------------------------------------
    @api.model
    def _count(self):
        """Count some requests. Safe to run twice, late, or at the same time.

        :return: number of requests counted
        """
        if not self._begin():
            return 0
        meters = self._get_counted()
        sync_states(self.env, meters, self._get_today())
        rows = self._take_requests()
        if not rows:
            return 0
        ids = [row[0] for row in rows]
        self.env.cr.execute(
            "UPDATE saas_usage_batch SET is_counted = TRUE WHERE id = ANY(%s)", [ids]
        )
        # Before anything is made anew, which sees all that is marked.
        subscriptions = self._add(meters, rows)
        self._rebuild_voided(meters, ids)
        self._after_count(subscriptions)
        return len(ids)

    @api.model
    def _extend(self, failed=None):
        """Make buckets that are missing, a month of some subscriptions at a time.

        :param set failed: ids of meters to leave out; those that fail are added
        :return: number of subscriptions; 0 when nothing is missing
        """
        if not self._begin():
            return 0
        today = self._get_today()
        meters = [
            one for one in self._get_counted() if one.meter_id not in (failed or ())
        ]
        made = []
        if not self._try(lambda: made.append(extend(self.env, meters, today))):
            return made[0]
        # One of them is in the way of the others: each on its own.
        for meter in meters:
            if not self._try_meter(
                meter, (), lambda meter=meter: extend(self.env, [meter], today)
            ):
                if failed is None:
                    return 0
                failed.add(meter.meter_id)
        return len(meters)

    @api.model
    def _forget(self):
        """Forget some of the buckets nobody asks for any more.

        :return: number of pairs of subscription and meter; 0 when nothing is left
        """
        if not self._begin():
            return 0
        return forget(self.env, self._get_today())

    @api.model
    def _begin(self):
        """Return whether nobody else counts. Who comes second leaves it to the first.

        One that saw the requests before the other had marked them fails when it locks
        them, and is repeated.
        """
        query = SQL("SELECT pg_try_advisory_xact_lock(hashtext('saas_usage_bucket'))")
        return self.env.execute_query(query)[0][0]

    @api.model
    def _get_today(self):
        return datetime.now(timezone.utc).date()

    @api.model
    def _get_counted(self):
        """Return the meters whose events can be added up.

        :return: list of ``Counted``
        """
        # sudo: figures are the same for every reader
        meters = self.env["saas.meter"].sudo().with_context(active_test=False)
        return [one for meter in meters.search([]) for one in meter._get_counted()]

    @api.model
    def _count_waiting(self):
        """Return the number of requests that are not counted yet."""
        query = SQL(
            "SELECT count(*) FROM saas_usage_batch WHERE is_counted IS NOT TRUE"
        )
        return self.env.execute_query(query)[0][0]

    @api.model
    def _take_requests(self):
        """Lock the oldest requests that are not counted.

        :return: list of (id, number of events, first and last time, first and last
            event number)
        """
        return self.env.execute_query(
            SQL(
                """
                SELECT id, stored, time_min, time_max, row_min, row_max
                  FROM saas_usage_batch
                 WHERE is_counted IS NOT TRUE
                 ORDER BY id
                 LIMIT %s
                   FOR NO KEY UPDATE
                """,
                REQUESTS,
            )
        )

    @api.model
    def _add(self, meters, rows):
        """Add the events of requests to the buckets.

        :return: ids of the subscriptions that got some
        """
        subscriptions = set()
        # Requests that only take events back have numbers, but no times.
        own = [row for row in rows if row[1] and (row[2] or row[4] is None)]
        for requests in self._split(own):
            types = touched(self.env, requests)
            for own in types.values():
                subscriptions |= own
            for meter in meters:
                ids = types.get(meter.spec.event_type)
                if ids:
                    self._try_meter(
                        meter,
                        ids,
                        lambda meter=meter, requests=requests: self._add_meter(
                            meter, requests
                        ),
                    )
        return subscriptions

    @api.model
    def _add_meter(self, meter, requests):
        crowded = add_requests(self.env, meter, requests)
        if crowded:
            self._note_crowded(meter, crowded)

    @api.model
    def _split(self, rows):
        """Yield ``Requests`` whose events lie together."""
        portions, last = [], None
        for row in rows:
            # Requests of earlier versions do not know where their events lie.
            if (
                last is None
                or row[0] - last[0] > _APART
                or (row[4] is None) != (last[4] is None)
            ):
                portions.append([])
            portions[-1].append(row)
            last = row
        for own in portions:
            if own[0][4] is None:
                yield Requests([row[0] for row in own])
                continue
            ids, _stored, firsts, lasts, lows, highs = zip(*own, strict=True)
            times = min(firsts), max(lasts)
            yield Requests(list(ids), times, (min(lows), max(highs)))

    @api.model
    def _rebuild_voided(self, meters, ids):
        """Make the days anew of which requests took events back."""
        found = sorted(voided(self.env, ids))
        for (event_type, day), own in groupby(found, key=lambda row: row[:2]):
            subscriptions = [row[2] for row in own]
            for meter in meters:
                if meter.spec.event_type == event_type:
                    # The UTC day touches two local ones.
                    days = day - timedelta(days=1), day + timedelta(days=2)
                    self._try_meter(
                        meter,
                        subscriptions,
                        lambda meter=meter, ids=subscriptions, days=days: rebuild_days(
                            self.env, meter, ids, *days
                        ),
                    )

    @api.model
    def _after_count(self, subscription_ids):
        """Do what has to follow on new usage. Hook.

        :param set subscription_ids: those that got events
        """
