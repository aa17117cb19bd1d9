# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Judge one incoming usage event: accept it whole, or say what is wrong with it.

Events are CloudEvents 1.0 in JSON (``id``, ``source``, ``type``, ``subject``,
``time``, ``data``) or the same attributes with a plain ``value`` beside them. Nothing
raises: the result is a :class:`ValidEvent` or a :class:`Rejection`. The clock and all
limits are parameters.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import Context, Decimal, InvalidOperation

UTC = timezone.utc
#: The only version of CloudEvents there is; events without one are taken for it.
SPEC_VERSION = "1.0"
_RFC3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:)(\d{2})(?:\.(\d+))?"
    r"(?P<zone>[Zz]|[+-]\d{2}:\d{2})?",
    re.ASCII,
)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
# What a database refuses in a text of several lines.
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class EventLimits:
    """What a sending source may send.

    ``max_age`` and ``max_lead`` bound the event time around the clock (None: no bound).
    Numbers may have ``integer_digits`` before and ``decimals`` after the point.
    """

    max_age: timedelta | None = timedelta(days=35)
    max_lead: timedelta | None = timedelta(minutes=5)
    max_length: int = 255
    max_properties: int = 50
    max_property_length: int = 1024
    integer_digits: int = 20
    decimals: int = 12
    allow_negative: bool = False


@dataclass(frozen=True, slots=True)
class ValidEvent:
    """An event that may be stored: ``time`` is aware UTC, ``value`` exact or None.

    ``replaces``: id of the event of the same source it counts in place of.
    """

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    value: Decimal | None
    properties: Mapping[str, str | int | bool | Decimal | None] = field(
        default_factory=dict, hash=False
    )
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class ValidVoid:
    """Takes back the event ``voids`` of the same source; nothing counts instead."""

    id: str
    source: str
    voids: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an event is not stored: a code, the attribute, and a sentence for a log."""

    code: str
    field: str
    message: str


class _RefusedError(Exception):
    """Carries a rejection out of the checks; never leaves this module."""

    def __init__(self, code: str, name: str, message: str) -> None:
        super().__init__(message)
        self.rejection = Rejection(code, name, message)


def validate(
    raw: object,
    now: datetime,
    limits: EventLimits = EventLimits(),
    default_source: str = "",
) -> ValidEvent | ValidVoid | Rejection:
    """Judge one decoded JSON value.

    :param raw: the decoded event; decode with ``parse_float=Decimal`` to keep digits
    :param now: aware datetime the age is measured from
    :param limits: what the sending source may send
    :param default_source: source of events that name none
    :return: the event or the void, or the first thing wrong with it. A void needs its
        id, its source and ``voids`` only. Codes: ``not_an_object``,
        ``missing_<attribute>``, ``invalid_<attribute>``, ``too_long``, ``naive_time``,
        ``too_old``, ``in_future``, ``negative_value``, ``value_out_of_range``,
        ``invalid_data``, ``too_many_properties``
    """
    try:
        return _validate(raw, now, limits, default_source)
    except _RefusedError as refused:
        return refused.rejection


def _validate(
    raw: object, now: datetime, limits: EventLimits, default_source: str
) -> ValidEvent | ValidVoid:
    if not isinstance(raw, Mapping):
        raise _RefusedError("not_an_object", "", "An event must be a JSON object.")
    source = raw.get("source")
    if source is None:
        source = default_source or None
    identifier = _text("id", raw.get("id"), limits)
    if raw.get("specversion", SPEC_VERSION) != SPEC_VERSION:
        raise _RefusedError(
            "invalid_specversion",
            "specversion",
            f"Only CloudEvents {SPEC_VERSION} are understood.",
        )
    voids = _target("voids", raw, identifier, limits)
    replaces = _target("replaces", raw, identifier, limits)
    if voids is not None:
        if replaces is not None:
            raise _RefusedError(
                "invalid_voids", "voids", "An event either voids or replaces another."
            )
        return ValidVoid(identifier, _text("source", source, limits), voids)
    kind = _text("type", raw.get("type"), limits)
    sender = _text("source", source, limits)
    subject = _text("subject", raw.get("subject"), limits)
    time = _check_age(parse_time(raw.get("time")), now, limits)
    value, properties = _data(raw, limits)
    return ValidEvent(
        identifier, sender, kind, subject, time, value, properties, replaces
    )


def _target(
    name: str, raw: Mapping[str, object], identifier: str, limits: EventLimits
) -> str | None:
    """Return the id of the event that is taken back, None when there is none."""
    value = raw.get(name)
    if value is None:
        return None
    # "" is no id either, and not a missing attribute.
    target = _text(name, value or " ", limits)
    if target == identifier:
        raise _RefusedError(
            f"invalid_{name}", name, "An event cannot take back itself."
        )
    return target


def _text(name: str, value: object, limits: EventLimits) -> str:
    """Return a required attribute as clean text."""
    if value is None or value == "":
        raise _RefusedError(
            f"missing_{name}", name, f"The attribute {name} is missing."
        )
    if not isinstance(value, str) or not value.strip() or _CONTROL.search(value):
        raise _RefusedError(
            f"invalid_{name}", name, f"The attribute {name} must be printable text."
        )
    if len(value) > limits.max_length:
        raise _RefusedError(
            "too_long", name, f"The attribute {name} exceeds {limits.max_length}."
        )
    return value


def read_time(value: object) -> datetime | Rejection:
    """Read an RFC 3339 timestamp that is no attribute of an event.

    :param value: text with its offset
    :return: aware datetime in UTC, or what is wrong with it
    """
    try:
        return parse_time(value)
    except _RefusedError as refused:
        return refused.rejection


def parse_time(value: object) -> datetime:
    """Read an RFC 3339 timestamp with its offset.

    :param value: text such as ``2026-03-01T10:00:00.5+01:00``
    :return: aware datetime in UTC, cut to microseconds; second 60 counts as the next
    :raise _RefusedError: missing, not RFC 3339, or without an offset
    """
    if value is None or value == "":
        raise _RefusedError("missing_time", "time", "The attribute time is missing.")
    match = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise _RefusedError("invalid_time", "time", "The time must be RFC 3339.")
    day, clock, second, fraction, offset = match.groups()
    if offset is None:
        raise _RefusedError("naive_time", "time", "The time needs a UTC offset or Z.")
    leap = second == "60"
    text = f"{day}T{clock}{'59' if leap else second}.{(fraction or '0')[:6]:0<6}"
    try:
        moment = datetime.fromisoformat(text + offset.upper().replace("Z", "+00:00"))
        return moment.astimezone(UTC) + timedelta(seconds=leap)
    except (ValueError, OverflowError) as error:
        raise _RefusedError("invalid_time", "time", "No such time.") from error


def _check_age(moment: datetime, now: datetime, limits: EventLimits) -> datetime:
    """Return a time that is neither too old nor too far ahead."""
    if limits.max_age is not None and now - moment > limits.max_age:
        raise _RefusedError(
            "too_old", "time", f"The event is older than {limits.max_age}."
        )
    if limits.max_lead is not None and moment - now > limits.max_lead:
        raise _RefusedError(
            "in_future", "time", f"The event is more than {limits.max_lead} ahead."
        )
    return moment


def _data(
    raw: Mapping[str, object], limits: EventLimits
) -> tuple[Decimal | None, dict[str, str | int | bool | Decimal | None]]:
    """Return the value and the flat properties of an event."""
    if "data_base64" in raw:
        raise _RefusedError(
            "invalid_data", "data_base64", "Send the data as JSON, not as data_base64."
        )
    data = raw.get("data")
    if data is None:
        data = {}
    if not isinstance(data, Mapping):
        raise _RefusedError("invalid_data", "data", "The data must be an object.")
    number = data["value"] if "value" in data else raw.get("value")
    properties = {
        _property_name(name, limits): _property(name, value, limits)
        for name, value in data.items()
        if name != "value"
    }
    if len(properties) > limits.max_properties:
        raise _RefusedError(
            "too_many_properties", "data", f"More than {limits.max_properties}."
        )
    return None if number is None else parse_value(number, limits), properties


def _property_name(name: object, limits: EventLimits) -> str:
    """Return the name of a property as clean text."""
    if not isinstance(name, str) or not name or _CONTROL.search(name):
        raise _RefusedError("invalid_data", "data", "A property name is unusable.")
    if len(name) > limits.max_length:
        raise _RefusedError("too_long", "data", "A property name is too long.")
    return name


def _property(
    name: str, value: object, limits: EventLimits
) -> str | int | bool | Decimal | None:
    """Return a property: text, number, boolean or null; nothing nested."""
    if value is None or isinstance(value, bool):
        return value
    where = f"data.{name}"
    if isinstance(value, str):
        if _UNSTORABLE.search(value):
            raise _RefusedError("invalid_data", where, f"{where} is no usable text.")
        if len(value) > limits.max_property_length:
            raise _RefusedError("too_long", where, f"{where} is too long.")
        return value
    number = _number(value)
    if number is None:
        raise _RefusedError("invalid_data", where, f"{where} must not be nested.")
    return _bounded(number, where, limits)


def parse_value(value: object, limits: EventLimits) -> Decimal:
    """Read the value of an event exactly.

    :param value: JSON number or decimal text; a binary float is read by its shortest
        decimal form
    :param limits: digits and sign allowed
    :return: finite Decimal
    :raise _RefusedError: boolean, NaN, infinity, text that is no number, too many
        digits, negative
    """
    number = _number(value)
    if number is None:
        raise _RefusedError("invalid_value", "data.value", "The value is no number.")
    number = _bounded(number, "data.value", limits)
    if number < 0 and not limits.allow_negative:
        raise _RefusedError("negative_value", "data.value", "The value is negative.")
    return number


def _number(value: object) -> Decimal | None:
    """Return an exact finite number, or None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    if isinstance(value, int):
        return Decimal(value)
    # repr of a binary float is its shortest decimal form; nan and inf do not match
    if not isinstance(value, str | float):
        return None
    text = value if isinstance(value, str) else repr(value)
    if len(text) > 100 or not _NUMBER.fullmatch(text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _bounded(number: Decimal, where: str, limits: EventLimits) -> Decimal:
    """Return a number with few enough digits to be stored exactly."""
    digits = len(number.as_tuple().digits)
    number = Context(prec=digits).normalize(number) if number else Decimal(0)
    decimals = number.adjusted() + 1 - len(number.as_tuple().digits)
    if number.adjusted() >= limits.integer_digits or -decimals > limits.decimals:
        raise _RefusedError(
            "value_out_of_range",
            where,
            f"At most {limits.integer_digits} digits before and {limits.decimals}"
            " after the decimal point.",
        )
    return number
