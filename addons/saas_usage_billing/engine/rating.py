# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Rate a metered quantity: the pipeline, in the one place that fixes its order.

convert -> round -> free units -> price -> discount -> maximum -> minimum -> proration
-> credits

Converting comes first because prices and free units are stated in billed units;
rounding next, so a started unit is billed once and not once per tier. Free units
go before the price so that tiers count paid units only. The discount lowers what the
price asks; the maximum then caps what the customer would pay, the minimum lifts it
(a minimum is a promise about the amount payable, so it comes after every reduction).
Of what counts by time, all that is for a whole period, so the part of it comes then,
and prepaid credits pay what is left.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from . import event_pricing
from .errors import TermsError
from .event_pricing import EVENT_MODELS, Usage
from .models import (
    block,
    graduated,
    graduated_percentage,
    package,
    percentage,
    stairstep,
    standard,
    volume,
)
from .money import (
    CONTEXT,
    ROUNDING_MODES,
    ZERO,
    add,
    check_quantity,
    negative,
    percent_of,
    round_unit,
    subtract,
)
from .rated import Adjustment, RatedUsage
from .tiers import RatedLine, Tier, check_tiers, join_lines, negated

PIPELINE = (
    "convert",
    "round",
    "free_units",
    "price",
    "discount",
    "maximum",
    "minimum",
    "proration",
    "credits",
)


@dataclass(frozen=True, slots=True)
class PriceTerms:
    """How a metered quantity is priced.

    ``unit`` is the price of a unit (of a package for ``package``, percent of the
    quantity, an amount of money, for ``percentage``); ``divide_by``
    converts metered into billed units; ``round_mode`` rounds those to multiples of
    ``round_to`` (None: no rounding); ``minimum`` and ``maximum`` limit the amount of
    the period. ``prorate_allowance``: a part of a period has its part of the free units
    and of the maximum, else all of them. ``per_event``: a percentage of every event,
    its rate in place of ``unit``. ``multiplier``: factor on the amounts of ``dynamic``.
    ``is_per_window``: every window is priced on its own, limits included. ``is_timed``:
    the quantity is a level, or counts by the time it was there; a part of a period
    costs its part of what the whole would, free units and limits included.

    :raise TermsError: unknown model or mode, negative terms, minimum above maximum
    :raise TierError: unusable tiers of a tiered model
    """

    model: str
    unit: Decimal = ZERO
    tiers: tuple[Tier, ...] = ()
    package_size: Decimal = Decimal(1)
    package_mode: str = "ceil"
    block_tiers: tuple[block.BlockTier, ...] = ()
    block_policy: str = block.ALL_TIERS
    divide_by: Decimal = Decimal(1)
    round_mode: str | None = None
    round_to: Decimal = Decimal(1)
    free_units: Decimal = ZERO
    prorate_allowance: bool = False
    discount_percent: Decimal = ZERO
    maximum: Decimal | None = None
    minimum: Decimal | None = None
    per_event: percentage.PercentageTerms | None = None
    multiplier: Decimal = Decimal(1)
    is_per_window: bool = False
    is_timed: bool = False

    def __post_init__(self) -> None:
        if self.model not in MODELS and self.model not in EVENT_MODELS:
            raise TermsError(f"unknown price model: {self.model}")
        if self.is_per_window and (self.per_event or self.model in EVENT_MODELS):
            raise TermsError("a window has a quantity only")
        if self.model in TIERED:
            check_tiers(self.tiers)
        if self.model == "block":
            block.check_blocks(self.block_tiers)
        if not self.unit.is_finite():
            raise TermsError(f"the price is not a number: {self.unit}")
        for name in ("divide_by", "package_size", "round_to", "multiplier"):
            value = getattr(self, name)
            if not value.is_finite() or value <= 0:
                raise TermsError(f"{name} must be positive: {value}")
        for mode in (self.round_mode, self.package_mode):
            if mode is not None and mode not in ROUNDING_MODES:
                raise TermsError(f"unknown rounding mode: {mode}")
        self._check_limits()

    def _check_limits(self) -> None:
        for name in ("free_units", "minimum", "maximum"):
            value = getattr(self, name)
            if value is not None and (not value.is_finite() or value < 0):
                raise TermsError(f"{name} must be zero or more: {value}")
        if not ZERO <= self.discount_percent <= 100:
            raise TermsError(f"discount must be 0 to 100: {self.discount_percent}")
        low, high = self.minimum, self.maximum
        if low is not None and high is not None and low > high:
            raise TermsError("the minimum is above the maximum")


@dataclass(frozen=True, slots=True)
class Part:
    """The days served of a period, and those of the whole period.

    :raise TermsError: no days, or more than the whole has
    """

    days: int
    full_days: int

    def __post_init__(self) -> None:
        if not 0 < self.days <= self.full_days:
            raise TermsError(f"{self.days} of {self.full_days} days")

    def of(self, amount: Decimal) -> Decimal:
        """Return the part of an amount that is for a whole period.

        :param amount: any finite number
        :return: 60 significant digits
        """
        whole = CONTEXT.multiply(amount, Decimal(self.days))
        return CONTEXT.divide(whole, Decimal(self.full_days))


def _graduated(quantity: Decimal, terms: PriceTerms) -> list[RatedLine]:
    return graduated.price(quantity, terms.tiers)


def _graduated_percentage(quantity: Decimal, terms: PriceTerms) -> list[RatedLine]:
    return graduated_percentage.price(quantity, terms.tiers)


def _volume(quantity: Decimal, terms: PriceTerms) -> list[RatedLine]:
    return volume.price(quantity, terms.tiers)


def _stairstep(quantity: Decimal, terms: PriceTerms) -> list[RatedLine]:
    return stairstep.price(quantity, terms.tiers)


def _standard(quantity: Decimal, terms: PriceTerms) -> list[RatedLine]:
    return standard.price(quantity, terms.unit)


def _package(quantity: Decimal, terms: PriceTerms) -> list[RatedLine]:
    return package.price(quantity, terms.package_size, terms.unit, terms.package_mode)


def _block(quantity: Decimal, terms: PriceTerms) -> list[RatedLine]:
    return block.price(quantity, terms.block_tiers, terms.block_policy)


def _percentage(quantity: Decimal, terms: PriceTerms) -> list[RatedLine]:
    return percentage.price_total(quantity, terms.unit)


# The models that price a quantity; those of `event_pricing` need more.
MODELS: Mapping[str, Callable[[Decimal, PriceTerms], list[RatedLine]]] = {
    "standard": _standard,
    "graduated": _graduated,
    "volume": _volume,
    "package": _package,
    "block": _block,
    "stairstep": _stairstep,
    "graduated_percentage": _graduated_percentage,
    "percentage": _percentage,
}
TIERED = frozenset(
    {
        "graduated",
        "volume",
        "stairstep",
        "graduated_percentage",
        "prorated_graduated",
    }
)


def convert(quantity: Decimal, terms: PriceTerms) -> Decimal:
    """Turn metered units into billed ones: divide, then round.

    :param quantity: metered units >= 0
    :param terms: ``divide_by``, ``round_mode``, ``round_to``
    :return: billed units
    :raise QuantityError: negative or not finite quantity
    """
    check_quantity(quantity)
    units = CONTEXT.divide(quantity, terms.divide_by)
    if terms.round_mode is None:
        return units
    return round_unit(units, terms.round_to, terms.round_mode)


def billable(line: Decimal, free: Decimal, before: Decimal = ZERO) -> Decimal:
    """Take the free units of a period off a quantity.

    Free units are used up in order: what earlier lines of the period consumed is gone.

    :param line: billed units of this line >= 0
    :param free: free units of the period >= 0
    :param before: billed units of the period's earlier lines >= 0
    :return: units to price
    :raise QuantityError: a negative quantity
    """
    check_quantity(line)
    left = max(subtract(check_quantity(free), check_quantity(before)), ZERO)
    return max(subtract(line, left), ZERO)


def rate(terms: PriceTerms, quantity: Decimal, credits: Decimal = ZERO) -> RatedUsage:
    """Price one period's quantity.

    :param terms: price and its limits
    :param quantity: metered units of the period >= 0
    :param credits: prepaid credits that may pay for it, in currency units >= 0
    :return: lines per touched tier and the later steps; quantities of the lines sum to
        ``billable``; no rounding, see :func:`.rated.rounded`
    :raise QuantityError: negative or not finite quantity or credits
    :raise TermsError: the price needs more than a quantity, see :func:`rate_usage`
    """
    if terms.model not in MODELS or terms.per_event:
        raise TermsError(f"{terms.model} needs more than a quantity")
    converted = convert(quantity, terms)
    units = billable(converted, terms.free_units)
    lines = tuple(MODELS[terms.model](units, terms))
    steps = _adjust(terms, add(line.amount for line in lines), ZERO, True, credits)
    free = terms.free_units
    included = add((free, _get_free_tiers(terms)))
    return RatedUsage(quantity, converted, units, lines, steps, free, included)


def _get_free_tiers(terms: PriceTerms) -> Decimal:
    """Return the upper bound of the first tiers that cost nothing, whatever follows."""
    bound = ZERO
    for tier in terms.tiers if terms.model == "graduated" else ():
        if tier.unit or tier.flat or tier.up_to is None:
            break
        bound = tier.up_to
    return bound


def rate_usage(terms: PriceTerms, usage: Usage, part: Part | None = None) -> RatedUsage:
    """Price what was used in a period: the one way from a quantity to an amount.

    :param terms: price and its limits, for a whole period
    :param usage: what was used
    :param part: days served of a period that was cut; its minimum is prorated, and
        so are free units and maximum where the terms say so, or all of it (timed)
    :return: see :func:`rate`; no rounding, see :func:`.rated.rounded`
    :raise QuantityError: negative or not finite quantity, or events without an amount
    """
    if terms.is_per_window:
        return _rate_each_window(terms, usage)
    if part is not None and terms.is_timed:
        return _take_part(rate_usage(terms, usage), part)
    if part is not None:
        terms = _of_part(terms, part)
    if terms.per_event or terms.model in EVENT_MODELS:
        return _rate_events(terms, usage)
    return rate(terms, usage.quantity)


def _rate_events(terms: PriceTerms, usage: Usage) -> RatedUsage:
    """Price what a quantity alone does not tell."""
    check_quantity(usage.quantity)
    if terms.per_event:
        priced = event_pricing.price_events(usage, terms.per_event, terms.divide_by)
    elif terms.model == "dynamic":
        priced = event_pricing.price_amount(usage, terms.multiplier)
    else:
        priced = event_pricing.price_changes(usage, terms.tiers)
    total = usage.quantity if priced.total is None else priced.total
    units = total if priced.billable is None else priced.billable
    asked = add((priced.limits, *(line.amount for line in priced.lines)))
    steps = _adjust(terms, asked, ZERO, True, ZERO)
    if priced.limits:
        steps = (Adjustment("event_limits", priced.limits), *steps)
    free = subtract(total, units)
    return RatedUsage(usage.quantity, total, units, priced.lines, steps, free, free)


def _rate_each_window(terms: PriceTerms, usage: Usage) -> RatedUsage:
    """Price windows on their own, and say it once per tier."""
    terms = replace(terms, is_per_window=False)
    found = [rate(terms, quantity) for quantity in usage.windows]
    return RatedUsage(
        usage.quantity,
        add(rated.converted for rated in found),
        add(rated.billable for rated in found),
        join_lines(line for rated in found for line in rated.lines),
        tuple(
            Adjustment(step, add(rated.adjusted(step) for rated in found))
            for step in PIPELINE
            if any(rated.adjusted(step) for rated in found)
        ),
        add(rated.allowance for rated in found),
        add(rated.included for rated in found),
    )


def _take_part(rated: RatedUsage, part: Part) -> RatedUsage:
    """Return what a part of a period costs of the whole."""
    change = subtract(part.of(rated.amount), rated.amount)
    if not change:
        return rated
    steps = (*rated.adjustments, Adjustment("proration", change))
    return replace(rated, adjustments=steps)


def _of_part(terms: PriceTerms, part: Part) -> PriceTerms:
    """Return the terms of a part of a period."""
    changes = {}
    if terms.minimum is not None:
        changes["minimum"] = part.of(terms.minimum)
    if terms.prorate_allowance:
        changes["free_units"] = part.of(terms.free_units)
        if terms.maximum is not None:
            changes["maximum"] = part.of(terms.maximum)
    return replace(terms, **changes)


def _adjust(
    terms: PriceTerms, amount: Decimal, billed: Decimal, last: bool, credits: Decimal
) -> tuple[Adjustment, ...]:
    """Return the steps after the price, for a line after ``billed`` of its period."""
    check_quantity(credits, "credits")
    steps = []

    def change(step: str, delta: Decimal) -> Decimal:
        if delta:
            steps.append(Adjustment(step, delta))
        return add((amount, delta))

    amount = change("discount", negative(percent_of(amount, terms.discount_percent)))
    if terms.maximum is not None:
        room = max(subtract(terms.maximum, billed), ZERO)
        amount = change("maximum", min(subtract(room, amount), ZERO))
    if terms.minimum is not None and last:
        missing = subtract(terms.minimum, add((billed, amount)))
        amount = change("minimum", max(missing, ZERO))
    change("credits", negative(min(credits, max(amount, ZERO))))
    return tuple(steps)


def rate_part(
    terms: PriceTerms,
    before: Decimal,
    line: Decimal,
    billed_before: Decimal = ZERO,
    last: bool = True,
    credits: Decimal = ZERO,
) -> RatedUsage:
    """Price a further part of a period that is billed in several parts.

    The part costs what the whole costs so far minus what the earlier units cost; the
    maximum counts what was billed before, the minimum is due with the last part.

    :param terms: price and its limits
    :param before: metered units already rated in this period
    :param line: metered units of this part
    :param billed_before: amount already billed for this period
    :param last: whether this part ends the period
    :param credits: prepaid credits that may pay for it
    :return: the part; its lines are those of the whole followed by the earlier ones
        with a negative sign
    :raise QuantityError: a negative quantity
    """
    check_quantity(before, "earlier quantity")
    upto = convert(add((before, line)), terms)
    units = billable(upto, terms.free_units)
    lines = list(MODELS[terms.model](units, terms))
    earlier = ZERO
    if before:
        earlier = billable(convert(before, terms), terms.free_units)
        lines.extend(negated(old) for old in MODELS[terms.model](earlier, terms))
    amount = add(row.amount for row in lines)
    steps = _adjust(terms, amount, billed_before, last, credits)
    return RatedUsage(line, upto, subtract(units, earlier), tuple(lines), steps)


def rate_windows(terms: PriceTerms, quantities: Sequence[Decimal]) -> Decimal:
    """Price several windows of a period, tiers starting anew in each.

    :param terms: price; its limits hold per window
    :param quantities: metered units per window
    :return: exact sum
    :raise QuantityError: a negative quantity
    """
    return add(rate(terms, quantity).amount for quantity in quantities)


def rate_cumulative(terms: PriceTerms, cumulative: Sequence[Decimal]) -> list[Decimal]:
    """Price a running total period by period, tiers counting over all of them.

    Yearly tiers with monthly invoices: each period costs what the running total costs
    more than before. It may be negative where a volume price falls.

    :param terms: price; its limits hold for the whole
    :param cumulative: metered units at the end of each period, since the beginning
    :return: exact amount per period, summing to the price of the last total
    :raise QuantityError: a negative quantity
    """
    totals = [rate(terms, quantity).amount for quantity in cumulative]
    before = [ZERO, *totals[:-1]] if totals else []
    return [subtract(now, old) for old, now in zip(before, totals, strict=True)]


def true_up(minimum: Decimal, used: Decimal) -> Decimal:
    """Return what is missing to a minimum.

    :param minimum: agreed minimum of the period, already prorated and rounded
    :param used: amount charged otherwise
    :return: zero or more
    """
    return max(subtract(minimum, used), ZERO)
