# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Which subscriptions and meters have buckets, since when, and by which definition."""

from collections.abc import Iterable
from datetime import date, timedelta

from odoo.tools import SQL

from .usage_bucket import Counted, rebuild_days

#: How far back buckets go at least: a yearly period and what comes late.
KEPT_DAYS = 400
#: Day that buckets with nothing in them are complete from.
NOTHING = date(9999, 1, 1)
#: Subscriptions whose buckets are made in one statement.
_TOGETHER = 100


def sync_states(env, meters: Iterable[Counted], today: date):
    """Begin to count what is sold now, and anew what is defined differently by now.

    Buckets of another definition or time zone are thrown away; ``extend`` makes them
    again, and until then live figures are read from the events.

    :param env: environment
    :param meters: all that are counted
    :param today: UTC
    """
    env.flush_all()
    _forget_others(env, [meter.meter_id for meter in meters])
    begun = env.execute_query(
        SQL(
            """
            INSERT INTO saas_usage_bucket_state AS b (
                subscription_id, meter_id, digest, tz, wanted_from, complete_from
            )
            SELECT w.subscription_id, w.meter_id, w.digest, w.tz, w.wanted_from,
                   %(nothing)s
              FROM (%(wanted)s) w
              LEFT JOIN saas_usage_bucket_state k
                ON k.subscription_id = w.subscription_id AND k.meter_id = w.meter_id
             -- Who is in conflict is locked, also where nothing changes.
             WHERE k.meter_id IS NULL
                OR (k.digest, k.tz) != (w.digest, w.tz)
                OR w.wanted_from < k.wanted_from
            ON CONFLICT (subscription_id, meter_id) DO UPDATE
               SET digest = excluded.digest, tz = excluded.tz,
                   wanted_from = LEAST(excluded.wanted_from, b.wanted_from),
                   complete_from = CASE
                       WHEN (b.digest, b.tz) != (excluded.digest, excluded.tz)
                       THEN excluded.complete_from
                       ELSE b.complete_from
                   END
            RETURNING subscription_id, meter_id, complete_from
            """,
            nothing=NOTHING,
            wanted=_wanted(meters, today),
        )
    )
    _clear(env, [(one, two) for one, two, since in begun if since == NOTHING])


def _wanted(meters: Iterable[Counted], today: date) -> SQL:
    """Return the select of the states of what is sold now."""
    meters = list(meters)
    return SQL(
        """
        SELECT s.id AS subscription_id, m.id AS meter_id, m.digest, s.tz,
               GREATEST(min(l.date_start), %(oldest)s) AS wanted_from
          FROM unnest(%(meters)s::integer[], %(digests)s::text[]) AS m(id, digest)
          JOIN product_template t ON t.saas_meter_id = m.id
          JOIN product_product v ON v.product_tmpl_id = t.id
          JOIN saas_subscription_line l ON l.product_id = v.id AND l.kind = 'usage'
          JOIN saas_subscription s
            ON s.id = l.subscription_id AND s.state IN ('trial', 'active', 'paused')
         GROUP BY s.id, m.id, m.digest
        """,
        meters=[meter.meter_id for meter in meters],
        digests=[meter.digest for meter in meters],
        oldest=today - timedelta(days=KEPT_DAYS),
    )


def _forget_others(env, meter_ids: list[int]):
    """Throw away what is not counted any more: what comes now would be missing."""
    query = SQL(
        "DELETE FROM saas_usage_bucket_state WHERE meter_id != ALL(%s)"
        " RETURNING subscription_id, meter_id",
        meter_ids,
    )
    gone = env.execute_query(query)
    if gone:
        _clear(env, gone)


def distrust(env, pairs: list[tuple[int, int]]):
    """Read nothing from these buckets any more; the counting makes them anew.

    It may count meanwhile: buckets of no definition are those of another one.

    :param env: environment
    :param pairs: subscription and meter ids
    """
    env.cr.execute(
        SQL(
            "UPDATE saas_usage_bucket_state SET digest = ''"
            " WHERE (subscription_id, meter_id) IN (%s)",
            _pairs(pairs),
        )
    )


def find_incomplete(env) -> set[int]:
    """Return the ids of the meters that are not counted as far back as is wanted.

    :param env: environment
    """
    query = SQL(
        "SELECT DISTINCT meter_id FROM saas_usage_bucket_state"
        " WHERE complete_from > wanted_from OR digest = ''"
    )
    return {meter for (meter,) in env.execute_query(query)}


def forget(env, today: date) -> int:
    """Delete what is older than any running period reaches back, of some buckets.

    :param env: environment
    :param today: UTC
    :return: number of pairs of subscription and meter; 0 when nothing is that old
    """
    # A month at a time: else all of them would have something to delete each day.
    oldest = (today - timedelta(days=KEPT_DAYS)).replace(day=1)
    pairs = env.execute_query(
        SQL(
            """
            SELECT subscription_id, meter_id FROM saas_usage_bucket_state
             WHERE complete_from < %s
             ORDER BY subscription_id, meter_id
             LIMIT %s
            """,
            oldest,
            _TOGETHER,
        )
    )
    if not pairs:
        return 0
    _clear(env, pairs, oldest)
    env.cr.execute(
        SQL(
            """
            UPDATE saas_usage_bucket_state
               SET complete_from = %(oldest)s,
                   wanted_from = GREATEST(wanted_from, %(oldest)s)
             WHERE (subscription_id, meter_id) IN (%(pairs)s)
            """,
            oldest=oldest,
            pairs=_pairs(pairs),
        )
    )
    return len(pairs)


def _pairs(pairs: list[tuple[int, int]]) -> SQL:
    return SQL(
        "SELECT * FROM unnest(%s::integer[], %s::integer[])",
        [subscription for subscription, _meter in pairs],
        [meter for _subscription, meter in pairs],
    )


def _clear(env, pairs: list[tuple[int, int]], before: date = NOTHING):
    for table in ("saas_usage_bucket", "saas_usage_bucket_key"):
        env.cr.execute(
            SQL(
                "DELETE FROM %s WHERE (subscription_id, meter_id) IN (%s) AND day < %s",
                SQL.identifier(table),
                _pairs(pairs),
                before,
            )
        )


def extend(env, meters: Iterable[Counted], today: date) -> int:
    """Make the buckets of one more month, for some subscriptions of one meter.

    :param env: environment
    :param meters: all that are counted
    :param today: UTC
    :return: number of subscriptions; 0 when nothing is missing
    """
    by_id = {meter.meter_id: meter for meter in meters}
    found = env.execute_query(
        SQL(
            """
            SELECT meter_id, complete_from, (array_agg(subscription_id))[:%s]
              FROM saas_usage_bucket_state
             WHERE complete_from > wanted_from AND meter_id = ANY(%s)
             GROUP BY meter_id, complete_from
             ORDER BY complete_from DESC
             LIMIT 1
            """,
            _TOGETHER,
            list(by_id),
        )
    )
    if not found:
        return 0
    [[meter_id, complete_from, ids]] = found
    before = complete_from - timedelta(days=1)
    first = min(before, today).replace(day=1)
    rebuild_days(env, by_id[meter_id], ids, first, complete_from)
    env.cr.execute(
        SQL(
            "UPDATE saas_usage_bucket_state SET complete_from = %s"
            " WHERE meter_id = %s AND subscription_id = ANY(%s)",
            first,
            meter_id,
            ids,
        )
    )
    return len(ids)
