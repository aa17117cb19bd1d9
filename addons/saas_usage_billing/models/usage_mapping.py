# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Make usage events of payloads in other shapes; the paths are those of usage_path."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache, partial
from zoneinfo import ZoneInfo

from odoo.tools.translate import LazyTranslate

from .usage_origin import MappedEvent, Origin, UnmappedPayload
from .usage_path import (
    Budget,
    Path,
    PathError,
    Place,
    compile_path,
)
from .usage_said import Said, SaidError
from .usage_screen import SEPARATOR, BrokenEvent, dump

_lt = LazyTranslate(__name__)

#: Events of one request or chunk of a file.
MAX_EVENTS = 10_000
#: Characters of a payload that is kept with what surrounds an item.
MAX_CONTEXT = 65_536
#: Characters of a text around an item that are kept when there is more.
MAX_TEXT = 4_000
#: Characters around the items that are kept of all payloads of a request.
MAX_KEPT = 50_000_000
_MAX_TIME = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class MappingError(SaidError):
    """A mapping can't be used: the field of ``saas.usage.mapping``, and why."""

    def __init__(self, name, text):
        super().__init__(text)
        self.name = name


class TooManyEventsError(Exception):
    """The payloads of a request make more events than are taken at once."""


@dataclass(frozen=True, slots=True)
class MappingTerms:
    """A mapping as it is stored; paths are texts, empty for none.

    ``data``: pairs of key and path. ``tz``: zone of times by a pattern without one.
    """

    mapping_id: int | None
    id_path: str
    type_path: str
    subject_path: str
    time_path: str
    match: str = ""
    items: str = ""
    time_format: str = "rfc3339"
    time_pattern: str = ""
    tz: str = "UTC"
    value_path: str = ""
    data: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping ready to be used; see :func:`compile_mapping`."""

    terms: MappingTerms
    match: Path | None
    items: Path | None
    attributes: tuple[tuple[str, Path], ...]
    time: Path
    data: tuple[tuple[str, Path], ...]
    #: Paths that leave the item: what they lead to is part of its identity.
    outside: tuple[Path, ...]


@lru_cache(maxsize=512)
def compile_mapping(terms: MappingTerms) -> Mapping:
    """Return a mapping ready to be used.

    :param terms: what is stored
    :raise MappingError: one of its paths or its pattern can't be used
    """
    attributes = tuple(
        (name, _compile(f"{name}_path", path))
        for name, path in (
            ("id", terms.id_path),
            ("type", terms.type_path),
            ("subject", terms.subject_path),
        )
        if path
    )
    data = [(key, _compile("data_ids", path)) for key, path in terms.data]
    if terms.value_path:
        data.append(("value", _compile("value_path", terms.value_path)))
    time = _compile("time_path", terms.time_path)
    used = [path for _name, path in (*attributes, *data)] + [time]
    if terms.time_format == "pattern":
        _check_pattern(terms)
    return Mapping(
        terms,
        _compile("match", terms.match) if terms.match else None,
        _compile("items", terms.items) if terms.items else None,
        attributes,
        time,
        tuple(data),
        tuple(path for path in used if path.scope),
    )


def _compile(name, text):
    try:
        return compile_path(text)
    except PathError as error:
        raise MappingError(name, error.text) from error


def _check_pattern(terms):
    """Refuse a pattern that can't read what it writes."""
    pattern = terms.time_pattern
    if not pattern or len(pattern) > _MAX_TIME:
        raise MappingError(
            "time_pattern",
            _lt("Enter a pattern like %(example)s.", example="%d/%m/%Y %H:%M:%S"),
        )
    try:
        datetime.strptime(_EPOCH.strftime(pattern), pattern)
    except ValueError as error:
        raise MappingError(
            "time_pattern",
            _lt("The pattern can't be used: %(error)s.", error=str(error)),
        ) from error


# ----------------------------------------------------------------------
# Payloads
# ----------------------------------------------------------------------
class _Room:
    """How many characters around its items may still be kept of a request."""

    __slots__ = ("left",)

    def __init__(self):
        self.left = MAX_KEPT


@dataclass(frozen=True, slots=True)
class _Request:
    """What all payloads of a request share."""

    mappings: Sequence[Mapping]
    source: str
    origin: Origin
    budget: Budget
    limit: int
    room: _Room = field(default_factory=_Room)


def apply(
    mappings: Sequence[Mapping],
    payloads,
    source: str,
    origin: Origin,
    limit: int = MAX_EVENTS,
    budget: Budget | None = None,
) -> list:
    """Make events of the payloads of one request.

    Whatever fails fails by itself: a payload no mapping matches, or an item a path of
    which fails, becomes an ``UnmappedPayload``.

    :param mappings: of the source, in order; the first that matches makes the events
    :param payloads: decoded by ``usage_json.load_flat``
    :param source: code of the source
    :param origin: of the request; events get the mapping that made them added
    :param limit: events to take at most
    :param budget: steps the paths may take; default those of a request of its own
    :return: list of ``MappedEvent``, ``UnmappedPayload`` and the ``BrokenEvent`` given
    :raise TooManyEventsError: the payloads make more events than the limit
    """
    request = _Request(mappings, source, origin, budget or Budget(), limit)
    events = []
    for payload in payloads:
        if isinstance(payload, BrokenEvent):
            events.append(type(payload)(payload.text, payload.error, origin))
        else:
            events.extend(_map_payload(request, payload))
        if len(events) > limit:
            raise TooManyEventsError
    return events


def _map_payload(request, payload):
    origin = request.origin
    try:
        mapping = _choose(request, payload)
        origin = replace(origin, mapping_id=mapping.terms.mapping_id)
        tree = _Tree(payload)
        items = _split(request, mapping, tree)
    except PathError as error:
        return [UnmappedPayload(dump(payload), Said(error.text), origin)]
    return [_map_item(request, mapping, tree, item, origin) for item in items]


def _choose(request, payload):
    place = Place(payload, payload)
    for mapping in request.mappings:
        if mapping.match is None or _is_true(
            mapping.match.look_up(place, request.budget)
        ):
            return mapping
    raise PathError(
        _lt(
            "No mapping of the source matches this payload: correct one, or add"
            " another."
        )
    )


def _is_true(value):
    """Return whether a value is true as JMESPath has it: 0 is, what is empty is not."""
    if isinstance(value, str | list | dict):
        return bool(value)
    return value is not None and value is not False


def _split(request, mapping, tree):
    """Return the items of a payload."""
    if mapping.items is None:
        return [tree.root]
    found = mapping.items.look_up(Place(tree.root, tree.root), request.budget)
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, list):
        raise PathError(_lt("The path of the items leads to no list."))
    if len(found) > request.limit:
        raise TooManyEventsError
    if not all(isinstance(item, dict) and tree.has(item) for item in found):
        raise PathError(
            _lt("The path of the items must lead to objects of the payload.")
        )
    tree.items = found
    return found


def _map_item(request, mapping, tree, item, origin):
    """Return the event of an item."""
    parents = tree.get_parents(item) if mapping.outside else ()
    place = Place(item, tree.root, parents)
    try:
        event = _read_event(request, mapping, place, origin)
    except PathError as error:
        return UnmappedPayload(
            tree.cut_out(item, request.room), Said(error.text), origin
        )
    return MappedEvent(event, origin, partial(tree.cut_out, item, request.room))


def _read_event(request, mapping, place, origin):
    source, budget = request.source, request.budget
    event = {"source": source}
    for name, path in mapping.attributes:
        value = path.look_up(place, budget)
        if value is not None:
            event[name] = _get_text(value, f"{name}_path")
        elif name == "id":
            raise PathError(_lt("id_path leads to nothing."))
    if not mapping.terms.id_path:
        event["id"] = origin.mark(_make_id(mapping, place, source, budget))
    moment = mapping.time.look_up(place, budget)
    if moment is not None:
        event["time"] = read_moment(moment, mapping.terms)
    data = {}
    for key, path in mapping.data:
        value = path.look_up(place, budget)
        if isinstance(value, list | dict):
            raise PathError(_lt("data.%(key)s must be a single value.", key=_show(key)))
        if value is not None:
            data[key] = value
    event["data"] = data
    return event


def _get_text(value, name):
    if isinstance(value, list | dict):
        raise PathError(_lt("%(name)s must lead to a single value.", name=name))
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _make_id(mapping, place, source, budget):
    """Return an id of the content: the same item is the same event."""
    outside = []
    for path in mapping.outside:
        value = path.look_up(place, budget)
        outside.append(None if isinstance(value, list | dict) else value)
    return make_hash(source, place.item, outside)


def make_hash(source: str, item, outside=()) -> str:
    """Return the id of an item that has none.

    :param source: code of the source
    :param item: decoded JSON value
    :param outside: values from around the item that tell it from others like it
    :return: 64 hexadecimal digits
    """
    text = json.dumps(
        [item, *outside], default=str, sort_keys=True, separators=(",", ":")
    )
    return hashlib.sha256(f"{source}{SEPARATOR}{text}".encode()).hexdigest()


def _show(text):
    return "".join(c if c.isprintable() else "�" for c in str(text)[:60])


# ----------------------------------------------------------------------
# Times
# ----------------------------------------------------------------------
def read_moment(value, terms: MappingTerms) -> str:
    """Return a time as RFC 3339.

    What should be RFC 3339 already is left for the ingest to judge.

    :param value: single JSON value
    :param terms: how times are written
    :raise PathError: not written like that
    """
    if terms.time_format == "rfc3339":
        return _get_text(value, "time_path")
    if terms.time_format == "pattern":
        moment = _read_pattern(value, terms)
    else:
        moment = _read_epoch(value, 1000 if terms.time_format == "epoch_ms" else 1)
    return moment.astimezone(timezone.utc).replace(tzinfo=None).isoformat() + "Z"


def _read_epoch(value, parts):
    text = _get_text(value, "time_path")
    try:
        number = Decimal(text)
        if len(text) > _MAX_TIME or abs(number.adjusted()) > 20:
            raise ValueError
        micro = int(number * 1_000_000 / parts)
        return _EPOCH + timedelta(microseconds=micro)
    except (ArithmeticError, ValueError) as error:
        raise PathError(
            _lt(
                "time_path leads to “%(value)s”, which is no number of seconds or"
                " milliseconds since 1970.",
                value=_show(text),
            )
        ) from error


def _read_pattern(value, terms):
    text = _get_text(value, "time_path")
    try:
        if len(text) > _MAX_TIME:
            raise ValueError
        moment = datetime.strptime(text, terms.time_pattern)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=ZoneInfo(terms.tz))
        # Fails for times that no zone can tell.
        return moment.astimezone(timezone.utc)
    except (ValueError, OverflowError) as error:
        raise PathError(
            _lt(
                "time_path leads to “%(value)s”, which is not written as %(pattern)s.",
                value=_show(text),
                pattern=terms.time_pattern,
            )
        ) from error


# ----------------------------------------------------------------------
# The payload around an item
# ----------------------------------------------------------------------
class _Tree:
    """Where the objects of a payload are."""

    def __init__(self, root):
        self.root = root
        self.items = None
        self._parents = {id(root): None}
        self._ways = None
        self._kept = {}
        waiting = [root]
        while waiting:
            around = waiting.pop()
            values = around.values() if isinstance(around, dict) else around
            for value in values if isinstance(around, list | dict) else ():
                if isinstance(value, list | dict):
                    self._parents[id(value)] = around
                    waiting.append(value)

    def has(self, item):
        """Return whether an object is part of the payload."""
        return id(item) in self._parents

    def get_parents(self, item):
        """Return the objects an item is in, the nearest first."""
        found = []
        around = self._parents[id(item)]
        while around is not None:
            if isinstance(around, dict):
                found.append(around)
            around = self._parents[id(around)]
        return tuple(found)

    def cut_out(self, item, room):
        """Return the text of a payload that has this item only.

        Lists on the way to it keep the way only, and lists with other items go; what
        else is around stays, unless it is large: then single values stay, long texts
        cut off. Where the request has no room left for these, the item stays in a list
        of its own, of which no mapping makes another event by mistake.

        :param room: ``_Room`` of the request
        """
        if self.items is None:
            return dump(self.root)
        is_narrow = self._measure(item, is_narrow=False) > MAX_CONTEXT
        size = self._measure(item, is_narrow)
        if size > room.left:
            return dump([item])
        room.left -= size
        return dump(self._rebuild(item, is_narrow))

    def _measure(self, item, is_narrow):
        """Return how many characters stay around an item."""
        size, around = 0, self._parents[id(item)]
        while around is not None:
            if isinstance(around, dict):
                size += self._keep(around, is_narrow)[1]
            around = self._parents[id(around)]
        return size

    def _rebuild(self, item, is_narrow):
        copy, child = item, item
        around = self._parents[id(item)]
        while around is not None:
            if isinstance(around, list):
                copy = [copy]
            else:
                ways = self._get_ways()
                copy = {
                    key: copy if value is child else value
                    for key, value in self._keep(around, is_narrow)[0].items()
                    if value is child or id(value) not in ways
                }
            child, around = around, self._parents[id(around)]
        return copy

    def _keep(self, around, is_narrow):
        """Return what stays of an object, with all that leads to items.

        It is the same for each of the items.

        :return: dict, and its characters without what leads to items
        """
        found = self._kept.get((id(around), is_narrow))
        if found is None:
            kept, size = {}, 0
            for key, value in around.items():
                if id(value) not in self._get_ways():
                    if is_narrow and isinstance(value, list | dict):
                        continue
                    if is_narrow and isinstance(value, str) and len(value) > MAX_TEXT:
                        value = f"{value[:MAX_TEXT]}…"
                    size += len(dump(key)) + len(dump(value)) + 2
                kept[key] = value
            found = self._kept[id(around), is_narrow] = kept, size
        return found

    def _get_ways(self):
        """Return what has items in it, by identity."""
        if self._ways is None:
            self._ways = set()
            for item in self.items:
                around = item
                while around is not None and id(around) not in self._ways:
                    self._ways.add(id(around))
                    around = self._parents[id(around)]
        return self._ways
