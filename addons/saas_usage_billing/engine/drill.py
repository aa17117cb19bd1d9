# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Take a rated amount apart by day, so that every cent is found again.

What was charged is evidence: it is taken apart as it stands and never rated anew. Days
use up free units and tiers in the order of time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from .money import CONTEXT, ZERO, add, round_unit, subtract


@dataclass(frozen=True, slots=True)
class Layer:
    """Units used up one after the other: the free ones, or those of a tier.

    ``amount`` is what they cost together, a multiple of the currency's rounding unit.
    """

    quantity: Decimal
    amount: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Cell:
    """What a day has of a layer; both are counted from 0."""

    layer: int
    day: int
    quantity: Decimal
    amount: Decimal


def spread(amount: Decimal, weights: Sequence[Decimal], unit: Decimal) -> list[Decimal]:
    """Spread an amount by weights, in parts that sum to it.

    :param amount: multiple of ``unit``
    :param weights: zero or more each; when all are zero the last part takes it all
    :param unit: currency rounding unit
    :return: a multiple of ``unit`` per weight, none without weights
    """
    total = add(weights)
    parts, running, before = [], ZERO, ZERO
    for number, weight in enumerate(weights, 1):
        running = CONTEXT.add(running, weight)
        upto = amount if number == len(weights) else ZERO
        if total and number < len(weights):
            share = CONTEXT.divide(CONTEXT.multiply(amount, running), total)
            upto = round_unit(share, unit)
        parts.append(subtract(upto, before))
        before = upto
    return parts


def fill(layers: Sequence[Layer], days: Sequence[Decimal], unit: Decimal) -> list[Cell]:
    """Let days use up layers in the order of time.

    Where the days do not sum to the layers (converted units, a maximum, different keys)
    they are taken in proportion.

    :param layers: free units, then tiers
    :param days: quantity of each day, zero or more
    :param unit: currency rounding unit
    :return: cells by layer, then day; the amounts of a layer sum to its own. None
        without days
    """
    if not days:
        return []
    total = add(days)
    if not total or any(layer.quantity < 0 for layer in layers):
        # Nothing to go by in time: every day has its share of every layer.
        return [
            cell
            for number, layer in enumerate(layers)
            for cell in _cells(number, layer, _shares(layer.quantity, days), unit)
        ]
    whole = add(layer.quantity for layer in layers)
    ends, running = [], ZERO
    for day in days:
        running = CONTEXT.add(running, day)
        ends.append(CONTEXT.divide(CONTEXT.multiply(whole, running), total))
    result, lower = [], ZERO
    for number, layer in enumerate(layers):
        upper = CONTEXT.add(lower, layer.quantity)
        result += _cells(number, layer, _overlaps(lower, upper, ends), unit)
        lower = upper
    return result


def _shares(quantity: Decimal, days: Sequence[Decimal]) -> list[Decimal]:
    total = add(days)
    if not total:
        return [*(ZERO for _day in days[1:]), quantity]
    return [CONTEXT.divide(CONTEXT.multiply(quantity, day), total) for day in days]


def _overlaps(lower: Decimal, upper: Decimal, ends: Sequence[Decimal]) -> list[Decimal]:
    """Return what each day has of the units between two bounds."""
    result, start = [], ZERO
    for end in ends:
        part = subtract(min(end, upper), max(start, lower))
        result.append(max(part, ZERO))
        start = end
    return result


def _cells(
    number: int, layer: Layer, quantities: Sequence[Decimal], unit: Decimal
) -> Iterable[Cell]:
    weights = [abs(quantity) for quantity in quantities]
    amounts = spread(layer.amount, weights, unit)
    for day, (quantity, amount) in enumerate(zip(quantities, amounts, strict=True)):
        if quantity or amount:
            yield Cell(number, day, quantity, amount)


def rate_days(
    cells: Sequence[Cell], steps: Decimal, days: Sequence[Decimal], unit: Decimal
) -> list[Decimal]:
    """Return the amount per day, summing to the whole to the cent.

    :param cells: from :func:`fill`
    :param steps: what discount, limits and credits change, spread by what the days
        cost, or by what they used where they cost nothing
    :param days: quantity of each day
    :param unit: currency rounding unit
    :return: one amount per day; none without days
    """
    costs = [ZERO for _day in days]
    for cell in cells:
        costs[cell.day] = CONTEXT.add(costs[cell.day], cell.amount)
    weights = [abs(cost) for cost in costs] if any(costs) else days
    changes = spread(steps, weights, unit)
    return [add(pair) for pair in zip(costs, changes, strict=True)]
