# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What is stored of what a source sent, and what of it counts.

An event may take back another one of its source: nothing counts instead (a void), or
the event itself does. What takes back comes once, before or after what it takes back,
any number of times: the result is the same.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace

from .aggregate import UsageEvent


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event of a source as it arrived.

    ``request`` is the number of the request that brought it, ``event`` None for a void,
    ``corrects`` the id of the event that is taken back.
    """

    event_id: str
    request: int
    event: UsageEvent | None = None
    corrects: str | None = None


def accept(arrivals: Iterable[Arrival]) -> dict[str, Arrival]:
    """Return what is stored of all that arrived.

    A repeat changes nothing. An event is taken back once, a void never; of several that
    take it back the first one does. What takes back an event that is not there waits,
    as it was sent last, and is stored by the request that stores that one.

    :param arrivals: in the order they came
    :return: by id, in the order stored
    """
    stored: dict[str, Arrival] = {}
    waiting: dict[str, Arrival] = {}
    requests: dict[int, list[Arrival]] = {}
    for arrival in arrivals:
        requests.setdefault(arrival.request, []).append(arrival)
    for number, group in requests.items():
        fresh = {one.event_id: one for one in reversed(group)}
        new = _take(list(reversed(fresh.values())), stored, waiting)
        while new:
            found = [one for one in waiting.values() if one.corrects in new]
            found = [replace(one, request=number) for one in found]
            new = _take(found, stored, waiting)
    return stored


def _take(
    sent: list[Arrival], stored: dict[str, Arrival], waiting: dict[str, Arrival]
) -> set[str]:
    """Store what can be stored of a request: events, then what takes them back.

    :return: ids that were stored
    """
    left = sorted(sent, key=lambda one: one.corrects is not None)
    corrected = {one.corrects for one in stored.values()}
    new: set[str] = set()
    while True:
        left = [one for one in left if one.event_id not in stored]
        found = [one for one in left if one.corrects in {None, *stored}]
        if not found:
            waiting.update({one.event_id: one for one in left})
            return new
        one = found[0]
        left.remove(one)
        waiting.pop(one.event_id, None)
        target = stored[one.corrects] if one.corrects is not None else None
        if target and (target.event is None or target.event_id in corrected):
            continue
        corrected.add(one.corrects)
        stored[one.event_id] = one
        new.add(one.event_id)


def counting(
    stored: Iterable[Arrival], seen: Container[int] | None = None
) -> list[Arrival]:
    """Return the events that count: those nothing takes back.

    :param stored: what ``accept`` returned
    :param seen: numbers of the requests to look at, None: all. A void that came later
        does not count, neither does a replacement
    """
    known = [one for one in stored if seen is None or one.request in seen]
    gone = {one.corrects for one in known}
    return [one for one in known if one.event and one.event_id not in gone]
