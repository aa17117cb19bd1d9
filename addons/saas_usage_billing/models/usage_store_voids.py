# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Which stored events count: seen by then, and not taken back by then.

``engine.correction`` says what that means.
"""

from collections.abc import Sequence

from odoo.tools import SQL

from .usage_store_api import Bounds, Window

_EVENT = SQL("e.batch_id")
_VOID = SQL("v.batch_id")


def counted(
    env, event_type: str, windows: Sequence[Window], bounds: Bounds | None
) -> SQL:
    """Return whether an event ``e`` of some windows counts: true or false.

    Voids are looked for in the windows first: where there are none, as nearly always,
    the question to the store stays as simple as it is without them.

    :param env: environment
    :param event_type: of the events
    :param windows: at least one
    :param bounds: look at what was stored by then only
    """
    if not _has_voids(env, event_type, windows, bounds):
        return _seen(_EVENT, bounds)
    return SQL("%s AND %s", _seen(_EVENT, bounds), standing(SQL("e"), bounds))


def standing(event: SQL, bounds: Bounds | None) -> SQL:
    """Return whether nothing takes an event back: true or false.

    :param event: alias of the store or of its view
    :param bounds: look at what was stored by then only
    """
    return SQL(
        """NOT EXISTS (
               SELECT 1 FROM saas_usage_event_void v
                WHERE v.source_id = %(event)s.source_id
                  AND v.event_id = %(event)s.event_id COLLATE "C"
                  AND %(seen)s
           )""",
        event=event,
        seen=_seen(_VOID, bounds),
    )


def _has_voids(env, event_type, windows, bounds):
    query = SQL(
        """
        SELECT EXISTS (
            SELECT 1 FROM saas_usage_event_void v
             WHERE v.subscription_id = ANY(%s) AND v.event_type = %s
               AND v.event_time >= %s AND v.event_time < %s AND %s
        )
        """,
        list({window.subscription_id for window in windows}),
        event_type,
        min(window.start for window in windows),
        max(window.end for window in windows),
        _seen(_VOID, bounds),
    )
    return env.execute_query(query)[0][0]


def _seen(batch_id: SQL, bounds: Bounds | None) -> SQL:
    if bounds is None:
        return SQL("TRUE")
    return SQL(
        "%(batch)s <= %(last)s AND NOT %(batch)s = ANY(%(open)s::bigint[])",
        batch=batch_id,
        last=bounds.batch_max,
        open=list(bounds.batch_open),
    )
