# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""A usage store that is a list: what the calls of the adapter mean, by the engine."""

import json
from dataclasses import dataclass
from datetime import datetime

from ..engine.aggregate import UsageEvent
from ..engine.filters import as_text, matches, read_number
from ..engine.meter import measure_groups
from ..models.usage_store import _cut_days, read_bounds
from ..models.usage_store_api import Event


@dataclass(frozen=True)
class Stored:
    """An event, or a void when it has no type; ``batch``: the request it came with."""

    number: int
    source_id: int
    event_id: str
    batch: int
    stored_at: datetime
    subscription_id: int
    time: datetime
    event_type: str | None = None
    subject: str = ""
    data: dict | None = None

    def as_engine(self, spec):
        """Return the event as the engine knows it."""
        data = self.data or {}
        value = data.get(spec.value_key)
        return UsageEvent(
            self.time, read_number(value), as_text(value), self.number, data
        )


class MemoryStore:
    """Events by source and id, and by which request each was taken back."""

    def __init__(self, env):
        self.env = env
        self.stored: dict[tuple[int, str], Stored] = {}
        self.gone: dict[tuple[int, str], int] = {}
        self.detached_until = datetime.min

    # Write ------------------------------------------------------------
    def store(self, intake, batch_ids, now):
        """See ``UsageStore.store``."""
        self.left = {}
        corrections = {one.position: one for one in intake.corrections}
        rows = dict(enumerate(intake.rows))
        for position, row in rows.items():
            if position not in corrections:
                self._add(position, row, batch_ids, now)
        waiting = [
            one
            for one in intake.corrections
            if one.position not in rows or self._find_home(rows[one.position])
        ]
        self.left.update(
            {one.position: "unknown_subject" for one in intake.corrections}
        )
        for one in waiting:
            self.left[one.position] = "unknown_event"
        while found := [o for o in waiting if (o.source_id, o.target) in self.stored]:
            waiting.remove(found[0])
            row = rows.get(found[0].position)
            self._correct(found[0], row, batch_ids, now)
        return list(self.left.items())

    def _find_home(self, row):
        _index, _event_id, source_id, _type, subject, *_rest = row
        source = self.env["saas.usage.source"].sudo().browse(source_id)
        known = self.env["saas.external.id"].sudo()
        return known.search(
            [("source", "=ilike", source.code), ("value", "=", subject)], limit=1
        ).subscription_id

    def _add(self, position, row, batch_ids, now):
        _index, event_id, source_id, event_type, subject, at, data = row
        home = self._find_home(row)
        if not home:
            self.left[position] = "unknown_subject"
        elif (source_id, event_id) in self.stored:
            self.left[position] = None
        else:
            self.left.pop(position, None)
            self.stored[source_id, event_id] = Stored(
                len(self.stored) + 1,
                source_id,
                event_id,
                batch_ids[source_id],
                now,
                home.id,
                datetime.fromisoformat(at),
                event_type,
                subject,
                data,
            )

    def _correct(self, one, row, batch_ids, now):
        key, target = (one.source_id, one.event_id), (one.source_id, one.target)
        if key in self.stored:
            self.left[one.position] = None
        elif target in self.gone or not self.stored[target].event_type:
            self.left[one.position] = "already_corrected"
        elif self.stored[target].time < datetime.fromisoformat(one.oldest):
            self.left[one.position] = "too_old"
        else:
            self.gone[target] = batch_ids[one.source_id]
            if row:
                self._add(one.position, row, batch_ids, now)
                return
            self.left.pop(one.position)
            found = self.stored[target]
            self.stored[key] = Stored(
                len(self.stored) + 1,
                *key,
                batch_ids[one.source_id],
                now,
                found.subscription_id,
                found.time,
            )

    # Read -------------------------------------------------------------
    @staticmethod
    def _sees(bounds, batch):
        return not bounds or (
            batch <= bounds.batch_max and batch not in bounds.batch_open
        )

    def _find(self, spec, subscription_id, bounds):
        """Return the events of a type that count, in the order of time."""
        found = [
            one
            for key, one in self.stored.items()
            if one.subscription_id == subscription_id
            and one.event_type == spec.event_type
            and self._sees(bounds, one.batch)
            and not (key in self.gone and self._sees(bounds, self.gone[key]))
            and (spec.is_level or one.time >= self.detached_until)
        ]
        return sorted(found, key=lambda one: (one.time, one.number))

    def aggregate(self, spec, windows, bounds=None):
        """See ``UsageStore.aggregate``."""
        return [
            measure_groups(
                spec.terms,
                spec.keys,
                [
                    one.as_engine(spec)
                    for one in self._find(spec, window.subscription_id, bounds)
                ],
                window.span,
                spec.rules,
            )
            for window in windows
        ]

    def aggregate_by_day(self, spec, window, tz, bounds=None):
        """See ``UsageStore.aggregate_by_day``."""
        days = _cut_days(window, tz)
        found = self.aggregate(spec, days.values(), bounds)
        return {
            (day, group): one
            for day, groups in zip(days, found, strict=True)
            for group, one in groups.items()
            if one.count or one.quantity
        }

    def read_events(self, spec, window, bounds=None, after=None, limit=100):
        """See ``UsageStore.read_events``."""
        found = [
            Event(
                one.number,
                one.time,
                one.stored_at,
                one.source_id,
                one.event_id,
                one.batch,
                one.subject,
                json.dumps(one.data, default=str) if one.data is not None else None,
            )
            for one in self._find(spec, window.subscription_id, bounds)
            if window.start <= one.time < window.end
            and one.time >= self.detached_until
            and matches(spec.conditions, one.data or {})
            and (after is None or (one.time, one.number) > after)
        ]
        return found[:limit]

    def bounds(self):
        """See ``UsageStore.bounds``: requests are logged in the database."""
        return read_bounds(self.env.cr)

    def find_newer(self, looks, until=None):
        """See ``UsageStore.find_newer``."""
        changes = [
            (batch, one.subscription_id, one.event_type, one.time)
            for key, one in self.stored.items()
            for batch in (one.batch, self.gone.get(key))
            if batch and one.event_type and self._sees(until, batch)
        ]
        return {
            position
            for position, look in enumerate(looks)
            for batch, subscription_id, event_type, time in changes
            if subscription_id == look.window.subscription_id
            and event_type == look.event_type
            and look.window.start <= time < look.window.end
            and not self._sees(look.bounds, batch)
        }

    # Retention --------------------------------------------------------
    def write_openings(self, levels, end):
        """See ``UsageStore.write_openings``: a list can keep what levels come from."""

    def detach(self, month):
        """See ``UsageStore.detach``."""
        self.detached_until = datetime(
            month.year + month.month // 12, month.month % 12 + 1, 1
        )
