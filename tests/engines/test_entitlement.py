# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Rows of plan, products and subscription come to one answer per feature."""

from datetime import date
from decimal import Decimal

import pytest

from ..engine_loader import load_engine

engine = load_engine("saas_usage_billing").entitlement
Entitlement, Row = engine.Entitlement, engine.EntitlementRow
TODAY = date(2026, 4, 10)
SEATS, PACK = 1, 2
HAVE = {SEATS: Decimal(3), PACK: Decimal(2)}


def resolve(*rows, have=HAVE):
    return engine.resolve(rows, have, TODAY)


def plan(limit=None, **terms):
    return Row("api", "plan", limit=limit, **terms)


def product(limit=None, product=SEATS, **terms):
    return Row("api", "product", limit=limit, product=product, **terms)


def agreed(limit=None, **terms):
    return Row("api", "subscription", limit=limit, **terms)


def test_the_most_specific_row_counts_alone():
    rows = [plan(Decimal(1)), product(Decimal(2)), agreed(Decimal(3))]
    assert resolve(*rows)["api"].limit == 3
    assert resolve(*rows[:2])["api"].limit == 2
    assert resolve(*rows[:1])["api"].limit == 1
    assert resolve() == {}


def test_limits_of_products_add_up():
    rows = [product(Decimal(10)), product(Decimal(5), PACK)]
    assert resolve(*rows)["api"] == Entitlement(True, Decimal(15))
    assert resolve(*rows, product(None, PACK))["api"].limit is None
    assert resolve(*rows, product(Decimal(1), PACK, is_soft=True))["api"].is_soft


def test_limit_per_quantity():
    rows = [
        product(Decimal("0.1"), is_per_quantity=True),
        product(Decimal(5), PACK, is_per_quantity=True),
    ]
    assert resolve(*rows)["api"].limit == Decimal("10.3")


def test_products_the_subscription_does_not_have_do_not_count():
    rows = [plan(Decimal(1)), product(Decimal(9), product=7)]
    assert resolve(*rows)["api"].limit == 1
    assert resolve(*rows, have={7: Decimal(0)})["api"].limit == 1


def test_a_row_may_take_away():
    assert not resolve(plan(), agreed(is_granted=False))["api"].is_granted
    assert resolve(plan(), agreed(is_granted=False))["api"].limit == 0
    both = [product(is_granted=False), product(Decimal(4), PACK)]
    assert resolve(*both)["api"] == Entitlement(True, Decimal(4))


@pytest.mark.parametrize(
    ("start", "end", "counts"),
    [
        (None, None, True),
        (TODAY, None, True),
        (None, TODAY, False),
        (date(2026, 4, 11), None, False),
        (date(2026, 4, 1), date(2026, 4, 11), True),
    ],
)
def test_rows_are_in_force_from_a_day_to_a_day(start, end, counts):
    assert ("api" in resolve(plan(start=start, end=end))) is counts


def test_a_row_out_of_force_leaves_the_one_below():
    ended = agreed(Decimal(9), end=date(2026, 4, 1))
    assert resolve(plan(Decimal(1)), ended)["api"].limit == 1


def test_texts_come_from_the_first_that_has_one():
    rows = [plan(text="gold"), Row("x", "plan", text="y")]
    found = resolve(*rows)
    assert (found["api"].text, found["x"].text) == ("gold", "y")
    assert resolve(product(), product(product=PACK, text="b"))["api"].text == "b"


def test_what_remains_is_never_less_than_nothing():
    left = engine.remaining
    assert left(Entitlement(True, Decimal(5)), Decimal("1.5")) == Decimal("3.5")
    assert left(Entitlement(True, Decimal(5)), Decimal(7)) == 0
    assert left(Entitlement(True, None), Decimal(7)) is None
    assert left(engine.NOTHING, Decimal(0)) == 0
