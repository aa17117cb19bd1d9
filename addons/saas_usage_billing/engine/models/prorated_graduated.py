# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Prorated graduated: full units decide the tier, prorated units are priced."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ..errors import QuantityError
from ..money import CONTEXT, ZERO, add, subtract, times
from ..tiers import RatedLine, Tier, spans


@dataclass(frozen=True, slots=True)
class ProratedUnits:
    """One change of a level: ``full`` units (negative: removed) and what they count
    for in the period, ``prorated``, with the same sign.

    :raise QuantityError: no units or not a number; opposite signs
    """

    full: Decimal
    prorated: Decimal

    def __post_init__(self) -> None:
        if not (self.full.is_finite() and self.prorated.is_finite()) or not self.full:
            raise QuantityError(f"unusable units: {self.full}, {self.prorated}")
        if times(self.full, self.prorated) < 0:
            raise QuantityError(f"{self.full} units can't count {self.prorated}")


def price(changes: Iterable[ProratedUnits], tiers: Sequence[Tier]) -> list[RatedLine]:
    """Price a level that rises and falls within a period.

    Every change is spread over the tiers it crosses, up or down, in proportion to its
    full units; its prorated units cost what the crossed tier says. Flat amounts of all
    tiers ever reached are due, that of the first one always. An addition that counts
    for nothing did not happen in this period, nor did the removal that belongs to it.

    :param changes: in order of time
    :param tiers: ascending by ``up_to`` (inclusive), the last one open
    :return: one line per tier ever reached with its prorated units, never negative in
        all; none when more was removed than ever added
    :raise TierError: unordered tiers or no open last tier
    """
    steps = list(spans(tiers))
    level = highest = ZERO
    counted = [ZERO] * len(steps)
    for change in changes:
        after = add((level, change.full))
        if not change.prorated and (change.full > 0 or after < 0):
            continue
        low, high = sorted((level, after))
        for number, step in enumerate(steps):
            inside = subtract(step.share(max(high, ZERO)), step.share(max(low, ZERO)))
            part = CONTEXT.divide(times(inside, change.prorated), abs(change.full))
            counted[number] = add((counted[number], part))
        level, highest = after, max(highest, after)
    if level < 0:
        return []
    reached = [number for number, one in enumerate(steps) if highest > one.lower] or [0]
    priced = add(times(counted[number], steps[number].tier.unit) for number in reached)
    lines = []
    for number in reached:
        step = steps[number]
        units = counted[number] if priced >= 0 else ZERO
        amount = add((times(units, step.tier.unit), step.tier.flat))
        lines.append(
            RatedLine(
                step.lower, step.upper, units, step.tier.unit, step.tier.flat, amount
            )
        )
    return lines
