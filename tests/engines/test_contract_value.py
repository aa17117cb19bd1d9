# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What a contract is worth: months, steps, coupons, years that sum to the total."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import strategies as draw

value = draw.ops.contract_value
CouponTerms = draw.ops.coupon.CouponTerms
TermsError = draw.ops.errors.TermsError
MONTH, QUARTER, YEAR = Fraction(1), Fraction(3), Fraction(12)
DAY = date(2026, 1, 1)


def line(*steps, key=1, period=MONTH, of_plan=True):
    """A recurring line; steps are (from month, amount), or one amount."""
    steps = [step if isinstance(step, tuple) else (0, step) for step in steps]
    return value.ValueLine(
        key,
        tuple(value.PriceStep(Fraction(m), Decimal(str(a))) for m, a in steps),
        period,
        of_plan,
    )


def coupon(kind, amount, duration="forever", periods=1, lines=None):
    return CouponTerms("c", kind, Decimal(str(amount)), DAY, duration, periods, lines)


def worth(*lines, one_time="0", months=12, coupons=(), **options):
    return value.contract_value(
        lines, Decimal(one_time), Fraction(months), coupons=coupons, **options
    )


def test_recurrences_become_months():
    result = worth(
        line(500), line(300, key=2, period=QUARTER), line(2400, key=3, period=YEAR)
    )
    assert result.mrr == Decimal("800.00")
    assert result.arr == Decimal("9600.00")
    assert result.tcv == Decimal("9600.00")


def test_one_time_is_no_recurring_revenue():
    result = worth(line(100), one_time="1200", months=24)
    assert (result.mrr, result.one_time) == (Decimal(100), Decimal(1200))
    assert result.tcv == Decimal(3600)
    assert [year.total for year in result.years] == [Decimal(2400), Decimal(1200)]


def test_coupon_with_an_end_is_worth_the_periods_begun_before():
    for end, tcv in (("2026-03-01", 1180), ("2026-03-02", 1170), ("2026-01-01", 1200)):
        stopped = replace(coupon("percent", 10), date_end=date.fromisoformat(end))
        assert worth(line(100), coupons=[stopped]).tcv == Decimal(tcv), end


def test_ramp_changes_tcv_and_years_but_not_the_first_mrr():
    result = worth(line((0, 1000), (12, 1100), (24, 1200)), months=36)
    assert result.mrr == Decimal(1000)
    assert result.tcv == Decimal(39600)
    assert [year.mrr for year in result.years] == [1000, 1100, 1200]
    assert [year.recurring for year in result.years] == [12000, 13200, 14400]


def test_step_within_a_year_and_beyond_the_term():
    result = worth(line((0, 100), (6, 200), (20, 900)), months=18)
    assert [year.recurring for year in result.years] == [1800, 1200]


@pytest.mark.parametrize(
    ("terms", "mrr", "tcv"),
    [
        (coupon("percent", 10), "900", "10800"),
        (coupon("percent", 10, "once"), "1000", "11900"),
        (coupon("percent", 10, "periods", 3), "900", "11700"),
        (coupon("amount", 100), "900", "10800"),
        (coupon("amount", 100, "once"), "1000", "11900"),
        (coupon("amount", 5000), "0", "0"),
        (coupon("percent", 100, lines=frozenset({9})), "1000", "12000"),
    ],
)
def test_coupons(terms, mrr, tcv):
    result = worth(line(1000), coupons=[terms])
    assert (result.mrr, result.tcv) == (Decimal(mrr), Decimal(tcv))


def test_percent_counts_in_periods_of_the_line():
    once = coupon("percent", 50, "once")
    result = worth(line(100), line(1200, key=2, period=YEAR), coupons=[once])
    assert result.tcv == Decimal(1200 - 50 + 1200 - 600)


def test_amount_is_per_plan_period_and_spares_other_recurrences():
    off = coupon("amount", 30)
    lines = (
        line(300, period=QUARTER),
        line(1200, key=2, period=YEAR, of_plan=False),
    )
    result = worth(*lines, coupons=[off], plan_months=QUARTER)
    assert result.mrr == Decimal(190)


def test_coupons_are_taken_off_one_after_the_other():
    both = [coupon("percent", 50), coupon("amount", 100)]
    assert worth(line(1000), coupons=both).mrr == Decimal(400)
    assert worth(line(1000), coupons=both[::-1]).mrr == Decimal(450)


def test_trial_is_not_charged():
    result = worth(line(100), free_months=Fraction(1))
    assert (result.mrr, result.tcv) == (Decimal(100), Decimal(1100))
    whole = worth(line(100), one_time="7", free_months=Fraction(12))
    assert whole.tcv == Decimal(7)


def test_coupon_counts_from_the_end_of_the_trial():
    once = coupon("percent", 100, "once")
    result = worth(line(100), coupons=[once], free_months=Fraction(2))
    assert result.tcv == Decimal(900)


def test_currency_without_cents():
    result = worth(line(100, period=QUARTER), rounding=Decimal(1))
    assert (result.mrr, result.tcv) == (Decimal(33), Decimal(400))


@pytest.mark.parametrize(
    ("term", "minimum", "expected"),
    [
        (36, 12, (36, "term")),
        (0, 6, (6, "minimum")),
        (0, 0, (12, "year")),
    ],
)
def test_months_of_an_open_term(term, minimum, expected):
    assert value.value_months(term, minimum) == expected


def test_refused_terms():
    for wrong in (
        lambda: worth(line(1), months=0),
        lambda: line((3, 1)),
        lambda: line((0, 1), (12, 1), (6, 1)),
        lambda: line((0, 1), (0, 2)),
        lambda: line(-1),
        lambda: line(1, period=Fraction(0)),
        lambda: value.value_months(-1),
    ):
        with pytest.raises(TermsError):
            wrong()


amounts = st.decimals(0, 10**6, places=2)


@given(
    st.lists(st.tuples(amounts, st.sampled_from([MONTH, QUARTER, YEAR])), max_size=4),
    st.integers(1, 60),
    st.lists(st.decimals("0.01", 100, places=2), max_size=3),
    amounts,
)
def test_years_sum_to_the_total(lines, months, percents, one_time):
    result = worth(
        *(line(amount, key=i, period=p) for i, (amount, p) in enumerate(lines)),
        one_time=str(one_time),
        months=months,
        coupons=[coupon("percent", percent, "periods", 2) for percent in percents],
    )
    assert sum(year.total for year in result.years) == result.tcv
    assert result.years[-1].until_month == months
    assert result.tcv >= result.one_time


@given(amounts, st.integers(1, 11), st.integers(1, 48))
def test_steps_to_the_same_price_change_nothing(amount, at, months):
    plain = worth(line(amount), months=months)
    stepped = worth(line((0, amount), (at, amount)), months=months)
    assert plain == stepped
