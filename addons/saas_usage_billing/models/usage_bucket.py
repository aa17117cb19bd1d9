# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Events to buckets: what new requests add, and days made anew from their events.

Events of requests that are not counted yet are never in a bucket, so that a day can be
made anew at any time and counting goes on behind it. Nor are events that were taken
back: whoever counts the request that took one back makes its day anew.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256

from odoo.tools import SQL

from ..engine.bucket import EPOCH, KEYED
from .usage_bucket_groups import capped, collapse
from .usage_store_api import MeterSpec
from .usage_store_sql import fulfilled, is_added, number, ticks

BUCKETS = "saas_usage_bucket"
#: Sums an aggregation is made of; the others are not kept.
_SUMS = {
    "sum": ("total",),
    "avg": ("valued", "total"),
    "max": ("high",),
    "min": ("low",),
    "latest": ("last",),
    "weighted_sum": ("total", "area"),
}
_TEXT = "('string', 'number', 'boolean')"


@dataclass(frozen=True, slots=True)
class Counted:
    """A meter whose events are added up; ``keys`` of its spec are its dimensions."""

    meter_id: int
    spec: MeterSpec

    @property
    def digest(self) -> str:
        """Return what the definition of the sums is told by."""
        spec = self.spec
        parts = (
            *(spec.event_type, self.inner, spec.value_key, spec.conditions),
            *(spec.operation_key, spec.keys),
        )
        return sha256(repr(parts).encode()).hexdigest()[:32]

    @property
    def inner(self) -> str:
        """Return the aggregation of a day."""
        spec = self.spec
        return spec.spans.inner if spec.aggregation == "window" else spec.aggregation

    @property
    def has_keys(self) -> bool:
        """Return whether the keys of each day are kept."""
        return self.spec.aggregation in KEYED


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests to count: their numbers, and where their events lie.

    ``times``: of their first and last event; ``rows``: first and last number an event
    of them may have. None: not known.
    """

    ids: list[int]
    times: tuple[datetime, datetime] | None = None
    rows: tuple[int, int] | None = None

    @property
    def selection(self) -> SQL:
        """Return the condition on an event ``e`` of theirs."""
        parts = [
            SQL("e.batch_id = ANY(%s::bigint[])", self.ids),
            SQL("e.batch_id BETWEEN %s AND %s", min(self.ids), max(self.ids)),
        ]
        if self.times:
            first, last = self.times
            # Times of a request are kept by the second.
            last += timedelta(seconds=1)
            parts.append(SQL("e.event_time BETWEEN %s AND %s", first, last))
        if self.rows:
            parts.append(SQL("e.id BETWEEN %s AND %s", *self.rows))
        return SQL(" AND ").join(parts)


def add_requests(env, counted: Counted, requests: Requests) -> list[tuple[int, date]]:
    """Add the events of requests to the buckets of a meter.

    Exactly once is up to the caller: it marks the requests in the same transaction.

    :param env: environment
    :return: subscription id and day of those that got too many groups
    """
    return _add(env, counted, requests.selection)


def rebuild_days(env, counted: Counted, ids: Iterable[int], first: date, last: date):
    """Make days anew from the events of counted requests.

    :param env: environment
    :param ids: of subscriptions
    :param first: first local day
    :param last: local day after the last one
    """
    ids = list(ids)
    scope = SQL(
        "subscription_id = ANY(%s) AND meter_id = %s AND day >= %s AND day < %s",
        *(ids, counted.meter_id, first, last),
    )
    for table in (BUCKETS, "saas_usage_bucket_key"):
        env.cr.execute(SQL("DELETE FROM %s WHERE %s", SQL.identifier(table), scope))
    _add(
        env,
        counted,
        SQL(
            """
            e.subscription_id = ANY(%(ids)s)
            AND e.event_time >= %(start)s AND e.event_time < %(end)s
            AND %(day)s >= %(first)s AND %(day)s < %(last)s
            AND %(counted)s
            """,
            ids=ids,
            # A day of any time zone begins within a day of the UTC one.
            start=first - timedelta(days=1),
            end=last + timedelta(days=1),
            first=first,
            last=last,
            day=_local_day(),
            counted=_is_counted(),
        ),
    )


def find_differences(env, counted: Counted, days: list[tuple[int, date]]):
    """Return which days of subscriptions are not what their events add up to.

    :param env: environment
    :param days: subscription id and local day, no two the same
    :return: list of (subscription id, day)
    """
    if not days:
        return []
    names = ("subscription_id", "day", "group_key", "events", "valued", "total")
    names += ("low", "high", "last_value", "last_time", "last_id", "area")
    columns = SQL(", ").join(map(SQL.identifier, names))
    chosen = SQL(
        "SELECT * FROM unnest(%s::integer[], %s::date[]) AS d(subscription_id, day)",
        [subscription for subscription, _day in days],
        [day for _subscription, day in days],
    )
    selection = SQL("%s = e.chosen_day AND %s", _local_day(), _is_counted())
    return env.execute_query(
        SQL(
            """
            WITH kept AS (
                SELECT %(columns)s FROM saas_usage_bucket
                 WHERE meter_id = %(meter)s AND (subscription_id, day) IN (%(chosen)s)
            ), made AS (SELECT %(columns)s FROM (%(sums)s) sums)
            SELECT DISTINCT subscription_id, day
              FROM ((TABLE kept EXCEPT TABLE made)
                    UNION ALL (TABLE made EXCEPT TABLE kept)) differences
             ORDER BY subscription_id, day
            """,
            columns=columns,
            meter=counted.meter_id,
            chosen=chosen,
            sums=_grouped(counted, selection, _events_of(chosen, days)),
        )
    )


def _events_of(chosen: SQL, days: list[tuple[int, date]]) -> SQL:
    """Return the source of the events ``e`` of some days, each read on its own."""
    return SQL(
        """
        saas_usage_bucket_state s
        JOIN (%(chosen)s) d ON d.subscription_id = s.subscription_id
        CROSS JOIN LATERAL (
            SELECT x.*, d.day AS chosen_day
              FROM saas_usage_event_store x
             WHERE x.subscription_id = d.subscription_id
               AND x.event_time >= %(day)s - interval '2 hours'
               AND x.event_time < %(day)s + interval '26 hours'
               AND x.event_time >= %(start)s AND x.event_time < %(end)s
            OFFSET 0
        ) e
        """,
        chosen=chosen,
        # A clock that is set to another time moves it by less than two hours.
        day=SQL("(d.day::timestamp AT TIME ZONE s.tz AT TIME ZONE 'UTC')"),
        # The months it may be in.
        start=min(day for _subscription, day in days) - timedelta(days=2),
        end=max(day for _subscription, day in days) + timedelta(days=3),
    )


def touched(env, requests: Requests) -> dict[str, set[int]]:
    """Return which subscriptions got events of which type.

    :param env: environment
    """
    query = SQL(
        "SELECT e.event_type, e.subscription_id"
        " FROM saas_usage_event_store e WHERE %s"
        " GROUP BY e.event_type, e.subscription_id",
        requests.selection,
    )
    result = {}
    for kind, subscription in env.execute_query(query):
        result.setdefault(kind, set()).add(subscription)
    return result


def voided(env, ids: list[int]) -> list[tuple[str, date, int]]:
    """Return type, day (UTC) and subscription of the events requests took back.

    :param env: environment
    :param ids: of the requests
    """
    return env.execute_query(
        SQL(
            """
            SELECT DISTINCT event_type, event_time::date, subscription_id
              FROM saas_usage_event_void
             WHERE batch_id BETWEEN %s AND %s AND batch_id = ANY(%s::bigint[])
            """,
            min(ids),
            max(ids),
            ids,
        )
    )


def _is_counted() -> SQL:
    return SQL(
        "NOT EXISTS (SELECT FROM saas_usage_batch b"
        " WHERE b.id = e.batch_id AND b.is_counted IS NOT TRUE)"
    )


def _local_day() -> SQL:
    """Return the local day of an event ``e``, in the zone of the state ``s``."""
    return SQL("(e.event_time AT TIME ZONE 'UTC' AT TIME ZONE s.tz)::date")


def _stored(counted: Counted) -> SQL:
    """Return the source of all events ``e``, each with its state ``s``.

    OFFSET has states looked up: a planner that takes them for few compares each event
    with all of them, or reads the events of one state after the other.
    """
    return SQL(
        """
        saas_usage_event_store e
        CROSS JOIN LATERAL (
            SELECT *
              FROM saas_usage_bucket_state k
             WHERE k.subscription_id = e.subscription_id AND k.meter_id = %s
            OFFSET 0
        ) s
        """,
        counted.meter_id,
    )


def _events(counted: Counted, selection: SQL, source: SQL | None = None) -> SQL:
    """Return the events ``e`` of a meter with their state ``s``.

    :param source: of both; None: all that is stored
    """
    return SQL(
        """
          FROM %(source)s
         WHERE s.meter_id = %(meter)s AND s.digest = %(digest)s
           AND e.event_type = %(type)s AND %(fulfilled)s AND %(selection)s
          AND NOT EXISTS (SELECT FROM saas_usage_event_void v
                           WHERE v.source_id = e.source_id
                             AND v.event_id = e.event_id COLLATE "C")
        """,
        source=source or _stored(counted),
        meter=counted.meter_id,
        digest=counted.digest,
        type=counted.spec.event_type,
        fulfilled=fulfilled(counted.spec.conditions),
        selection=selection,
    )


def _group(counted: Counted) -> SQL:
    """Return the dimensions' values of an event, as they were sent."""
    if not counted.spec.keys:
        # Made once, not for every event.
        return SQL("'[]'::jsonb")
    values = (
        SQL(
            "CASE WHEN jsonb_typeof(e.data -> %(key)s) IN %(kinds)s"
            " THEN e.data -> %(key)s END",
            key=key,
            kinds=SQL(_TEXT),
        )
        for key in counted.spec.keys
    )
    return SQL("jsonb_build_array(%s)", SQL(", ").join(values))


def _sums(counted: Counted, selection: SQL, source: SQL | None) -> SQL:
    """Return the statement that adds events up by subscription, day and group.

    Its columns are those of the buckets, null where the aggregation has no use for it.
    """
    kept = _SUMS.get(counted.inner, ())
    columns = {
        "total": SQL("sum(value)"),
        "low": SQL("min(value)"),
        "high": SQL("max(value)"),
        "area": SQL("sum(value * %s)", ticks(SQL("event_time - %s::timestamp", EPOCH))),
        "last": _latest("value"),
        "last_time": _latest("event_time"),
        "last_id": _latest("id"),
    }
    wanted = kept + (("last_time", "last_id") if "last" in kept else ())
    return SQL(
        """
        SELECT subscription_id, day, md5(grp::text)::uuid AS group_key, grp,
               count(*) AS events, %(valued)s AS valued, (%(total)s)::numeric AS total,
               (%(low)s)::numeric AS low, (%(high)s)::numeric AS high,
               (%(last)s)::numeric AS last_value,
               (%(last_time)s)::timestamp AS last_time,
               (%(last_id)s)::bigint AS last_id, (%(area)s)::numeric AS area,
               max(event_time) AS seen_at
          FROM (
                SELECT e.subscription_id, %(day)s AS day, %(group)s AS grp,
                       (%(value)s)::numeric AS value, e.event_time, e.id
                %(events)s
               ) events
         GROUP BY subscription_id, day, grp
        """,
        valued=SQL("count(value)" if "valued" in kept else "0"),
        **{
            name: column if name in wanted else SQL("NULL")
            for name, column in columns.items()
        },
        day=_local_day(),
        group=_group(counted),
        value=number(counted.spec.value_key) if kept else SQL("NULL"),
        events=_events(counted, selection, source),
    )


def _grouped(counted: Counted, selection: SQL, source: SQL | None = None) -> SQL:
    """Return the sums as the buckets have them.

    :param source: of the events of whole days; None when the selected events are added
        to others
    """
    sums = _sums(counted, selection, source)
    if not counted.spec.keys:
        return sums
    return capped(sums, counted.meter_id, source is None)


def _latest(column: str) -> SQL:
    return SQL(
        "(array_agg(%s ORDER BY event_time DESC, id DESC)"
        " FILTER (WHERE value IS NOT NULL))[1]",
        SQL.identifier(column),
    )


def _add(env, counted: Counted, selection: SQL) -> list[tuple[int, date]]:
    """Add selected events to the buckets, and their keys.

    :return: subscription id and day of those that got too many groups
    """
    days = env.execute_query(
        SQL(
            """
            INSERT INTO saas_usage_bucket AS b (
                subscription_id, meter_id, day, group_key, grp, events, valued, total,
                low, high, last_value, last_time, last_id, area, seen_at
            )
            SELECT subscription_id, %(meter)s, day, group_key, grp, events, valued,
                   total, low, high, last_value, last_time, last_id, area, seen_at
              FROM (%(sums)s) sums
            ON CONFLICT (subscription_id, meter_id, day, group_key) DO UPDATE
               SET events = b.events + excluded.events,
                   valued = b.valued + excluded.valued,
                   total = COALESCE(b.total + excluded.total, b.total, excluded.total),
                   low = LEAST(b.low, excluded.low),
                   high = GREATEST(b.high, excluded.high),
                   area = COALESCE(b.area + excluded.area, b.area, excluded.area),
                   seen_at = GREATEST(b.seen_at, excluded.seen_at),
                   (last_value, last_time, last_id) = (
                       SELECT l.value, l.at, l.id
                         FROM (VALUES
                                  (b.last_value, b.last_time, b.last_id),
                                  (excluded.last_value, excluded.last_time,
                                   excluded.last_id)
                              ) l(value, at, id)
                        WHERE l.at IS NOT NULL
                        ORDER BY l.at DESC, l.id DESC
                        LIMIT 1
                   )
            RETURNING b.subscription_id, b.day
            """,
            meter=counted.meter_id,
            sums=_grouped(counted, selection),
        )
    )
    if counted.has_keys:
        _add_keys(env, counted, selection)
    return collapse(env, counted.meter_id, days) if counted.spec.keys else []


def _add_keys(env, counted: Counted, selection: SQL):
    spec = counted.spec
    env.cr.execute(
        SQL(
            """
            INSERT INTO saas_usage_bucket_key (subscription_id, meter_id, day, key)
            SELECT DISTINCT e.subscription_id, %(meter)s, %(day)s,
                   md5(e.data ->> %(key)s)::uuid
            %(events)s
               AND (e.data ->> %(key)s) IS NOT NULL AND %(added)s
            ON CONFLICT DO NOTHING
            """,
            meter=counted.meter_id,
            day=_local_day(),
            key=spec.value_key,
            events=_events(counted, selection),
            added=is_added(spec) if spec.operation_key else SQL("TRUE"),
        )
    )
