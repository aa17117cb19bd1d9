# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What a meter measures: events of a window in, quantities per group out."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from zoneinfo import ZoneInfo

from .aggregate import AGGREGATIONS, AVERAGE_DECIMALS, UsageEvent, aggregate
from .dimension import Rule, assign
from .errors import TermsError
from .filters import Test, as_text, matches
from .money import CONTEXT, HUNDRED, ZERO, add, round_decimals
from .time_weighted import active_days, weighted_sum

#: Texts of what a meter is grouped by: the price, where there are rules, then the keys
#: in their order; empty without grouping.
Group = tuple[str, ...]

#: Aggregations over spans of the window, each measured on its own before.
INNER = ("count", "sum", "max", "unique", "avg")
OUTER = ("max", "sum", "avg")
UNITS = {"minute": 60, "hour": 3600, "day": 86400}
#: Every aggregation a meter may have.
KINDS = (*AGGREGATIONS, "unique_days", "weighted_sum", "percentile", "window")
#: Those that may go on with what was left before, and those that need operations to.
LEVELS = ("sum", "latest", "weighted_sum")
KEYED_LEVELS = ("unique", "unique_days")
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Window:
    """Instants ``[start, end)``; ``tz``: IANA name of the zone its days are of.

    Aware, or naive UTC like the events measured.
    """

    start: datetime
    end: datetime
    tz: str = "UTC"

    def day_of(self, moment: datetime) -> int:
        """Return the local day of a moment, counted from the window's first day.

        :param moment: instant
        """
        zone = ZoneInfo(self.tz)
        utc = ZoneInfo("UTC")
        first, day = (
            (one if one.tzinfo else one.replace(tzinfo=utc)).astimezone(zone).date()
            for one in (self.start, moment)
        )
        return (day - first).days

    @property
    def days(self) -> int:
        """Return the local days the window touches."""
        return self.day_of(self.end - _TICK) + 1

    @property
    def ticks(self) -> int:
        """Return the microseconds of the window."""
        return (self.end - self.start) // _TICK


@dataclass(frozen=True, slots=True)
class Spans:
    """How a window is cut, and what is taken of each span and then over them.

    Minutes and hours are counted from the start of the window, days are local ones.

    :raise TermsError: unknown unit or aggregation, size below one
    """

    unit: str
    size: int = 1
    inner: str = "sum"
    outer: str = "max"

    def __post_init__(self) -> None:
        if self.unit not in UNITS or self.size < 1:
            raise TermsError(f"no span of time: {self.size} {self.unit}")
        if self.inner not in INNER or self.outer not in OUTER:
            raise TermsError(f"unknown aggregation: {self.inner}, {self.outer}")

    def number(self, window: Window, moment: datetime) -> int:
        """Return which span of the window a moment is in, from 0.

        :param window: what is cut
        :param moment: instant in it
        """
        if self.unit == "day":
            return window.day_of(moment) // self.size
        size = self.size * UNITS[self.unit] * 1_000_000
        return (moment - window.start) // _TICK // size

    def count(self, window: Window) -> int:
        """Return the number of spans of a window, the last one may be a part.

        :param window: what is cut
        """
        return self.number(window, window.end - _TICK) + 1


@dataclass(frozen=True, slots=True)
class MeterTerms:
    """How events become a quantity.

    ``decimals``: places the quantity is rounded to, half up. ``operation_key``: key of
    the data that says ``remove`` when a key of ``unique`` or ``unique_days`` goes; all
    else adds it. ``percentile``: above 0, up to 100. ``spans``: of ``window``.
    ``is_level``: a window begins with what all events before it left, see
    ``can_be_level``.

    :raise TermsError: unknown aggregation, negative decimals, what the aggregation
        needs is missing, a level that leaves nothing behind
    """

    aggregation: str
    conditions: tuple[Test, ...] = ()
    decimals: int = AVERAGE_DECIMALS
    operation_key: str | None = None
    percentile: Decimal | None = None
    spans: Spans | None = None
    is_level: bool = False

    def __post_init__(self) -> None:
        if self.aggregation not in KINDS:
            raise TermsError(f"unknown aggregation: {self.aggregation}")
        if self.decimals < 0:
            raise TermsError(f"negative decimals: {self.decimals}")
        if self.aggregation == "percentile" and not (
            self.percentile is not None and 0 < self.percentile <= HUNDRED
        ):
            raise TermsError(f"percentile {self.percentile}")
        if self.aggregation == "window" and self.spans is None:
            raise TermsError("spans are missing")
        if self.is_level and not can_be_level(self.aggregation, self.operation_key):
            raise TermsError(f"no level: {self.aggregation}")


def can_be_level(aggregation: str, operation_key: str | None) -> bool:
    """Return whether what is measured can go on into the next window.

    Keys that never go would add up for ever, so they need operations.

    :param aggregation: one of ``KINDS``
    :param operation_key: see ``MeterTerms``
    """
    return aggregation in LEVELS or (
        aggregation in KEYED_LEVELS and bool(operation_key)
    )


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured: the quantity, and the number of events behind it.

    ``windows``: quantities of the spans that have events, in their order. ``carried``:
    the level the window began with, below zero too. What only some prices need:
    ``amount`` the events carry under another key, None when some carry none; ``values``
    of the events with their times, in their order.
    """

    quantity: Decimal = ZERO
    count: int = 0
    windows: tuple[Decimal, ...] = ()
    amount: Decimal | None = None
    values: Iterable[tuple[datetime, Decimal]] = field(default=(), compare=False)
    carried: Decimal = ZERO


def measure(
    terms: MeterTerms, events: Iterable[UsageEvent], window: Window
) -> Measured:
    """Measure the events of a window that fulfil the conditions.

    :param terms: how
    :param events: in any order; those outside the window do not count, but those before
        it are what a level begins with
    :param window: when
    :return: quantity and number of events in the window, zero without any
    """
    found: list[UsageEvent] = []
    before: list[UsageEvent] = []
    for event in events:
        if event.time < window.end and matches(terms.conditions, event.data):
            (found if event.time >= window.start else before).append(event)
    if not terms.is_level:
        before = []
    spans: tuple[Decimal, ...] = ()
    if terms.spans and terms.aggregation == "window":
        spans = _measure_spans(terms.spans, found, window)
        quantity = take_spans(terms.spans, spans, window)
    else:
        quantity = _measure(terms, found, window, before)
    return Measured(
        to_quantity(quantity, terms.decimals),
        len(found),
        spans,
        carried=_carry(terms, before),
    )


def _measure(
    terms: MeterTerms,
    events: list[UsageEvent],
    window: Window,
    before: list[UsageEvent],
) -> Decimal:
    kind = terms.aggregation
    if kind == "percentile":
        return _percentile(terms, events)
    if kind == "weighted_sum":
        return weighted_sum([*before, *events], window.start, window.end)
    if kind == "unique_days":
        spans = _active_spans(terms, [*before, *events], window)
        return active_days(spans, window.days)
    if kind == "unique" and terms.operation_key:
        events = [event for event in events if not _removes(terms, event)]
        before = _get_active(terms, before)
    return aggregate(kind, [*before, *events])


def _carry(terms: MeterTerms, before: list[UsageEvent]) -> Decimal:
    """Return the level that some events leave."""
    kind = terms.aggregation
    if kind in KEYED_LEVELS:
        return Decimal(len(_get_active(terms, before)))
    return aggregate("latest" if kind == "latest" else "sum", before)


def _get_active(terms: MeterTerms, before: list[UsageEvent]) -> list[UsageEvent]:
    """Return the last event of each key that was added and not removed since."""
    last: dict[str, UsageEvent] = {}
    for event in sorted(before, key=lambda event: (event.time, event.seq)):
        if event.key is not None:
            last[event.key] = event
    return [event for event in last.values() if not _removes(terms, event)]


def _percentile(terms: MeterTerms, events: list[UsageEvent]) -> Decimal:
    """Return the value at the nearest rank: one that occurred, no interpolation."""
    values = sorted(event.value for event in events if event.value is not None)
    if not values or terms.percentile is None:
        return ZERO
    share = CONTEXT.multiply(terms.percentile, Decimal(len(values)))
    rank = CONTEXT.divide(share, HUNDRED).to_integral_value(ROUND_CEILING)
    return values[int(rank) - 1]


def _measure_spans(
    spans: Spans, events: list[UsageEvent], window: Window
) -> tuple[Decimal, ...]:
    by_span: dict[int, list[UsageEvent]] = defaultdict(list)
    for event in events:
        by_span[spans.number(window, event.time)].append(event)
    return tuple(
        aggregate(spans.inner, own) for _number, own in sorted(by_span.items())
    )


def take_spans(spans: Spans, values: tuple[Decimal, ...], window: Window) -> Decimal:
    """Take one number over the spans of a window.

    :param spans: how
    :param values: of the spans with events; the others are zero for ``avg``
    :param window: what was cut
    :return: their highest, sum or average
    """
    if spans.outer == "max":
        return max(values, default=ZERO)
    total = add(values)
    if spans.outer == "sum":
        return total
    return CONTEXT.divide(total, Decimal(spans.count(window)))


def _removes(terms: MeterTerms, event: UsageEvent) -> bool:
    return bool(terms.operation_key) and (
        as_text(event.data.get(terms.operation_key or "")) == "remove"
    )


def _active_spans(
    terms: MeterTerms, events: list[UsageEvent], window: Window
) -> list[tuple[str, int, int]]:
    """Return (key, first day, last day) of all stretches a key is active.

    Without operations a key is active on the days it was seen; with them from an
    addition to the day of its removal, else to the end of the window. What ended before
    the window is left out, also when that was on its first day.
    """
    by_key: dict[str, list[UsageEvent]] = defaultdict(list)
    for event in sorted(events, key=lambda event: (event.time, event.seq)):
        if event.key is not None:
            by_key[event.key].append(event)
    result = []
    for key, own in by_key.items():
        ends = [event.time for event in own[1:]] + [window.end - _TICK]
        for event, end in zip(own, ends, strict=True):
            day = window.day_of(event.time)
            if not terms.operation_key:
                result.append((key, day, day))
            elif end >= window.start and not _removes(terms, event):
                result.append((key, day, window.day_of(end)))
    return result


def to_quantity(quantity: Decimal, decimals: int) -> Decimal:
    """Round half up to what can be priced: never less than nothing.

    :param quantity: finite number; one that has few enough places stays as it is
    :param decimals: places after the point
    """
    quantity = max(quantity, ZERO)
    exponent = quantity.as_tuple().exponent
    if isinstance(exponent, int) and -exponent <= decimals:
        return quantity
    return round_decimals(quantity, decimals)


def measure_groups(
    terms: MeterTerms,
    keys: Sequence[str],
    events: Iterable[UsageEvent],
    window: Window,
    rules: Sequence[Rule] = (),
) -> dict[Group, Measured]:
    """Measure by the price an event goes to, and by the values of some keys.

    :param terms: how
    :param keys: keys of the data
    :param events: in any order
    :param window: when
    :param rules: in the order they are tried; every event goes to exactly one price
    :return: every group with events or a level; a key that is missing, and the price of
        an event no rule matches, is the empty text. Neither keys nor rules: one group
        ``()``, also without events
    """
    if not keys and not rules:
        return {(): measure(terms, events, window)}
    groups: dict[Group, list[UsageEvent]] = defaultdict(list)
    for event in events:
        texts = [as_text(event.data.get(key)) or "" for key in keys]
        if rules:
            price = assign(rules, event.data)
            texts.insert(0, "" if price is None else str(price))
        groups[tuple(texts)].append(event)
    measured = {
        group: measure(terms, own, window) for group, own in sorted(groups.items())
    }
    return {group: one for group, one in measured.items() if one.count or one.quantity}
