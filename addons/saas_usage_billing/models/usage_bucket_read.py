# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Buckets to quantities, for any number of periods and meters in one statement."""

import json
from collections import defaultdict
from collections.abc import Sequence
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
from .usage_bucket_groups import find_crowded
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


@dataclass(frozen=True, slots=True)
class Asked:
    """A question: what of which buckets, in which period."""

    counted: Counted
    spec: MeterSpec
    days: Days

    @property
    def owner(self) -> tuple[int, int]:
        """Return subscription and meter."""
        return self.days.window.subscription_id, self.counted.meter_id


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


def find_countable(env, asked: Sequence[Asked]) -> list[bool]:
    """Return for each question whether the buckets are enough for it.

    :param env: environment
    :param asked: questions about any subscriptions and meters
    """
    readable = [_can_read(one.counted, one.spec) for one in asked]
    owners = {one.owner: one.counted for one in asked}
    if not any(readable):
        return readable
    states = {
        owner: (tz, complete_from)
        for *owner, tz, complete_from in env.execute_query(
            SQL(
                """
                SELECT s.subscription_id, s.meter_id, s.tz, CASE WHEN w.has_keys
                           THEN GREATEST(s.complete_from, current_date - %(kept)s)
                           ELSE s.complete_from END
                  FROM unnest(%(ids)s::integer[], %(meters)s::integer[],
                              %(digests)s::text[], %(has_keys)s::boolean[])
                           AS w(subscription_id, meter_id, digest, has_keys)
                  JOIN saas_usage_bucket_state s
                    ON s.subscription_id = w.subscription_id
                   AND s.meter_id = w.meter_id AND s.digest = w.digest
                """,
                # Older keys are forgotten.
                kept=KEPT_DAYS - 1,
                ids=[subscription for subscription, _meter in owners],
                meters=[meter for _subscription, meter in owners],
                digests=[one.digest for one in owners.values()],
                has_keys=[one.has_keys for one in owners.values()],
            )
        )
        for owner in [tuple(owner)]
    }
    crowded = _find_crowded(
        env,
        [one for one, is_readable in zip(asked, readable, strict=True) if is_readable],
    )
    result = []
    for one, is_readable in zip(asked, readable, strict=True):
        tz, complete_from = states.get(one.owner, (None, None))
        is_kept = tz == one.days.window.tz and complete_from <= one.days.first
        result.append(is_readable and is_kept and one not in crowded)
    return result


def _find_crowded(env, asked: Sequence[Asked]) -> set[Asked]:
    """Return the questions about groups of days that have one group only."""
    grouped = [one for one in asked if _needs_groups(one.counted, one.spec)]
    if not grouped:
        return set()
    days = defaultdict(list)
    for *owner, day in find_crowded(
        env,
        min(one.days.first for one in grouped),
        {one.days.window.subscription_id for one in grouped},
    ):
        days[tuple(owner)].append(day)
    return {
        one
        for one in grouped
        if any(one.days.first <= day < one.days.last for day in days[one.owner])
    }


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


def read_buckets(env, asked: Sequence[Asked]) -> list[dict[Group, Measured]]:
    """Measure as ``UsageStore.aggregate`` does, whatever the number of meters.

    :param env: environment
    :param asked: those of ``find_countable``
    :return: per question its groups; ``()``, always there, without grouping
    """
    buckets = [defaultdict(list) for _one in asked]
    for order, values, bucket in _read_sums(env, asked):
        counted, spec = asked[order - 1].counted, asked[order - 1].spec
        data = _decode(counted, values)
        if matches(_get_tests(counted, spec), data):
            buckets[order - 1][_assign(spec, data)].append(bucket)
    keys = _read_keys(env, asked)
    result = []
    for order, (one, groups) in enumerate(zip(asked, buckets, strict=True), 1):
        if not one.spec.is_grouped:
            groups.setdefault((), [])
        span = one.days.window.span
        result.append(
            {
                texts: measure_buckets(one.spec.terms, own, span, keys.get(order, 0))
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


def _chosen(numbered: list[tuple[int, Asked]]) -> SQL:
    return SQL(
        """
        unnest(%s::bigint[], %s::integer[], %s::integer[], %s::date[], %s::date[],
               %s::boolean[], %s::boolean[])
            AS w(number, subscription_id, meter_id, first, last, is_grouped, is_daily)
        """,
        [number for number, _one in numbered],
        [one.days.window.subscription_id for _number, one in numbered],
        [one.counted.meter_id for _number, one in numbered],
        [one.days.first for _number, one in numbered],
        [one.days.last for _number, one in numbered],
        [_needs_groups(one.counted, one.spec) for _number, one in numbered],
        # Spans of days are measured one by one.
        [one.spec.aggregation == "window" for _number, one in numbered],
    )


def _read_sums(env, asked: Sequence[Asked]):
    """Yield (number of the question, values of the dimensions, bucket)."""
    rows = env.execute_query(
        SQL(
            """
            SELECT w.number, CASE WHEN w.is_grouped THEN b.grp::text END AS grp,
                   CASE WHEN w.is_daily THEN b.day END AS day, sum(b.events)::bigint,
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
                ON b.subscription_id = w.subscription_id AND b.meter_id = w.meter_id
               AND b.day >= w.first AND b.day < w.last
             GROUP BY 1, 2, 3
            """,
            chosen=_chosen(list(enumerate(asked, 1))),
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


def _read_keys(env, asked: Sequence[Asked]) -> dict[int, int]:
    """Return the number of keys per number of the question."""
    result = {}
    # A key is in the table once a day.
    for is_unique, count in ((True, "count(DISTINCT k.key)"), (False, "count(*)")):
        numbered = [
            (number, one)
            for number, one in enumerate(asked, 1)
            if one.counted.has_keys and (one.spec.aggregation == "unique") == is_unique
        ]
        if numbered:
            result.update(_count_keys(env, numbered, SQL(count)))
    return result


def _count_keys(env, numbered: list[tuple[int, Asked]], count: SQL):
    return env.execute_query(
        SQL(
            """
            SELECT w.number, %(count)s
              FROM %(chosen)s
              JOIN saas_usage_bucket_key k
                ON k.subscription_id = w.subscription_id
               AND k.meter_id = w.meter_id AND k.day >= w.first AND k.day < w.last
             GROUP BY w.number
            """,
            count=count,
            chosen=_chosen(numbered),
        )
    )
