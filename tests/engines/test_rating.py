# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Rating: tiers hold every unit once, the pipeline keeps its order."""

from dataclasses import replace
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import strategies as draw

rating = draw.usage.rating
rated = draw.usage.rated
tiers = draw.usage.tiers
money = draw.usage.money
models = draw.usage.price_models
errors = draw.usage.errors
Tier, PriceTerms = tiers.Tier, rating.PriceTerms
ZERO = Decimal(0)
CENT = Decimal("0.01")
percents = st.decimals("0", "100", places=1, allow_nan=False)


@st.composite
def price_terms(build, names=tuple(rating.MODELS)):
    """Draw a price of any model with any options."""
    low, high = sorted((build(draw.amounts), build(draw.amounts)))
    return PriceTerms(
        build(st.sampled_from(names)),
        unit=build(draw.prices),
        tiers=build(draw.tiers()),
        package_size=Decimal(build(st.integers(1, 500))),
        block_tiers=(
            models.block.BlockTier(Decimal(10), build(draw.prices), Decimal(5)),
            models.block.BlockTier(Decimal(100), build(draw.prices)),
        ),
        divide_by=Decimal(build(st.sampled_from([1, 2, 8, 1000]))),
        round_mode=build(st.sampled_from([None, "ceil", "floor", "half_up"])),
        free_units=build(st.just(ZERO) | draw.quantities),
        discount_percent=build(st.just(ZERO) | percents),
        maximum=build(st.none() | st.just(high)),
        minimum=build(st.none() | st.just(low)),
    )


@given(price_terms(), draw.quantities, draw.amounts)
def test_the_parts_add_up(terms, quantity, credits) -> None:
    rated = rating.rate(terms, quantity, credits)
    assert sum(line.quantity for line in rated.lines) == rated.billable
    exact = money.add(line.amount for line in rated.lines)
    assert rated.subtotal == exact
    steps = [step.step for step in rated.adjustments]
    assert steps == [name for name in rating.PIPELINE if name in steps]
    assert rated.amount >= 0
    before_credits = money.subtract(rated.amount, rated.adjusted("credits"))
    if terms.maximum is not None:
        assert before_credits <= terms.maximum
    if terms.minimum is not None:
        assert before_credits >= terms.minimum
    assert 0 <= -rated.adjusted("credits") <= credits


@given(price_terms(), draw.quantities, draw.roundings)
def test_rounded_parts_add_up_to_the_cent(terms, quantity, unit) -> None:
    exact = rating.rate(terms, quantity)
    rounded = rated.rounded(exact, unit)
    assert rounded.amount == money.round_unit(exact.amount, unit)
    parts = [line.amount for line in rounded.lines]
    parts += [step.amount for step in rounded.adjustments]
    assert sum(parts) == rounded.amount
    assert all(part % unit == 0 for part in parts)


@given(price_terms(), draw.quantities)
def test_rating_twice_is_rating_once(terms, quantity) -> None:
    assert rating.rate(terms, quantity) == rating.rate(terms, quantity)
    with localcontext() as context:
        context.prec = 5
        small = rating.rate(terms, quantity)
    assert small == rating.rate(terms, quantity)


@given(draw.tiers(), draw.quantities, draw.quantities)
def test_graduated_grows_with_usage(steps, one, two) -> None:
    few, many = sorted((one, two))
    terms = PriceTerms("graduated", tiers=steps)
    assert rating.rate(terms, few).amount <= rating.rate(terms, many).amount


@given(draw.tiers(flat=False))
def test_graduated_is_continuous_without_flat_fees(steps) -> None:
    step = Decimal("0.000001")
    terms = PriceTerms("graduated", tiers=steps)
    for tier in steps[:-1]:
        at = rating.rate(terms, tier.up_to).amount
        above = rating.rate(terms, tier.up_to + step).amount
        assert above - at <= step * 1000
    assert rating.rate(terms, ZERO).amount == 0


@given(draw.tiers(), draw.quantities)
def test_a_unit_at_a_bound_stays_in_its_tier(steps, quantity) -> None:
    for tier in steps[:-1]:
        lines = models.graduated.price(tier.up_to, steps)
        assert lines[-1].upper == tier.up_to
        assert models.volume.price(tier.up_to, steps)[0].upper == tier.up_to
    lines = models.graduated.price(quantity, steps)
    assert lines[0].lower == 0
    for line, after in zip(lines, lines[1:], strict=False):
        assert line.upper == after.lower and line.quantity == line.upper - line.lower


@given(draw.tiers(), draw.quantities)
def test_volume_prices_all_units_in_one_tier(steps, quantity) -> None:
    (line,) = models.volume.price(quantity, steps)
    assert line.quantity == quantity
    assert line.amount == quantity * line.unit + line.flat


@given(draw.quantities, draw.quantities, draw.quantities, st.booleans())
def test_a_period_in_parts_costs_the_whole(one, two, three, has_maximum) -> None:
    steps = (Tier(Decimal(100), Decimal(2), Decimal(5)), Tier(None, Decimal(1)))
    terms = PriceTerms(
        "graduated",
        tiers=steps,
        free_units=Decimal(10),
        maximum=Decimal(500) if has_maximum else None,
        minimum=Decimal(50),
    )
    before = billed = ZERO
    for number, line in enumerate((one, two, three)):
        part = rating.rate_part(terms, before, line, billed, last=number == 2)
        before, billed = before + line, billed + part.amount
    # a first part without usage has already asked for the first tier's flat amount
    again = Decimal(5) * (not one) + Decimal(5) * (not one and not two)
    whole = rating.rate(terms, before).amount
    assert whole <= billed <= max(whole, min(whole + again, terms.maximum or billed))


@given(price_terms(), st.lists(draw.quantities, max_size=6).map(sorted))
def test_running_totals_sum_to_the_last_one(terms, totals) -> None:
    parts = rating.rate_cumulative(terms, totals)
    last = rating.rate(terms, totals[-1]).amount if totals else ZERO
    assert len(parts) == len(totals)
    assert money.add(parts) == last


@given(draw.quantities, draw.quantities, st.lists(draw.quantities, max_size=5))
def test_free_units_are_used_once(free, first, lines) -> None:
    before, billed = ZERO, ZERO
    for line in [first, *lines]:
        billed += rating.billable(line, free, before)
        before += line
    assert billed == max(before - free, ZERO)


@pytest.mark.parametrize(
    ("model", "steps", "included"),
    [
        ("graduated", (Tier(Decimal(100)), Tier(None, Decimal(1))), 150),
        (
            "graduated",
            (Tier(Decimal(100)), Tier(Decimal(300)), Tier(None, Decimal(1))),
            350,
        ),
        (
            "graduated",
            (Tier(Decimal(100), flat=Decimal(5)), Tier(None, Decimal(1))),
            50,
        ),
        # Nothing of it is for free once there is more.
        ("volume", (Tier(Decimal(100)), Tier(None, Decimal(1))), 50),
        ("graduated", (Tier(None),), 50),
    ],
)
def test_first_tiers_for_nothing_are_included(model, steps, included) -> None:
    terms = PriceTerms(model, tiers=steps, free_units=Decimal(50))
    rated = rating.rate(terms, Decimal(60))
    assert (rated.included, rated.allowance) == (Decimal(included), Decimal(50))


def test_the_pipeline_in_figures() -> None:
    """1,400 bytes are 2 started kB, 1 is free; 10 less 10 %, at least 9.50."""
    terms = PriceTerms(
        "standard",
        unit=Decimal(10),
        divide_by=Decimal(1000),
        round_mode="ceil",
        free_units=Decimal(1),
        discount_percent=Decimal(10),
        maximum=Decimal(100),
        minimum=Decimal("9.50"),
    )
    rated = rating.rate(terms, Decimal(1400), credits=Decimal(4))
    assert (rated.converted, rated.billable, rated.subtotal) == (2, 1, 10)
    assert [(step.step, step.amount) for step in rated.adjustments] == [
        ("discount", Decimal(-1)),
        ("minimum", Decimal("0.5")),
        ("credits", Decimal(-4)),
    ]
    assert rated.amount == Decimal("5.5")
    capped = rating.rate(replace(terms, discount_percent=ZERO), Decimal(99_000))
    assert capped.adjusted("maximum") == Decimal(100 - 980)


@pytest.mark.parametrize(
    "usage, lines, amount",
    [
        ("0", [("0", "0")], "0"),
        ("1000", [("1000", "5")], "5"),
        ("1001", [("1000", "5"), ("1", "0.004")], "5.004"),
        ("12000", [("1000", "5"), ("9000", "36"), ("2000", "6")], "47"),
    ],
)
def test_api_calls(usage: str, lines: list, amount: str) -> None:
    steps = (
        Tier(Decimal(1000), Decimal("0.005")),
        Tier(Decimal(10000), Decimal("0.004")),
        Tier(None, Decimal("0.003")),
    )
    rated = rating.rate(PriceTerms("graduated", tiers=steps), Decimal(usage))
    found = [(line.quantity, line.amount) for line in rated.lines]
    assert found == [(Decimal(q), Decimal(a)) for q, a in lines]
    assert rated.amount == Decimal(amount)


def test_stairstep_is_flat() -> None:
    steps = (Tier(Decimal(5), flat=Decimal(20)), Tier(None, flat=Decimal(50)))
    terms = PriceTerms("stairstep", tiers=steps)
    found = [rating.rate(terms, Decimal(n)).amount for n in (0, 5, 6, 600)]
    assert found == [20, 20, 50, 50]


def test_percentage_events() -> None:
    terms = models.percentage.PercentageTerms(Decimal(1), Decimal(2), free_events=1)
    rows = models.percentage.price([ZERO, ZERO, Decimal(50)], terms)
    assert [row.fee for row in rows] == [0, 2, Decimal("2.5")]


@pytest.mark.parametrize(
    "bounds, word",
    [
        ([], "at least one"),
        (["5"], "tier 1: the last tier must be open"),
        ([None, None], "tier 1: only the last"),
        (["5", "5", None], "tier 2: the bound 5"),
        (["5", "3", None], "tier 2: the bound 3"),
        (["0", None], "tier 1: the bound 0"),
        (["-1", None], "tier 1"),
        (["NaN", None], "tier 1"),
    ],
)
def test_unusable_tiers_are_named(bounds: list, word: str) -> None:
    steps = tuple(
        Tier(None if bound is None else Decimal(bound), Decimal(1)) for bound in bounds
    )
    for model in sorted(rating.TIERED):
        with pytest.raises(errors.TierError, match=word):
            PriceTerms(model, tiers=steps)


@pytest.mark.parametrize("quantity", ["-0.001", "NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("model", sorted(rating.MODELS))
def test_unusable_quantities_are_refused(model: str, quantity: str) -> None:
    terms = PriceTerms(
        model,
        tiers=(Tier(None, Decimal(1)),),
        block_tiers=(models.block.BlockTier(Decimal(1), Decimal(1)),),
    )
    with pytest.raises(errors.QuantityError):
        rating.rate(terms, Decimal(quantity))
    with pytest.raises(errors.QuantityError):
        rating.rate_part(terms, Decimal(quantity), Decimal(1))


@pytest.mark.parametrize(
    "change",
    [
        {"model": "magic"},
        {"unit": Decimal("NaN")},
        {"divide_by": ZERO},
        {"package_size": ZERO},
        {"round_mode": "sideways"},
        {"free_units": Decimal(-1)},
        {"discount_percent": Decimal(101)},
        {"minimum": Decimal(-1)},
        {"minimum": Decimal(2), "maximum": Decimal(1)},
    ],
)
def test_unusable_terms_are_refused(change: dict) -> None:
    with pytest.raises(errors.TermsError):
        PriceTerms(**{"model": "standard", **change})


def test_blocks_that_do_not_hold_the_usage() -> None:
    block = models.block
    small = (block.BlockTier(Decimal(1), Decimal(1), Decimal(10)),)
    with pytest.raises(errors.QuantityError, match="1 units"):
        block.price(Decimal(11), small)
    # the blocks of the tier reached are those of the last one from there on
    [line] = block.price(Decimal(11), small, block.TOP_TIER)
    assert (line.quantity, line.amount) == (11, 11)
    with pytest.raises(errors.TermsError):
        block.price(Decimal(1), ())
    with pytest.raises(errors.TermsError):
        block.price(Decimal(1), small, "some_tiers")
    with pytest.raises(errors.TermsError):
        unlimited = block.BlockTier(Decimal(1), Decimal(1))
        block.price(Decimal(1), (unlimited, unlimited))


# Every model whose price never falls with usage: volume prices and the blocks of the
# tier reached may, a stairstep does where its fixed prices rise.
RISING = ("standard", "graduated", "package", "graduated_percentage", "percentage")


@given(price_terms(names=RISING), draw.quantities, draw.quantities)
def test_more_usage_never_costs_less(terms, one, two) -> None:
    few, many = (rating.Usage(quantity) for quantity in sorted((one, two)))
    assert rating.rate_usage(terms, few).amount <= rating.rate_usage(terms, many).amount


@given(st.lists(draw.prices, min_size=2, max_size=5), draw.quantities, draw.quantities)
def test_rising_steps_never_cost_less(prices, one, two) -> None:
    few, many = (rating.Usage(quantity) for quantity in sorted((one, two)))
    *closed, last = sorted(prices)
    bounds = [Decimal(100 * number) for number in range(1, len(prices))]
    steps = tuple(
        Tier(bound, flat=flat) for bound, flat in zip(bounds, closed, strict=True)
    )
    stairs = PriceTerms("stairstep", tiers=(*steps, Tier(None, flat=last)))
    blocks = PriceTerms(
        "block",
        block_tiers=(
            models.block.BlockTier(Decimal(10), closed[0], Decimal(3)),
            models.block.BlockTier(Decimal(25), last),
        ),
    )
    for terms in (stairs, blocks):
        cheap, dear = (rating.rate_usage(terms, usage) for usage in (few, many))
        assert cheap.amount <= dear.amount


@given(draw.tiers(flat=False), st.sampled_from(["graduated", "graduated_percentage"]))
def test_graduated_prices_have_no_jumps(steps, model) -> None:
    step = Decimal("0.000001")
    terms = PriceTerms(model, tiers=steps)
    for tier in steps[:-1]:
        at = rating.rate_usage(terms, rating.Usage(tier.up_to)).amount
        above = rating.rate_usage(terms, rating.Usage(tier.up_to + step)).amount
        assert above - at <= step * 1000


@given(price_terms(), draw.quantities, st.integers(1, 31))
def test_rating_the_same_usage_again_changes_nothing(terms, quantity, days) -> None:
    usage, part = rating.Usage(quantity), rating.Part(days, 31)
    first = rating.rate_usage(terms, usage, part)
    assert rating.rate_usage(terms, usage, part) == first
    assert rated.rounded(rated.rounded(first, CENT), CENT) == rated.rounded(first, CENT)


@given(draw.quantities, st.lists(draw.amounts, max_size=5))
def test_a_percentage_of_the_sum_is_that_of_its_events(rate, amounts) -> None:
    terms = models.percentage.PercentageTerms(rate)
    each = models.percentage.amount(models.percentage.price(amounts, terms))
    price = PriceTerms("percentage", unit=rate)
    whole = rating.rate_usage(price, rating.Usage(money.add(amounts)))
    assert whole.amount == each


def test_lines_say_what_is_sold_together() -> None:
    package = PriceTerms("package", unit=Decimal(3), package_size=Decimal(50))
    blocks = PriceTerms(
        "block",
        block_tiers=(
            models.block.BlockTier(Decimal(10), Decimal(2), Decimal(5)),
            models.block.BlockTier(Decimal(100), Decimal(15)),
        ),
    )
    top = replace(blocks, block_policy=models.block.TOP_TIER)
    found = [
        [(line.size, line.amount) for line in rating.rate(terms, Decimal(51)).lines]
        for terms in (package, blocks, top)
    ]
    assert found == [[(50, 6)], [(10, 10), (100, 15)], [(100, 15)]]


@given(price_terms(), draw.quantities, st.integers(1, 31))
def test_a_part_of_a_period_has_its_part_of_the_allowance(terms, quantity, days):
    usage, part = rating.Usage(quantity), rating.Part(days, 31)
    terms = replace(terms, prorate_allowance=True)
    rated = rating.rate_usage(terms, usage, part)
    assert rated.allowance == part.of(terms.free_units)
    assert rated.billable == max(money.subtract(rated.converted, rated.allowance), ZERO)
    if terms.maximum is not None:
        # a third of something has no last digit
        most = money.round_decimals(part.of(terms.maximum), 20)
        assert money.round_decimals(rated.amount, 20) <= most
    whole = rating.rate_usage(terms, usage, rating.Part(31, 31))
    assert whole == rating.rate(terms, quantity)
    kept = rating.rate_usage(replace(terms, prorate_allowance=False), usage, part)
    assert kept.allowance == terms.free_units


@given(price_terms(), draw.quantities, st.integers(1, 31))
def test_part_of_a_period_costs_its_part_of_what_counts_by_time(terms, quantity, days):
    terms = replace(terms, is_timed=True)
    usage = rating.Usage(quantity)
    whole = rating.rate_usage(terms, usage)
    assert whole == rating.rate_usage(terms, usage, rating.Part(31, 31))
    parts = [rating.Part(days, 31), rating.Part(max(31 - days, 1), 31)]
    costs = [rating.rate_usage(terms, usage, part).amount for part in parts]
    for part, cost in zip(parts, costs, strict=True):
        assert money.round_decimals(cost, 20) == money.round_decimals(
            part.of(whole.amount), 20
        )
    if days < 31:
        # as much as the whole, whoever goes on in the middle
        assert money.round_decimals(money.add(costs), 20) == money.round_decimals(
            whole.amount, 20
        )
