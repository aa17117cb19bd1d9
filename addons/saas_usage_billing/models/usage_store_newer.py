# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Which windows got an event, or lost one, since they were looked at."""

from collections import defaultdict
from collections.abc import Iterable

from odoo.tools import SQL, split_every

from .usage_store_api import Bounds, Look

_EVENTS = SQL("saas_usage_event_store")
_VOIDS = SQL("saas_usage_event_void")
#: Looks of so many different moments are one statement.
_MOMENTS = 25


def find_newer(env, looks: Iterable[Look], until: Bounds | None = None) -> set[int]:
    """Return which looks would see something else now.

    An event or a void is new for a look when its request ended later. Requests are
    found by their number: a partition holds the events of its month in the order they
    arrived, so what came late lies at its end, whatever else it holds.

    :param env: environment
    :param looks: in any order
    :param until: nothing that was stored later; None: all that the transaction sees
    :return: positions in ``looks``
    """
    by_bounds = defaultdict(list)
    for position, look in enumerate(looks):
        by_bounds[look.bounds].append((position, look.event_type, look.window))
    found = set()
    for moments in split_every(_MOMENTS, by_bounds):
        query = _newer({bounds: by_bounds[bounds] for bounds in moments}, until)
        found.update(position for (position,) in env.execute_query(query))
    return found


def _newer(by_bounds: dict, until: Bounds | None) -> SQL:
    """Return the statement for the looks of some moments.

    :param by_bounds: bounds to a list of (position, event type, window)
    :param until: see ``find_newer``
    """
    rows = [
        (moment, position, event_type, window)
        for moment, own in enumerate(by_bounds.values())
        for position, event_type, window in own
    ]
    parts = [
        _fresh(table, moment, bounds, [window for _n, _type, window in own], until)
        for moment, (bounds, own) in enumerate(by_bounds.items())
        for table in (_EVENTS, _VOIDS)
    ]
    return SQL(
        """
        SELECT DISTINCT w.number
          FROM unnest(%s::integer[], %s::integer[], %s::text[], %s::integer[],
                      %s::timestamp[], %s::timestamp[])
               AS w(moment, number, event_type, subscription_id, t0, t1)
          JOIN (%s) fresh
            ON fresh.moment = w.moment
           AND fresh.subscription_id = w.subscription_id
           AND fresh.event_type = w.event_type
           AND fresh.event_time >= w.t0 AND fresh.event_time < w.t1
        """,
        [moment for moment, *_rest in rows],
        [position for _moment, position, *_rest in rows],
        [event_type for *_rest, event_type, _window in rows],
        [window.subscription_id for *_rest, window in rows],
        [window.start for *_rest, window in rows],
        [window.end for *_rest, window in rows],
        SQL(" UNION ALL ").join(parts),
    )


def _fresh(table: SQL, moment: int, bounds: Bounds, windows, until) -> SQL:
    """Return the part of the statement that reads what came after some bounds."""
    return SQL(
        """
        SELECT %(moment)s AS moment, subscription_id, event_type, event_time
          FROM %(table)s
         WHERE (batch_id > %(last)s OR batch_id = ANY(%(open)s::bigint[]))
           AND %(until)s
           AND event_time >= %(start)s AND event_time < %(end)s
           AND subscription_id = ANY(%(subscriptions)s)
        """,
        moment=moment,
        table=table,
        last=bounds.batch_max,
        open=list(bounds.batch_open),
        until=SQL("TRUE")
        if until is None
        else SQL(
            "batch_id <= %s AND NOT batch_id = ANY(%s::bigint[])",
            until.batch_max,
            list(until.batch_open),
        ),
        # Known when the statement is planned, so whole partitions are left out.
        start=min(window.start for window in windows),
        end=max(window.end for window in windows),
        subscriptions=sorted({window.subscription_id for window in windows}),
    )
