# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Metrics of a case file: each turns ``inputs`` into engine calls and checks."""

from collections.abc import Callable, Mapping
from typing import Any

from ..engine_loader import load_engine
from .values import Check, day, integer, need, number

ops = load_engine("saas_subscription_ops")
Row = Mapping[str, Any]
# Cases about spans of days give no year; any without a leap day will do.
_YEAR = 2026


def renewal(row: Row, _content: Row) -> list[Check]:
    """Add what is available to renew."""
    amounts = [number(amount) for amount in need(row, "contracts")]
    return [
        Check("", ops.renewal.available_to_renew(amounts), number(need(row, "atr")))
    ]


def onboarding(row: Row, _content: Row) -> list[Check]:
    """Count the days from the signature to going live.

    The last day does not count: signed and live on the same day is zero days. The
    published text that counts both ends is a figure we don't show.
    """
    dates = (day(f"{_YEAR}-{need(row, name)}") for name in ("signup", "live"))
    wanted = need(row, "days_by_its_own_subtraction", "days")
    return [Check("", ops.period.days_between(*dates), integer(wanted))]


METRICS: dict[str, Callable[[Row, Row], list[Check]]] = {
    "renewal": renewal,
    "onboarding": onboarding,
}
