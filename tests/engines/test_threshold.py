# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Limits of usage: reached at the limit, never by what is not known."""

from decimal import Decimal

import pytest

from . import strategies as draw

engine = draw.usage.threshold
USED = engine.Used(Decimal(80), Decimal(40), Decimal(50), Decimal("9.99"))


@pytest.mark.parametrize(
    "kind, value, is_reached",
    [
        ("quantity", "80", True),
        ("quantity", "80.000001", False),
        ("allowance", "80", True),
        ("allowance", "80.01", False),
        ("amount", "9.99", True),
        ("amount", "10", False),
    ],
)
def test_reached_at_the_limit(kind, value, is_reached):
    level = engine.Level("a", kind, Decimal(value))
    assert engine.crossed([level], USED) == ([level] if is_reached else [])


def test_what_is_not_known_reaches_nothing():
    levels = [
        engine.Level("a", "allowance", Decimal("0.01")),
        engine.Level("b", "amount", Decimal("0.01")),
    ]
    assert engine.crossed(levels, engine.Used(Decimal(10), Decimal(10))) == []
    assert engine.Used(Decimal(1)).percent is None


@pytest.mark.parametrize("kind, value", [("quantity", 0), ("amount", -1), ("units", 1)])
def test_bad_limits_are_refused(kind, value):
    with pytest.raises(draw.usage.errors.TermsError):
        engine.Level("a", kind, Decimal(value))
