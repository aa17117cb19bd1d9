# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Quantities from sums of events, kept per local day, instead of the events.

What can be added up gives exactly what ``meter.measure`` gives of the events; see
``can_add_up`` for the aggregations that cannot.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

from .aggregate import AVERAGE_DECIMALS
from .meter import Measured, MeterTerms, Spans, Window, take_spans, to_quantity
from .money import CONTEXT, ZERO, add, round_decimals, subtract, times

#: Instant (UTC) the microseconds of ``Bucket.area`` are counted from.
EPOCH = datetime(2000, 1, 1)
_TICK = timedelta(microseconds=1)
_SIMPLE = ("count", "sum", "max", "min", "avg", "latest", "weighted_sum")
#: Aggregations that need the keys seen on each day as well.
KEYED = ("unique", "unique_days")


@dataclass(frozen=True, slots=True)
class Bucket:
    """What the events of a day, or of several, add up to.

    ``valued``: events that carry a value; ``total, low, high`` of these values;
    ``last_value`` of the latest one, which is ``last`` (time, then order of arrival);
    ``area``: values times the microseconds from ``EPOCH`` to their events; ``keys``:
    different keys. ``day``: first local day, where days are told apart.
    """

    events: int = 0
    valued: int = 0
    total: Decimal = ZERO
    low: Decimal | None = None
    high: Decimal | None = None
    last: tuple[datetime, int] | None = None
    last_value: Decimal | None = None
    area: Decimal = ZERO
    keys: int = 0
    day: date | None = None


def can_add_up(terms: MeterTerms) -> bool:
    """Return whether sums by day are enough to measure a period of whole days.

    :param terms: how events become a quantity
    """
    kind = terms.aggregation
    if terms.is_level:
        # It begins with what was before all buckets.
        return False
    if kind in _SIMPLE or kind == "unique":
        return True
    if kind == "unique_days":
        return not terms.operation_key
    spans = terms.spans
    return (
        kind == "window"
        and spans is not None
        and spans.unit == "day"
        and (spans.inner != "unique")
    )


def merge(buckets: Iterable[Bucket]) -> Bucket:
    """Add buckets up. Keys are left out: the same one may be in several of them.

    :param buckets: any number
    :return: bucket of the first one's day
    """
    every = list(buckets)
    last = max(
        (one for one in every if one.last is not None),
        key=lambda one: one.last or (EPOCH, 0),
        default=None,
    )
    return Bucket(
        events=sum(one.events for one in every),
        valued=sum(one.valued for one in every),
        total=add(one.total for one in every),
        low=min((one.low for one in every if one.low is not None), default=None),
        high=max((one.high for one in every if one.high is not None), default=None),
        last=last.last if last else None,
        last_value=last.last_value if last else None,
        area=add(one.area for one in every),
        day=every[0].day if every else None,
    )


def measure_buckets(
    terms: MeterTerms, buckets: Iterable[Bucket], window: Window, keys: int = 0
) -> Measured:
    """Measure a period of whole local days.

    :param terms: how, see ``can_add_up``
    :param buckets: of the period; with their days for ``window``
    :param window: the period, naive UTC
    :param keys: different keys of the period; for ``unique_days`` those of each day,
        added up
    :return: what ``meter.measure`` returns of the events
    """
    every = list(buckets)
    whole = merge(every)
    spans: tuple[Decimal, ...] = ()
    if terms.spans and terms.aggregation == "window":
        spans = _measure_spans(terms.spans, every, window)
        quantity = take_spans(terms.spans, spans, window)
    else:
        quantity = _measure(terms.aggregation, whole, window, keys)
    return Measured(to_quantity(quantity, terms.decimals), whole.events, spans)


def _measure(kind: str, bucket: Bucket, window: Window, keys: int) -> Decimal:
    if kind == "unique":
        return Decimal(keys)
    if kind == "unique_days":
        return CONTEXT.divide(Decimal(keys), Decimal(window.days))
    if kind == "weighted_sum":
        ends = Decimal((window.end - EPOCH) // _TICK)
        lasted = subtract(times(bucket.total, ends), bucket.area)
        return CONTEXT.divide(lasted, Decimal(window.ticks))
    if kind == "latest":
        return bucket.last_value or ZERO
    return _plain(kind, bucket)


def _plain(kind: str, bucket: Bucket) -> Decimal:
    if kind == "count":
        return Decimal(bucket.events)
    if kind == "sum":
        return bucket.total
    if kind == "max":
        return bucket.high or ZERO
    if kind == "min":
        return bucket.low or ZERO
    if not bucket.valued:
        return ZERO
    mean = CONTEXT.divide(bucket.total, Decimal(bucket.valued))
    return round_decimals(mean, AVERAGE_DECIMALS)


def _measure_spans(
    spans: Spans, buckets: list[Bucket], window: Window
) -> tuple[Decimal, ...]:
    zone = ZoneInfo(window.tz)
    first = window.start.replace(tzinfo=timezone.utc).astimezone(zone).date()
    by_span: dict[int, list[Bucket]] = defaultdict(list)
    for bucket in buckets:
        if bucket.day is not None:
            by_span[(bucket.day - first).days // spans.size].append(bucket)
    return tuple(
        _plain(spans.inner, merge(own)) for _number, own in sorted(by_span.items())
    )
