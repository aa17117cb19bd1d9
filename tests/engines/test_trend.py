# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The direction of usage over several meters."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import strategies as draw

engine = draw.usage.trend
pairs = st.lists(st.tuples(draw.quantities, draw.quantities), max_size=5)


@pytest.mark.parametrize(
    "rows, wanted",
    [
        ([], (None, 0)),
        ([(0, 50)], (None, 0)),
        ([(100, 100)], ("steady", 0)),
        ([(100, 76)], ("steady", -24)),
        ([(100, 75)], ("falls", -25)),
        ([(100, 124)], ("steady", 24)),
        ([(100, 125)], ("grows", 25)),
        ([(100, 0)], ("stopped", -100)),
        ([(100, 0), (0, 5)], ("falls", -100)),
        ([(100, 0), (100, 100)], ("falls", -50)),
        ([(100, 50), (1, 1000)], ("grows", 25)),
        ([(100, -5)], ("stopped", -100)),
    ],
)
def test_trend(rows, wanted):
    decimals = [(Decimal(a), Decimal(b)) for a, b in rows]
    assert engine.trend(decimals) == wanted


@given(pairs)
def test_trend_ignores_the_order_and_unit_of_meters(rows):
    assert engine.ratio(rows) is None or 0 <= engine.ratio(rows) <= 2
    assert engine.trend(rows)[0] == engine.trend(rows[::-1])[0]
    scaled = [(1024 * earlier, 1024 * recent) for earlier, recent in rows]
    assert engine.trend(scaled)[0] == engine.trend(rows)[0]
