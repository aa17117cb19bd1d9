# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Conditions on the data of an event."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from .errors import TermsError

OPERATORS = ("=", "!=", "in", "not_in", "exists", "missing")


@dataclass(frozen=True, slots=True)
class Condition:
    """What the value of a key must be; texts are compared exactly.

    ``values``: one for ``=`` and ``!=``, any number for ``in`` and ``not_in``, none for
    the others. A key that is missing, or null, equals nothing.

    :raise TermsError: unknown operator, or a wrong number of values
    """

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.operator not in OPERATORS:
            raise TermsError(f"unknown operator: {self.operator}")
        wanted = {"=": (1,), "!=": (1,), "exists": (0,), "missing": (0,)}
        counts = wanted.get(self.operator)
        if counts is not None and len(self.values) not in counts:
            raise TermsError(f"{self.operator} with {len(self.values)} values")

    def holds(self, data: Mapping[str, object]) -> bool:
        """Return whether the data of an event fulfils the condition.

        :param data: decoded JSON object
        :return: True when it does
        """
        text = as_text(data.get(self.key))
        if self.operator in ("exists", "missing"):
            return (text is not None) == (self.operator == "exists")
        found = text in self.values
        return found if self.operator in ("=", "in") else not found


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


def matches(conditions: Iterable[Condition], data: Mapping[str, object]) -> bool:
    """Return whether all conditions hold.

    :param conditions: any number
    :param data: decoded JSON object of an event
    :return: True when all hold, also without any
    """
    return all(condition.holds(data) for condition in conditions)
