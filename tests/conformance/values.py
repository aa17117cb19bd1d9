# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Read the values of case files exactly, and show them.

Numbers and dates stay text until a kind says what they are, so ``0.1`` is never a
binary float and ``18:00`` never a base-60 number.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

import yaml

UTC = timezone.utc


class CaseError(Exception):
    """A case lacks something or holds a value that cannot be read."""


class Check(NamedTuple):
    """One comparison of a row: what the engine gave and what the case wants."""

    name: str
    got: Any
    wanted: Any

    @property
    def ok(self) -> bool:
        """Return whether both are equal values of the same type."""
        return type(self.got) is type(self.wanted) and self.got == self.wanted


class TextLoader(yaml.SafeLoader):
    """YAML loader that leaves numbers and timestamps as text."""


TextLoader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag.rpartition(":")[2] in ("null", "bool", "merge")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load(path: Path) -> Any:
    """Read a case file.

    :param path: YAML file
    :return: its content, numbers and dates as text
    :raise CaseError: the file cannot be read or is no YAML
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=TextLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CaseError(" ".join(str(error).split())) from error


def need(row: Mapping[str, Any], *names: str) -> Any:
    """Return the first of some keys that a row has.

    :param row: merged row
    :param names: accepted spellings
    :return: the value
    :raise CaseError: none of them
    """
    for name in names:
        if row.get(name) is not None:
            return row[name]
    raise CaseError(f"the case lacks {' or '.join(names)}")


def many(row: Mapping[str, Any], name: str) -> list[Any]:
    """Return a list; a missing one is empty.

    :param row: merged row
    :param name: key
    :return: the list
    :raise CaseError: anything else
    """
    value = row.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise CaseError(f"{name} is not a list: {value!r}")
    return value


def number(value: Any) -> Decimal:
    """Return a finite decimal number.

    :param value: text of the case file
    :return: the number
    :raise CaseError: anything else
    """
    try:
        result = Decimal(str(value))
    except InvalidOperation as error:
        raise CaseError(f"not a number: {value!r}") from error
    if isinstance(value, bool) or not result.is_finite():
        raise CaseError(f"not a number: {value!r}")
    return result


def optional(row: Mapping[str, Any], name: str) -> Decimal | None:
    """Return a number that may be missing.

    :param row: merged row
    :param name: key
    :return: the number or None
    """
    return None if row.get(name) is None else number(row[name])


def integer(value: Any) -> int:
    """Return a whole number.

    :param value: text of the case file
    :return: the number
    :raise CaseError: anything else
    """
    result = number(value)
    if result != int(result):
        raise CaseError(f"not a whole number: {value!r}")
    return int(result)


def flag(value: Any) -> bool:
    """Return a truth value, missing counts as false.

    :param value: YAML boolean or None
    :return: the truth value
    :raise CaseError: anything else
    """
    if value is None or isinstance(value, bool):
        return bool(value)
    raise CaseError(f"not true or false: {value!r}")


def day(value: Any) -> date:
    """Return a date.

    :param value: ISO text; of a point in time the date that is written
    :return: the date
    :raise CaseError: anything else
    """
    try:
        return datetime.fromisoformat(re.sub("[Zz]$", "", str(value).strip())).date()
    except ValueError as error:
        raise CaseError(f"not a date: {value!r}") from error


def instant(value: Any) -> datetime:
    """Return an instant; without an offset it is UTC.

    :param value: ISO text
    :return: aware datetime in UTC
    :raise CaseError: anything else
    """
    try:
        moment = datetime.fromisoformat(re.sub("[Zz]$", "+00:00", str(value).strip()))
    except ValueError as error:
        raise CaseError(f"not a point in time: {value!r}") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def clock(value: Any) -> timedelta:
    """Return a time since midnight, up to 24:00.

    :param value: ``HH:MM`` or ``HH:MM:SS``
    :return: the time as a length
    :raise CaseError: anything else
    """
    parts = str(value).split(":")
    if len(parts) not in (2, 3) or not all(part.isdigit() for part in parts):
        raise CaseError(f"not a time of day: {value!r}")
    hours, minutes, seconds = (*map(int, parts), 0)[:3]
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def minutes(value: Any) -> timedelta:
    """Return a length given in minutes.

    :param value: number of minutes, fractions allowed
    :return: the length
    """
    return seconds(number(value) * 60)


def seconds(value: Any) -> timedelta:
    """Return a length given in seconds.

    :param value: number of seconds, fractions allowed
    :return: the length
    """
    return timedelta(microseconds=int(number(value) * 1_000_000))


def show(value: Any) -> str:
    """Return a value as one word.

    :param value: number, date, instant, length or anything else
    :return: text without blanks where possible
    """
    if isinstance(value, list):
        return ",".join(map(show, value))
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    return str(value)
