# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Tiers that count over several periods: a year of monthly invoices."""

from decimal import Decimal

from .money import add, check_quantity, negative, subtract
from .rated import Adjustment, RatedUsage, rounded
from .rating import PIPELINE, PriceTerms, rate
from .tiers import join_lines, negated

#: Whose tiers can count on: what a further unit costs never lowers what was before.
RUNNING_MODELS = frozenset(
    {
        "standard",
        "graduated",
        "package",
        "block",
        "percentage",
        "graduated_percentage",
    }
)


def rate_further(
    terms: PriceTerms,
    before: Decimal,
    quantity: Decimal,
    unit: Decimal,
    is_first: bool = False,
) -> RatedUsage:
    """Price what a running total costs more than before, rounded to a currency.

    The amounts of all periods sum to the rounded price of the last total, like those of
    ``rating.rate_cumulative``. Free units, minimum and maximum hold for the whole: a
    minimum is due with the first period.

    :param terms: price of one of :data:`RUNNING_MODELS`
    :param before: metered units of the earlier periods >= 0
    :param quantity: metered units of this one >= 0
    :param unit: currency rounding unit, e.g. ``0.01``
    :param is_first: nothing was priced before, not even a minimum
    :return: lines per tier this quantity falls in; its allowance is what was left
    :raise QuantityError: a negative quantity
    """
    check_quantity(before, "earlier quantity")
    check_quantity(quantity)
    whole = rounded(rate(terms, add((before, quantity))), unit)
    if is_first:
        return whole
    earlier = rounded(rate(terms, before), unit)
    lines = join_lines((*whole.lines, *map(negated, earlier.lines)))
    steps = (
        Adjustment(step, subtract(whole.adjusted(step), earlier.adjusted(step)))
        for step in PIPELINE
    )
    used = subtract(earlier.converted, earlier.billable)
    return RatedUsage(
        quantity,
        subtract(whole.converted, earlier.converted),
        subtract(whole.billable, earlier.billable),
        tuple(line for line in lines if line.quantity or line.amount),
        tuple(step for step in steps if step.amount),
        add((whole.allowance, negative(used))),
    )
