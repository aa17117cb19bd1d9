# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Tiers of a price, and the rated line each touched tier gives.

A tier holds the units above the previous tier's bound up to and including its own:
exactly ``up_to`` units stay in the tier. The last tier is open.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from .errors import TierError
from .money import ZERO, add, negative, subtract


@dataclass(frozen=True, slots=True)
class Tier:
    """One step of a tiered price.

    ``up_to`` is the inclusive upper bound in units (None: open), ``unit`` the price of
    a unit (for percentage models the rate in percent), ``flat`` a fixed amount due
    once the tier is reached.
    """

    up_to: Decimal | None
    unit: Decimal = ZERO
    flat: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class RatedLine:
    """What one tier contributes: units ``(lower, upper]`` and the exact amount.

    ``size``: units that are sold together for the price ``unit``, None: one by one.
    """

    lower: Decimal
    upper: Decimal | None
    quantity: Decimal
    unit: Decimal
    flat: Decimal
    amount: Decimal
    size: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A tier with the bound where it begins."""

    lower: Decimal
    tier: Tier

    @property
    def upper(self) -> Decimal | None:
        """Return the inclusive end of the tier, None when it is open."""
        return self.tier.up_to

    def holds(self, quantity: Decimal) -> bool:
        """Return whether a quantity ends in this tier.

        :param quantity: units >= 0, at least ``lower``
        :return: True when ``quantity`` is not above the tier's bound
        """
        return self.upper is None or quantity <= self.upper

    def share(self, quantity: Decimal) -> Decimal:
        """Return the units of a quantity that lie in this tier.

        :param quantity: units >= 0
        :return: units between ``lower`` and the tier's bound
        """
        top = quantity if self.upper is None else min(quantity, self.upper)
        return max(subtract(top, self.lower), ZERO)


def check_tiers(tiers: Sequence[Tier]) -> tuple[Tier, ...]:
    """Return tiers that cover every quantity once.

    :param tiers: ascending by ``up_to``, the last one open
    :return: the same tiers
    :raise TierError: no tiers; a bound that is not above the one before; an open tier
        in the middle; a closed last tier; a bound or price that is not finite
    """
    if not tiers:
        raise TierError("a tiered price needs at least one tier")
    lower = ZERO
    for number, tier in enumerate(tiers, 1):
        if not (tier.unit.is_finite() and tier.flat.is_finite()):
            raise TierError(f"tier {number}: the price is not a number")
        if tier.up_to is None:
            if number != len(tiers):
                raise TierError(f"tier {number}: only the last tier may be open")
            continue
        if number == len(tiers):
            raise TierError(f"tier {number}: the last tier must be open")
        if not tier.up_to.is_finite() or tier.up_to <= lower:
            raise TierError(
                f"tier {number}: the bound {tier.up_to} must be above {lower}"
            )
        lower = tier.up_to
    return tuple(tiers)


def spans(tiers: Sequence[Tier]) -> Iterator[Span]:
    """Yield the tiers with their lower bounds.

    :param tiers: as for :func:`check_tiers`
    :return: spans in ascending order
    :raise TierError: see :func:`check_tiers`
    """
    lower = ZERO
    for tier in check_tiers(tiers):
        yield Span(lower, tier)
        lower = tier.up_to if tier.up_to is not None else lower


def find_span(tiers: Sequence[Tier], quantity: Decimal) -> Span:
    """Return the tier a total quantity falls in.

    :param tiers: as for :func:`check_tiers`
    :param quantity: units >= 0
    :return: the first tier whose bound is not below the quantity
    :raise TierError: see :func:`check_tiers`
    """
    return next(span for span in spans(tiers) if span.holds(quantity))


def negated(line: RatedLine) -> RatedLine:
    """Return a line that takes another one back.

    :param line: of a price
    """
    return replace(
        line,
        quantity=negative(line.quantity),
        flat=negative(line.flat),
        amount=negative(line.amount),
    )


def join_lines(lines: Iterable[RatedLine]) -> tuple[RatedLine, ...]:
    """Return one line for each tier and price.

    :param lines: of several quantities priced on their own
    :return: ascending; quantities, flats and amounts are added up
    """
    found: dict[tuple[Decimal | None, ...], RatedLine] = {}
    for line in lines:
        key = line.lower, line.upper, line.unit, line.size
        old = found.get(key)
        found[key] = line if old is None else _joined(old, line)
    return tuple(sorted(found.values(), key=lambda line: (line.lower, line.unit)))


def _joined(one: RatedLine, other: RatedLine) -> RatedLine:
    return replace(
        one,
        quantity=add((one.quantity, other.quantity)),
        flat=add((one.flat, other.flat)),
        amount=add((one.amount, other.amount)),
    )
