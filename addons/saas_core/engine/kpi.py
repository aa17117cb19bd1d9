# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Periods and status of key figures."""

import datetime
from decimal import Decimal


def periods(
    unit: str, first: datetime.date, last: datetime.date
) -> list[tuple[datetime.date, datetime.date]]:
    """Cut a range of days into the whole periods it touches.

    :param str unit: ``day`` or ``month``
    :param date first: first day
    :param date last: last day, included
    :return: list of half-open (start, end) pairs, ascending
    :raise ValueError: unknown unit
    """
    if unit not in ("day", "month"):
        raise ValueError(unit)
    start = first if unit == "day" else first.replace(day=1)
    result = []
    while start <= last:
        end = _next_start(unit, start)
        result.append((start, end))
        start = end
    return result


def _next_start(unit: str, start: datetime.date) -> datetime.date:
    if unit == "day":
        return start + datetime.timedelta(days=1)
    return (start + datetime.timedelta(days=31)).replace(day=1)


def status(
    value: Decimal,
    higher_is_better: bool,
    target: Decimal,
    warning: Decimal,
    critical: Decimal,
) -> str:
    """Compare a value with its thresholds.

    A value that misses the warning threshold is a warning, one that misses the critical
    threshold is critical; meeting a threshold exactly does not miss it. No warning
    threshold (0) means the target is the threshold; no critical one (0) means no value
    is critical.

    :param Decimal value: the value
    :param bool higher_is_better: direction
    :param Decimal target: what is aimed at
    :param Decimal warning: 0 for none
    :param Decimal critical: 0 for none
    :return: ``on_target``, ``warning`` or ``critical``
    """
    sign = 1 if higher_is_better else -1
    if critical and value * sign < critical * sign:
        return "critical"
    if value * sign < (warning or target) * sign:
        return "warning"
    return "on_target"
