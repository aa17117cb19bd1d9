# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What a source may ask and tell beside its events; see readme/USAGE.md."""

from datetime import datetime, timedelta, timezone

from odoo import http
from odoo.http import Response, request

from ..engine.event import Rejection, read_time
from .dispatcher import ApiError, json_response
from .usage_body import read_object
from .usage_gate import admit
from .usage_parameters import EVENT_STATUS


class UsageSourceController(http.Controller):
    """Status of an event, and watermarks."""

    @http.route(
        "/saas/v1/usage/status",
        type="saas_rest",
        auth="bearer",
        csrf=False,
        save_session=False,
    )
    def status(self, **_query) -> Response:
        """Answer what became of one event."""
        given = admit("GET", EVENT_STATUS)
        source = request.env["saas.usage.source"]._find_by_code(given["source"])
        if not source or not source._may_send():
            raise _unknown_source()
        answer = request.env["saas.usage.event"]._get_status_answer(source, given["id"])
        if answer is None:
            raise ApiError(
                404,
                "unknown_event",
                "No event with this id of this source is stored or in quarantine:"
                " send it.",
            )
        return json_response(answer)

    @http.route(
        "/saas/v1/usage/watermarks",
        type="saas_rest",
        auth="bearer",
        csrf=False,
        save_session=False,
    )
    def watermark(self, **_query) -> Response:
        """Note up to when a source has sent everything."""
        admit("POST")
        body = read_object(request.httprequest)
        code = body.get("source")
        request.env["saas.usage.event"]._start_ingest()
        source = find_own_source(code)
        until = _read_watermark(body.get("complete_until"), source)
        latest = source._note_watermark(until)
        return json_response(
            {"source": code, "complete_until": f"{latest.isoformat()}Z"}
        )


def find_own_source(code):
    """Return the active source of a code, in superuser mode.

    :param code: as sent, of any type
    :raise ApiError: 404, or 403 when other users send for it
    """
    source = request.env["saas.usage.source"]
    if isinstance(code, str) and code.isprintable():
        source = source._find_by_code(code).filtered("active")
    if not source:
        raise _unknown_source()
    if not source._may_send():
        raise ApiError(403, "forbidden", "This key may not send for this usage source.")
    return source


def _read_watermark(value, source):
    """Return the watermark as naive UTC."""
    until = read_time(value)
    if isinstance(until, Rejection):
        raise _bad_watermark(f"complete_until: {until.message}")
    lead = timedelta(minutes=source.max_future_minutes)
    if until > datetime.now(timezone.utc) + lead:
        raise _bad_watermark("Nobody can have sent what has not happened yet.")
    return until.replace(tzinfo=None)


def _bad_watermark(message):
    return ApiError(422, "bad_watermark", message)


def _unknown_source():
    return ApiError(404, "unknown_source", "No usage source has this code.")
