# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The values of a price's events, read when they are needed and never all at once."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from ..engine.filters import read_number
from ..engine.money import ZERO
from .usage_store_api import Bounds, MeterSpec, UsageStore, Window

#: Events read at a time.
SIZE = 10_000


@dataclass(frozen=True, slots=True)
class StoredValues:
    """Time and value of each event of a window, by time; may be read repeatedly."""

    store: UsageStore
    spec: MeterSpec
    window: Window
    bounds: Bounds | None = None

    def __iter__(self) -> Iterator[tuple[datetime, Decimal]]:
        last = None
        while True:
            events = self.store.read_events(
                self.spec, self.window, self.bounds, last, SIZE
            )
            for event in events:
                yield event.time, self._read(event.data)
            if len(events) < SIZE:
                return
            last = events[-1].time, events[-1].id

    def _read(self, text: str | None) -> Decimal:
        """Return the value of an event, 0 where there is none."""
        data = json.loads(text or "{}", parse_float=Decimal)
        return read_number(data.get(self.spec.value_key)) or ZERO
