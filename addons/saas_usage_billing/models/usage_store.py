# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Set-based questions to the usage store; ``engine.aggregate`` says what they mean."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from odoo.tools import SQL

from odoo.addons.saas_subscription_ops.engine.period import day_start

from ..engine.aggregate import AGGREGATIONS
from ..engine.meter import Group, Measured, to_quantity
from ..engine.money import CONTEXT
from .usage_openings import get_detached_until, write_openings
from .usage_partition_detach import detach_month
from .usage_store_api import (
    DEFAULT,
    LOOK_BACK,
    Bounds,
    Event,
    Intake,
    Look,
    MeterSpec,
    Window,
    register_store,
)
from .usage_store_ingest import store_events
from .usage_store_levels import over_levels, over_stretches
from .usage_store_newer import find_newer
from .usage_store_sql import (
    aggregated,
    fulfilled,
    group,
    span_aggregate,
    span_number,
    windows_table,
)
from .usage_store_voids import counted

#: Between the arrival of a request and its number, and between two clocks.
_MARGIN = timedelta(minutes=10)


def read_bounds(cr) -> Bounds:
    """Return the bounds of what the present transaction sees.

    A number without a request is of one that has not ended, or never will be used. The
    second kind is left out where it is old: all that drew a number before the oldest
    transaction that writes had begun have ended.

    :param cr: database cursor
    """
    cr.execute("SELECT max(id), min(id) FROM saas_usage_batch")
    batch_max, batch_min = cr.fetchone()
    if batch_max is None:
        return Bounds(0, (), None)
    floor = _find_ended(cr)
    if floor is None:
        # More than are open at the same time.
        floor = batch_min - 1_000
    floor = max(floor, batch_max - LOOK_BACK, 0)
    cr.execute(
        """
        SELECT number FROM generate_series(%(first)s, %(last)s) number
         WHERE NOT EXISTS (SELECT 1 FROM saas_usage_batch b WHERE b.id = number)
         ORDER BY number
        """,
        {"first": floor + 1, "last": batch_max},
    )
    missing = tuple(number for (number,) in cr.fetchall())
    cr.execute("SELECT max(received_at) FROM saas_usage_batch")
    return Bounds(batch_max, missing, cr.fetchone()[0])


def _find_ended(cr) -> int | None:
    """Return a number up to which every request has ended, None without any.

    :param cr: database cursor
    """
    cr.execute(
        """
        SELECT id FROM saas_usage_batch
         WHERE received_at < (
                   SELECT LEAST(clock_timestamp(), min(xact_start)) - %s
                     FROM pg_stat_activity
                    WHERE datname = current_database()
                      AND (backend_xid IS NOT NULL OR wait_event_type = 'Lock'
                           OR pid = pg_backend_pid())
               ) AT TIME ZONE 'UTC'
         ORDER BY received_at DESC
         LIMIT 1
        """,
        [_MARGIN],
    )
    found = cr.fetchone()
    return found and found[0]


def aggregate(
    env, spec: MeterSpec, windows: Iterable[Window], bounds: Bounds | None = None
) -> list[dict[Group, Measured]]:
    """Measure each window, for any number of subscriptions in one statement.

    :param env: environment
    :param windows: windows, in any order
    :param bounds: look at what was stored by then only
    :return: in the order of the windows, per group; ``()``, zero without events, where
        nothing is grouped
    """
    windows = list(windows)
    if not windows:
        return []
    if spec.is_level:
        query = over_levels(env, spec, windows, bounds)
    else:
        query = _over_events(spec, _source(env, spec, windows, bounds))
    found = [{} if spec.is_grouped else {(): Measured()} for _window in windows]
    for number, texts, *row in env.execute_query(query):
        one = _to_measured(spec, windows[number - 1], *row)
        # A level that is gone has no group any more.
        if one.count or one.quantity or not spec.is_grouped:
            found[number - 1][tuple(texts or ())] = one
    return found


def _over_events(spec: MeterSpec, source: "_Source") -> SQL:
    """Return the statement of the events of the windows alone."""
    if spec.aggregation == "window":
        return _over_spans(spec, source)
    if spec.aggregation == "unique_days" and spec.operation_key:
        return over_stretches(spec, source.windows, source.events)
    return SQL(
        """
        %(windows)s
        SELECT w.number, %(group)s AS grp, (%(value)s)::text, count(*), NULL
        %(events)s
        GROUP BY w.number%(by)s
        """,
        windows=source.windows,
        group=group(spec),
        value=aggregated(spec),
        events=source.events,
        by=SQL(", grp" if spec.is_grouped else ""),
    )


class _Source(NamedTuple):
    """Parts of a statement: the windows ``w``, and their events ``e``."""

    windows: SQL
    events: SQL


def _source(
    env, spec: MeterSpec, windows: list[Window], bounds: Bounds | None
) -> _Source:
    return _Source(
        SQL("WITH w AS (%s)", windows_table(windows)),
        SQL(
            """
              FROM w
              JOIN saas_usage_event_store e
                ON e.subscription_id = w.subscription_id
               AND e.event_time >= w.t0 AND e.event_time < w.t1
             WHERE e.event_type = %(type)s
               AND e.event_time >= %(first)s AND e.event_time < %(last)s
               AND %(counted)s AND %(fulfilled)s
            """,
            type=spec.event_type,
            # Known when the statement is planned, so whole partitions are left out.
            first=min(window.start for window in windows),
            last=max(window.end for window in windows),
            counted=counted(env, spec.event_type, windows, bounds),
            fulfilled=fulfilled(spec.conditions),
        ),
    )


def _over_spans(spec: MeterSpec, source: _Source) -> SQL:
    """Return the statement of a ``window`` meter: each span, then over them."""
    outer = "max" if spec.spans.outer == "max" else "sum"
    return SQL(
        """
        %(windows)s
        SELECT number, grp, %(outer)s(value)::text, sum(count)::bigint,
               array_agg(value::text ORDER BY span)
          FROM (
                SELECT w.number, %(group)s AS grp, %(span)s AS span,
                       %(value)s AS value, count(*) AS count
                %(events)s
                GROUP BY w.number, grp, span
               ) spans
         GROUP BY number, grp
        """,
        windows=source.windows,
        group=group(spec),
        outer=SQL(outer),
        span=span_number(spec),
        value=span_aggregate(spec),
        events=source.events,
    )


def _to_measured(spec, window, value, count, spans, carried=None) -> Measured:
    """Return what was measured; quotients are taken here, with all digits."""
    quantity, by = Decimal(value or 0), 1
    if spec.aggregation == "weighted_sum":
        by = window.span.ticks
    elif spec.aggregation == "unique_days":
        by = window.span.days
    elif spec.aggregation == "window" and spec.spans.outer == "avg":
        by = spec.spans.count(window.span)
    if by != 1:
        quantity = CONTEXT.divide(quantity, Decimal(by))
    quantity = to_quantity(quantity, spec.decimals)
    return Measured(
        quantity,
        count,
        tuple(map(Decimal, spans or ())),
        carried=Decimal(carried or 0),
    )


def aggregate_by_day(
    env, spec: MeterSpec, window: Window, tz: str, bounds: Bounds | None = None
) -> dict[tuple[date, Group], Measured]:
    """Measure each day of a subscription on its own.

    :param env: environment
    :param tz: IANA name of the zone the days are of
    :param bounds: look at what was stored by then only
    :return: only days with events or a level
    """
    if spec.aggregation in AGGREGATIONS and not spec.is_level:
        return _aggregate_by_day(env, spec, window, tz, bounds)
    days = _cut_days(window, tz)
    measured = aggregate(env, spec, days.values(), bounds)
    return {
        (day, texts): one
        for day, groups in zip(days, measured, strict=True)
        for texts, one in groups.items()
        if one.count or one.quantity
    }


def _aggregate_by_day(env, spec, window, tz, bounds):
    """Measure the days of what needs no bounds of the days, in one pass."""
    rows = env.execute_query(
        SQL(
            """
            SELECT (e.event_time AT TIME ZONE 'UTC' AT TIME ZONE %(tz)s)::date AS day,
                   %(group)s AS grp, (%(value)s)::text, count(*), NULL
              FROM saas_usage_event_store e
             WHERE e.subscription_id = %(subscription)s
               AND e.event_time >= %(start)s AND e.event_time < %(end)s
               AND e.event_type = %(type)s
               AND %(counted)s AND %(fulfilled)s
             GROUP BY day%(by)s
            """,
            tz=tz,
            group=group(spec),
            by=SQL(", grp" if spec.is_grouped else ""),
            value=aggregated(spec),
            subscription=window.subscription_id,
            start=window.start,
            end=window.end,
            type=spec.event_type,
            counted=counted(env, spec.event_type, [window], bounds),
            fulfilled=fulfilled(spec.conditions),
        )
    )
    return {
        (day, tuple(texts or ())): _to_measured(spec, window, *row)
        for day, texts, *row in rows
    }


def _cut_days(window: Window, tz: str) -> dict[date, Window]:
    """Return the part of a window on each local day."""
    zone, utc = ZoneInfo(tz), timezone.utc
    day = window.start.replace(tzinfo=utc).astimezone(zone).date()
    start, result = window.start, {}
    while start < window.end:
        following = day_start(day + timedelta(days=1), tz).astimezone(utc)
        end = min(following.replace(tzinfo=None), window.end)
        result[day] = Window(window.subscription_id, start, end, tz)
        start, day = end, day + timedelta(days=1)
    return result


def read_events(
    env, spec: MeterSpec, window: Window, bounds=None, after=None, limit=100
) -> list[Event]:
    """Return a page of the events a meter counts, see ``UsageStore.read_events``.

    :param env: environment
    """
    passed = SQL("TRUE")
    if after:
        passed = SQL("(e.event_time, e.id) > (%s, %s)", *after)
    rows = env.execute_query(
        SQL(
            """
            SELECT e.id, e.event_time, e.stored_at, e.source_id, e.event_id,
                   e.batch_id, e.subject, e.data::text
              FROM saas_usage_event_store e
             WHERE e.subscription_id = %(subscription)s
               AND e.event_time >= %(start)s AND e.event_time < %(end)s
               AND e.event_type = %(type)s
               AND %(counted)s AND %(fulfilled)s AND %(passed)s
             ORDER BY e.event_time, e.id
             LIMIT %(limit)s
            """,
            subscription=window.subscription_id,
            # Also for the planner: partitions of earlier months are left out.
            start=max(window.start, after[0]) if after else window.start,
            end=window.end,
            type=spec.event_type,
            counted=counted(env, spec.event_type, [window], bounds),
            fulfilled=fulfilled(spec.conditions),
            passed=passed,
            limit=limit,
        )
    )
    return [Event(*row) for row in rows]


class PostgresUsageStore:
    """The store in the database itself, see ``usage_store_api.UsageStore``."""

    def __init__(self, env):
        self.env = env

    def store(
        self, intake: Intake, batch_ids: Mapping[int, int], now: datetime
    ) -> list[tuple[int, str | None]]:
        """See ``UsageStore.store``."""
        return store_events(self.env.cr, intake, batch_ids, now)

    def aggregate(
        self, spec: MeterSpec, windows: Iterable[Window], bounds: Bounds | None = None
    ) -> list[dict[Group, Measured]]:
        """See ``UsageStore.aggregate``."""
        return aggregate(self.env, spec, windows, bounds)

    def aggregate_by_day(
        self, spec: MeterSpec, window: Window, tz: str, bounds: Bounds | None = None
    ) -> dict[tuple[date, Group], Measured]:
        """See ``UsageStore.aggregate_by_day``."""
        return aggregate_by_day(self.env, spec, window, tz, bounds)

    def read_events(
        self, spec: MeterSpec, window: Window, bounds=None, after=None, limit=100
    ) -> list[Event]:
        """See ``UsageStore.read_events``."""
        return read_events(self.env, spec, window, bounds, after, limit)

    def bounds(self) -> Bounds:
        """See ``UsageStore.bounds``."""
        return read_bounds(self.env.cr)

    def find_newer(
        self, looks: Iterable[Look], until: Bounds | None = None
    ) -> set[int]:
        """See ``UsageStore.find_newer``."""
        return find_newer(self.env, looks, until)

    def write_openings(
        self, levels: Iterable[tuple[MeterSpec, Iterable[str]]], end: datetime
    ) -> None:
        """See ``UsageStore.write_openings``."""
        write_openings(self.env, levels, get_detached_until(self.env), end)

    def detach(self, month: date) -> None:
        """See ``UsageStore.detach``."""
        detach_month(self.env, month)


register_store(DEFAULT, PostgresUsageStore)
