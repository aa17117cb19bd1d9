# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Prices that need events, amounts, changes or windows, through ``rate_usage``."""

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from . import strategies as draw

usage = draw.usage
rating, pricing = usage.rating, usage.event_pricing
PercentageTerms = usage.price_models.percentage.PercentageTerms
ProratedUnits = usage.price_models.prorated_graduated.ProratedUnits
PriceTerms, Usage, Tier = rating.PriceTerms, pricing.Usage, usage.tiers.Tier
TermsError, QuantityError = usage.errors.TermsError, usage.errors.QuantityError

money = st.decimals(0, 1000, places=2)
amounts = st.lists(money, max_size=12)


@st.composite
def per_event(build):
    low = build(st.none() | money)
    terms = PercentageTerms(
        rate=build(st.decimals(0, 100, places=2)),
        fixed=build(money),
        free_events=build(st.none() | st.integers(0, 5)),
        free_total=build(st.none() | money),
        minimum=low,
        maximum=build(st.none() | st.just((low or 0) + build(money))),
    )
    return PriceTerms("percentage", per_event=terms)


def rate(terms, values):
    return rating.rate_usage(terms, Usage(sum(values, Decimal(0)), amounts=values))


@given(per_event(), amounts)
def test_lines_and_steps_sum_to_the_fees(terms, values):
    rated = rate(terms, values)
    percentage = usage.price_models.percentage
    assert rated.amount == percentage.amount(percentage.price(values, terms.per_event))
    assert sum(line.quantity for line in rated.lines) == rated.billable
    assert rated.billable + rated.allowance == sum(values)


@given(per_event(), amounts, money)
def test_one_event_more_costs_no_less(terms, values, more):
    assert rate(terms, [*values, more]).amount >= rate(terms, values).amount


@given(per_event(), amounts)
def test_rating_twice_is_rating_once(terms, values):
    assert rate(terms, values) == rate(terms, values)
    rounded = usage.rated.rounded(rate(terms, values), Decimal("0.01"))
    assert usage.rated.rounded(rounded, Decimal("0.01")) == rounded


@given(st.decimals(0, 100, places=2), amounts)
def test_a_rate_alone_is_the_rate_of_the_sum(percent, values):
    plain = PriceTerms("percentage", unit=percent)
    terms = PriceTerms("percentage", per_event=PercentageTerms(percent))
    assert (
        rate(terms, values).amount == rating.rate(plain, sum(values, Decimal(0))).amount
    )


def test_amounts_are_converted_first():
    terms = PriceTerms(
        "percentage",
        divide_by=Decimal(100),
        per_event=PercentageTerms(Decimal(2), fixed=Decimal("0.25")),
        minimum=Decimal(5),
    )
    rated = rate(terms, [Decimal(1000), Decimal(5000)])
    assert (rated.converted, rated.subtotal) == (60, Decimal("1.70"))
    assert rated.amount == 5


def test_amounts_of_the_events():
    terms = PriceTerms(
        "dynamic", multiplier=Decimal("1.2"), discount_percent=Decimal(50)
    )
    rated = rating.rate_usage(terms, Usage(Decimal(3), amount=Decimal(10)))
    assert (rated.subtotal, rated.amount) == (12, 6)
    assert rated.lines[0].unit == 4
    assert rating.rate_usage(terms, Usage(Decimal(0), amount=Decimal(0))).amount == 0
    with pytest.raises(QuantityError):
        rating.rate_usage(terms, Usage(Decimal(3)))


def test_changes_of_a_level():
    tiers = (Tier(Decimal(10), Decimal(4)), Tier(None, Decimal(2)))
    terms = PriceTerms("prorated_graduated", tiers=tiers)
    changes = [
        ProratedUnits(Decimal(12), Decimal(12)),
        ProratedUnits(Decimal(-2), Decimal(-1)),
    ]
    rated = rating.rate_usage(terms, Usage(Decimal(11), changes=changes))
    assert rated.amount == 40 + 2
    assert rated.billable == 11


@given(st.lists(st.decimals(0, 500, places=1), max_size=8), st.integers(0, 20))
def test_windows_are_priced_one_by_one(windows, free):
    tiers = (Tier(Decimal(100), Decimal(2), Decimal(1)), Tier(None, Decimal(1)))
    terms = PriceTerms("graduated", tiers=tiers, free_units=Decimal(free))
    each = rating.rate_usage(
        PriceTerms(
            "graduated", tiers=tiers, free_units=Decimal(free), is_per_window=True
        ),
        Usage(max(windows, default=Decimal(0)), windows=windows),
    )
    assert each.amount == rating.rate_windows(terms, windows)
    assert sum(line.quantity for line in each.lines) == each.billable
    assert len({line.lower for line in each.lines}) == len(each.lines)


@given(per_event(), amounts)
def test_slices_of_events_sum_to_the_whole_without_allowances(terms, values):
    one = terms.per_event
    assume(one.free_events is None and one.free_total is None)
    half = len(values) // 2
    parts = rate(terms, values[:half]).amount + rate(terms, values[half:]).amount
    assert parts == rate(terms, values).amount


def test_terms_that_contradict_each_other_are_refused():
    with pytest.raises(TermsError):
        PriceTerms("dynamic", is_per_window=True)
    with pytest.raises(TermsError):
        PriceTerms("dynamic", multiplier=Decimal(0))
    with pytest.raises(TermsError):
        rating.rate(PriceTerms("dynamic"), Decimal(1))
