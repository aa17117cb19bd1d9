# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What rating makes of a quantity, and how it is rounded to a currency."""

from dataclasses import dataclass, replace
from decimal import Decimal

from .money import ZERO, add, round_parts
from .tiers import RatedLine


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A pipeline step's change to the amount: discounts and caps are negative."""

    step: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class RatedUsage:
    """A priced quantity.

    ``quantity`` is metered, ``converted`` in billed units, ``billable`` without the
    free ones, of which there are ``allowance``; ``included`` are these and what first
    tiers cost nothing for. ``amount`` is the sum of the lines and the adjustments,
    exactly.
    """

    quantity: Decimal
    converted: Decimal
    billable: Decimal
    lines: tuple[RatedLine, ...]
    adjustments: tuple[Adjustment, ...]
    allowance: Decimal = ZERO
    included: Decimal = ZERO

    @property
    def subtotal(self) -> Decimal:
        """Return the price before discount, limits and credits."""
        return add(line.amount for line in self.lines)

    @property
    def amount(self) -> Decimal:
        """Return what is left to charge."""
        return add((self.subtotal, *(step.amount for step in self.adjustments)))

    def adjusted(self, step: str) -> Decimal:
        """Return one step's change to the amount.

        :param step: name from :data:`.rating.PIPELINE`
        :return: signed amount, zero when the step changed nothing
        """
        return add(one.amount for one in self.adjustments if one.step == step)


def rounded(rated: RatedUsage, unit: Decimal) -> RatedUsage:
    """Round a result to a currency so that its parts still add up.

    :param rated: exact result
    :param unit: currency rounding unit, e.g. ``0.01``
    :return: the same with every line and step rounded (running totals, half up); the
        amount is the rounded exact amount
    :raise QuantityError: unit not positive
    """
    parts = [line.amount for line in rated.lines]
    parts += [step.amount for step in rated.adjustments]
    amounts = round_parts(parts, unit)
    count = len(rated.lines)
    lines = zip(rated.lines, amounts[:count], strict=True)
    steps = zip(rated.adjustments, amounts[count:], strict=True)
    return replace(
        rated,
        lines=tuple(replace(line, amount=amount) for line, amount in lines),
        adjustments=tuple(replace(step, amount=amount) for step, amount in steps),
    )
