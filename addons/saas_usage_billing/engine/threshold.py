# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Which limits the use of a period has reached."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from .errors import TermsError
from .money import CONTEXT, HUNDRED, ZERO

KINDS = ("quantity", "allowance", "amount")


@dataclass(frozen=True, slots=True)
class Level:
    """A limit: a quantity, a percentage of what is included, or an amount.

    :raise TermsError: unknown kind, or a value that is not above zero
    """

    key: Hashable
    kind: str
    value: Decimal

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise TermsError(f"unknown kind: {self.kind}")
        if not self.value > 0:
            raise TermsError(f"a limit of {self.value}")


@dataclass(frozen=True, slots=True)
class Used:
    """What was used so far.

    ``converted``: units compared with the ``allowance``, which is zero when nothing is
    included. ``amount``: None without a price.
    """

    quantity: Decimal = ZERO
    converted: Decimal = ZERO
    allowance: Decimal = ZERO
    amount: Decimal | None = None

    @property
    def percent(self) -> Decimal | None:
        """Return the part of the allowance that is used; None without one."""
        if self.allowance <= 0:
            return None
        share = CONTEXT.divide(self.converted, self.allowance)
        return CONTEXT.multiply(share, HUNDRED)


def crossed(levels: Iterable[Level], used: Used) -> list[Level]:
    """Return the limits that are reached; exactly at the limit is reached.

    :param levels: any number
    :param used: so far
    """
    found = {
        "quantity": used.quantity,
        "allowance": used.percent,
        "amount": used.amount,
    }
    return [
        level
        for level in levels
        for value in [found[level.kind]]
        if value is not None and value >= level.value
    ]
