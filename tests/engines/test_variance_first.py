# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The first invoice of a subscription against those of its plan."""

from decimal import Decimal

from . import strategies as draw

variance = draw.ops.variance
PEERS = [Decimal(amount) for amount in (90, 100, 100, 110, 400)]


def test_far_above_the_median_is_found():
    finding = variance.check_first(Decimal(501), PEERS, Decimal(400))
    assert finding.code == "first_high"
    assert (finding.amount, finding.reference) == (Decimal(501), Decimal(100))
    assert finding.percent == Decimal(401)


def test_up_to_the_tolerance_and_below_is_not():
    for amount in (500, 100, 1, 0, -50):
        assert variance.check_first(Decimal(amount), PEERS, Decimal(400)) is None


def test_few_peers_say_nothing_and_credits_do_not_count():
    few = [*PEERS[:4], Decimal(-100), Decimal(0)]
    assert variance.check_first(Decimal(9999), few, Decimal(400)) is None
