# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Kinds of billing cases: each turns a row into engine calls and checks."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ..engine_loader import load_engine
from .values import CaseError, Check, day, flag, integer, need, number, optional

usage = load_engine("saas_usage_billing")
ops = load_engine("saas_subscription_ops")
rating = usage.rating
Row = Mapping[str, Any]
ZERO = Decimal(0)
_EPOCH = datetime(2026, 1, 1, tzinfo=timezone.utc)
_MODES = {
    "ceil": "ceil",
    "up": "ceil",
    "floor": "floor",
    "down": "floor",
    "half_up": "half_up",
    "round": "half_up",
    "nearest": "half_up",
    "none": None,
}
_AGGREGATIONS = {
    "average": "avg",
    "count_unique": "unique",
    "unique_count": "unique",
    "last": "latest",
}


_OPEN = ("inf", "infinity", "unlimited", "")
_UNITS = {
    "daily": ("day", 1),
    "weekly": ("week", 1),
    "monthly": ("month", 1),
    "quarterly": ("quarter", 1),
    "half_year": ("month", 6),
    "half_yearly": ("month", 6),
    "semester": ("month", 6),
    "yearly": ("year", 1),
    "annual": ("year", 1),
}


def tiers(
    row: Row, price: str = "unit", fixed: tuple[str, ...] = ("flat",)
) -> tuple[Any, ...]:
    """Return the tiers of a row."""
    return tuple(
        usage.tiers.Tier(
            bound(tier.get("up_to")),
            number(tier.get(price) or 0),
            number(next((tier[name] for name in fixed if tier.get(name)), 0)),
        )
        for tier in need(row, "tiers")
    )


def bound(value: Any) -> Decimal | None:
    """Return the upper bound of a tier, None for an open one."""
    if value is None or str(value).strip().lower() in _OPEN:
        return None
    return number(value)


def cadence(row: Row) -> tuple[str, int, int]:
    """Return unit, units of a step and steps (``step`` or ``count``) of a row."""
    step = row.get("step") if row.get("step") is not None else row.get("count")
    word = str(row.get("unit") or "month").lower().replace("-", "_")
    unit, size = _UNITS.get(word, (word.removesuffix("s"), 1))
    return unit, size, integer(1 if step is None else step)


def terms(row: Row, model: str) -> Any:
    """Return the price terms of a row, with every pipeline option it names."""
    options: dict[str, Any] = {
        "divide_by": optional(row, "divide_by"),
        "round_mode": None if model == "package" else mode(row, "round"),
        "round_to": optional(row, "round_to"),
        "free_units": optional(row, "free_units") or optional(row, "free"),
        "discount_percent": optional(row, "discount_percent"),
        "maximum": optional(row, "max"),
        "minimum": optional(row, "min"),
    }
    if model in ("graduated", "volume"):
        options["tiers"] = tiers(row)
    elif model == "stairstep":
        options["tiers"] = tiers(row, fixed=("flat", "price", "amount"))
    elif model == "graduated_percentage":
        options["tiers"] = tiers(row, "rate")
    elif model == "package":
        options["unit"] = number(need(row, "price", "unit"))
        options["package_size"] = number(need(row, "size", "package_size"))
        options["package_mode"] = mode(row, "round")
    elif model == "block":
        options["block_tiers"] = block_tiers(need(row, "tiers"))
        options["block_policy"] = policy(row)
    elif model == "percentage":
        options["unit"] = number(need(row, "rate"))
    elif model == "standard":
        options["unit"] = number(need(row, "unit", "price"))
    chosen = {name: value for name, value in options.items() if value is not None}
    return rating.PriceTerms(model, **chosen)


def mode(row: Row, name: str) -> str | None:
    """Return a rounding mode under the engine's name."""
    if row.get(name) is None:
        return None
    word = str(row[name]).lower()
    if word not in _MODES:
        raise CaseError(f"unknown rounding: {row[name]}")
    return _MODES[word]


def money(row: Row, got: Decimal, key: str = "amount") -> list[Check]:
    """Compare an amount, rounded only when the case names decimals."""
    if row.get("decimals") is not None:
        got = usage.money.round_decimals(got, integer(row["decimals"]))
    return [Check("", got, number(need(row, key)))]


def rated(model: str) -> Callable[[Row, Row], list[Check]]:
    """Return the kind that prices a usage with one model."""

    def kind(row: Row, _content: Row) -> list[Check]:
        quantity = number(need(row, "usage"))
        return money(
            row, rating.rate_usage(terms(row, model), rating.Usage(quantity)).amount
        )

    return kind


def volume_prorated(row: Row, _content: Row) -> list[Check]:
    """Choose the tier by the full units, price the prorated ones."""
    lines = usage.price_models.volume.price(
        number(need(row, "full_units")),
        tiers(row),
        number(need(row, "prorated_units")),
    )
    return money(row, usage.money.add(line.amount for line in lines))


def usage_discount(row: Row, _content: Row) -> list[Check]:
    """Take free units off a line after earlier lines."""
    got = rating.billable(
        number(need(row, "line")),
        number(need(row, "free_units")),
        number(row.get("before") or 0),
    )
    return [Check("", got, number(need(row, "billable")))]


def split(row: Row, model: str) -> list[Check]:
    """Price one of several parts of a period."""
    part = rating.rate_part(
        terms(row, model),
        before=number(row.get("before") or 0),
        line=number(need(row, "line", "usage")),
        billed_before=number(row.get("billed_before") or 0),
        last=flag(row.get("last")),
    )
    return money(row, part.amount)


def split_spend(row: Row, _content: Row) -> list[Check]:
    """Bill a period in parts with minimum and maximum."""
    return split(row, need(row, "model"))


def discount_then_max(row: Row, _content: Row) -> list[Check]:
    """Discount a line, then keep the period below its maximum."""
    return split(row, row.get("model") or "standard")


def events(values: list[Any], keys: list[Any] | None = None) -> list[Any]:
    """Return usage events one second apart, in the given order."""
    names = keys or [None] * len(values)
    return [
        usage.aggregate.UsageEvent(
            _EPOCH + timedelta(seconds=position), number(value), key, position
        )
        for position, (value, key) in enumerate(zip(values, names, strict=True))
    ]


def aggregated(
    name: str, rows: list[Any], percentile: Decimal | None = None
) -> Decimal:
    """Aggregate events under a name of the case file."""
    word = name.lower()
    if word[:1] == "p" and word[1:].isdigit():
        word, percentile = "percentile", number(word[1:])
    if word != "percentile":
        return usage.aggregate.aggregate(_AGGREGATIONS.get(word, word), rows)
    terms = usage.meter.MeterTerms(word, percentile=percentile)
    window = usage.meter.Window(_EPOCH, _EPOCH + timedelta(days=1))
    return usage.meter.measure(terms, rows, window).quantity


def simple_agg(row: Row, _content: Row) -> list[Check]:
    """Take one number of a list of events, or of their keys alone."""
    keys = row.get("keys")
    values = row.get("events")
    if values is None:
        values = [1 for _key in need(row, "keys")]
    got = aggregated(
        need(row, "agg"), events(values, keys), optional(row, "percentile")
    )
    return money(row, got, "value")


def bucketed(row: Row, _content: Row) -> list[Check]:
    """Aggregate per window, price every window on its own."""
    quantities = [
        aggregated(need(row, "bucket_agg"), events(bucket))
        for bucket in need(row, "buckets")
    ]
    price = terms(row, need(row, "model"))
    return money(row, rating.rate_windows(price, quantities))


def percentage(row: Row, _content: Row) -> list[Check]:
    """Charge a percentage of every event."""
    model = usage.price_models.percentage
    free = row.get("free_events")
    price = model.PercentageTerms(
        rate=number(need(row, "rate")),
        fixed=number(row.get("fixed") or 0),
        free_events=None if free is None else integer(free),
        free_total=optional(row, "free_total"),
        minimum=optional(row, "min"),
        maximum=optional(row, "max"),
    )
    paid = model.price([number(value) for value in row["events"]], price)
    return money(row, model.amount(paid))


def block_tiers(rows: list[Row]) -> tuple[Any, ...]:
    """Return block tiers."""
    return tuple(
        usage.price_models.block.BlockTier(
            number(need(tier, "block")),
            number(need(tier, "price")),
            optional(tier, "max_blocks"),
        )
        for tier in rows
    )


def policy(row: Row) -> str:
    """Return how block tiers fill up."""
    return (row.get("policy") or "ALL_TIERS").lower()


def block_amount(row: Row, rows: list[Row], quantity: Any) -> Decimal:
    """Price a quantity in block tiers."""
    price = rating.PriceTerms(
        "block",
        block_tiers=block_tiers(rows),
        block_policy=policy(row),
    )
    return rating.rate_usage(price, rating.Usage(number(quantity))).amount


def block(row: Row, _content: Row) -> list[Check]:
    """Price started blocks."""
    return money(row, block_amount(row, need(row, "tiers"), need(row, "usage")))


def block_multi(row: Row, _content: Row) -> list[Check]:
    """Price started blocks of several units."""
    amounts = [
        block_amount(row, need(row, "units")[unit], quantity)
        for unit, quantity in need(row, "usage").items()
    ]
    return money(row, usage.money.add(amounts))


def block_delta(row: Row, _content: Row) -> list[Check]:
    """Book only what an already billed period lacks."""
    amount = block_amount(row, need(row, "tiers"), need(row, "usage"))
    period = date(2026, 1, 1), date(2026, 2, 1)
    charge = ops.ledger.ProposedCharge(
        "usage", "usage", None, *period, number(row["usage"]), amount
    )
    booked = ops.ledger.BookedCharge(
        "usage", number(need(row, "billed")), ZERO, 0, *period, "usage"
    )
    changes = ops.ledger.difference([charge], [booked])
    return money(row, ops.money.total(change.amount for change in changes))


def dynamic_sum(row: Row, _content: Row) -> list[Check]:
    """Add amounts that the events carry, in cents."""
    model = usage.price_models.dynamic
    cents = number(need(row, "event_amounts_total_cents"))
    amount, _count = model.price([cents], Decimal("0.01"))
    checks = money(row, amount)
    if row.get("unit_amount") is not None:
        got = model.unit_amount(amount, number(need(row, "units")))
        checks.append(Check("unit amount ", got, number(row["unit_amount"])))
    return checks


def dynamic_multiplier(row: Row, _content: Row) -> list[Check]:
    """Mark up a metered cost."""
    cost = [number(need(row, "metered_cost"))]
    amount, _count = usage.price_models.dynamic.price(
        cost, number(need(row, "multiplier"))
    )
    return money(row, amount)


def late_events(row: Row, _content: Row) -> list[Check]:
    """Bill running totals again for late events; a minimum is due with the last run."""
    price = terms(row, need(row, "model"))
    runs, billed, got = need(row, "runs"), ZERO, []
    for position, run in enumerate(runs, 1):
        own = price if position == len(runs) else replace(price, minimum=None)
        amounts = rating.rate_cumulative(own, [number(units) for units in run])
        total = usage.money.add(amounts)
        got.append(usage.money.subtract(total, billed))
        billed = total
    return [
        Check(f"run {position} ", one, number(wanted))
        for position, (one, wanted) in enumerate(
            zip(got, need(row, "totals"), strict=True), 1
        )
    ]


def true_up(row: Row, _content: Row) -> list[Check]:
    """Fill up to a minimum, prorated by days."""
    minimum = number(need(row, "minimum"))
    if row.get("ratio_days") is not None:
        used, whole = row["ratio_days"]
        unit = Decimal(1) if row.get("unit") == "cents" else Decimal("0.01")
        minimum = ops.proration.prorate(minimum, integer(used), integer(whole), unit)
    used = need(row, "used")
    if isinstance(used, Mapping):
        used = list(used.values())
    parts = used if isinstance(used, list) else [used]
    got = rating.true_up(minimum, usage.money.add(map(number, parts)))
    return [Check("", got, number(need(row, "true_up")))]


def prorate_days(row: Row, _content: Row) -> list[Check]:
    """Price some days of a period."""
    decimals = integer(row.get("decimals", 2))
    amount = number(need(row, "amount"))
    days = integer(need(row, "used_days")), integer(need(row, "period_days"))
    how = mode(row, "round") or "half_up"
    if how == "half_up":
        unit = Decimal(1).scaleb(-decimals)
        got = ops.proration.prorate(amount, *days, unit)
    else:
        exact = ops.money.scale(amount, Fraction(*days))
        got = ops.money.round_decimals(exact, decimals, how)
    return [Check("", got, number(need(row, "result")))]


def next_date(row: Row, _content: Row) -> list[Check]:
    """Step to the next period start."""
    anchor = day(need(row, "anchor", "current"))
    current = day(row["current"]) if row.get("current") is not None else anchor
    unit, size, step = cadence(row)
    if size == 1:
        got = ops.period.next_date(anchor, current, step, unit)
    else:  # half years have no unit of their own, only a calendar
        every = ops.period.Recurrence(unit, size)
        index = ops.period.grid_index(anchor, every, current)
        got = ops.period.grid_date(anchor, every, index + step)
    return [Check("", got, day(need(row, "next")))]


def next_date_snap(row: Row, _content: Row) -> list[Check]:
    """Find the first boundary of the anchored calendar after a date."""
    unit, size, step = cadence(row)
    every = ops.period.Recurrence(unit, size * step)
    anchor, current = day(need(row, "anchor")), day(need(row, "current"))
    got = ops.period.next_grid_date(anchor, current, every)
    return [Check("", got, day(need(row, "next")))]


def days_between(row: Row, _content: Row) -> list[Check]:
    """Count calendar dates."""
    got = ops.period.days_between(day(need(row, "from")), day(need(row, "to")))
    return [Check("", got, integer(need(row, "days")))]


def fixed_30_days(row: Row, _content: Row) -> list[Check]:
    """Count days of 30-day months."""
    dates = day(need(row, "from")), day(need(row, "to"))
    checks = [Check("days ", ops.period.days_30(*dates), integer(need(row, "days")))]
    if row.get("ratio") is not None:
        exact = ops.money.scale(Decimal(1), ops.proration.ratio_30_day(*dates))
        got = ops.money.round_decimals(exact, integer(row.get("decimals", 9)))
        checks.append(Check("ratio ", got, number(row["ratio"])))
    return checks


def round_half_up(row: Row, _content: Row) -> list[Check]:
    """Round to decimals."""
    decimals = integer(row.get("decimals", 0))
    got = ops.money.round_decimals(number(need(row, "value")), decimals)
    return [Check("", got, number(need(row, "result")))]


def floor_ceil(row: Row, _content: Row) -> list[Check]:
    """Round down or up to decimals."""
    how = mode({"fn": need(row, "fn")}, "fn") or "half_up"
    decimals = integer(row.get("decimals", 0))
    got = ops.money.round_decimals(number(need(row, "value")), decimals, how)
    return [Check("", got, number(need(row, "result")))]


def total(row: Row, _content: Row) -> list[Check]:
    """Add terms."""
    exact = ops.money.total(number(term) for term in need(row, "terms"))
    got = ops.money.round_decimals(exact, integer(row.get("decimals", 2)))
    return [Check("", got, number(need(row, "total")))]


def cap_credit(row: Row, _content: Row) -> list[Check]:
    """Limit a credit to what was paid."""
    names = ("credit", "paid", "already_credited")
    got = ops.money.cap_credit(*(number(row.get(name) or 0) for name in names))
    return [Check("", got, number(need(row, "result")))]


KINDS: dict[str, Callable[[Row, Row], list[Check]]] = {
    "graduated": rated("graduated"),
    "volume": rated("volume"),
    "standard": rated("standard"),
    "package": rated("package"),
    "package_rounding": rated("package"),
    "stairstep": rated("stairstep"),
    "graduated_percentage": rated("graduated_percentage"),
    "unit_conversion": rated("standard"),
    "unit_conversion_graduated": rated("graduated"),
    "unit_conversion_volume": rated("volume"),
    "unit_conversion_package": rated("package"),
    "unit_conversion_stairstep": rated("stairstep"),
    "volume_prorated": volume_prorated,
    "usage_discount": usage_discount,
    "discount_then_max": discount_then_max,
    "split_spend": split_spend,
    "simple_agg": simple_agg,
    "bucketed": bucketed,
    "percentage": percentage,
    "block_tiers": block,
    "block_tiers_multi_unit": block_multi,
    "block_delta": block_delta,
    "dynamic_sum": dynamic_sum,
    "dynamic_multiplier": dynamic_multiplier,
    "late_events": late_events,
    "true_up": true_up,
    "prorate_days": prorate_days,
    "next_date": next_date,
    "next_date_snap": next_date_snap,
    "days_between": days_between,
    "fixed_30_days": fixed_30_days,
    "round_half_up": round_half_up,
    "floor_ceil": floor_ceil,
    "sum": total,
    "cap_credit": cap_credit,
}
