# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Pass events nobody could object to at once.

Most events of a feed have nothing but texts, whole numbers and booleans. When all of a
request do, their shape is checked while they are read, which costs less than reading
alone does else. Everything here is narrower than the engine of events: printable text
only, UTC with ``Z``, integers, no top-level value. The others are for a closer look.
"""

import re
from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec

from ..engine.event import SPEC_VERSION, EventLimits
from ..engine.filters import matches

_LIMITS = EventLimits()
_TEXT = _LIMITS.max_length
_PROPERTY = _LIMITS.max_property_length
_PROPERTIES = _LIMITS.max_properties
#: What msgspec can bound; longer numbers are no everyday ones.
_BIG = 10**18
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=_TEXT)]
_Value = (
    Annotated[int, msgspec.Meta(gt=-_BIG, lt=_BIG)]
    | Annotated[str, msgspec.Meta(max_length=_PROPERTY)]
    | bool
    | None
)
_Data = Annotated[dict[_Name, _Value], msgspec.Meta(max_length=_PROPERTIES)]
#: The end of a time; more digits than microseconds are for the engine to cut off.
_SECONDS = re.compile(r":[0-5][0-9](\.[0-9]{1,6})?Z")
_MINUTE = timedelta(minutes=1)


class PlainEvent(
    msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """An event without anything that needs a closer look; texts as they were sent."""

    id: _Name
    source: str
    type: str
    subject: _Name
    time: str
    data: _Data | None | msgspec.UnsetType = msgspec.UNSET
    specversion: Literal[SPEC_VERSION] | msgspec.UnsetType = msgspec.UNSET
    datacontenttype: str | msgspec.UnsetType = msgspec.UNSET

    def __getitem__(self, name):
        return getattr(self, name)


_DECODER = msgspec.json.Decoder(list[PlainEvent])


def read_plain(text: str) -> list[PlainEvent] | None:
    """Return the events of a JSON array, None when one of them is not plain."""
    try:
        return _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None


def as_sent(event):
    """Return an event as JSON has it: what is read is what was sent.

    :param event: ``PlainEvent``, or anything else, which is returned as it is
    """
    if type(event) is not PlainEvent:
        return event
    return msgspec.to_builtins(event)


def accept_plain(event, sources, types, keys):
    """Return the columns of an event, or None for a closer look.

    :param dict event: as it was sent, or anything else
    :param dict sources: code -> ``usage_screen.SourceRule``
    :param dict types: event type -> what its meters need
    :param set keys: collects the property names found good
    :return: id, source id, type, subject, naive UTC time as text, data
    """
    try:
        event_id = event["id"]
        subject = event["subject"]
        event_type = event["type"]
        rule = sources[event["source"]]
        needs = types[event_type]
        text = event["time"]
        data = event.get("data")
        if not (
            type(event_id) is str
            and type(subject) is str
            and 0 < len(event_id) <= _TEXT
            and 0 < len(subject) <= _TEXT
            and _is_plain_name(event_id, subject)
            and _is_plain_time(text, rule)
            and "value" not in event
            and "data_base64" not in event
            and "voids" not in event
            and "replaces" not in event
            and event.get("specversion", SPEC_VERSION) == SPEC_VERSION
            and _is_plain_data(data, keys)
            and _has_plain_values(data, needs)
        ):
            return None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return None
    # Naive UTC, as Odoo stores times.
    return event_id, rule.source_id, event_type, subject, text[:-1], data


def accept_typed(event, sources, types, keys):
    """Do the same for a ``PlainEvent``, whose shape was checked when it was read."""
    event_id, subject, text = event.id, event.subject, event.time
    data = None if event.data is msgspec.UNSET else event.data
    try:
        rule = sources[event.source]
        needs = types[event.type]
        if not (
            _is_plain_name(event_id, subject)
            and _is_plain_time(text, rule)
            and _has_plain_keys(data, keys)
            and _has_plain_values(data, needs)
        ):
            return None
    except (KeyError, TypeError, ValueError, IndexError):
        return None
    return event_id, rule.source_id, event.type, subject, text[:-1], data


def _is_plain_name(event_id, subject):
    return (
        event_id.isprintable()
        and subject.isprintable()
        and not event_id.isspace()
        and not subject.isspace()
    )


def _is_plain_time(text, rule):
    minute = text[:16]
    is_inside = rule.minutes.get(minute)
    if is_inside is None:
        is_inside = rule.minutes[minute] = _is_minute_inside(minute, rule)
    return _SECONDS.fullmatch(text, 16) and (
        is_inside
        or rule.oldest <= datetime.fromisoformat(text[:-1] + "+00:00") <= rule.newest
    )


def _is_minute_inside(text, rule):
    """Return whether a source may send events of all of a minute.

    :param str text: as events begin with it, ``2026-01-31T23:59``
    :raise ValueError: it is none
    """
    # Some versions of Python know an hour 24, which is one of the day after.
    shape = text[4:5] + text[7:8] + text[10:11] + text[13:14]
    if shape != "--T:" or text[11:13] > "23":
        raise ValueError(text)
    start = datetime.fromisoformat(f"{text}:00+00:00")
    return rule.oldest <= start and rule.newest - start >= _MINUTE


def _has_plain_values(data, needs):
    """Return whether the meters can read what they need."""
    for key, is_numeric, conditions, _is_signed in needs:
        if conditions and not matches(conditions, data or {}):
            continue
        value = data[key]
        if value == "" or value is None or type(value) is bool:
            return False
        if is_numeric and (type(value) is not int or value < 0):
            return False
    return True


def _has_plain_keys(data, keys):
    """Return whether the names of properties are good, and a value is none below 0."""
    if not data:
        return True
    if not keys.issuperset(data):
        if not all(key.isprintable() for key in data):
            return False
        keys.update(data)
    if "value" in data:
        return type(data["value"]) is int and data["value"] >= 0
    return True


def _is_plain_data(data, keys):
    if data is None:
        return True
    if type(data) is not dict or len(data) > _PROPERTIES:
        return False
    if "value" in data and (type(data["value"]) is not int or data["value"] < 0):
        return False
    for key, value in data.items():
        kind = type(value)
        if not (
            (kind is str and len(value) <= _PROPERTY)
            or (kind is int and -_BIG < value < _BIG)
            or kind is bool
            or value is None
        ):
            return False
        if key not in keys:
            if not key or len(key) > _TEXT or not key.isprintable():
                return False
            keys.add(key)
    return True
