# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Which way the use of a customer goes, over several meters of any unit."""

from collections.abc import Iterable
from decimal import Decimal

from .money import CONTEXT

FALLS = "falls"
GROWS = "grows"
STEADY = "steady"
STOPPED = "stopped"
#: A change of a quarter is a trend, less is noise.
LOW, HIGH = Decimal("0.75"), Decimal("1.25")
#: One meter that explodes does not hide that the others fade.
CAP = Decimal(2)


def ratio(pairs: Iterable[tuple[Decimal, Decimal]]) -> Decimal | None:
    """Return the mean of the recent over the earlier use of each meter.

    :param pairs: (earlier, recent) quantity per meter over spans of equal length;
        meters without earlier use tell nothing and are left out
    :return: 1 for no change, each meter's ratio between 0 and 2; None when nothing
        can be compared
    """
    ratios = [
        min(CONTEXT.divide(max(recent, Decimal(0)), earlier), CAP)
        for earlier, recent in pairs
        if earlier > 0
    ]
    if not ratios:
        return None
    return CONTEXT.divide(sum(ratios, Decimal(0)), Decimal(len(ratios)))


def trend(pairs: Iterable[tuple[Decimal, Decimal]]) -> tuple[str | None, int]:
    """Return the direction of the use and its change in percent.

    :param pairs: (earlier, recent) quantity per meter over spans of equal length
    :return: ``falls``, ``grows``, ``steady`` or ``stopped`` (used before, not at all
        lately) and the change, rounded; (None, 0) when nothing can be compared
    """
    pairs = list(pairs)
    found = ratio(pairs)
    if found is None:
        return None, 0
    change = int(((found - 1) * 100).to_integral_value())
    if not any(recent > 0 for _earlier, recent in pairs):
        return STOPPED, -100
    if found <= LOW:
        return FALLS, change
    return (GROWS if found >= HIGH else STEADY), change
