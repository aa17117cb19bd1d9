# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Terms are a fold: base lines and dated changes give the intervals of a contract.

Changes are applied by effective date, never by the order in which they were entered:
amendments with distinct effective dates give the same terms whenever they are made
known, also when all of them are entered backdated at the end.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from .errors import TimelineError
from .ledger import ONE_TIME

SET = "set"
ADD = "add"
END = "end"
ACTIONS = (SET, ADD, END)


@dataclass(frozen=True, slots=True)
class Base:
    """What was sold first: a chain of line intervals begins with it.

    ``values`` are the terms by name; ``quantity`` is a Decimal, ``kind`` says whether
    it is charged once, the others are opaque here. ``keep_last_period``: see
    ``proposal.LineTerms``.
    """

    root: int | str
    date_start: date
    date_end: date | None = None
    values: Mapping[str, object] = field(default_factory=dict, hash=False)
    keep_last_period: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One dated change of a chain.

    ``set`` replaces the named values, ``add`` adds ``values["quantity"]`` (negative:
    takes away), ``end`` ends the chain. ``sequence`` decides between changes of the
    same day.

    :raise TimelineError: unknown action
    """

    root: int | str
    day: date
    action: str
    values: Mapping[str, object] = field(default_factory=dict, hash=False)
    sequence: int = 0
    key: int | str | None = None
    keep_last_period: bool = False

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise TimelineError(f"unknown change: {self.action}")


@dataclass(frozen=True, slots=True)
class Segment:
    """An interval ``[date_start, date_end)`` of a chain with constant terms.

    ``change`` is the key of the change it began with, None for the base.
    """

    root: int | str
    date_start: date
    date_end: date | None
    values: Mapping[str, object] = field(default_factory=dict, hash=False)
    change: int | str | None = None
    keep_last_period: bool = False


def fold(
    bases: Iterable[Base], changes: Iterable[Change]
) -> dict[int | str, list[Segment]]:
    """Apply all changes to what was sold first.

    A change after the end of its chain is without effect: there is nothing left to
    change.

    :param bases: one per chain
    :param changes: in any order; those of one chain and day by ``sequence``
    :return: ascending, gapless segments per chain; none for a chain without days
    :raise TimelineError: the same chain twice; a change of an unknown chain, before
        its start, to a negative quantity, or of what is charged once after that day
    """
    by_root = defaultdict(list)
    for change in changes:
        by_root[change.root].append(change)
    chains: dict[int | str, Base] = {}
    for base in bases:
        if base.root in chains:
            raise TimelineError(f"the line {base.root} occurs twice")
        chains[base.root] = base
    unknown = by_root.keys() - chains.keys()
    if unknown:
        raise TimelineError(f"changes of unknown lines: {sorted(map(str, unknown))}")
    return {root: _fold_chain(base, by_root[root]) for root, base in chains.items()}


def _fold_chain(base: Base, changes: list[Change]) -> list[Segment]:
    changes = sorted(changes, key=lambda change: (change.day, change.sequence))
    end, keep = _chain_end(base, changes)
    edges = [(base.date_start, dict(base.values), None)]
    for change in changes:
        if change.day < base.date_start:
            raise TimelineError(
                f"a change on {change.day} lies before the start {base.date_start}"
            )
        if change.action == END or (end is not None and change.day >= end):
            continue
        if change.day > base.date_start and base.values.get("kind") == ONE_TIME:
            # Every interval of a chain is charged: a second one would cost it again.
            raise TimelineError(
                f"what is charged once on {base.date_start} can't change later"
            )
        values = _changed(edges[-1][1], change)
        if change.day == edges[-1][0]:
            edges.pop()
        edges.append((change.day, values, change.key))
    segments = []
    for index, (day, values, key) in enumerate(edges):
        is_last = index + 1 == len(edges)
        until = end if is_last else edges[index + 1][0]
        if until is None or until > day:
            segments.append(
                Segment(base.root, day, until, values, key, is_last and keep)
            )
    return segments


def _chain_end(base: Base, changes: list[Change]) -> tuple[date | None, bool]:
    """Return the first end of a chain, and whether its last period stays charged."""
    ends = [(c.day, c.keep_last_period) for c in changes if c.action == END]
    if base.date_end is not None:
        ends.append((base.date_end, base.keep_last_period))
    return min(ends, default=(None, False))


def _changed(values: Mapping[str, object], change: Change) -> dict[str, object]:
    if change.action == SET:
        return {**values, **change.values}
    quantity = Decimal(values.get("quantity", 0)) + Decimal(change.values["quantity"])
    if quantity < 0:
        raise TimelineError(f"the quantity would be {quantity} on {change.day}")
    return {**values, "quantity": quantity}
