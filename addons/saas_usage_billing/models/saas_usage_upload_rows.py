# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from array import array
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from markupsafe import Markup

from odoo import models
from odoo.tools.translate import LazyTranslate

from ..exceptions import UsageUploadError
from .usage_file import Place, UsageFileError, read_rows
from .usage_mapping import MAX_EVENTS, TooManyEventsError, make_hash
from .usage_origin import BrokenRow, FileEvent, Origin
from .usage_path import MAX_STEPS, Budget
from .usage_result import STORED

_lt = LazyTranslate(__name__)

CHECKED_ROWS = 1_000
#: Unpacked bytes of a file that are made into events at once.
CHUNK_BYTES = 16 * 1024 * 1024
SHOWN_ROWS = 100
_ATTRIBUTES = ("specversion", "id", "source", "type", "subject", "time")
#: Different rows that may stand in a file more than once without an id.
_MAX_REPEATED = 100_000


class Taken(NamedTuple):
    """Events of some rows, the place behind them, and whether the file ends there."""

    events: list
    after: Place
    is_end: bool


class SaasUsageUpload(models.Model):
    """The rows of a file, and the events they become."""

    _inherit = "saas.usage.upload"

    # ------------------------------------------------------------------
    # Check
    # ------------------------------------------------------------------
    def _check_file(self):
        """Read the file once, try its first rows, and note what comes out.

        :raise UsageUploadError: the file can't be read
        """
        self.ensure_one()
        try:
            with self._get_stream() as stream:
                count, repeats = self._scan(stream)
                taken = self._take(stream, Place(), dict(repeats), CHECKED_ROWS)
            result = self._ingest_events(taken.events, dry_run=True)
        except UsageFileError as error:
            raise UsageUploadError(
                self.env._("“%(name)s”: %(error)s", name=self.name, error=error.text)
            ) from error
        if not count:
            raise UsageUploadError(
                self.env._("“%(name)s” has no rows.", name=self.name)
            )
        self._set_results(
            state="checked",
            row_count=count,
            next_row=0,
            next_offset=0,
            next_line=0,
            repeats=repeats,
            preview=self._make_preview(result, taken.after.row),
            error=False,
        )

    def _scan(self, stream):
        """Count the rows, and find those without an id that stand there repeatedly.

        :return: number of rows, and a count of 0 by digest of each such row
        :raise UsageUploadError: too many of them
        """
        # 64 bits of each row: a row taken for another one is only counted in vain.
        digests, count = array("Q"), 0
        for row in read_rows(stream, self.format, Place()):
            count = row.number
            digest = self._get_digest(row.value)
            if digest:
                digests.append(int(digest, 16))
        repeated = {
            f"{one:016x}": 0
            for one, following in pairwise(sorted(digests))
            if one == following
        }
        if len(repeated) > _MAX_REPEATED:
            raise UsageUploadError(
                self.env._(
                    "Over %(count)s rows stand in the file more than once, without an"
                    " id that tells them apart. Add a column with an id.",
                    count=_MAX_REPEATED,
                )
            )
        return count, repeated

    def _get_digest(self, value):
        """Return what rows like this have in common; None when it has an id."""
        if isinstance(value, BrokenRow) or self._has_id(value):
            return None
        return make_hash(self.source_id.code, value)[:16]

    def _has_id(self, value):
        if self.mapping_id:
            return bool(self.mapping_id.id_path)
        return isinstance(value, dict) and value.get("id") not in (None, "")

    # ------------------------------------------------------------------
    # Rows to events
    # ------------------------------------------------------------------
    def _take(self, stream, place, repeats, most):
        """Make events of some rows: so many that they can be stored at once.

        One row may make as many events, or take as many steps, as a request may.

        :param stream: the file
        :param Place place: where to begin
        :param dict repeats: how often rows stood before these; counted up
        :param int most: rows to take at most
        :return: ``Taken``
        """
        events, steps, after = [], 0, place
        for row in read_rows(stream, self.format, place):
            budget = Budget()
            events.extend(self._make_events(row, repeats, budget))
            steps += MAX_STEPS - budget.left
            after = row.after
            if (
                after.row - place.row >= most
                or len(events) >= MAX_EVENTS
                or after.offset - place.offset >= CHUNK_BYTES
                or steps >= MAX_STEPS
            ):
                return Taken(events, after, False)
        return Taken(events, after, True)

    def _ingest_events(self, events, dry_run=False):
        """Store the events of some rows.

        :param list events: of ``_take``
        :return: ``IngestResult``; its events have their origin
        """
        self.ensure_one()
        Event = self.env["saas.usage.event"].with_company(self.company_id)
        if self.is_late_feed:
            Event = Event.with_context(saas_usage_late_feed=True)
        return Event._ingest(
            events, self._saas_correlation(), "upload", dry_run=dry_run
        )

    def _make_events(self, row, repeats, budget):
        origin = Origin(self.source_id.id, upload_id=self.id, row=row.number)
        if isinstance(row.value, BrokenRow):
            return [BrokenRow(row.value.text, row.value.error, origin)]
        digest = self._get_digest(row.value)
        if digest in repeats:
            repeats[digest] += 1
            origin = replace(origin, repeat=repeats[digest])
        if not self.mapping_id:
            return [self._make_event(row.value, origin)]
        try:
            return self.source_id._map_payloads(
                [row.value], origin, self.mapping_id, budget
            )
        except TooManyEventsError as error:
            raise UsageFileError(
                row.after.line,
                _lt("makes more than %(count)s events.", count=MAX_EVENTS),
            ) from error

    def _make_event(self, value, origin):
        """Return the event a row is, whose columns are the attributes."""
        if not isinstance(value, dict):
            text = f"Row {origin.row}: no JSON object"
            return BrokenRow(str(value)[:1000], text, origin)
        code = self.source_id.code
        event = {name: value[name] for name in _ATTRIBUTES if name in value}
        event.setdefault("source", code)
        if not self._has_id(value):
            event["id"] = origin.mark(make_hash(code, value))
        if self.format == "csv":
            rest = {key: v for key, v in value.items() if key not in _ATTRIBUTES}
            event["data"] = rest
        else:
            event = {**value, **event}
        return FileEvent(event, origin)

    # ------------------------------------------------------------------
    # Preview
    # ------------------------------------------------------------------
    def _make_preview(self, result, rows):
        """Return what the form shows of the rows that were tried.

        :param result: ``IngestResult`` of the dry run
        :param int rows: how many were tried
        :return: dict for JSON
        """
        outcomes = {outcome.index: outcome for outcome in result.outcomes}
        bad = [n for n, outcome in outcomes.items() if outcome.status != STORED]
        good = [n for n in range(len(result.events)) if n not in outcomes]
        shown = sorted([*bad[:SHOWN_ROWS], *good[: max(0, SHOWN_ROWS - len(bad))]])
        reasons = Counter(outcome.code for outcome in result.outcomes)
        return {
            "rows": rows,
            "counts": result.counts,
            "reasons": dict(reasons),
            "lines": [self._show(result.events[n], outcomes.get(n)) for n in shown],
        }

    def _show(self, event, outcome):
        is_event = isinstance(event, dict)
        return {
            "row": event.origin.row,
            "event": {name: str(event.get(name, ""))[:80] for name in _ATTRIBUTES}
            if is_event
            else {},
            "data": ", ".join(
                f"{key}: {value}" for key, value in (event.get("data") or {}).items()
            )[:120]
            if is_event and isinstance(event.get("data"), dict)
            else "",
            "code": outcome.code if outcome else STORED,
            "message": outcome.message if outcome else "",
        }

    def _render_preview(self):
        preview = self.preview
        if not preview:
            return False
        counts = preview["counts"]
        head = self.env._(
            "Of the first %(rows)s rows, %(stored)s events would be stored, "
            "%(duplicate)s are known already, %(quarantined)s would wait in the"
            " quarantine.",
            rows=preview["rows"],
            stored=counts["stored"],
            duplicate=counts["duplicate"],
            quarantined=counts["quarantined"],
        )
        titles = [
            self.env._("Row"),
            self.env._("ID"),
            self.env._("Type"),
            self.env._("Subject"),
            self.env._("Time"),
            self.env._("Data"),
            self.env._("Result"),
        ]
        header = Markup().join(Markup("<th>%s</th>") % title for title in titles)
        lines = Markup().join(self._render_line(line) for line in preview["lines"])
        return Markup(
            "<p>%s</p><table class='table table-sm'><thead><tr>%s</tr></thead>"
            "<tbody>%s</tbody></table>"
        ) % (head, header, lines)

    def _render_line(self, line):
        event = line["event"]
        is_stored = line["code"] == STORED
        result = self.env._("good") if is_stored else line["message"]
        cells = [
            line["row"],
            event.get("id", ""),
            event.get("type", ""),
            event.get("subject", ""),
            event.get("time", ""),
            line["data"],
        ]
        return Markup("<tr>%s<td class='%s'>%s</td></tr>") % (
            Markup().join(Markup("<td>%s</td>") % cell for cell in cells),
            "text-success" if is_stored else "text-danger",
            result,
        )
