# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Pauses: which days are served, and where a served day lies in the calendar.

A pause of mode ``credit`` leaves the calendar alone: its days are not charged. A pause
of mode ``extend`` stops the clock: its days are no service time, so the running period
becomes longer by them and every later one moves. Periods are therefore laid out in
*served days*, the real calendar without the extending pauses, and mapped back.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from .errors import TermsError

CREDIT = "credit"
EXTEND = "extend"
MODES = (CREDIT, EXTEND)


@dataclass(frozen=True, slots=True)
class Pause:
    """Days without service, ``[start, end)``; without an end it goes on.

    :raise TermsError: unknown mode, or an end that is not after the start
    """

    start: date
    end: date | None = None
    mode: str = CREDIT

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise TermsError(f"unknown pause mode: {self.mode}")
        if self.end is not None and self.end <= self.start:
            raise TermsError(f"a pause can't end on {self.end} before it starts")


class ServiceCalendar:
    """Map real days to served days and back.

    :param pauses: in any order, never overlapping
    :raise TermsError: two pauses overlap
    """

    def __init__(self, pauses: Iterable[Pause] = ()) -> None:
        ordered = sorted(pauses, key=lambda pause: pause.start)
        for before, after in zip(ordered, ordered[1:], strict=False):
            if before.end is None or before.end > after.start:
                raise TermsError(f"two pauses overlap on {after.start}")
        self._extending = [pause for pause in ordered if pause.mode == EXTEND]
        self.credited = [
            (self.served(pause.start), pause.end and self.served(pause.end))
            for pause in ordered
            if pause.mode == CREDIT
        ]

    def served(self, day: date) -> date:
        """Return the served day of a real one; within a pause the one it stopped at.

        :param day: real date
        :return: date without the extending pauses before it
        """
        shift = timedelta()
        for pause in self._extending:
            if day <= pause.start:
                break
            if pause.end is None or day < pause.end:
                return pause.start - shift
            shift += pause.end - pause.start
        return day - shift

    def real_start(self, served: date) -> date | None:
        """Return the real day on which a served day begins.

        :param served: served day
        :return: date, never inside an extending pause; None: not known yet, since the
            pause before it goes on
        """
        return self._real(served, lambda day, pause: day < pause.start)

    def real_end(self, served: date) -> date | None:
        """Return the real exclusive end of service that ends before a served day.

        :param served: served day, exclusive
        :return: date; at a pause its start; None: not known yet
        """
        return self._real(served, lambda day, pause: day <= pause.start)

    def _real(
        self, served: date, is_before: Callable[[date, Pause], bool]
    ) -> date | None:
        day = served
        for pause in self._extending:
            if is_before(day, pause):
                break
            if pause.end is None:
                return None
            day += pause.end - pause.start
        return day

    def charged_parts(self, start: date, end: date) -> list[tuple[date, date]]:
        """Cut the credited pauses out of a span of served days.

        :param start: first served day
        :param end: exclusive end
        :return: ascending half-open parts; none when all of it is paused
        """
        parts = []
        for pause_start, pause_end in self.credited:
            if pause_end is not None and pause_end <= start:
                continue
            if start >= end or pause_start >= end:
                break
            if pause_start > start:
                parts.append((start, pause_start))
            start = end if pause_end is None else pause_end
        if start < end:
            parts.append((start, end))
        return parts
