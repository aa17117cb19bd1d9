# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Coupons: what is taken off the recurring charges of a period.

A coupon is proposed beside the charges it reduces, one negative amount per line and
period, so it follows every correction of theirs and never exceeds them.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from .errors import TermsError
from .money import CONTEXT, ZERO, allocate_largest_remainder, round_money, total

PERCENT = "percent"
AMOUNT = "amount"
ONCE = "once"
PERIODS = "periods"
FOREVER = "forever"


@dataclass(frozen=True, slots=True)
class CouponTerms:
    """A granted coupon.

    It counts from the first period that begins on or after ``date_start``, for one
    period (``once``), for ``periods`` of them or ``forever``. A ``percent`` coupon
    reduces every recurring line in the periods of that line; an ``amount`` coupon
    takes its value once per period of the plan off the lines that follow it.
    ``line_ids``: only these lines; None: all. ``date_end``: periods that begin on or
    after this day are not reduced; None: as the duration says.

    :raise TermsError: unknown type or duration, percentage above 100, value or number
        of periods not positive
    """

    coupon_id: int | str
    discount_type: str
    value: Decimal
    date_start: date
    duration: str = FOREVER
    periods: int = 1
    line_ids: frozenset | None = None
    date_end: date | None = None

    def __post_init__(self) -> None:
        if self.discount_type not in (PERCENT, AMOUNT):
            raise TermsError(f"unknown coupon type: {self.discount_type}")
        if self.duration not in (ONCE, PERIODS, FOREVER):
            raise TermsError(f"unknown coupon duration: {self.duration}")
        if not self.value.is_finite() or self.value <= 0 or self.periods < 1:
            raise TermsError(f"coupon {self.coupon_id}: value or periods not positive")
        if self.discount_type == PERCENT and self.value > 100:
            raise TermsError(f"coupon {self.coupon_id}: more than 100 percent")

    def counts_in(self, number: int) -> bool:
        """Return whether the coupon applies to its n-th period, counted from 0."""
        if number < 0 or self.duration == FOREVER:
            return number >= 0
        return number < (1 if self.duration == ONCE else self.periods)


@dataclass(frozen=True, slots=True)
class Discountable:
    """A proposed recurring charge, as far as coupons look at it.

    ``period`` is the key of its plan period, ``number`` of a coupon is how many
    periods lie between the coupon's first one and this; ``of_plan``: the line follows
    the plan's recurrence.
    """

    ref: str
    line_id: int | str
    period: date
    amount: Decimal
    of_plan: bool
    number: int


def discounts(
    coupon: CouponTerms,
    rows: Iterable[Discountable],
    left: dict[str, Decimal],
    rounding: Decimal,
) -> dict[str, Decimal]:
    """Return what one coupon takes off each charge.

    :param coupon: terms
    :param rows: charges, in a fixed order
    :param left: what is left of each charge by ref; reduced in place, so that the
        next coupon sees it
    :param rounding: currency rounding unit
    :return: positive amounts by ref, only where something is taken off
    """
    rows = [
        row
        for row in rows
        if left.get(row.ref, ZERO) > 0
        and coupon.counts_in(row.number)
        and (coupon.line_ids is None or row.line_id in coupon.line_ids)
    ]
    if coupon.discount_type == PERCENT:
        shares = {
            row.ref: round_money(
                CONTEXT.divide(CONTEXT.multiply(left[row.ref], coupon.value), 100),
                rounding,
            )
            for row in rows
        }
    else:
        shares = _share_amount(coupon.value, rows, left, rounding)
    for ref, share in shares.items():
        left[ref] = CONTEXT.subtract(left[ref], share)
    return {ref: share for ref, share in shares.items() if share}


def _share_amount(
    value: Decimal,
    rows: Iterable[Discountable],
    left: dict[str, Decimal],
    rounding: Decimal,
) -> dict[str, Decimal]:
    """Share an amount per period out over its charges, in proportion to them."""
    by_period = defaultdict(list)
    for row in rows:
        if row.of_plan:
            by_period[row.period].append(row)
    shares = {}
    for own in by_period.values():
        whole = total(left[row.ref] for row in own)
        amount = min(round_money(value, rounding), whole)
        weights = [left[row.ref] for row in own]
        parts = allocate_largest_remainder(amount, weights, rounding)
        shares.update(zip((row.ref for row in own), parts, strict=True))
    return shares
