# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Check a batch of events in memory, before the one statement that stores them.

``engine.event`` decides what a valid event is. It looks at everything and takes its
time; most events of a feed are plain, so a narrower check lets those pass at once and
only the others go through the engine. A test holds the two together.
"""

import hashlib
import json
import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import NamedTuple

import msgspec

from ..engine.event import (
    EventLimits,
    Rejection,
    ValidVoid,
    validate,
)
from ..engine.filters import Condition, matches
from .usage_plain import PlainEvent, accept_plain, accept_typed, as_sent

SEPARATOR = "\x1f"
_LIMITS = EventLimits()
_SIGNED = replace(_LIMITS, allow_negative=True)
_TEXT = _LIMITS.max_length
#: Where the API says less than the engine.
_CODES = {"naive_time": "bad_time"}


class BrokenEvent:
    """An item of a request that could not be read as JSON.

    :param str text: what was sent
    :param str error: what is wrong with it
    :param origin: ``usage_origin.Origin`` of an item of a feed or a file
    """

    __slots__ = ("error", "origin", "text")
    code = "broken_json"
    message = "This is not valid JSON: {error}."
    #: Whether the sender has to correct it.
    is_rejected = True

    def __init__(self, text, error, origin=None):
        self.text = text
        self.error = error
        self.origin = origin


@dataclass(frozen=True, slots=True)
class SourceRule:
    """What a source may send: accepted event times, and the engine's limits.

    ``minutes`` collects whether all of a minute is accepted: events of a request often
    share it.
    """

    source_id: int
    oldest: datetime
    newest: datetime
    limits: EventLimits
    minutes: dict = field(default_factory=dict, compare=False, repr=False)


def make_source_rule(source_id, now, max_age_days, max_future_minutes):
    """Return the rule of a source for one batch.

    :param now: aware UTC datetime of the arrival
    """
    age = timedelta(days=max_age_days)
    lead = timedelta(minutes=max_future_minutes)
    limits = EventLimits(max_age=age, max_lead=lead)
    return SourceRule(source_id, now - age, now + lead, limits)


class Need(NamedTuple):
    """A value the meters of an event type read from events with these conditions."""

    key: str
    is_numeric: bool
    conditions: tuple[Condition, ...] = ()
    is_signed: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """An event that is not stored as it is.

    ``key`` identifies it for "the same again"; ``is_rejected`` tells that it cannot be
    replayed since it has no identity.
    """

    index: int
    code: str
    message: str
    event: object
    key: str
    source_id: int | None = None
    is_rejected: bool = False

    def attribute(self, name):
        """Return a text attribute of the event as far as it can be read, or None."""
        value = self.event.get(name) if isinstance(self.event, dict) else None
        if not isinstance(value, str) or not value:
            return None
        return "".join(c if c.isprintable() else "�" for c in value[:_TEXT])


class Void(NamedTuple):
    """A row of its own: takes back the event ``target`` of the same source."""

    index: int
    event_id: str
    source_id: int
    target: str


@dataclass(slots=True)
class Screened:
    """Good events as rows, and everything else.

    ``voids`` take events back; ``replaces`` has what an event replaces, by its index.
    ``duplicates`` are pairs: index of the repeat, index of the first one.
    """

    rows: list = field(default_factory=list)
    voids: list = field(default_factory=list)
    replaces: dict = field(default_factory=dict)
    duplicates: list = field(default_factory=list)
    problems: list = field(default_factory=list)

    def get_target(self, row):
        """Return the id a row takes back, None when it takes back nothing."""
        return row.target if isinstance(row, Void) else self.replaces.get(row[0])

    def drop(self, positions):
        """Take good events out again."""
        gone = set(positions)
        self.rows = [row for n, row in enumerate(self.rows) if n not in gone]


def screen(events, sources, types, now):
    """Split a batch into storable columns, duplicates within it, and problems.

    :param list events: decoded items, numbers as int or ``Decimal``
    :param dict sources: code -> ``SourceRule``
    :param dict types: event type -> tuple of what its meters ``Need``
    :param now: aware UTC datetime of the arrival
    :return: ``Screened``; of equal (source, id) the first good one counts
    """
    result = Screened()
    rows, seen, keys = result.rows, {}, set()
    for index, event in enumerate(events):
        if type(event) is PlainEvent:
            found = accept_typed(event, sources, types, keys)
        else:
            found = accept_plain(event, sources, types, keys)
        if found is None:
            found = _look_closer(result, index, as_sent(event), sources, types, now)
            if found is None:
                continue
        # Id and source, of a void behind its index.
        is_void = type(found) is Void
        first = seen.setdefault(found[1:3] if is_void else found[:2], index)
        if first != index:
            result.duplicates.append((index, first))
        elif is_void:
            result.voids.append(found)
        else:
            rows.append((index, *found))
    return result


def _look_closer(result, index, event, sources, types, now):
    """Return what the engine accepts; note problems, and what an event replaces."""
    found = _judge(index, event, sources, types, now)
    if isinstance(found, Problem):
        result.problems.append(found)
        return None
    if event.get("replaces") is not None:
        result.replaces[index] = event["replaces"]
    return found


# ----------------------------------------------------------------------
# The slow side: the engine's judgement, and what is wrong in words
# ----------------------------------------------------------------------
def _judge(index, event, sources, types, now):
    """Return the columns of an event, a ``Void``, or its ``Problem``."""
    if isinstance(event, BrokenEvent):
        return _tell_broken(index, event)
    code = event.get("source") if isinstance(event, dict) else None
    rule = sources.get(code) if isinstance(code, str) else None
    found = validate(event, now, _get_limits(event, rule, types))
    if isinstance(found, Rejection):
        return _refuse(index, event, found.code, found.message, rule)
    if rule is None:
        return _refuse(
            index,
            event,
            "unknown_source",
            f"No active usage source has the code “{found.source}”.",
            rule,
        )
    if isinstance(found, ValidVoid):
        return Void(index, found.id, rule.source_id, found.voids)
    if found.type not in types:
        return _refuse(
            index,
            event,
            "unknown_type",
            f"No active meter counts events of type “{found.type}”.",
            rule,
        )
    data = dict(found.properties)
    if found.value is not None:
        data["value"] = found.value
    refusal = _check_values(data, types[found.type])
    if refusal:
        return _refuse(index, event, *refusal, rule)
    at = found.time.replace(tzinfo=None).isoformat()
    return found.id, rule.source_id, found.type, found.subject, at, data


def _tell_broken(index, event):
    """Return the problem of an item that is no event."""
    origin = event.origin
    text = origin.mark(f"{origin.source_id}{event.text}") if origin else event.text
    return Problem(
        index,
        event.code,
        event.message.format(error=event.error),
        event,
        _content_key(text),
        origin and origin.source_id,
        event.is_rejected,
    )


def _get_limits(event, rule, types):
    """Return the limits of an event: some meters take values below zero."""
    limits = rule.limits if rule else _LIMITS
    event_type = event.get("type") if isinstance(event, dict) else None
    needs = types.get(event_type, ()) if isinstance(event_type, str) else ()
    # Who needs another sign is asked below; what nobody needs may have any.
    if any(need.is_signed for need in needs):
        return replace(limits, allow_negative=True)
    return limits


def _refuse(index, event, code, message, rule):
    code = _CODES.get(code, code).replace("invalid_", "bad_")
    if not _has_identity(event):
        key = _content_key(dump(event, sort_keys=True))
        return Problem(index, code, message, event, key, rule and rule.source_id, True)
    key = identity_key(event["source"], event["id"])
    return Problem(index, code, message, event, key, rule and rule.source_id)


def _has_identity(event):
    return isinstance(event, dict) and all(
        isinstance(event.get(name), str)
        and 0 < len(event[name]) <= _TEXT
        and event[name].isprintable()
        and not event[name].isspace()
        for name in ("id", "source")
    )


def _check_values(data, needs):
    """Return (code, message) when a meter could not read its value, else None."""
    for key, is_numeric, conditions, is_signed in needs:
        if not matches(conditions, data):
            continue
        value = data.get(key)
        if value is None or value == "":
            return "missing_value", f"The meter needs data.{key}, which is missing."
        if is_numeric:
            number = _parse(value, is_signed)
            if isinstance(number, Rejection):
                return number.code, f"data.{key}: {number.message}"
    return None


def _parse(value, is_signed):
    # The engine judges values within an event only; this is the smallest one.
    found = validate(
        {
            "id": "x",
            "source": "x",
            "type": "x",
            "subject": "x",
            "time": "2000-01-01T00:00:00Z",
            "data": {"value": value},
        },
        _EPOCH,
        _SIGNED if is_signed else _LIMITS,
    )
    return found if isinstance(found, Rejection) else found.value


_EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)


def identity_key(source, event_id):
    """Return the quarantine key of an event that has an identity.

    :param str source: source code
    """
    return _digest(f"key{SEPARATOR}{source}{SEPARATOR}{event_id}")


def _content_key(text):
    return _digest(f"raw{SEPARATOR}{text}")


def _digest(text):
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


# ----------------------------------------------------------------------
# JSON with every digit
# ----------------------------------------------------------------------
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DECIMAL = re.compile(r'"\\u0001([-+.0-9eE]+)\\u0001"')


def _mark_decimal(value):
    if isinstance(value, Decimal):
        return f"\x01{value}\x01"
    raise TypeError(f"not JSON: {type(value)}")


def dump(value, ascii_only=True, indent=None, sort_keys=False):
    """Write JSON with ``Decimal`` as numbers, every digit kept.

    :param ascii_only: escape everything else, which also keeps unpaired surrogates
    :param indent: of nested lines, for people; default one line
    :param sort_keys: the same for equal values
    :return: JSON text
    """
    text = json.dumps(
        value,
        default=_mark_decimal,
        ensure_ascii=ascii_only,
        indent=indent,
        sort_keys=sort_keys,
        separators=(",", ": " if indent else ":"),
    )
    return _DECIMAL.sub(r"\1", text) if "\\u0001" in text else text


def dump_storable(values):
    """Write values as JSON that PostgreSQL's ``jsonb`` takes.

    :return: list of JSON texts, and the positions that cannot be stored (NUL
        characters, unpaired surrogates); the list leaves them out
    """
    try:
        text = _ENCODER.encode_lines(values).decode()
    except UnicodeEncodeError:
        text = None
    if text is not None and "\\u0000" not in text:
        return text.split("\n")[:-1], []
    good = [_is_storable(value) for value in values]
    bad = [position for position, is_good in enumerate(good) if not is_good]
    kept = [value for value, is_good in zip(values, good, strict=True) if is_good]
    return _ENCODER.encode_lines(kept).decode().split("\n")[:-1], bad


def _is_utf8(text):
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_storable(value):
    if isinstance(value, str):
        return "\x00" not in value and _is_utf8(value)
    if isinstance(value, dict):
        return all(_is_storable(k) and _is_storable(v) for k, v in value.items())
    return True


def refuse_good(index, event, source_id, code, message):
    """Return the problem of an event that passed the screen and failed later."""
    event = as_sent(event)
    key = identity_key(event["source"], event["id"])
    return Problem(index, code, message, event, key, source_id)


def disown(problem, sources, user_id):
    """Keep an event of a source its sender may not use apart from those of the source.

    It counts as one without identity: it neither meets a row of the source's own events
    nor can it be replayed as one of them.

    :param problem: of any event
    :param sources: codes of the sources the sender may not use
    :param int user_id: sender
    :return: ``Problem``
    """
    event = problem.event
    code = event.get("source") if isinstance(event, dict) else None
    if not isinstance(code, str) or code not in sources:
        return problem
    key = _digest(f"own{SEPARATOR}{user_id}{SEPARATOR}{dump(event, sort_keys=True)}")
    return replace(problem, key=key, is_rejected=True)


def get_corrected(problem):
    """Return the id of the event that a correction in quarantine waits for, or None."""
    if problem.code != "unknown_event":
        return None
    return problem.event.get("voids") or problem.event.get("replaces")
