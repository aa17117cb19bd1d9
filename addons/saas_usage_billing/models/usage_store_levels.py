# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Statements about levels: what a window begins with, and how long keys are active.

All events of a subscription are read once, however many of its windows are asked for:
the ends of the windows cut its time into parts, the events of each part are added up,
and a window takes all parts up to its end. ``engine.meter`` says what it means.
"""

from collections.abc import Sequence
from dataclasses import replace

from odoo.tools import SQL

from ..engine.bucket import EPOCH
from .usage_openings import get_detached_until, read_openings
from .usage_store_api import BEGINNING, Bounds, MeterSpec, Window
from .usage_store_sql import (
    aggregated,
    fulfilled,
    group,
    is_added,
    key_text,
    local_day,
    number,
    ticks,
    windows_table,
)
from .usage_store_voids import counted


def over_levels(
    env, spec: MeterSpec, windows: Sequence[Window], bounds: Bounds | None
) -> SQL:
    """Return the statement of windows that begin with what was left before.

    Its columns: number of the window, group, value, count of the events in it, null,
    and the level it began with; also groups of which nothing is left.

    :param env: environment
    :param spec: what to measure, a level
    :param windows: at least one
    :param bounds: look at what was stored by then only
    """
    cut = _cut(windows)
    events = _events(env, spec, windows, bounds)
    if spec.aggregation == "unique":
        return _over_keys(spec, cut, events)
    if spec.aggregation == "unique_days":
        return _over_carried_stretches(spec, cut, events)
    return _over_values(spec, cut, events)


def _cut(windows: Sequence[Window]) -> SQL:
    """Return the windows ``w`` with their parts ``[first, last)``, and their cuts.

    Part 0 lies before all windows of the subscription.
    """
    return SQL(
        """
        WITH given AS (%s), cut AS (
            SELECT subscription_id, array_agg(DISTINCT t ORDER BY t) AS cuts,
                   max(t) AS last
              FROM (SELECT subscription_id, unnest(ARRAY[t0, t1]) AS t
                      FROM given) ends
             GROUP BY subscription_id
        ), w AS (
            SELECT given.*, width_bucket(t0, cut.cuts) AS first,
                   width_bucket(t1, cut.cuts) AS last
              FROM given
              JOIN cut USING (subscription_id)
        )
        """,
        windows_table(windows),
    )


def _events(env, spec: MeterSpec, windows: Sequence[Window], bounds) -> SQL:
    """Return the source of all events ``e`` up to the end of the last window.

    Openings stand for those of months that are detached.
    """
    # What was taken back counts, wherever it was.
    reach = [replace(window, start=BEGINNING) for window in windows]
    detached = get_detached_until(env)
    if detached:
        return SQL(
            """
              FROM cut
              JOIN %(source)s e
                ON e.subscription_id = cut.subscription_id AND e.event_time < cut.last
             WHERE %(counted)s
            """,
            source=read_openings(spec, detached),
            counted=counted(env, spec.event_type, reach, bounds),
        )
    return SQL(
        """
          FROM cut
          JOIN saas_usage_event_store e
            ON e.subscription_id = cut.subscription_id AND e.event_time < cut.last
         WHERE e.event_type = %(type)s AND e.event_time < %(last)s
           AND %(counted)s AND %(fulfilled)s
        """,
        type=spec.event_type,
        # Known when the statement is planned, so later partitions are left out.
        last=max(window.end for window in windows),
        counted=counted(env, spec.event_type, reach, bounds),
        fulfilled=fulfilled(spec.conditions),
    )


def _over_values(spec: MeterSpec, cut: SQL, events: SQL) -> SQL:
    """Return the statement of ``sum``, ``latest`` and ``weighted_sum``."""
    kind = spec.aggregation
    is_weighted = kind == "weighted_sum"
    amount = number(spec.value_key)
    return SQL(
        """
        %(cut)s, p AS (
            SELECT cut.subscription_id, width_bucket(e.event_time, cut.cuts) AS part,
                   %(group)s AS grp, count(*) AS count, %(value)s AS value,
                   %(area)s AS area
            %(events)s
             GROUP BY 1, 2, 3
        )
        SELECT w.number, p.grp, (%(whole)s)::text,
               COALESCE(sum(p.count) FILTER (WHERE p.part >= w.first), 0)::bigint,
               NULL, (%(carried)s)::text
          FROM w
          JOIN p ON p.subscription_id = w.subscription_id AND p.part < w.last
         GROUP BY w.number, p.grp
        """,
        cut=cut,
        group=group(spec),
        value=SQL("sum(%s)", amount) if is_weighted else aggregated(spec),
        area=SQL("sum(%s * %s)", amount, _since_epoch(SQL("e.event_time")))
        if is_weighted
        else SQL("NULL"),
        events=events,
        whole=_lasting() if is_weighted else _taken(kind, SQL("TRUE")),
        carried=_taken(kind, SQL("p.part < w.first")),
    )


def _taken(kind: str, parts: SQL) -> SQL:
    """Return the level that some of the parts ``p`` leave."""
    if kind == "latest":
        return SQL(
            "(array_agg(p.value ORDER BY p.part DESC)"
            " FILTER (WHERE p.value IS NOT NULL AND %s))[1]",
            parts,
        )
    return SQL("sum(p.value) FILTER (WHERE %s)", parts)


def _lasting() -> SQL:
    """Return level times microseconds of a window ``w``, over its parts ``p``."""
    return SQL(
        "sum(CASE WHEN p.part < w.first THEN p.value * %s"
        " ELSE p.value * %s - p.area END)",
        ticks(SQL("w.t1 - w.t0")),
        _since_epoch(SQL("w.t1")),
    )


def _since_epoch(moment: SQL) -> SQL:
    return ticks(SQL("%s - %s::timestamp", moment, EPOCH))


def _over_keys(spec: MeterSpec, cut: SQL, events: SQL) -> SQL:
    """Return the statement of ``unique``: keys there at the start, or added since."""
    return SQL(
        """
        %(cut)s, p AS (
            SELECT *, lead(part) OVER (PARTITION BY subscription_id, grp, key
                                       ORDER BY part) AS until
              FROM (
                    SELECT cut.subscription_id, %(group)s AS grp, %(key)s AS key,
                           width_bucket(e.event_time, cut.cuts) AS part,
                           count(*) AS count, bool_or(%(is_added)s) AS is_added,
                           (array_agg(%(is_added)s ORDER BY e.event_time DESC,
                                      e.id DESC))[1] AS stays
                    %(events)s
                     GROUP BY 1, 2, 3, 4
                   ) parts
        )
        SELECT number, grp,
               (count(key) FILTER (WHERE was_there OR is_added))::text,
               sum(count)::bigint, NULL,
               (count(key) FILTER (WHERE was_there))::text
          FROM (
                SELECT w.number, p.grp, p.key,
                       COALESCE(sum(p.count) FILTER (WHERE p.part >= w.first), 0)
                           AS count,
                       bool_or(p.is_added) FILTER (WHERE p.part >= w.first)
                           AS is_added,
                       bool_or(p.stays) FILTER (WHERE p.part < w.first) AS was_there
                  FROM w
                  JOIN p
                    ON p.subscription_id = w.subscription_id AND p.part < w.last
                   -- Of the parts before the window only the last one of each key.
                   AND (p.until IS NULL OR p.until >= w.first)
                 GROUP BY w.number, p.grp, p.key
               ) keys
         GROUP BY number, grp
        """,
        cut=cut,
        group=group(spec),
        key=key_text(spec),
        is_added=is_added(spec),
        events=events,
    )


def over_stretches(spec: MeterSpec, windows: SQL, events: SQL) -> SQL:
    """Return the statement of ``unique_days`` with operations, of the windows alone.

    A key is active from an addition to its next event, or the end of the window.

    :param spec: what to measure
    :param windows: common table expression of the windows ``w``
    :param events: their events ``e``
    """
    stretches = SQL(
        """
        SELECT number, grp, key, event_time, id, day, TRUE AS is_inside,
               CASE WHEN is_added AND key IS NOT NULL THEN COALESCE(
                   lead(day) OVER (PARTITION BY number, grp, key
                                   ORDER BY event_time, id),
                   last_day
               ) END AS till
          FROM (
                SELECT w.number, %(group)s AS grp, e.event_time, e.id, %(key)s AS key,
                       %(is_added)s AS is_added, %(day)s AS day,
                       %(last_day)s AS last_day
                %(events)s
               ) changes
        """,
        group=group(spec),
        key=key_text(spec),
        is_added=is_added(spec),
        day=local_day(),
        last_day=local_day(_last_instant()),
        events=events,
    )
    return _add_days(windows, stretches)


def _over_carried_stretches(spec: MeterSpec, cut: SQL, events: SQL) -> SQL:
    """Return the statement of ``unique_days`` with what was active before, too.

    What ended before the window is left out, also when that was on its first day.
    """
    changes = SQL(
        """
        %(cut)s, p AS (
            SELECT subscription_id, grp, key, event_time, id, is_added,
                   lead(event_time) OVER (PARTITION BY subscription_id, grp, key
                                          ORDER BY event_time, id) AS until
              FROM (
                    SELECT e.subscription_id, %(group)s AS grp, %(key)s AS key,
                           e.event_time, e.id, %(is_added)s AS is_added
                    %(events)s
                   ) changes
        )
        """,
        cut=cut,
        group=group(spec),
        key=key_text(spec),
        is_added=is_added(spec),
        events=events,
    )
    stretches = SQL(
        """
        SELECT w.number, p.grp, p.key, p.event_time, p.id, %(day)s AS day,
               p.event_time >= w.t0 AS is_inside,
               CASE WHEN p.is_added AND p.key IS NOT NULL THEN %(till)s END AS till
          FROM w
          JOIN p
            ON p.subscription_id = w.subscription_id AND p.event_time < w.t1
           AND (p.until IS NULL OR p.until >= w.t0)
        """,
        day=local_day(SQL("GREATEST(p.event_time, w.t0)")),
        till=local_day(SQL("LEAST(p.until, %s)", _last_instant())),
    )
    return _add_days(changes, stretches)


def _add_days(tables: SQL, stretches: SQL) -> SQL:
    """Return the statement that adds up the days of stretches.

    Days that an earlier stretch of the key has covered do not count again.
    """
    return SQL(
        """
        %(tables)s
        SELECT number, grp,
               COALESCE(sum(GREATEST(
                   till - GREATEST(day, COALESCE(covered, -1) + 1) + 1, 0
               )) FILTER (WHERE till IS NOT NULL), 0)::text,
               count(*) FILTER (WHERE is_inside), NULL,
               (count(*) FILTER (WHERE till IS NOT NULL AND NOT is_inside))::text
          FROM (
                SELECT number, grp, day, till, is_inside, max(till) OVER (
                           PARTITION BY number, grp, key ORDER BY event_time, id
                           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                       ) AS covered
                  FROM (%(stretches)s) stretches
               ) uncovered
         GROUP BY number, grp
        """,
        tables=tables,
        stretches=stretches,
    )


def _last_instant() -> SQL:
    return SQL("(w.t1 - interval '1 microsecond')")
