# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Kinds of billing cases about levels, windows, balances and credits."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from .billing import Row, mode, money, ops, tiers, usage
from .values import (
    CaseError,
    Check,
    day,
    flag,
    instant,
    integer,
    many,
    need,
    number,
    optional,
)

ZERO = Decimal(0)


def rounded(row: Row, got: Decimal, key: str, decimals: int, how: str) -> list[Check]:
    """Compare a number rounded as the row says, or as its kind usually is."""
    if row.get("decimals") is not None:
        decimals = integer(row["decimals"])
    how = mode(row, "round") or how
    value = usage.money.round_decimals(got, decimals, how)
    return [Check("", value, number(need(row, key)))]


def prorated_graduated(row: Row, _content: Row) -> list[Check]:
    """Price a level that rises and falls; figures are printed with two decimals."""
    model = usage.price_models.prorated_graduated
    full, prorated = many(row, "events"), many(row, "prorated")
    if len(full) != len(prorated):
        raise CaseError("events and prorated differ in length")
    changes = [
        model.ProratedUnits(number(one), number(two))
        for one, two in zip(full, prorated, strict=True)
    ]
    lines = model.price(changes, tiers(row))
    amount = usage.money.add(line.amount for line in lines)
    return rounded(row, amount, "amount", 2, "half_up")


def weighted_sum(row: Row, _content: Row) -> list[Check]:
    """Take the mean level of a period, weighted by seconds."""
    changes = [
        usage.aggregate.UsageEvent(instant(pair[0]), number(pair[1]))
        for pair in map(event_pair, many(row, "events"))
    ]
    got = usage.time_weighted.weighted_sum(
        changes,
        instant(need(row, "period_start")),
        instant(need(row, "period_end")),
        optional(row, "initial") or ZERO,
    )
    return money(row, got, "value")


def level(row: Row, _content: Row) -> list[Check]:
    """Measure a period that begins with what the events before it left."""
    meter = usage.meter
    changes = [
        usage.aggregate.UsageEvent(
            instant(need(event, "time")),
            optional(event, "value"),
            event.get("key"),
            seq,
            event,
        )
        for seq, event in enumerate(many(row, "events"))
    ]
    terms = meter.MeterTerms(
        need(row, "aggregation"),
        operation_key="operation",
        is_level=flag(need(row, "carried")),
    )
    window = meter.Window(
        instant(need(row, "period_start")), instant(need(row, "period_end"))
    )
    return money(row, meter.measure(terms, changes, window).quantity, "value")


def event_pair(event: Any) -> tuple[Any, Any]:
    """Return time and value of an event written as a pair or a mapping."""
    if isinstance(event, Mapping):
        return need(event, "time", "timestamp"), need(event, "value")
    if not isinstance(event, list) or len(event) != 2:
        raise CaseError(f"not a pair of time and value: {event!r}")
    return event[0], event[1]


def unique_prorated(row: Row, _content: Row) -> list[Check]:
    """Count keys by their active days.

    Intervals are first and last active day, as offsets or dates. Without ``keys`` each
    interval is a key of its own; a mapping names the keys.
    """
    intervals = need(row, "intervals")
    if isinstance(intervals, Mapping):
        named = [(key, pair) for key, pairs in intervals.items() for pair in pairs]
    else:
        keys = many(row, "keys") or range(len(intervals))
        named = list(zip(keys, intervals, strict=True))
    spans = [(key, *(offset(row, edge) for edge in pair)) for key, pair in named]
    got = usage.time_weighted.active_days(spans, period_days(row))
    return rounded(row, got, "value", 5, "ceil")


def offset(row: Row, edge: Any) -> int:
    """Return a day counted from the first day of the period."""
    if "-" in str(edge).lstrip("-"):
        return ops.period.days_between(day(need(row, "period_start")), day(edge))
    return integer(edge)


def period_days(row: Row) -> int:
    """Return the days of the whole period, its last day included."""
    if row.get("period_days") is not None:
        return integer(row["period_days"])
    dates = day(need(row, "period_start")), day(need(row, "period_end"))
    return ops.period.days_between(*dates) + 1


def windowed_commitment(row: Row, _content: Row) -> list[Check]:
    """Price windows under a commitment of their own."""
    model = usage.commitment
    factor = optional(row, "overage_factor")
    factor = Decimal(1) if factor is None else factor
    windows = []
    for one in many(row, "windows"):
        window = {**row, **one}
        cost = usage.money.times(
            number(need(one, "usage")), number(need(window, "unit"))
        )
        windows.append(
            model.Window(cost, optional(window, "commit"), flag(window.get("true_up")))
        )
    return money(row, model.windows_amount(windows, factor))


def wallet(row: Row, _content: Row) -> list[Check]:
    """Pay charges with their tax from prepaid credits, one after the other."""
    decimals = integer(row.get("decimals", 2))
    rate = optional(row, "tax_rate") or ZERO
    balance = number(need(row, "granted", "balance"))
    got: dict[str, list[Decimal]] = {"invoiced": [], "balances": [], "paid": []}
    for charge in map(number, many(row, "charges")):
        tax = usage.money.percent_of(charge, rate)
        due = usage.money.round_decimals(usage.money.add((charge, tax)), decimals)
        paid, balance = usage.commitment.pay(balance, due)
        for name, value in (("invoiced", due), ("balances", balance), ("paid", paid)):
            got[name].append(value)
    return [
        Check(f"{name} ", values, [number(value) for value in row[name]])
        for name, values in got.items()
        if row.get(name) is not None
    ]


def rollover(row: Row, _content: Row) -> list[Check]:
    """Keep a balance within its limits at a reset."""
    names = ("balance", "min", "max")
    got = usage.commitment.roll_over(*(number(need(row, name)) for name in names))
    return [Check("", got, number(need(row, "result")))]


def credit_note(row: Row, _content: Row) -> list[Check]:
    """Credit the unused days of a period with their tax; whole units unless said."""
    unused, whole = many(row, "unused")
    unit = Decimal(1).scaleb(-integer(row.get("decimals", 0)))
    parts = ops.proration.credit_unused(
        number(need(row, "paid")),
        integer(unused),
        integer(whole),
        optional(row, "tax_rate") or ZERO,
        unit,
    )
    got = {"item": parts.item, "tax": parts.tax, "total": parts.total}
    return [
        Check(f"{name} ", value, number(row[name]))
        for name, value in got.items()
        if row.get(name) is not None
    ]


KINDS: dict[str, Callable[[Row, Row], list[Check]]] = {
    "prorated_graduated": prorated_graduated,
    "weighted_sum": weighted_sum,
    "level": level,
    "unique_prorated": unique_prorated,
    "windowed_commitment": windowed_commitment,
    "wallet": wallet,
    "rollover": rollover,
    "credit_note": credit_note,
}
