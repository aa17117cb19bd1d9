# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What levels go on from when the months they come from are detached.

An opening stands for many events and is read like one: it has the time and number of
the last of them, and of its data what still decides: the keys a level may be grouped or
priced by, and the value. Sums are one opening per group, a latest value is the last
event that has one, keys are the last event of each that may still be there. So every
way to share a level out between prices and dimensions gives the same as before.
"""

import hashlib
from collections.abc import Iterable

from odoo.tools import SQL

from ..engine.filters import Condition
from ..engine.meter import KEYED_LEVELS
from .usage_store_api import MeterSpec
from .usage_store_sql import fulfilled, is_added, key_text, number

_DETACHED = "state IN ('detached', 'dropped')"
_FIND_DETACHED = f"""
SELECT (max(month) FILTER (WHERE {_DETACHED}) + interval '1 month')::timestamp,
       saas_usage_check_attached(
           array_agg(name::text) FILTER (WHERE NOT {_DETACHED})
       )
  FROM saas_usage_partition
"""


def get_definition(spec: MeterSpec) -> str:
    """Return a short text that is the same however a level is shared out.

    :param spec: what is measured, a level
    """
    own = [one for one in spec.conditions if isinstance(one, Condition)]
    parts = spec.event_type, spec.aggregation, spec.value_key, spec.operation_key, own
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def get_detached_until(env):
    """Return the first moment whose events are in the store, None: all are.

    What a transaction has seen of the months and what it reads of the events belong
    together: one that began before a month was detached, and comes to the events after
    that, begins anew.

    :param env: environment
    :return: naive UTC datetime
    """
    cr = env.cr
    cr.execute("LOCK TABLE saas_usage_event_store IN ACCESS SHARE MODE")
    cr.execute(_FIND_DETACHED)
    return cr.fetchone()[0]


def write_openings(env, specs: Iterable[tuple[MeterSpec, Iterable[str]]], start, end):
    """Write what levels go on from at a moment; safe to repeat.

    :param env: environment
    :param specs: levels, each with the keys it may be grouped by
    :param start: moment of the openings there are, None: there are none
    :param end: naive UTC datetime; no event before it comes any more
    """
    alike = {}
    for spec, own in specs:
        _spec, keys = alike.setdefault(get_definition(spec), (spec, set()))
        keys.update(own)
    for definition, (spec, keys) in alike.items():
        env.cr.execute(
            "DELETE FROM saas_usage_opening WHERE definition = %s AND at = %s",
            [definition, end],
        )
        env.cr.execute(
            SQL(
                """
                WITH e AS (%(source)s)
                INSERT INTO saas_usage_opening (
                    definition, at, subscription_id, row_id, event_time, data
                )
                SELECT %(definition)s, %(end)s, f.*
                  FROM (%(last)s) f
                """,
                source=_source(env, spec, keys, definition, start, end),
                definition=definition,
                end=end,
                last=_condense(spec, keys),
            )
        )


def forget_openings(env, moment):
    """Delete the openings of before a moment.

    :param env: environment
    :param moment: those in use are of then
    """
    env.cr.execute("DELETE FROM saas_usage_opening WHERE at < %s", [moment])


def _source(env, spec, keys, definition, start, end) -> SQL:
    """Return what an opening is made of: the one before, and the events since."""
    reach = SQL("e.event_time < %s", end)
    if start:
        reach = SQL("%s AND e.event_time >= %s", reach, start)
    return SQL(
        """
        SELECT e.subscription_id, e.id, e.event_time, e.data, %(group)s AS grp
          FROM saas_usage_event_store e
         WHERE e.event_type = %(type)s AND %(reach)s
           AND %(standing)s AND %(fulfilled)s
         UNION ALL
        SELECT e.subscription_id, e.row_id, e.event_time, e.data, %(group)s
          FROM saas_usage_opening e
         WHERE e.definition = %(definition)s AND e.at = %(start)s
        """,
        group=_group(keys),
        type=spec.event_type,
        reach=reach,
        standing=SQL(
            "NOT EXISTS (SELECT 1 FROM saas_usage_event_void v"
            ' WHERE v.source_id = e.source_id AND v.event_id = e.event_id COLLATE "C")'
        ),
        fulfilled=fulfilled(spec.conditions),
        definition=definition,
        start=start,
    )


def _group(keys) -> SQL:
    """Return the data a level may be grouped by, as it was sent."""
    return SQL(
        "COALESCE((SELECT jsonb_object_agg(k, e.data -> k)"
        " FROM unnest(%s::text[]) k WHERE e.data ? k), '{}'::jsonb)",
        sorted(keys),
    )


def _condense(spec: MeterSpec, keys) -> SQL:
    """Return the openings of the events ``e``."""
    if spec.aggregation in KEYED_LEVELS:
        return _condense_keys(spec)
    value = number(spec.value_key)
    if spec.aggregation == "latest":
        return SQL(
            """
            SELECT DISTINCT ON (e.subscription_id, e.grp)
                   e.subscription_id, e.id, e.event_time,
                   e.grp || jsonb_build_object(%(key)s::text, %(value)s)
              FROM e
             WHERE %(value)s IS NOT NULL
             ORDER BY e.subscription_id, e.grp, e.event_time DESC, e.id DESC
            """,
            key=spec.value_key,
            value=value,
        )
    return SQL(
        """
        SELECT e.subscription_id, max(e.id), max(e.event_time),
               e.grp || jsonb_build_object(%(key)s::text, sum(%(value)s))
          FROM e
         GROUP BY e.subscription_id, e.grp%(alone)s
        HAVING sum(%(value)s) != 0
        """,
        key=spec.value_key,
        value=value,
        # Grouped by the value itself, a sum would be another group.
        alone=SQL(", e.id" if spec.value_key in keys else ""),
    )


def _condense_keys(spec: MeterSpec) -> SQL:
    """Return the last event of each group and key, of keys that may still be there."""
    return SQL(
        """
        SELECT subscription_id, id, event_time, data
          FROM (
                SELECT last.*,
                       bool_or(is_added) OVER (PARTITION BY subscription_id, key)
                           AS stays
                  FROM (
                        SELECT DISTINCT ON (e.subscription_id, e.grp, %(key)s)
                               e.subscription_id, e.id, e.event_time, %(key)s AS key,
                               %(is_added)s AS is_added,
                               e.grp || jsonb_build_object(
                                   %(value_key)s::text, e.data -> %(value_key)s,
                                   %(operation)s::text, %(said)s
                               ) AS data
                          FROM e
                         WHERE %(key)s IS NOT NULL
                         ORDER BY e.subscription_id, e.grp, %(key)s,
                                  e.event_time DESC, e.id DESC
                       ) last
               ) keys
         WHERE stays
        """,
        key=key_text(spec),
        is_added=is_added(spec),
        value_key=spec.value_key,
        operation=spec.operation_key,
        said=SQL("CASE WHEN %s THEN 'add' ELSE 'remove' END", is_added(spec)),
    )


def read_openings(spec: MeterSpec, moment) -> SQL:
    """Return the openings as events ``e`` of a level, and its events since.

    :param spec: what is measured, a level
    :param moment: see ``get_detached_until``
    """
    shared = [one for one in spec.conditions if not isinstance(one, Condition)]
    return SQL(
        """(
            SELECT e.id, e.subscription_id, e.event_time, e.source_id, e.event_id,
                   e.batch_id, e.data
              FROM saas_usage_event_store e
             WHERE e.event_type = %(type)s AND e.event_time >= %(moment)s
               AND %(fulfilled)s
             UNION ALL
            SELECT e.row_id, e.subscription_id, e.event_time, 0::integer, ''::varchar,
                   0::bigint, e.data
              FROM saas_usage_opening e
             WHERE e.definition = %(definition)s AND e.at = %(moment)s AND %(shared)s
        )""",
        type=spec.event_type,
        moment=moment,
        fulfilled=fulfilled(spec.conditions),
        definition=get_definition(spec),
        shared=fulfilled(shared),
    )
