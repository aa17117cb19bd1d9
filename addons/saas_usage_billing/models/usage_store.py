# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Set-based questions to the usage store; ``engine.aggregate`` says what they mean."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal

from odoo.tools import SQL

from ..engine.meter import Group, Measured
from .usage_store_api import DEFAULT, Bounds, Intake, MeterSpec, Window, register_store
from .usage_store_ingest import store_events
from .usage_store_sql import aggregated, fulfilled

#: Requests looked back at for ones that had not ended when others had.
_LOOK_BACK = 10_000


def read_bounds(cr) -> Bounds:
    """Return the bounds of what the present transaction sees.

    :param cr: database cursor
    """
    cr.execute("SELECT COALESCE(max(id), 0), max(received_at) FROM saas_usage_batch")
    batch_max, stored_at = cr.fetchone()
    cr.execute(
        """
        SELECT number FROM generate_series(%(first)s, %(last)s) number
         WHERE NOT EXISTS (SELECT 1 FROM saas_usage_batch b WHERE b.id = number)
         ORDER BY number
        """,
        {"first": max(1, batch_max - _LOOK_BACK), "last": batch_max},
    )
    missing = tuple(number for (number,) in cr.fetchall())
    return Bounds(batch_max, missing, stored_at)


def _seen(bounds: Bounds | None) -> SQL:
    if bounds is None:
        return SQL("TRUE")
    return SQL(
        "e.batch_id <= %s AND NOT e.batch_id = ANY(%s::bigint[])",
        bounds.batch_max,
        list(bounds.batch_open),
    )


def aggregate(
    env, spec: MeterSpec, windows: Iterable[Window], bounds: Bounds | None = None
) -> list[Measured]:
    """Measure each window, for any number of subscriptions in one statement.

    :param env: environment
    :param windows: windows, in any order
    :param bounds: look at what was stored by then only
    :return: in the order of the windows, zero without events
    """
    windows = list(windows)
    if not windows:
        return []
    # As text: the driver would make binary floats of the numbers.
    rows = env.execute_query(
        SQL(
            """
            WITH w AS (
                SELECT *
                  FROM unnest(%(subscriptions)s::integer[], %(starts)s::timestamp[],
                              %(ends)s::timestamp[])
                       WITH ORDINALITY AS w(subscription_id, t0, t1, number)
            )
            SELECT w.number, (%(value)s)::text, count(*)
              FROM w
              JOIN saas_usage_event_store e
                ON e.subscription_id = w.subscription_id
               AND e.event_time >= w.t0 AND e.event_time < w.t1
             WHERE e.event_type = %(type)s
               AND e.event_time >= %(first)s AND e.event_time < %(last)s
               AND %(seen)s AND %(fulfilled)s
             GROUP BY w.number
            """,
            subscriptions=[window.subscription_id for window in windows],
            starts=[window.start for window in windows],
            ends=[window.end for window in windows],
            value=aggregated(spec),
            type=spec.event_type,
            # Known when the statement is planned, so whole partitions are left out.
            first=min(window.start for window in windows),
            last=max(window.end for window in windows),
            seen=_seen(bounds),
            fulfilled=fulfilled(spec.conditions),
        )
    )
    found = {
        number: Measured(Decimal(value or 0), count) for number, value, count in rows
    }
    return [found.get(number, Measured()) for number in range(1, len(windows) + 1)]


def aggregate_by_day(
    env, spec: MeterSpec, window: Window, tz: str, bounds: Bounds | None = None
) -> dict[date, Measured]:
    """Measure each day of a subscription.

    :param env: environment
    :param tz: IANA name of the zone the days are of
    :param bounds: look at what was stored by then only
    :return: only days with events
    """
    rows = env.execute_query(
        SQL(
            """
            SELECT (e.event_time AT TIME ZONE 'UTC' AT TIME ZONE %(tz)s)::date AS day,
                   (%(value)s)::text, count(*)
              FROM saas_usage_event_store e
             WHERE e.subscription_id = %(subscription)s
               AND e.event_time >= %(start)s AND e.event_time < %(end)s
               AND e.event_type = %(type)s
               AND %(seen)s AND %(fulfilled)s
             GROUP BY day
            """,
            tz=tz,
            value=aggregated(spec),
            subscription=window.subscription_id,
            start=window.start,
            end=window.end,
            type=spec.event_type,
            seen=_seen(bounds),
            fulfilled=fulfilled(spec.conditions),
        )
    )
    return {day: Measured(Decimal(value or 0), count) for day, value, count in rows}


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
        return [{(): one} for one in aggregate(self.env, spec, windows, bounds)]

    def aggregate_by_day(
        self, spec: MeterSpec, window: Window, tz: str, bounds: Bounds | None = None
    ) -> dict[tuple[date, Group], Measured]:
        """See ``UsageStore.aggregate_by_day``."""
        found = aggregate_by_day(self.env, spec, window, tz, bounds)
        return {(day, ()): one for day, one in found.items()}

    def bounds(self) -> Bounds:
        """See ``UsageStore.bounds``."""
        return read_bounds(self.env.cr)


register_store(DEFAULT, PostgresUsageStore)
