# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Rounding to currencies, and splitting without losing a cent."""

from decimal import Decimal, getcontext, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import strategies as draw

money = draw.ops.money
weights = st.lists(draw.quantities, min_size=1, max_size=8).filter(any)


@pytest.mark.parametrize(
    "amount, unit, wanted",
    [
        ("2.345", "0.01", "2.35"),
        ("-2.345", "0.01", "-2.35"),
        ("2.344999999999999999999999999999", "0.01", "2.34"),
        ("1234.5", "1", "1235"),  # JPY
        ("1234.49", "1", "1234"),
        ("0.0005", "0.001", "0.001"),  # KWD
        ("1.2345", "0.001", "1.235"),
        ("1.025", "0.05", "1.05"),  # cash CHF
        ("1.02", "0.05", "1.00"),
        ("0", "0.01", "0"),
    ],
)
def test_half_up_in_currencies(amount: str, unit: str, wanted: str) -> None:
    assert money.round_money(Decimal(amount), Decimal(unit)) == Decimal(wanted)


def test_zero_has_no_sign() -> None:
    assert str(money.round_money(Decimal("-0.001"))) in ("0", "0.00")


@pytest.mark.parametrize("unit", ["0", "-1", "NaN", "Infinity"])
def test_unusable_units_are_refused(unit: str) -> None:
    with pytest.raises(money.MoneyError):
        money.round_money(Decimal(1), Decimal(unit))


@pytest.mark.parametrize("value", [1.5, True, None, "1,5", "", "NaN", "-Infinity"])
def test_inexact_numbers_are_refused(value: object) -> None:
    with pytest.raises(money.MoneyError):
        money.to_decimal(value)


@given(draw.amounts, draw.roundings)
def test_a_credit_mirrors_its_charge(amount: Decimal, unit: Decimal) -> None:
    assert money.round_money(-amount, unit) == -money.round_money(amount, unit)


@given(draw.amounts, draw.roundings)
def test_rounding_is_near_and_stable(amount: Decimal, unit: Decimal) -> None:
    rounded = money.round_money(amount, unit)
    assert abs(rounded - amount) * 2 <= unit
    assert rounded % unit == 0
    assert money.round_money(rounded, unit) == rounded


@given(draw.amounts, weights, draw.roundings, st.booleans())
def test_shares_sum_to_the_whole(amount, parts, unit, is_credit) -> None:
    amount = -amount if is_credit else amount
    for split in (money.allocate, money.allocate_largest_remainder):
        shares = split(amount, parts, unit)
        assert sum(shares) == money.round_money(amount, unit)
        assert all(share % unit == 0 for share in shares)


@given(draw.amounts, weights, draw.roundings)
def test_shares_are_near_their_exact_value(amount, parts, unit) -> None:
    exact = [amount * part / sum(parts) for part in parts]
    shares = money.allocate_largest_remainder(amount, parts, unit)
    assert all(
        abs(share - value) <= unit + unit / 2
        for share, value in zip(shares, exact, strict=True)
    )


@pytest.mark.parametrize("parts", [[], ["0", "0"], ["1", "-1"]])
def test_unusable_weights_are_refused(parts: list[str]) -> None:
    for split in (money.allocate, money.allocate_largest_remainder):
        with pytest.raises((money.MoneyError, ValueError)):
            split(Decimal(10), [Decimal(part) for part in parts])


@given(draw.amounts, draw.amounts, draw.amounts)
def test_a_credit_never_exceeds_what_is_left(credit, paid, credited) -> None:
    result = money.cap_credit(credit, paid, credited)
    assert 0 <= result <= max(paid - credited, Decimal(0))
    assert result <= credit


def test_the_context_of_the_caller_does_not_matter() -> None:
    amount = Decimal("123456789012.345")
    wanted = money.round_money(amount)
    with localcontext() as context:
        context.prec = 4
        assert money.round_money(amount) == wanted
        assert money.discounted(amount, Decimal(10)) > Decimal("111111110111")
    assert getcontext().prec == 28
