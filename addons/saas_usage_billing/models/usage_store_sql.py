# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Expressions over the data of a stored event ``e``; the engine says what they mean.

``engine.filters`` for conditions, ``engine.aggregate`` for aggregations.
"""

from collections.abc import Iterable

from odoo.tools import SQL

from ..engine.aggregate import AVERAGE_DECIMALS
from ..engine.dimension import GoesTo, Rule
from ..engine.filters import COMPARISONS, Condition, Test
from ..engine.meter import UNITS
from .usage_store_api import MeterSpec, Window

_DATA = SQL("e.data")
_TIME = SQL("e.event_time")
# Not \d, which takes the digits of any script where the collation is ICU's.
_NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?$"


def windows_table(windows: Iterable[Window]) -> SQL:
    """Return the select of windows: their ends, time zones and numbers from 1.

    :param windows: in the order they are numbered
    """
    windows = list(windows)
    return SQL(
        """
        SELECT *
          FROM unnest(%s::integer[], %s::timestamp[], %s::timestamp[], %s::text[])
               WITH ORDINALITY AS w(subscription_id, t0, t1, tz, number)
        """,
        [window.subscription_id for window in windows],
        [window.start for window in windows],
        [window.end for window in windows],
        [window.tz for window in windows],
    )


def number(key: str, data: SQL = _DATA) -> SQL:
    """Return the number of a key, also one sent as text; null for anything else.

    :param key: key of the event's data
    :param data: column of the data
    """
    return SQL(
        "CASE jsonb_typeof(%(data)s -> %(key)s) WHEN 'number' THEN %(text)s::numeric"
        " WHEN 'string' THEN CASE WHEN %(text)s ~ %(number)s THEN %(text)s::numeric END"
        " END",
        data=data,
        key=key,
        text=SQL("(%s ->> %s)", data, key),
        number=_NUMBER,
    )


def text(key: str, data: SQL = _DATA) -> SQL:
    """Return the text of a key; null for objects, lists and what is missing.

    :param key: key of the event's data
    :param data: column of the data
    """
    return SQL(
        "CASE WHEN jsonb_typeof(%(data)s -> %(key)s) IN ('string', 'number', 'boolean')"
        " THEN %(data)s ->> %(key)s END",
        data=data,
        key=key,
    )


def fulfilled(conditions: Iterable[Test], data: SQL = _DATA) -> SQL:
    """Return whether all conditions hold: true or false, never null.

    :param conditions: any number; none hold always
    :param data: column of the data
    """
    found = [_holds(condition, data) for condition in conditions]
    return SQL("(%s)", SQL(" AND ").join(found)) if found else SQL("TRUE")


def group(spec: MeterSpec) -> SQL:
    """Return the texts an event is grouped by; null without grouping.

    :param spec: what to measure
    """
    if not spec.is_grouped:
        return SQL("NULL::text[]")
    texts = [SQL("COALESCE(%s, '')", text(key)) for key in spec.keys]
    if spec.rules:
        texts.insert(0, assigned(spec.rules))
    return SQL("ARRAY[%s]::text[]", SQL(", ").join(texts))


def assigned(rules: Iterable[Rule], data: SQL = _DATA) -> SQL:
    """Return the text of the price an event goes to; empty when no rule matches.

    :param rules: in the order they are tried, at least one
    :param data: column of the data
    """
    cases = (
        SQL("WHEN %s THEN %s", fulfilled(rule.conditions, data), str(rule.price))
        for rule in rules
    )
    return SQL("CASE %s ELSE '' END", SQL(" ").join(cases))


def _holds(condition: Test, data: SQL) -> SQL:
    if isinstance(condition, GoesTo):
        price = "" if condition.price is None else str(condition.price)
        return SQL("(%s = %s)", assigned(condition.rules, data), price)
    operator = condition.operator
    if operator in COMPARISONS:
        return SQL(
            "COALESCE(%s %s %s::numeric, FALSE)",
            number(condition.key, data),
            SQL(operator),
            condition.values[0],
        )
    if operator in ("=", "in"):
        return _equals(condition, data)
    if operator in ("!=", "not_in"):
        return SQL("NOT %s", _equals(condition, data))
    value = text(condition.key, data)
    if operator == "starts_with":
        return SQL("COALESCE(starts_with(%s, %s), FALSE)", value, condition.values[0])
    return SQL("(%s) IS %s", value, SQL("NOT NULL" if operator == "exists" else "NULL"))


def _equals(condition: Condition, data: SQL) -> SQL:
    return SQL(
        "(CASE jsonb_typeof(%(data)s -> %(key)s)"
        " WHEN 'number'"
        " THEN (%(data)s ->> %(key)s)::numeric = ANY(%(numbers)s::numeric[])"
        " WHEN 'string' THEN %(data)s ->> %(key)s = ANY(%(texts)s::text[])"
        " WHEN 'boolean' THEN %(data)s ->> %(key)s = ANY(%(texts)s::text[])"
        " ELSE FALSE END)",
        data=data,
        key=condition.key,
        numbers=[str(one) for one in condition.numbers()],
        texts=list(condition.values),
    )


def aggregated(spec: MeterSpec) -> SQL:
    """Return the aggregate of the events of a window ``w``.

    ``weighted_sum`` is level times microseconds and still has to be divided by those
    of the window.

    :param spec: what to measure; not ``window``, nor ``unique_days`` with operations
    """
    kind = spec.aggregation
    if kind == "count":
        return SQL("count(*)")
    if kind == "unique":
        return SQL("count(DISTINCT %s)%s", key_text(spec), _added(spec))
    if kind == "unique_days":
        return SQL(
            "count(DISTINCT (%(key)s, %(day)s)) FILTER (WHERE %(key)s IS NOT NULL)",
            key=key_text(spec),
            day=local_day(),
        )
    value = number(spec.value_key)
    if kind == "latest":
        return SQL(
            "(array_agg(%(value)s ORDER BY e.event_time DESC, e.id DESC)"
            " FILTER (WHERE %(value)s IS NOT NULL))[1]",
            value=value,
        )
    if kind == "percentile":
        # The factor is exact; percentile_disc counts ranks in binary.
        return SQL(
            "(array_agg(%(value)s ORDER BY %(value)s)"
            " FILTER (WHERE %(value)s IS NOT NULL))"
            "[ceil(%(share)s::numeric * count(%(value)s))::integer]",
            value=value,
            share=str(spec.percentile.scaleb(-2)),
        )
    if kind == "weighted_sum":
        return SQL("sum(%s * %s)", value, ticks(SQL("w.t1 - e.event_time")))
    return _plain(kind, value)


def _plain(kind: str, value: SQL) -> SQL:
    if kind == "avg":
        # A quotient has as many places as its inputs, but 16 digits at least: of a
        # large mean that would be less than is asked for.
        return SQL("round(avg(%s + 0e-30), %s)", value, AVERAGE_DECIMALS)
    return SQL("%s(%s)", SQL(kind), value)


def span_aggregate(spec: MeterSpec) -> SQL:
    """Return the aggregate of one span of a window.

    :param spec: what to measure, a ``window`` meter
    """
    kind = spec.spans.inner
    if kind == "count":
        return SQL("count(*)")
    if kind == "unique":
        return SQL("count(DISTINCT %s)", key_text(spec))
    return SQL("COALESCE(%s, 0)", _plain(kind, number(spec.value_key)))


def span_number(spec: MeterSpec) -> SQL:
    """Return which span of its window an event is in, from 0.

    :param spec: what to measure, a ``window`` meter
    """
    spans = spec.spans
    if spans.unit == "day":
        return SQL("%s / %s", local_day(), spans.size)
    size = spans.size * UNITS[spans.unit] * 1_000_000
    return SQL("%s / %s", ticks(SQL("e.event_time - w.t0")), size)


def ticks(interval: SQL) -> SQL:
    """Return the microseconds of an interval between two instants.

    :param interval: difference of two timestamps
    """
    return SQL("round(extract(epoch FROM %s) * 1000000)::bigint", interval)


def local_day(moment: SQL = _TIME) -> SQL:
    """Return the local day of a moment, counted from the first of its window ``w``.

    :param moment: naive UTC
    """
    day = SQL("((%s) AT TIME ZONE 'UTC' AT TIME ZONE w.tz)::date", moment)
    first = SQL("(w.t0 AT TIME ZONE 'UTC' AT TIME ZONE w.tz)::date")
    return SQL("(%s - %s)", day, first)


def is_added(spec: MeterSpec) -> SQL:
    """Return whether an event adds its key, rather than removing it.

    :param spec: what to measure, with operations
    """
    return SQL("%s IS DISTINCT FROM 'remove'", text(spec.operation_key))


def _added(spec: MeterSpec) -> SQL:
    if not spec.operation_key:
        return SQL("")
    return SQL(" FILTER (WHERE %s)", is_added(spec))


def key_text(spec: MeterSpec) -> SQL:
    """Return what ``unique`` and ``unique_days`` count of an event; null without.

    :param spec: what to measure
    """
    return SQL("(e.data ->> %s)", spec.value_key)
