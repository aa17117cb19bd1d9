# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Which price an event goes to: the first rule that matches it."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

from .filters import Condition, matches


@dataclass(frozen=True, slots=True)
class Rule:
    """A price and the conditions an event has to fulfil for it."""

    price: Hashable
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class GoesTo:
    """A condition only the events of one price fulfil."""

    rules: tuple[Rule, ...]
    price: Hashable

    def holds(self, data: Mapping[str, object]) -> bool:
        """Return whether an event goes to the price.

        :param data: decoded JSON object of the event
        """
        return assign(self.rules, data) == self.price


def assign(rules: Iterable[Rule], data: Mapping[str, object]) -> Hashable | None:
    """Return the price of an event.

    :param rules: in the order they are tried
    :param data: decoded JSON object of the event
    :return: price of the first rule that matches, None when no rule does
    """
    return next((rule.price for rule in rules if matches(rule.conditions, data)), None)
