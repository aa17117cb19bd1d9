# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Blocks in tiers: each tier sells a number of blocks of its own size."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from ..errors import QuantityError, TermsError
from ..money import ZERO, add, ceil_div, check_quantity, subtract, times
from ..tiers import RatedLine

ALL_TIERS = "all_tiers"
TOP_TIER = "top_tier"


@dataclass(frozen=True, slots=True)
class BlockTier:
    """A tier of ``max_blocks`` blocks (None: no limit) of ``size`` units each."""

    size: Decimal
    price: Decimal
    max_blocks: Decimal | None = None

    @property
    def capacity(self) -> Decimal | None:
        """Return the units the tier can hold, None without limit."""
        return None if self.max_blocks is None else times(self.size, self.max_blocks)


def check_blocks(tiers: Sequence[BlockTier]) -> None:
    """Refuse block tiers that cannot be priced.

    :param tiers: in the order they fill up
    :raise TermsError: no tiers, a size or limit not positive, an unlimited tier
        before the last
    """
    if not tiers:
        raise TermsError("a block price needs at least one tier")
    for number, tier in enumerate(tiers, 1):
        if not tier.size.is_finite() or tier.size <= 0:
            raise TermsError(f"tier {number}: block size must be positive")
        if tier.max_blocks is None and number != len(tiers):
            raise TermsError(f"tier {number}: only the last tier may be unlimited")
        if tier.max_blocks is not None and tier.max_blocks <= 0:
            raise TermsError(f"tier {number}: the number of blocks must be positive")


def price(
    quantity: Decimal, tiers: Sequence[BlockTier], policy: str = ALL_TIERS
) -> list[RatedLine]:
    """Price a quantity by started blocks.

    :param quantity: billed units >= 0
    :param tiers: in the order they fill up
    :param policy: ``all_tiers`` fills tier after tier; ``top_tier`` prices all units
        in the blocks of the highest tier reached, that is the last one for more units
        than the tiers hold
    :return: one line per touched tier, ``unit`` is the price of a block; no rounding
    :raise TermsError: unusable tiers or unknown policy
    :raise QuantityError: more units than the tiers hold (``all_tiers``), or negative
    """
    check_quantity(quantity)
    check_blocks(tiers)
    if policy not in (ALL_TIERS, TOP_TIER):
        raise TermsError(f"unknown block policy: {policy}")
    lines, left = _fill(quantity, tiers)
    if policy == TOP_TIER and lines:
        top = tiers[len(lines) - 1]
        cost = times(ceil_div(quantity, top.size), top.price)
        return [RatedLine(ZERO, None, quantity, top.price, ZERO, cost, top.size)]
    if left > 0:
        raise QuantityError(f"{left} units are above the last tier")
    return lines


def _fill(
    quantity: Decimal, tiers: Sequence[BlockTier]
) -> tuple[list[RatedLine], Decimal]:
    """Fill tier after tier; return the touched ones, and the units above the last."""
    lines: list[RatedLine] = []
    left, lower = quantity, ZERO
    for tier in tiers:
        if left <= 0:
            break
        units = left if tier.capacity is None else min(left, tier.capacity)
        cost = times(ceil_div(units, tier.size), tier.price)
        upper = None if tier.capacity is None else add((lower, tier.capacity))
        lines.append(RatedLine(lower, upper, units, tier.price, ZERO, cost, tier.size))
        left, lower = subtract(left, units), add((lower, units))
    return lines, left
