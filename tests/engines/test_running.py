# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Tiers that count over several periods."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from . import strategies as draw

usage = draw.usage
rating, running = usage.rating, usage.running
CENT = Decimal("0.01")
months = st.lists(draw.quantities, min_size=1, max_size=8)


@st.composite
def year_terms(build):
    return rating.PriceTerms(
        build(st.sampled_from(sorted(running.RUNNING_MODELS - {"block"}))),
        unit=build(draw.prices),
        tiers=build(draw.tiers()),
        package_size=Decimal(build(st.integers(1, 500))),
        free_units=build(st.just(Decimal(0)) | draw.quantities),
        minimum=build(st.none() | draw.amounts),
    )


def rate_months(terms, quantities):
    before, result = Decimal(0), []
    for number, quantity in enumerate(quantities):
        result.append(
            running.rate_further(terms, before, quantity, CENT, is_first=not number)
        )
        before += quantity
    return result


@given(year_terms(), months)
def test_months_sum_to_the_year(terms, quantities):
    found = rate_months(terms, quantities)
    whole = draw.usage.rated.rounded(rating.rate(terms, sum(quantities)), CENT)
    assert sum(month.amount for month in found) == whole.amount
    assert sum(month.billable for month in found) == whole.billable
    exact = rating.rate_cumulative(
        terms, [sum(quantities[: n + 1]) for n in range(len(quantities))]
    )
    for month, amount in zip(found, exact, strict=True):
        assert abs(month.amount - amount) <= CENT
        assert sum(line.quantity for line in month.lines) == month.billable


@given(year_terms(), months)
def test_no_month_costs_less_than_nothing(terms, quantities):
    terms = replace(terms, minimum=None)
    assert all(month.amount >= 0 for month in rate_months(terms, quantities))


@given(year_terms(), months)
def test_the_order_of_the_months_does_not_change_the_year(terms, quantities):
    there, back = (
        sum(month.amount for month in rate_months(terms, order))
        for order in (quantities, quantities[::-1])
    )
    assert there == back
