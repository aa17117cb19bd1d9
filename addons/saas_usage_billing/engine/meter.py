# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What a meter measures: events of a window in, quantities per group out."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from .aggregate import AGGREGATIONS, AVERAGE_DECIMALS, UsageEvent, aggregate
from .errors import TermsError
from .filters import Condition, as_text, matches
from .money import ZERO, round_decimals

#: Texts of the keys a meter is grouped by, in their order; empty without grouping.
Group = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """Instants ``[start, end)``."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class MeterTerms:
    """How events become a quantity.

    ``decimals``: places the quantity is rounded to, half up.

    :raise TermsError: unknown aggregation, negative decimals
    """

    aggregation: str
    conditions: tuple[Condition, ...] = ()
    decimals: int = AVERAGE_DECIMALS

    def __post_init__(self) -> None:
        if self.aggregation not in AGGREGATIONS:
            raise TermsError(f"unknown aggregation: {self.aggregation}")
        if self.decimals < 0:
            raise TermsError(f"negative decimals: {self.decimals}")


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured: the quantity, and the number of events behind it."""

    quantity: Decimal = ZERO
    count: int = 0


def measure(
    terms: MeterTerms, events: Iterable[UsageEvent], window: Window
) -> Measured:
    """Measure the events of a window that fulfil the conditions.

    :param terms: how
    :param events: in any order; those outside the window do not count
    :param window: when
    :return: quantity and number of events, zero without any
    """
    found = [
        event
        for event in events
        if window.start <= event.time < window.end
        and matches(terms.conditions, event.data)
    ]
    quantity = aggregate(terms.aggregation, found)
    return Measured(round_decimals(quantity, terms.decimals), len(found))


def measure_groups(
    terms: MeterTerms,
    keys: Sequence[str],
    events: Iterable[UsageEvent],
    window: Window,
) -> dict[Group, Measured]:
    """Measure by the values of some keys.

    :param terms: how
    :param keys: keys of the data; none: one group ``()``, also without events
    :param events: in any order
    :param window: when
    :return: every group with events; a key that is missing is the empty text
    """
    if not keys:
        return {(): measure(terms, events, window)}
    groups: dict[Group, list[UsageEvent]] = defaultdict(list)
    for event in events:
        group = tuple(as_text(event.data.get(key)) or "" for key in keys)
        groups[group].append(event)
    measured = {
        group: measure(terms, own, window) for group, own in sorted(groups.items())
    }
    return {group: one for group, one in measured.items() if one.count}
