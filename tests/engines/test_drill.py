# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""A charge taken apart by day sums to the charge, whatever it was made of."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ..engine_loader import load_engine

usage = load_engine("saas_usage_billing")
Cell, Layer = usage.drill.Cell, usage.drill.Layer
fill, rate_days, spread = usage.drill.fill, usage.drill.rate_days, usage.drill.spread
CENT = Decimal("0.01")
ZERO = Decimal(0)

cents = st.integers(-5000, 5000).map(lambda number: Decimal(number) * CENT)
units = st.decimals(0, 1000, places=3, allow_nan=False)
layers = st.lists(st.builds(Layer, units, cents), max_size=5)
days = st.lists(units, min_size=1, max_size=31)


def decimals(*numbers):
    return [Decimal(number) for number in numbers]


def test_days_use_up_free_units_and_tiers_in_the_order_of_time():
    tiers = [Layer(Decimal(100)), Layer(Decimal(400), Decimal(20))]
    cells = fill(tiers, decimals(60, 140, 300), CENT)
    assert cells == [
        Cell(0, 0, Decimal(60), ZERO),
        Cell(0, 1, Decimal(40), ZERO),
        Cell(1, 1, Decimal(100), Decimal(5)),
        Cell(1, 2, Decimal(300), Decimal(15)),
    ]
    amounts = rate_days(cells, Decimal("-2.00"), decimals(60, 140, 300), CENT)
    assert amounts == decimals("0", "4.50", "13.50")


def test_days_of_another_sum_are_taken_in_proportion():
    # The month's peak is 10, the days' peaks are 10, 5 and 5.
    cells = fill([Layer(Decimal(10), Decimal("1.00"))], decimals(10, 5, 5), CENT)
    assert [cell.quantity for cell in cells] == decimals("5", "2.5", "2.5")
    assert [cell.amount for cell in cells] == decimals("0.50", "0.25", "0.25")


def test_thirds_of_a_cent_are_not_lost():
    assert spread(CENT, decimals(1, 1, 1), CENT) == decimals("0", "0.01", "0")
    assert spread(Decimal("1.00"), decimals(1, 1, 1), CENT) == decimals(
        "0.33", "0.34", "0.33"
    )


def test_an_amount_without_units_is_on_the_last_day():
    # Only the fixed fee of the first tier, for events that sum to nothing.
    cells = fill([Layer(ZERO, Decimal(5))], decimals(0, 0), CENT)
    assert cells == [Cell(0, 1, ZERO, Decimal(5))]
    assert rate_days([], Decimal(7), decimals(0, 0), CENT) == decimals(0, 7)
    assert fill([Layer(ZERO, Decimal(5))], [], CENT) == []
    assert rate_days([], Decimal(7), [], CENT) == []


def test_tiers_taken_back_are_shared_by_all_days():
    both = [Layer(Decimal(20), Decimal(2)), Layer(Decimal(-10), Decimal(-1))]
    cells = fill(both, decimals(5, 5), CENT)
    assert [cell.quantity for cell in cells] == decimals(10, 10, -5, -5)
    assert rate_days(cells, ZERO, decimals(5, 5), CENT) == decimals("0.50", "0.50")


@given(layers, days, cents)
def test_days_sum_to_the_whole_and_tiers_to_themselves(layers, days, steps):
    cells = fill(layers, days, CENT)
    for number, layer in enumerate(layers):
        own = [cell for cell in cells if cell.layer == number]
        assert sum(cell.amount for cell in own) == layer.amount
        assert abs(sum(cell.quantity for cell in own) - layer.quantity) < CENT / 1000
    amounts = rate_days(cells, steps, days, CENT)
    assert len(amounts) == len(days)
    assert sum(amounts) == sum(layer.amount for layer in layers) + steps
    assert all(amount % CENT == 0 for amount in amounts)
