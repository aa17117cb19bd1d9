# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Buckets of dimensions with too many values: all groups of such a day become one.

A value that is different for every event, such as the id of a request, would make as
many buckets as there are events. The groups of a day are a matter of its events alone,
not of the order they came in. Only what asks for groups has to read the events then.
"""

from collections.abc import Iterable
from datetime import date

from odoo.tools import SQL

#: Groups of a subscription, meter and day that are kept apart.
MAX_GROUPS = 1_000
#: What stands for the values of all groups; those of one group are a list.
_OTHERS = SQL("'{}'::jsonb")
_OTHERS_KEY = SQL("md5('{}')::uuid")
_MERGED = SQL(
    """
    sum(events)::bigint AS events, sum(valued)::bigint AS valued, sum(total) AS total,
    min(low) AS low, max(high) AS high,
    (array_agg(last_value ORDER BY last_time DESC, last_id DESC)
        FILTER (WHERE last_time IS NOT NULL))[1] AS last_value,
    max(last_time) AS last_time,
    (array_agg(last_id ORDER BY last_time DESC, last_id DESC)
        FILTER (WHERE last_time IS NOT NULL))[1] AS last_id,
    sum(area) AS area, max(seen_at) AS seen_at
    """
)


def capped(sums: SQL, meter_id: int, joins: bool) -> SQL:
    """Return sums by group with one group only where a day has too many.

    :param sums: statement with the columns of the buckets
    :param meter_id: whose
    :param joins: days that have one group in the buckets get no others
    """
    joined = SQL(
        """
        OR EXISTS (SELECT FROM saas_usage_bucket o
                    WHERE o.subscription_id = g.subscription_id AND o.day = g.day
                      AND o.meter_id = %s AND o.group_key = %s)
        """,
        meter_id,
        _OTHERS_KEY,
    )
    return SQL(
        """
        SELECT subscription_id, day, md5(grp::text)::uuid AS group_key, grp, %(merged)s
          FROM (
                SELECT g.subscription_id, g.day, g.events, g.valued, g.total, g.low,
                       g.high, g.last_value, g.last_time, g.last_id, g.area, g.seen_at,
                       CASE WHEN count(*) OVER (PARTITION BY g.subscription_id, g.day)
                                 > %(most)s %(joined)s
                            THEN %(others)s ELSE g.grp END AS grp
                  FROM (%(sums)s) g
               ) groups
         GROUP BY subscription_id, day, grp
        """,
        merged=_MERGED,
        most=MAX_GROUPS,
        joined=joined if joins else SQL(""),
        others=_OTHERS,
        sums=sums,
    )


def collapse(env, meter_id: int, days: Iterable[tuple[int, date]]):
    """Make one group of those days that have come to too many.

    :param env: environment
    :param meter_id: whose
    :param days: subscription id and day of buckets that were added
    :return: list of the (subscription id, day) that have one group from now on
    """
    days = sorted(set(days))
    if not days:
        return []
    return env.execute_query(
        SQL(
            """
            WITH crowded AS MATERIALIZED (
                SELECT b.subscription_id, b.day
                  FROM unnest(%(ids)s::integer[], %(days)s::date[])
                           AS d(subscription_id, day)
                  JOIN saas_usage_bucket b
                    ON b.subscription_id = d.subscription_id AND b.day = d.day
                   AND b.meter_id = %(meter)s
                 GROUP BY b.subscription_id, b.day
                HAVING count(*) > %(most)s
                    OR count(*) > 1 AND bool_or(b.group_key = %(key)s)
            ), gone AS (
                DELETE FROM saas_usage_bucket b
                 USING crowded c
                 WHERE b.subscription_id = c.subscription_id AND b.day = c.day
                   AND b.meter_id = %(meter)s
                RETURNING b.*
            )
            INSERT INTO saas_usage_bucket (
                subscription_id, meter_id, day, group_key, grp, events, valued, total,
                low, high, last_value, last_time, last_id, area, seen_at
            )
            SELECT subscription_id, meter_id, day, %(key)s, %(others)s, %(merged)s
              FROM gone
             GROUP BY subscription_id, meter_id, day
            RETURNING subscription_id, day
            """,
            ids=[subscription for subscription, _day in days],
            days=[day for _subscription, day in days],
            meter=meter_id,
            most=MAX_GROUPS,
            key=_OTHERS_KEY,
            others=_OTHERS,
            merged=_MERGED,
        )
    )


def find_crowded(env, since: date, ids: Iterable[int] | None = None):
    """Return the days with one group only.

    :param env: environment
    :param since: first day
    :param ids: of subscriptions; None for all
    :return: list of (subscription id, meter id, day)
    """
    return env.execute_query(
        SQL(
            """
            SELECT b.subscription_id, b.meter_id, b.day
              FROM saas_usage_bucket_state s
              JOIN saas_usage_bucket b
                ON b.subscription_id = s.subscription_id AND b.meter_id = s.meter_id
               AND b.day >= %(since)s AND b.group_key = %(key)s
             WHERE %(ids)s::integer[] IS NULL OR s.subscription_id = ANY(%(ids)s)
            """,
            since=since,
            key=_OTHERS_KEY,
            ids=None if ids is None else list(ids),
        )
    )
