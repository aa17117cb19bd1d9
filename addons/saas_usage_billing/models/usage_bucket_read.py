# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Buckets to quantities, for any number of periods of a meter in one statement."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from odoo.tools import SQL

from ..engine.bucket import Bucket, can_add_up, measure_buckets
from ..engine.dimension import GoesTo, Rule, assign
from ..engine.filters import Test, as_text, matches
from ..engine.meter import Group, Measured
from ..engine.money import ZERO
from .usage_bucket import Counted
from .usage_bucket_state import KEPT_DAYS
from .usage_store_api import MeterSpec, Window

#: Requests that wait longer than this are not counted any time soon.
PATIENCE = "5 minutes"


@dataclass(frozen=True, slots=True)
class Days:
    """A period of a subscription: its window, and its first and last local day."""

    window: Window
    first: date
    last: date


def is_behind(env) -> bool:
    """Return whether counting is so far behind that buckets say too little.

    :param env: environment
    """
    [[found]] = env.execute_query(
        SQL(
            """
            SELECT EXISTS (
                SELECT FROM saas_usage_batch
                 WHERE is_counted IS NOT TRUE
                   AND received_at
                       < (now() AT TIME ZONE 'UTC') - %s::interval
            )
            """,
            PATIENCE,
        )
    )
    return found


def find_countable(
    env, counted: Counted, spec: MeterSpec, periods: Iterable[Days]
) -> set[Days]:
    """Return the periods the buckets of a meter are enough for.

    :param env: environment
    :param counted: whose buckets
    :param spec: what is to be measured
    :param periods: of any subscriptions
    """
    periods = list(periods)
    if not _can_read(counted, spec):
        return set()
    states = {
        subscription: row
        for subscription, *row in env.execute_query(
            SQL(
                """
                SELECT subscription_id, tz, CASE WHEN %(has_keys)s
                           THEN GREATEST(complete_from, current_date - %(kept)s)
                           ELSE complete_from END
                  FROM saas_usage_bucket_state
                 WHERE meter_id = %(meter)s AND digest = %(digest)s
                   AND subscription_id = ANY(%(ids)s)
                """,
                # Older keys are forgotten.
                has_keys=counted.has_keys,
                kept=KEPT_DAYS - 1,
                meter=counted.meter_id,
                digest=counted.digest,
                ids=[period.window.subscription_id for period in periods],
            )
        )
    }
    result = set()
    for period in periods:
        tz, complete_from = states.get(period.window.subscription_id, (None, None))
        if tz == period.window.tz and complete_from <= period.first:
            result.add(period)
    return result


def _can_read(counted: Counted, spec: MeterSpec) -> bool:
    """Return whether the groups of the buckets tell all that is asked for."""
    plain = counted.spec
    same = replace(spec, conditions=plain.conditions, keys=plain.keys, rules=())
    # Whatever else is asked for, such as amounts, is in the events only.
    if same != plain or not can_add_up(spec.terms):
        return False
    asked = set(spec.keys)
    for test in (*_get_tests(counted, spec), *spec.rules):
        rules = test.rules if isinstance(test, GoesTo) else [test]
        for rule in rules:
            parts = rule.conditions if isinstance(rule, Rule) else [rule]
            asked |= {part.key for part in parts}
    # The same key may be in several groups, so keys are not kept by group.
    return asked <= set(counted.spec.keys) and not (
        counted.has_keys and _needs_groups(counted, spec)
    )


def _get_tests(counted: Counted, spec: MeterSpec) -> list[Test]:
    """Return what is asked of an event beyond the conditions of the meter."""
    return [test for test in spec.conditions if test not in counted.spec.conditions]


def _needs_groups(counted: Counted, spec: MeterSpec) -> bool:
    return spec.is_grouped or bool(_get_tests(counted, spec))


def read_buckets(
    env, counted: Counted, spec: MeterSpec, periods: Iterable[Days]
) -> list[dict[Group, Measured]]:
    """Measure periods as ``UsageStore.aggregate`` does.

    :param env: environment
    :param counted: whose buckets
    :param spec: what to measure
    :param periods: those of ``find_countable``
    :return: per period its groups; ``()``, always there, without grouping
    """
    periods = list(periods)
    buckets = [defaultdict(list) for _period in periods]
    tests = _get_tests(counted, spec)
    for order, values, bucket in _read_sums(env, counted, spec, periods):
        data = _decode(counted, values)
        if matches(tests, data):
            buckets[order - 1][_assign(spec, data)].append(bucket)
    keys = _read_keys(env, counted, spec, periods) if counted.has_keys else {}
    result = []
    for order, (period, groups) in enumerate(zip(periods, buckets, strict=True), 1):
        if not spec.is_grouped:
            groups.setdefault((), [])
        result.append(
            {
                texts: measure_buckets(
                    spec.terms, own, period.window.span, keys.get(order, 0)
                )
                for texts, own in sorted(groups.items())
            }
        )
    return result


def _decode(counted: Counted, values: str | None) -> dict[str, object]:
    """Return the dimensions of a group as the events have them."""
    if values is None:
        return {}
    given = json.loads(values, parse_float=Decimal)
    return dict(zip(counted.spec.keys, given, strict=True))


def _assign(spec: MeterSpec, data: dict[str, object]) -> Group:
    """Return the group as the store names it."""
    texts = [as_text(data.get(key)) or "" for key in spec.keys]
    if spec.rules:
        price = assign(spec.rules, data)
        texts.insert(0, "" if price is None else str(price))
    return tuple(texts)


def _chosen(periods: list[Days]) -> SQL:
    return SQL(
        """
        unnest(%s::integer[], %s::date[], %s::date[]) WITH ORDINALITY
            AS w(subscription_id, first, last, number)
        """,
        [period.window.subscription_id for period in periods],
        [period.first for period in periods],
        [period.last for period in periods],
    )


def _read_sums(env, counted: Counted, spec: MeterSpec, periods: list[Days]):
    """Yield (number of the period, values of the dimensions, bucket)."""
    needs_groups = _needs_groups(counted, spec)
    grouped = SQL("b.grp::text" if needs_groups else "NULL::text")
    # Spans of days are measured one by one.
    day = SQL("b.day" if spec.aggregation == "window" else "NULL::date")
    rows = env.execute_query(
        SQL(
            """
            SELECT w.number, %(grp)s AS grp, %(day)s AS day, sum(b.events)::bigint,
                   sum(b.valued)::bigint, sum(b.total)::text, min(b.low)::text,
                   max(b.high)::text, sum(b.area)::text,
                   (array_agg(b.last_value::text ORDER BY b.last_time DESC,
                              b.last_id DESC)
                       FILTER (WHERE b.last_time IS NOT NULL))[1],
                   max(b.last_time),
                   (array_agg(b.last_id ORDER BY b.last_time DESC, b.last_id DESC)
                       FILTER (WHERE b.last_time IS NOT NULL))[1]
              FROM %(chosen)s
              JOIN saas_usage_bucket b
                ON b.subscription_id = w.subscription_id AND b.meter_id = %(meter)s
               AND b.day >= w.first AND b.day < w.last
             GROUP BY 1, 2, 3
            """,
            grp=grouped,
            day=day,
            chosen=_chosen(periods),
            meter=counted.meter_id,
        )
    )
    for number, values, at, events, valued, *numbers, last_time, last_id in rows:
        total, low, high, area, last = (
            None if one is None else Decimal(one) for one in numbers
        )
        yield (
            number,
            values,
            Bucket(
                events=events,
                valued=valued,
                total=total or ZERO,
                low=low,
                high=high,
                area=area or ZERO,
                last=(last_time, last_id) if last_time else None,
                last_value=last,
                day=at,
            ),
        )


def _read_keys(env, counted: Counted, spec: MeterSpec, periods: list[Days]):
    """Return the number of keys per number of the period."""
    # A key is in the table once a day.
    number = "count(DISTINCT k.key)" if spec.aggregation == "unique" else "count(*)"
    return dict(
        env.execute_query(
            SQL(
                """
                SELECT w.number, %(keys)s
                  FROM %(chosen)s
                  JOIN saas_usage_bucket_key k
                    ON k.subscription_id = w.subscription_id
                   AND k.meter_id = %(meter)s
                   AND k.day >= w.first AND k.day < w.last
                 GROUP BY w.number
                """,
                keys=SQL(number),
                chosen=_chosen(periods),
                meter=counted.meter_id,
            )
        )
    )
