# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""From Odoo's working calendars to the working time the engine counts in."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytz

from odoo import api, models

from ..engine.calendar import get_zone, to_second
from ..engine.intervals import Interval, clip, normalize, subtract, utc

#: Working time is read from the calendar in windows of this length.
WINDOW = timedelta(days=56)
EPOCH = datetime(2000, 1, 3, tzinfo=timezone.utc)


class SaasSlaCalendar(models.AbstractModel):
    """Adapter from ``resource.calendar`` to the engine's working time."""

    _name = "saas.sla.calendar"
    _description = "SLA Working Time"

    @api.model
    def _get_working_time(self, calendar, company, cache=None):
        """Return the working time of a calendar for the engine.

        :param calendar: one resource.calendar; empty means 24 x 7
        :param company: res.company whose holidays count, besides those of nobody
        :param dict cache: keeps what was read, for callers with many tickets
        :return: object with the engine's ``WorkingTime`` protocol
        """
        cache = {} if cache is None else cache
        key = calendar.id, company.id
        if key not in cache:
            cache[key] = OdooWorkingTime(self, calendar, company)
        return cache[key]

    @api.model
    def _get_intervals(self, calendar, company, start, end):
        """List the working time of a calendar in a window.

        Differs from ``resource.calendar`` where SLA arithmetic needs it: leaves of
        other companies do not count whoever asks; a day that ends at 24:00 ends at
        midnight, not a microsecond earlier; a holiday that ends at 23:59:59 leaves no
        working second; blocks that touch are one; bounds are whole seconds.

        :param calendar: one resource.calendar
        :param company: res.company whose holidays count, besides those of nobody
        :param datetime start: first moment, aware
        :param datetime end: last moment, aware, exclusive
        :return: list of (start, stop), aware UTC, ascending, disjoint
        """
        # Odoo cuts blocks at the edges of the window; a day more on both sides keeps
        # the rounding away from these artificial edges.
        low, high = start - timedelta(days=1), end + timedelta(days=1)
        # sudo: whoever reads a ticket may not read the calendar; nothing of it is shown
        calendar = calendar.sudo()
        zone = pytz.timezone(calendar.tz or "UTC")
        blocks = [
            (to_second(utc(left)), to_second(utc(right)))
            for left, right, _attendance in calendar._attendance_intervals_batch(
                low, high, tz=zone
            )[False]
            if left < right
        ]
        working = subtract(blocks, self._get_leaves(calendar, company, low, high))
        return list(clip(working, utc(start), utc(end)))

    @api.model
    def _get_leaves(self, calendar, company, start, end):
        """List the holidays of a calendar that touch a window.

        :param calendar: one resource.calendar
        :param company: res.company whose holidays count, besides those of nobody
        :param datetime start: aware
        :param datetime end: aware
        :return: list of (start, stop), aware UTC
        """
        # The company stands in the domain: under superuser rights, as in the mail
        # gateway and the cron, record rules would let every company's holidays in.
        domain = [
            ("time_type", "=", "leave"),
            ("resource_id", "=", False),
            ("calendar_id", "in", [False, calendar.id]),
            ("company_id", "in", [False, company.id]),
            ("date_from", "<=", utc(end).replace(tzinfo=None)),
            ("date_to", ">=", utc(start).replace(tzinfo=None)),
        ]
        # sudo: as for the calendar above
        leaves = self.env["resource.calendar.leaves"].sudo().search(domain)
        return normalize(
            (leave.date_from.replace(tzinfo=timezone.utc), _leave_end(leave.date_to))
            for leave in leaves
        )

    @api.model
    def _has_hours(self, calendar):
        """Tell whether a calendar has any working hours at all.

        :param calendar: one resource.calendar
        :return: bool
        """
        # sudo: as for the calendar above
        calendar = calendar.sudo()
        return bool(calendar.flexible_hours or calendar.attendance_ids)


def _leave_end(moment: datetime) -> datetime:
    """Read the end of a holiday: "until 23:59:59" means until midnight.

    :param moment: naive UTC
    :return: aware UTC
    """
    if moment.second == 59:
        moment += timedelta(seconds=1)
    return moment.replace(tzinfo=timezone.utc)


class OdooWorkingTime:
    """The engine's ``WorkingTime`` over a ``resource.calendar``, read when needed.

    Windows on a fixed grid are read once and kept, so that deadlines of many tickets
    share them. Valid as long as the transaction that made it.
    """

    def __init__(self, adapter, calendar, company) -> None:
        """Prepare without reading.

        :param adapter: the saas.sla.calendar model
        :param calendar: one resource.calendar; empty means 24 x 7
        :param company: res.company whose holidays count
        """
        self._adapter, self._calendar, self._company = adapter, calendar, company
        self._windows: dict[int, list[Interval]] = {}
        self._is_empty = bool(calendar) and not adapter._has_hours(calendar)
        tz = calendar.sudo().tz if calendar else company.partner_id.tz
        self._zone = get_zone(tz or "UTC")

    @property
    def zone(self) -> ZoneInfo:
        """Return the zone whose dates count as working days."""
        return self._zone

    def working(self, start: datetime, stop: datetime) -> Iterator[Interval]:
        """Yield the working intervals of ``[start, stop)``, sorted and disjoint.

        :param start: aware datetime
        :param stop: aware datetime, exclusive
        :return: UTC intervals; a block over a window's edge comes in two
        """
        return clip(self._stream(start, stop, 1), utc(start), utc(stop))

    def working_back(self, start: datetime, stop: datetime) -> Iterator[Interval]:
        """Yield the same intervals from the last to the first.

        :param start: aware datetime
        :param stop: aware datetime, exclusive
        :return: UTC intervals in falling order
        """
        low, high = utc(start), utc(stop)
        for left, right in self._stream(start, stop, -1):
            if right <= low:
                return
            if left < high:
                yield max(left, low), min(right, high)

    def _stream(self, start, stop, step) -> Iterator[Interval]:
        if utc(stop) <= utc(start) or self._is_empty:
            return
        if not self._calendar:
            yield utc(start), utc(stop)
            return
        first = (utc(start) - EPOCH) // WINDOW
        last = (utc(stop) - EPOCH) // WINDOW
        indexes = range(first, last + 1)
        for index in indexes if step > 0 else reversed(indexes):
            yield from self._window(index)[::step]

    def _window(self, index) -> list[Interval]:
        if index not in self._windows:
            start = EPOCH + index * WINDOW
            self._windows[index] = self._adapter._get_intervals(
                self._calendar, self._company, start, start + WINDOW
            )
        return self._windows[index]
