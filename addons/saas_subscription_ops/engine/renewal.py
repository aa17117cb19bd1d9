# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What becomes of a term that ends: parts, likelihood, forecast and their measures.

Definitions

- **Available** (ATR): what the ending term is worth per year on its last day.
- **Renewed**: what the next term is worth per year on its first day; zero when there
  is none.
- **Pure renewal**: the smaller of the two. What is renewed above it is *expansion*,
  what falls short is *contraction*, or *lost* when nothing was renewed. So
  ``available = pure + contraction + lost`` and ``renewed = pure + expansion``.
- **Forecast**: the pure renewal that is expected. Expansion is never part of it.

Rates are fractions of one (``0.95``), unrounded; None where nothing is measured.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from .errors import TermsError
from .money import CONTEXT, ZERO, round_money, total

COMMIT = "commit"
BEST_CASE = "best_case"
AT_RISK = "at_risk"
LOST = "lost"
CATEGORIES = (COMMIT, BEST_CASE, AT_RISK, LOST)
ONE = Decimal(1)
HUNDRED = 100
MONTHS_PER_YEAR = 12


@dataclass(frozen=True, slots=True)
class Split:
    """The parts of a renewal, per year, see the module's definitions."""

    available: Decimal
    renewed: Decimal
    pure: Decimal
    expansion: Decimal
    contraction: Decimal
    lost: Decimal


@dataclass(frozen=True, slots=True)
class Signal:
    """Something known about a customer that makes a renewal more or less likely."""

    code: str
    points: int
    words: str = ""


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How likely a renewal is, 0 to 100, and why: the heaviest reason first."""

    value: int
    reasons: tuple[Signal, ...]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The likelihood from which on a category applies; below all of them: lost.

    :raise TermsError: not 0 <= at_risk <= best_case <= commit <= 100
    """

    commit: int = 80
    best_case: int = 50
    at_risk: int = 5

    def __post_init__(self) -> None:
        if not 0 <= self.at_risk <= self.best_case <= self.commit <= HUNDRED:
            raise TermsError(
                f"thresholds not ascending within 0..100: at risk {self.at_risk},"
                f" best case {self.best_case}, commit {self.commit}"
            )


def annual(monthly: Decimal) -> Decimal:
    """Return a year's worth of a monthly amount.

    :param monthly: amount per month, not negative
    :return: twelve times of it
    :raise TermsError: negative or not finite
    """
    return CONTEXT.multiply(_amount(monthly), Decimal(MONTHS_PER_YEAR))


def available_to_renew(amounts: Iterable[Decimal]) -> Decimal:
    """Add what the terms that end in a window are worth.

    :param amounts: yearly worth of each ending term, ramps at their last step
    :return: the sum, zero for none
    :raise TermsError: an amount is negative or not finite
    """
    return total(_amount(amount) for amount in amounts)


def split(available: Decimal, renewed: Decimal) -> Split:
    """Divide a renewal into pure renewal, expansion, contraction and loss.

    :param available: yearly worth of the ending term
    :param renewed: yearly worth of the next term's first day; 0: not renewed
    :return: the parts; the identities of the module's definitions hold exactly
    :raise TermsError: an amount is negative or not finite
    """
    available, renewed = _amount(available), _amount(renewed)
    pure = min(available, renewed)
    short = CONTEXT.subtract(available, pure)
    return Split(
        available=available,
        renewed=renewed,
        pure=pure,
        expansion=CONTEXT.subtract(renewed, pure),
        contraction=short if renewed else ZERO,
        lost=ZERO if renewed else short,
    )


def likelihood(base: int, signals: Iterable[Signal]) -> Likelihood:
    """Start at a base rate and add the points of every signal.

    :param base: percent, 0 to 100
    :param signals: in any order; of several with one code the heaviest counts, so a
        source that tells a thing twice does not weigh double
    :return: 0 to 100, and the signals that count: heaviest first, ties by code
    :raise TermsError: base outside 0..100, or points that are no whole number
    """
    if isinstance(base, bool) or not isinstance(base, int) or not 0 <= base <= HUNDRED:
        raise TermsError(f"the base rate must be 0 to 100: {base!r}")
    heaviest: dict[str, Signal] = {}
    for signal in signals:
        if isinstance(signal.points, bool) or not isinstance(signal.points, int):
            raise TermsError(f"{signal.code}: not whole points: {signal.points!r}")
        known = heaviest.get(signal.code)
        if signal.points and (not known or _weight(signal) < _weight(known)):
            heaviest[signal.code] = signal
    reasons = tuple(sorted(heaviest.values(), key=_weight))
    value = base + sum(signal.points for signal in reasons)
    return Likelihood(min(max(value, 0), HUNDRED), reasons)


def category(value: int, thresholds: Thresholds | None = None) -> str:
    """Return the category of a likelihood.

    :param value: likelihood, 0 to 100
    :param thresholds: where the categories begin
    :return: ``commit``, ``best_case``, ``at_risk`` or ``lost``
    """
    thresholds = thresholds or Thresholds()
    if value >= thresholds.commit:
        return COMMIT
    if value >= thresholds.best_case:
        return BEST_CASE
    return AT_RISK if value >= thresholds.at_risk else LOST


def forecast(
    available: Decimal,
    chosen: str,
    value: int,
    thresholds: Thresholds | None = None,
    rounding: Decimal = Decimal("0.01"),
) -> Decimal:
    """Return the pure renewal that is expected.

    What is committed counts in full, what is lost not at all, the rest by its
    likelihood. When a person chose another category than the likelihood gives, the
    likelihood nearest to it within the chosen category counts.

    :param available: yearly worth of the ending term
    :param chosen: category in force
    :param value: likelihood, 0 to 100
    :param thresholds: where the categories begin
    :param rounding: currency rounding unit
    :return: between zero and ``available``, rounded half up
    :raise TermsError: unknown category, or an amount that is negative
    """
    available = _amount(available)
    if chosen not in CATEGORIES:
        raise TermsError(f"unknown category: {chosen}")
    if chosen == LOST:
        return ZERO
    if chosen == COMMIT:
        return round_money(available, rounding)
    thresholds = thresholds or Thresholds()
    low, high = thresholds.at_risk, thresholds.best_case
    if chosen == BEST_CASE:
        low, high = thresholds.best_case, thresholds.commit
    share = Decimal(min(max(value, low), high))
    exact = CONTEXT.divide(CONTEXT.multiply(available, share), Decimal(HUNDRED))
    return round_money(exact, rounding)


def coverage(available: Decimal, forecasted: Decimal) -> Decimal | None:
    """Return which part of the available amount had a dated forecast.

    :param available: yearly worth of all terms that end
    :param forecasted: yearly worth of those of them with a forecast
    :return: 0 to 1; None when nothing was available
    :raise TermsError: more forecasted than available, or a negative amount
    """
    available, forecasted = _amount(available), _amount(forecasted)
    if forecasted > available:
        raise TermsError(f"forecasted {forecasted} of {available}")
    return _rate(forecasted, available)


def accuracy(forecasted: Decimal, actual: Decimal) -> Decimal:
    """Compare what was forecast when the window opened with what came.

    :param forecasted: pure renewal expected then
    :param actual: pure renewal in the end
    :return: ``1 - |forecast - actual| / actual``, not below 0; when nothing was
        renewed 1 if nothing was forecast, else 0
    :raise TermsError: a negative amount
    """
    forecasted, actual = _amount(forecasted), _amount(actual)
    if not actual:
        return ZERO if forecasted else ONE
    away = CONTEXT.abs(CONTEXT.subtract(forecasted, actual))
    return max(CONTEXT.subtract(ONE, CONTEXT.divide(away, actual)), ZERO)


def gross_rate(available: Decimal, pure: Decimal) -> Decimal | None:
    """Return which part of the available amount was renewed, without expansion.

    :param available: yearly worth of the terms that ended
    :param pure: pure renewal of the same terms
    :return: 0 to 1; None when nothing was available
    :raise TermsError: more renewed than available, or a negative amount
    """
    available, pure = _amount(available), _amount(pure)
    if pure > available:
        raise TermsError(f"pure renewal of {pure} out of {available}")
    return _rate(pure, available)


def on_time_rate(on_time: int, decided: int) -> Decimal | None:
    """Return which part of the decided renewals was decided by the term end.

    :param on_time: number decided by the term end
    :param decided: number of all decided ones
    :return: 0 to 1; None when nothing was decided
    :raise TermsError: negative, or more on time than decided
    """
    if not 0 <= on_time <= decided:
        raise TermsError(f"{on_time} of {decided} on time")
    return _rate(Decimal(on_time), Decimal(decided))


def _weight(signal: Signal) -> tuple[int, str, int, str]:
    return -abs(signal.points), signal.code, signal.points, signal.words


def _amount(amount: Decimal) -> Decimal:
    if not amount.is_finite() or amount < 0:
        raise TermsError(f"not an amount to renew: {amount}")
    return amount


def _rate(part: Decimal, whole: Decimal) -> Decimal | None:
    return CONTEXT.divide(part, whole) if whole else None
