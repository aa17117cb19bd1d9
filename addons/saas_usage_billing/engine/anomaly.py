# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Whether the usage of a period is unlike that of the periods before.

Periods are compared by what was used a day, so their lengths do not matter. The median
and the median absolute deviation are used rather than mean and standard deviation: one
odd month in the past neither moves what is usual nor widens what passes. Quotients are
kept as fractions, so that limits are met exactly.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from .errors import QuantityError
from .money import CONTEXT, HUNDRED, ZERO

DEVIATION = "usage_deviation"
NEW_DIMENSION = "usage_new_dimension"
NONE_USED = "usage_zero"
#: Makes the median absolute deviation of a normal distribution its standard deviation.
SCALE = Decimal("1.4826")


@dataclass(frozen=True, slots=True)
class Reading:
    """What was used in a period, and what was asked for it.

    ``groups``: quantity per combination of the texts of the meter's dimensions.

    :raise QuantityError: a period without days
    """

    quantity: Decimal
    amount: Decimal
    days: int
    groups: Mapping[tuple[str, ...], Decimal] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.days < 1:
            raise QuantityError(f"a period has one day or more: {self.days}")

    @property
    def daily(self) -> Fraction:
        """Return the quantity used a day."""
        return Fraction(self.quantity) / self.days

    @property
    def daily_amount(self) -> Fraction:
        """Return what was asked for a day."""
        return Fraction(self.amount) / self.days


@dataclass(frozen=True, slots=True)
class AnomalyTerms:
    """What is unusual.

    A period deviates when it is further from the median than ``sigma`` robust standard
    deviations, than ``percent`` of the median, and the difference in money is more than
    ``floor``. A value of a dimension is worth telling above ``share`` percent of the
    quantity. Histories of less than ``needed`` periods are not judged, of longer ones
    the last ``window`` count.
    """

    sigma: Decimal = Decimal(5)
    floor: Decimal = ZERO
    percent: Decimal = Decimal(50)
    share: Decimal = Decimal(5)
    needed: int = 3
    window: int = 12


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a person must look at the usage of a product.

    ``reference`` is what would have been usual: the median a day over the days of the
    period. Of a new value: ``position`` of its dimension, its text, and the percent of
    the quantity it makes.
    """

    code: str
    quantity: Decimal
    reference: Decimal = ZERO
    position: int | None = None
    text: str | None = None
    percent: Decimal | None = None


def check_usage(
    now: Reading, history: Sequence[Reading], terms: AnomalyTerms
) -> list[Finding]:
    """Compare a period with those before.

    :param now: the period about to be charged
    :param history: earlier periods, oldest first
    :param terms: what is unusual
    :return: ``usage_zero`` or ``usage_deviation``, then each new value; empty when
        nothing is unusual or the history is too short
    """
    if len(history) < terms.needed:
        return []
    past = history[-terms.window :]
    usual = _median(reading.daily for reading in past)
    reference = _to_decimal(usual * now.days)
    found = []
    if now.quantity <= 0 < usual:
        found.append(Finding(NONE_USED, now.quantity, reference))
    elif _deviates(now, past, usual, terms):
        found.append(Finding(DEVIATION, now.quantity, reference))
    return found + _find_new_values(now, past, terms)


def _median(values: Iterable[Fraction]) -> Fraction:
    ordered = sorted(values)
    half = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[half]
    return (ordered[half - 1] + ordered[half]) / 2


def _to_decimal(value: Fraction) -> Decimal:
    return CONTEXT.divide(Decimal(value.numerator), Decimal(value.denominator))


def _deviates(
    now: Reading, past: Sequence[Reading], usual: Fraction, terms: AnomalyTerms
) -> bool:
    spread = _median(abs(reading.daily - usual) for reading in past)
    robust = Fraction(terms.sigma) * Fraction(SCALE) * spread
    allowed = usual * Fraction(terms.percent) / 100
    if abs(now.daily - usual) <= max(robust, allowed):
        return False
    paid = _median(reading.daily_amount for reading in past)
    return abs(Fraction(now.amount) - paid * now.days) > Fraction(terms.floor)


def _find_new_values(
    now: Reading, past: Sequence[Reading], terms: AnomalyTerms
) -> list[Finding]:
    whole = _add(now.groups.values())
    # Without any grouped period before, every value would look new.
    if whole <= 0 or not any(reading.groups for reading in past):
        return []
    known = {
        (position, text)
        for reading in past
        for texts, quantity in reading.groups.items()
        if quantity
        for position, text in enumerate(texts)
    }
    found = []
    for position, text in sorted(
        {(at, text) for texts in now.groups for at, text in enumerate(texts)} - known
    ):
        quantity = _add(
            one for texts, one in now.groups.items() if texts[position] == text
        )
        percent = CONTEXT.divide(CONTEXT.multiply(quantity, HUNDRED), whole)
        if percent > terms.share:
            found.append(
                Finding(
                    NEW_DIMENSION,
                    quantity,
                    position=position,
                    text=text,
                    percent=percent,
                )
            )
    return found


def _add(values: Iterable[Decimal]) -> Decimal:
    whole = ZERO
    for value in values:
        whole = CONTEXT.add(whole, value)
    return whole
