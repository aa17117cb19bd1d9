# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What a meter means: one number from the events of a period.

This is the reference the set-based SQL is tested against. Which events belong to a
period is decided before (half-open, by event time). Without events every aggregation
is zero.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from .errors import AggregationError
from .money import CONTEXT, ZERO, add, round_decimals

# Digits kept of an average: PostgreSQL's numeric division keeps at least 16, so both
# sides round to 12 and agree.
AVERAGE_DECIMALS = 12


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """An event as far as an aggregation sees it.

    ``value`` is None for events that are only counted, ``key`` what ``unique`` counts,
    ``seq`` the order of arrival, which decides between events of the same instant,
    ``data`` what conditions and groups look at.
    """

    time: datetime
    value: Decimal | None = None
    key: str | None = None
    seq: int = 0
    data: Mapping[str, object] = field(default_factory=dict, hash=False)


def _values(events: Sequence[UsageEvent]) -> list[Decimal]:
    """Return the values of the events that carry one."""
    return [event.value for event in events if event.value is not None]


def _count(events: Sequence[UsageEvent]) -> Decimal:
    return Decimal(len(events))


def _sum(events: Sequence[UsageEvent]) -> Decimal:
    return add(_values(events))


def _max(events: Sequence[UsageEvent]) -> Decimal:
    return max(_values(events), default=ZERO)


def _min(events: Sequence[UsageEvent]) -> Decimal:
    return min(_values(events), default=ZERO)


def _avg(events: Sequence[UsageEvent]) -> Decimal:
    values = _values(events)
    if not values:
        return ZERO
    mean = CONTEXT.divide(add(values), Decimal(len(values)))
    return round_decimals(mean, AVERAGE_DECIMALS)


def _unique(events: Sequence[UsageEvent]) -> Decimal:
    return Decimal(len({event.key for event in events if event.key is not None}))


def _latest(events: Sequence[UsageEvent]) -> Decimal:
    valued = [event for event in events if event.value is not None]
    if not valued:
        return ZERO
    last = max(valued, key=lambda event: (event.time, event.seq))
    return last.value if last.value is not None else ZERO


AGGREGATIONS: Mapping[str, Callable[[Sequence[UsageEvent]], Decimal]] = {
    "count": _count,
    "sum": _sum,
    "max": _max,
    "min": _min,
    "avg": _avg,
    "unique": _unique,
    "latest": _latest,
}


def aggregate(kind: str, events: Iterable[UsageEvent]) -> Decimal:
    """Take one number of a period's events.

    ``count`` counts events; ``sum``, ``max``, ``min``, ``avg`` and ``latest`` look at
    the events that carry a value; ``unique`` counts different keys. The order of the
    events does not matter.

    :param kind: key of :data:`AGGREGATIONS`
    :param events: events of the period, in any order
    :return: the aggregated quantity, zero without events; ``avg`` has 12 decimals
    :raise AggregationError: unknown kind
    """
    if kind not in AGGREGATIONS:
        raise AggregationError(f"unknown aggregation: {kind}")
    return AGGREGATIONS[kind](list(events))
