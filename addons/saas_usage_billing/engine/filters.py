# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Conditions on the data of an event."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from .errors import TermsError

#: Operators that compare numbers.
COMPARISONS = (">", ">=", "<", "<=")
_ONE = ("=", "!=", "starts_with", *COMPARISONS)
_NONE = ("exists", "missing")
OPERATORS = (*_ONE, "in", "not_in", *_NONE)
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")


@dataclass(frozen=True, slots=True)
class Condition:
    """What the value of a key must be.

    ``=``, ``!=``, ``in`` and ``not_in`` compare texts exactly, and numbers of JSON as
    decimals: 7 and 7.0 are the same. ``>`` and the like compare numbers, also those
    sent as text; what is no number does not fulfil them. ``starts_with`` looks at the
    text, also that of a number. A key that is missing, or null, equals nothing.

    ``values``: at least one for ``in`` and ``not_in``, none for ``exists`` and
    ``missing``, one for the others.

    :raise TermsError: unknown operator, a wrong number of values, an empty beginning,
        or something else than a number to compare with
    """

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.operator not in OPERATORS:
            raise TermsError(f"unknown operator: {self.operator}")
        count = len(self.values)
        if self.operator in _ONE:
            is_fit = count == 1
        else:
            is_fit = (count == 0) == (self.operator in _NONE)
        if not is_fit:
            raise TermsError(f"{self.operator} with {count} values")
        if self.operator in COMPARISONS and not self.numbers():
            raise TermsError(f"{self.operator} needs a number: {self.values[0]}")
        if self.operator == "starts_with" and not self.values[0]:
            raise TermsError("every text starts with nothing")

    def numbers(self) -> tuple[Decimal, ...]:
        """Return those of the values that are numbers."""
        found = (read_number(value) for value in self.values)
        return tuple(number for number in found if number is not None)

    def holds(self, data: Mapping[str, object]) -> bool:
        """Return whether the data of an event fulfils the condition.

        :param data: decoded JSON object
        :return: True when it does
        """
        value = data.get(self.key)
        if self.operator in COMPARISONS:
            return self._compares(read_number(value))
        if self.operator in ("=", "in"):
            return self._equals(value)
        if self.operator in ("!=", "not_in"):
            return not self._equals(value)
        text = as_text(value)
        if self.operator == "starts_with":
            return text is not None and text.startswith(self.values[0])
        return (text is not None) == (self.operator == "exists")

    def _equals(self, value: object) -> bool:
        if isinstance(value, Decimal | int) and not isinstance(value, bool):
            return Decimal(value) in self.numbers()
        return as_text(value) in self.values

    def _compares(self, number: Decimal | None) -> bool:
        if number is None:
            return False
        [bound] = self.numbers()
        if number == bound:
            return self.operator in (">=", "<=")
        return (number > bound) == (self.operator in (">", ">="))


def read_number(value: object) -> Decimal | None:
    """Return a number of JSON, or a text that is one, exactly.

    :param value: what the key of an event holds
    :return: finite decimal; None for anything else
    """
    if isinstance(value, str):
        return Decimal(value) if _NUMBER.fullmatch(value) else None
    if isinstance(value, Decimal | int) and not isinstance(value, bool):
        return Decimal(value)
    return None


def as_text(value: object) -> str | None:
    """Return a scalar of JSON as text, as PostgreSQL's ``->>`` does.

    :param value: text, number, boolean or None
    :return: the text; None for null, objects and lists
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value) if isinstance(value, str | int) else None


class Test(Protocol):
    """What the data of an event can be tested for: a condition, or what acts as one."""

    def holds(self, data: Mapping[str, object]) -> bool:
        """Return whether the data of an event passes.

        :param data: decoded JSON object
        """


def matches(conditions: Iterable[Test], data: Mapping[str, object]) -> bool:
    """Return whether all conditions hold.

    :param conditions: any number
    :param data: decoded JSON object of an event
    :return: True when all hold, also without any
    """
    return all(condition.holds(data) for condition in conditions)
