# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What was measured before, and whether it can be relied on.

A reading says: at some moment (``measured``) a window had these groups, and up to a
later one (``seen``) no request brought or took back an event of it. So it answers for
every moment between the two, and after an answer of the store that nothing came, up to
now. It rests on the numbers of the requests alone, as the bounds of a charge do.

A level looks at all events before its window and is not remembered: the store reads
them once for all windows of a subscription.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from ..engine.meter import Group, Measured
from .usage_store_api import Bounds, Look, MeterSpec, Window, get_store

#: Goes up when the same definition means something else than before.
VERSION = 1


@dataclass(frozen=True, slots=True)
class Reading:
    """Groups of a window, and from when to when they stand."""

    id: int
    event_type: str
    groups: dict[Group, Measured]
    measured: Bounds
    seen: Bounds


@dataclass(frozen=True, slots=True)
class NewReading:
    """What was read from the events, to be remembered."""

    meter_id: int
    event_type: str
    definition: str
    window: Window
    groups: dict[Group, Measured]


def contains(outer: Bounds, inner: Bounds) -> bool:
    """Return whether all that was seen at one moment is seen at another, too.

    :param outer: the later moment
    :param inner: the earlier moment
    """
    if inner.batch_max > outer.batch_max:
        return False
    was_open = set(inner.batch_open)
    return all(
        number > inner.batch_max or number in was_open for number in outer.batch_open
    )


def get_definition(store, spec: MeterSpec) -> str:
    """Return a short text that changes with all that decides about a quantity.

    :param store: where it is measured
    :param spec: what is measured
    """
    text = f"{VERSION} {type(store).__qualname__} {spec!r}"
    return hashlib.sha256(text.encode()).hexdigest()


def dump_groups(groups: dict[Group, Measured]) -> list:
    """Return plain values, with all digits.

    :param groups: what was measured
    """
    return [
        [list(texts), str(one.quantity), one.count, [str(part) for part in one.windows]]
        for texts, one in groups.items()
    ]


def load_groups(rows: Iterable) -> dict[Group, Measured]:
    """Return what ``dump_groups`` wrote.

    :param rows: plain values
    """
    return {
        tuple(texts): Measured(Decimal(quantity), count, tuple(map(Decimal, windows)))
        for texts, quantity, count, windows in rows
    }


def dump_days(days) -> list:
    """Return plain values of what days were measured to be.

    :param days: dict of date to ``Measured``
    """
    return dump_groups({(day.isoformat(),): one for day, one in days.items()})


def load_days(rows) -> dict:
    """Return what ``dump_days`` wrote.

    :param rows: plain values
    """
    return {date.fromisoformat(day): one for (day,), one in load_groups(rows).items()}


class ReadingBook:
    """Measures windows as the store does, from readings where they stand.

    :param env: environment
    :param windows: those that will be asked for
    :param bounds: what is looked at; readings are looked for once, for all of them
    """

    def __init__(self, env, windows: Iterable[Window], bounds: Bounds):
        self.env = env
        self.bounds = bounds
        self.store = get_store(env)
        self.new: list[NewReading] = []
        self.seen_on: list[int] = []
        self.known: dict[tuple[str, Window], Reading] = {}
        self._check(env["saas.usage.reading"]._find(windows))

    def _check(self, found: dict):
        """Keep the readings that stand, and remember which are newer than asked for."""
        asked = []
        self.newer = set()
        # Thousands of readings were made at few moments.
        moments = {}
        for key, reading in found.items():
            span = reading.measured, reading.seen
            place = tuple(map(id, span))
            if place not in moments:
                moments[place] = self._compare(*span)
            stands, is_older = moments[place]
            if stands:
                self.known[key] = reading
            elif is_older:
                asked.append(key)
            else:
                self.newer.add(key)
        looks = [Look(key[1], found[key].event_type, found[key].seen) for key in asked]
        outdated = self.store.find_newer(looks, self.bounds) if looks else set()
        for position, key in enumerate(asked):
            if position not in outdated:
                self.known[key] = found[key]
                self.seen_on.append(found[key].id)

    def _compare(self, measured: Bounds, seen: Bounds) -> tuple[bool, bool]:
        """Return whether a reading answers, and whether it was seen before."""
        answers = contains(self.bounds, measured) and contains(seen, self.bounds)
        return answers, contains(self.bounds, seen)

    def aggregate(
        self, meter_id: int, spec: MeterSpec, windows: Iterable[Window]
    ) -> list[dict[Group, Measured]]:
        """Measure windows, see ``UsageStore.aggregate``.

        :param meter_id: whose definition it is
        :param spec: what to measure
        :param windows: some of those the book was opened with
        """
        if spec.is_level:
            # An event of long ago changes every window since.
            return self.store.aggregate(spec, windows, self.bounds)
        definition = get_definition(self.store, spec)
        windows = list(windows)
        left = [one for one in windows if (definition, one) not in self.known]
        measured = self.store.aggregate(spec, left, self.bounds)
        fresh = dict(zip(left, measured, strict=True))
        self.new += [
            NewReading(meter_id, spec.event_type, definition, window, groups)
            for window, groups in fresh.items()
            if (definition, window) not in self.newer
        ]
        return [
            fresh[one] if one in fresh else self.known[definition, one].groups
            for one in windows
        ]

    def close(self, now: datetime):
        """Remember what was read of windows that are over, and what still stands.

        :param now: naive UTC
        """
        over = [one for one in self.new if one.window.end <= now]
        self.env["saas.usage.reading"]._keep(over, self.seen_on, self.bounds)
