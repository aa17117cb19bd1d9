# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Contract terms as a fold: a first term, renewals and extending pauses.

Nothing depends on the order in which things were made known. A renewal belongs to the
end of a term, so it moves with it when a pause that extends moves that end; an *early*
renewal is the exception: it was agreed for a day and ends the running term there.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from .errors import TermsError
from .period import Recurrence, grid_date
from .service import EXTEND, Pause


@dataclass(frozen=True, slots=True)
class Renewal:
    """The next term: how long, or until when, and from when if it is early.

    ``day`` is the day it was agreed for; it orders the renewals, and is binding for an
    early one only. ``until`` (exclusive) wins over ``months``.
    """

    day: date
    months: int = 0
    until: date | None = None
    is_early: bool = False
    sequence: int = 0
    key: int | str | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """A term ``[start, end)``; ``key`` is that of the renewal it began with."""

    start: date
    end: date
    key: int | str | None = None


def fold_terms(
    start: date, end: date, renewals: Iterable[Renewal], pauses: Iterable[Pause] = ()
) -> tuple[Term, ...]:
    """Return all terms, the first one to the last one that was agreed.

    :param start: first day of the first term
    :param end: its exclusive end as agreed first
    :param renewals: in any order
    :param pauses: only those that extend and have an end count
    :return: ascending and gapless
    :raise TermsError: a renewal that would begin before the term it follows, or end
        before it begins
    """
    waiting = sorted(
        (pause for pause in pauses if pause.mode == EXTEND and pause.end),
        key=lambda pause: pause.start,
        reverse=True,
    )
    terms: list[Term] = []
    key = None
    for renewal in sorted(renewals, key=lambda one: (one.day, one.sequence)):
        if renewal.is_early:
            # What is left of a pause when the next term begins is due to that term.
            cut = [pause for pause in waiting if pause.start < renewal.day]
            waiting = [pause for pause in waiting if pause not in cut]
            left = [
                Pause(renewal.day, pause.end, EXTEND)
                for pause in cut
                if pause.end and pause.end > renewal.day
            ]
            waiting += left
            end = renewal.day
        else:
            end = _extend(end, waiting)
        if end <= start and (terms or renewal.is_early):
            raise TermsError(f"the next term would begin on {end}, before its term")
        terms.append(Term(start, end, key))
        start, key = end, renewal.key
        end = renewal.until or _add_months(start, renewal.months)
        if end <= start:
            raise TermsError(f"the term from {start} would end on {end}")
    terms.append(Term(start, _extend(end, waiting), key))
    return tuple(terms)


def _extend(end: date, waiting: list[Pause]) -> date:
    """Move an end by the pauses that begin before it; they are taken off the list."""
    while waiting and waiting[-1].start < end:
        pause = waiting.pop()
        if pause.end:
            end += pause.end - pause.start
    return end


def _add_months(day: date, months: int) -> date:
    if months <= 0:
        return day
    return grid_date(day, Recurrence("month", months), 1)
