# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The events and days of a charge as rows of a table, for staff and for customers."""

import json
from datetime import timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

from odoo import models

#: Events read at once.
PAGE = 5_000


class SaasUsageEvidence(models.AbstractModel):
    _inherit = "saas.usage.evidence"

    def _get_usage_columns(self):
        """Return what an event shows to the customer: its dimensions and its value.

        Nothing else of the data: it is between the product and its makers.

        :return: dict of key of the data to heading
        """
        meter = self._get_usage_price().meter_id
        columns = {one.key: one.name for one in meter.dimension_ids}
        if meter.needs_key and meter.value_key:
            columns.setdefault(meter.value_key, self.env._("Value"))
        return columns

    def _prepare_event_row(self, event, columns):
        """Return the cells of an event for the customer, times in the local zone.

        :param Event event: of this charge
        :param dict columns: see ``_get_usage_columns``
        """
        zone = ZoneInfo(self._get_usage_window().tz)
        local = event.time.replace(tzinfo=timezone.utc).astimezone(zone)
        data = json.loads(event.data or "{}", parse_float=Decimal) or {}
        return [
            local.replace(tzinfo=None).isoformat(" ", "seconds"),
            event.subject,
            event.event_id,
            *(_show(data.get(key)) for key in columns),
        ]

    def _get_event_header(self, columns):
        """Return the headings of ``_prepare_event_row``."""
        return [
            self.env._("Time (%(zone)s)", zone=self._get_usage_window().tz),
            self.env._("Subject"),
            self.env._("Event"),
            *columns.values(),
        ]

    def _iterate_usage_events(self):
        """Yield the events the charge was computed from, page by page."""
        after = None
        while page := self._read_usage_events(after=after, limit=PAGE):
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1].time, page[-1].id

    def _iterate_customer_rows(self):
        """Yield heading and events as the customer may have them."""
        columns = self._get_usage_columns()
        yield self._get_event_header(columns)
        for event in self._iterate_usage_events():
            yield self._prepare_event_row(event, columns)
        yield from self._iterate_note()

    def _iterate_staff_rows(self):
        """Yield heading and events with where they came from; times in UTC."""
        # sudo: the names of the sources, not their settings
        sources = self.env["saas.usage.source"].sudo()
        yield [
            self.env._("Time (%(zone)s)", zone="UTC"),
            self.env._("Received (UTC)"),
            self.env._("Source"),
            self.env._("Event"),
            self.env._("Subject"),
            self.env._("Data"),
            self.env._("Request"),
        ]
        for event in self._iterate_usage_events():
            yield [
                event.time.isoformat(" "),
                event.stored_at.isoformat(" "),
                sources.browse(event.source_id).code,
                event.event_id,
                event.subject,
                event.data or "",
                event.batch_id,
            ]
        yield from self._iterate_note()

    def _iterate_note(self):
        """Yield a last row that says which events are missing, if any."""
        if note := self._get_detached_note():
            yield [note]

    def _iterate_day_rows(self):
        """Yield heading and days with quantity, events and amount."""
        breakdown = self._get_usage_breakdown()
        yield [
            self.env._("Day"),
            self.env._("Quantity"),
            self.env._("Unit"),
            self.env._("Events"),
            self.env._("Amount"),
            self.env._("Currency"),
        ]
        for row in breakdown.days:
            yield [
                row.day.isoformat() if row.day else row.name,
                row.quantity,
                breakdown.unit,
                row.count,
                row.amount,
                self.currency_id.name,
            ]


def _show(value):
    """Return a value of an event's data as a cell: numbers stay numbers."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, dict | list):
        return ""
    return value
