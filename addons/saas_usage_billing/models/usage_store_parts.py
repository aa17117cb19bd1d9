# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Requests with many corrections are stored in parts.

The planner knows nothing of the lists in a request and compares each correction with
each event: twice as many take four times as long.
"""

from collections.abc import Iterator
from dataclasses import replace

from .usage_store_api import Correction, Intake

#: Comparisons of corrections with events that one statement may take.
_COMPARED = 100_000
#: Corrections of a part.
_AT_ONCE = 250


def split(intake: Intake) -> Iterator[tuple[Intake, list[int]]]:
    """Yield parts to store one after the other.

    Events first, then what takes back others, each behind what it takes back.

    :param intake: events of a request
    :return: pairs of a part and the position of each of its events in the request
    """
    rows, corrections = intake.rows, intake.corrections
    if len(corrections) * max(len(rows), len(corrections)) <= _COMPARED:
        yield intake, list(range(len(rows) + len(corrections)))
        return
    replacing = {one.position for one in corrections}
    plain = [number for number in range(len(rows)) if number not in replacing]
    if plain:
        yield _cut(intake, plain, [])
    ordered = _order(corrections)
    for start in range(0, len(ordered), _AT_ONCE):
        own = ordered[start : start + _AT_ONCE]
        positions = [one.position for one in own if one.position < len(rows)]
        yield _cut(intake, positions, own)


def _order(corrections: list[Correction]) -> list[Correction]:
    """Return the corrections, each behind the one it takes back."""
    left = {(one.source_id, one.event_id): one for one in corrections}
    result = []
    for one in corrections:
        path = []
        key = one.source_id, one.event_id
        while key in left:
            path.append(left.pop(key))
            key = path[-1].source_id, path[-1].target
        result += reversed(path)
    return result


def _cut(intake, positions, corrections):
    rows = [intake.rows[position] for position in positions]
    places = {position: number for number, position in enumerate(positions)}
    own = []
    for one in corrections:
        # Voids stand behind the rows.
        place = places.setdefault(one.position, len(places))
        own.append(one._replace(position=place))
    data = [intake.data[position] for position in positions]
    return replace(intake, rows=rows, data=data, corrections=own), list(places)
