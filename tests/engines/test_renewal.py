# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Terms that end: parts that add up, likelihood with reasons, measures."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import strategies as draw

engine = draw.ops.renewal
Signal, Thresholds = engine.Signal, engine.Thresholds
TermsError = draw.ops.errors.TermsError
D = Decimal
WIDE = Thresholds(commit=80, best_case=50, at_risk=5)
percents = st.integers(0, 100)
signals = st.lists(
    st.builds(
        Signal,
        st.sampled_from(["overdue", "usage", "quote", "escalation", "onboarding"]),
        st.integers(-120, 120),
        st.text(max_size=5),
    ),
    max_size=8,
)
thresholds = st.lists(percents, min_size=3, max_size=3).map(
    lambda values: Thresholds(*sorted(values, reverse=True))
)


# -- parts


@pytest.mark.parametrize(
    "available, renewed, pure, expansion, contraction, lost",
    [
        ("6000", "6000", "6000", "0", "0", "0"),
        ("6000", "6300", "6000", "300", "0", "0"),
        ("6000", "4500", "4500", "0", "1500", "0"),
        ("6000", "0", "0", "0", "0", "6000"),
        ("0", "1200", "0", "1200", "0", "0"),
        ("0", "0", "0", "0", "0", "0"),
    ],
)
def test_split(available, renewed, pure, expansion, contraction, lost):
    got = engine.split(D(available), D(renewed))
    assert (got.pure, got.expansion) == (D(pure), D(expansion))
    assert (got.contraction, got.lost) == (D(contraction), D(lost))


@given(draw.amounts, draw.amounts)
def test_parts_add_up(available, renewed):
    got = engine.split(available, renewed)
    assert got.available == got.pure + got.contraction + got.lost == available
    assert got.renewed == got.pure + got.expansion == renewed
    assert min(got.pure, got.expansion, got.contraction, got.lost) >= 0
    assert not (got.expansion and (got.contraction or got.lost))
    assert not (got.contraction and got.lost)


@pytest.mark.parametrize("bad", ["-0.01", "NaN", "Infinity"])
def test_amounts_are_not_negative(bad):
    for call in (engine.split, engine.accuracy, engine.coverage, engine.gross_rate):
        with pytest.raises(TermsError):
            call(D(bad), D(0))
        with pytest.raises(TermsError):
            call(D(5), D(bad))
    with pytest.raises(TermsError):
        engine.annual(D(bad))
    with pytest.raises(TermsError):
        engine.available_to_renew([D(1), D(bad)])


def test_available_is_yearly():
    assert engine.annual(D("41.67")) == D("500.04")
    assert engine.available_to_renew([]) == 0
    assert engine.available_to_renew([D(5000), D("7000.10")]) == D("12000.10")


# -- likelihood


def test_reasons_are_ordered_by_weight():
    got = engine.likelihood(
        70,
        [
            Signal("usage", 10, "usage grows"),
            Signal("overdue", -25, "two invoices overdue"),
            Signal("quiet", 0, "nothing known"),
            Signal("escalation", -10, "one escalation"),
        ],
    )
    assert got.value == 45
    assert [one.code for one in got.reasons] == ["overdue", "escalation", "usage"]


def test_a_signal_told_twice_counts_once_with_its_heavier_weight():
    got = engine.likelihood(50, [Signal("overdue", -10), Signal("overdue", -30)])
    assert (got.value, got.reasons) == (20, (Signal("overdue", -30),))


@pytest.mark.parametrize("base", [-1, 101, 50.0, True, "50", None])
def test_base_is_a_percentage(base):
    with pytest.raises(TermsError):
        engine.likelihood(base, [])


@pytest.mark.parametrize("points", [0.5, "5", None, True])
def test_points_are_whole(points):
    with pytest.raises(TermsError):
        engine.likelihood(50, [Signal("odd", points)])


@given(percents, signals)
def test_likelihood_stays_in_range_and_ignores_order(base, drawn):
    got = engine.likelihood(base, drawn)
    assert 0 <= got.value <= 100
    assert got == engine.likelihood(base, reversed(drawn))
    weights = [abs(one.points) for one in got.reasons]
    assert weights == sorted(weights, reverse=True)
    raw = base + sum(one.points for one in got.reasons)
    assert got.value == min(max(raw, 0), 100)


@given(percents, signals, st.integers(1, 100))
def test_good_news_never_lowers_the_likelihood(base, drawn, points):
    more = [*drawn, Signal("news", points)]
    before = engine.likelihood(base, drawn).value
    assert engine.likelihood(base, more).value >= before


# -- category and forecast


@pytest.mark.parametrize(
    "value, wanted",
    [
        (100, "commit"),
        (80, "commit"),
        (79, "best_case"),
        (50, "best_case"),
        (49, "at_risk"),
        (5, "at_risk"),
        (4, "lost"),
        (0, "lost"),
    ],
)
def test_category_begins_at_its_threshold(value, wanted):
    assert engine.category(value, WIDE) == wanted
    assert engine.category(value) == wanted


@pytest.mark.parametrize("bad", [(50, 80, 5), (101, 50, 5), (80, 50, -1), (80, 4, 5)])
def test_thresholds_ascend(bad):
    with pytest.raises(TermsError):
        Thresholds(*bad)


@given(percents, percents, thresholds)
def test_category_is_monotone(one, other, levels):
    order = engine.CATEGORIES[::-1]
    low, high = sorted((one, other))
    assert order.index(engine.category(low, levels)) <= order.index(
        engine.category(high, levels)
    )


@pytest.mark.parametrize(
    "chosen, value, wanted",
    [
        ("commit", 85, "1000"),
        ("commit", 20, "1000"),
        ("best_case", 65, "650"),
        ("best_case", 95, "800"),
        ("best_case", 10, "500"),
        ("at_risk", 30, "300"),
        ("at_risk", 90, "500"),
        ("at_risk", 0, "50"),
        ("lost", 100, "0"),
    ],
)
def test_forecast(chosen, value, wanted):
    assert engine.forecast(D(1000), chosen, value, WIDE) == D(wanted)


def test_forecast_rounds_to_the_currency_and_refuses_unknown_categories():
    assert engine.forecast(D("100.01"), "best_case", 65) == D("65.01")
    assert engine.forecast(D("1001"), "best_case", 65, rounding=D(1)) == D(651)
    with pytest.raises(TermsError):
        engine.forecast(D(1), "maybe", 50)


@given(draw.amounts, st.sampled_from(engine.CATEGORIES), percents, thresholds)
def test_forecast_never_exceeds_what_is_available(available, chosen, value, levels):
    got = engine.forecast(available, chosen, value, levels, D("0.0001"))
    assert 0 <= got <= available


@given(draw.amounts, percents, percents, thresholds)
def test_forecast_is_monotone_in_the_likelihood(available, one, other, levels):
    low, high = sorted((one, other))
    before = engine.forecast(available, engine.category(low, levels), low, levels)
    after = engine.forecast(available, engine.category(high, levels), high, levels)
    assert before <= after


# -- measures


@pytest.mark.parametrize(
    "forecasted, actual, wanted",
    [
        ("900", "1000", "0.9"),
        ("1100", "1000", "0.9"),
        ("1000", "1000", "1"),
        ("3000", "1000", "0"),
        ("0", "1000", "0"),
        ("0", "0", "1"),
        ("1", "0", "0"),
    ],
)
def test_accuracy(forecasted, actual, wanted):
    assert engine.accuracy(D(forecasted), D(actual)) == D(wanted)


@given(draw.amounts, draw.amounts)
def test_accuracy_is_a_share_and_full_only_when_exact(forecasted, actual):
    got = engine.accuracy(forecasted, actual)
    assert 0 <= got <= 1
    assert (got == 1) == (forecasted == actual)


def test_rates():
    assert engine.coverage(D(400), D(300)) == D("0.75")
    assert engine.gross_rate(D(400), D(380)) == D("0.95")
    assert engine.on_time_rate(3, 4) == D("0.75")


def test_nothing_measured_is_no_rate():
    assert engine.coverage(D(0), D(0)) is None
    assert engine.gross_rate(D(0), D(0)) is None
    assert engine.on_time_rate(0, 0) is None


def test_parts_never_exceed_the_whole():
    with pytest.raises(TermsError):
        engine.coverage(D(1), D(2))
    with pytest.raises(TermsError):
        engine.gross_rate(D(1), D(2))
    for pair in ((2, 1), (-1, 1)):
        with pytest.raises(TermsError):
            engine.on_time_rate(*pair)


@given(st.lists(st.tuples(draw.amounts, draw.amounts), max_size=10))
def test_gross_rate_of_many_is_one_of_their_sums(pairs):
    parts = [engine.split(available, renewed) for available, renewed in pairs]
    whole = engine.available_to_renew(part.available for part in parts)
    pure = engine.available_to_renew(part.pure for part in parts)
    rate = engine.gross_rate(whole, pure)
    assert rate is None if not whole else 0 <= rate <= 1
