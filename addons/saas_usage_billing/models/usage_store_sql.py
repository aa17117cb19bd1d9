# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Expressions over the data of a stored event ``e``; the engine says what they mean.

``engine.filters`` for conditions, ``engine.aggregate`` for aggregations.
"""

from collections.abc import Iterable

from odoo.tools import SQL

from ..engine.aggregate import AVERAGE_DECIMALS
from ..engine.filters import COMPARISONS, Condition
from .usage_store_api import MeterSpec

_DATA = SQL("e.data")
# Not \d, which takes the digits of any script where the collation is ICU's.
_NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?$"


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


def fulfilled(conditions: Iterable[Condition], data: SQL = _DATA) -> SQL:
    """Return whether all conditions hold: true or false, never null.

    :param conditions: any number; none hold always
    :param data: column of the data
    """
    found = [_holds(condition, data) for condition in conditions]
    return SQL("(%s)", SQL(" AND ").join(found)) if found else SQL("TRUE")


def _holds(condition: Condition, data: SQL) -> SQL:
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
    """Return the aggregate of a group of events.

    :param spec: what to measure
    """
    if spec.aggregation == "count":
        return SQL("count(*)")
    if spec.aggregation == "unique":
        return SQL("count(DISTINCT e.data ->> %s)", spec.value_key)
    value = number(spec.value_key)
    if spec.aggregation == "latest":
        return SQL(
            "(array_agg(%(value)s ORDER BY e.event_time DESC, e.id DESC)"
            " FILTER (WHERE %(value)s IS NOT NULL))[1]",
            value=value,
        )
    if spec.aggregation == "avg":
        return SQL("round(avg(%s), %s)", value, AVERAGE_DECIMALS)
    return SQL("%s(%s)", SQL(spec.aggregation), value)
