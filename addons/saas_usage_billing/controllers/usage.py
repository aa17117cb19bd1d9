# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Usage over HTTP. Answers are documented in readme/USAGE.md."""

from odoo import http
from odoo.http import Response, request

from ..exceptions import AmbiguousSubjectError
from .dispatcher import ApiError, correlation_id, json_response
from .usage_body import read_events
from .usage_gate import admit
from .usage_parameters import CURRENT_USAGE, INGEST


def answer_ingest(result, given) -> Response:
    """Answer what became of the events of a request.

    :param result: ``IngestResult``
    :param dict given: query parameters, see ``usage_parameters.INGEST``
    """
    answer = result.as_answer(everything=given["details"] == "all")
    if given["strict"] == "1" and result.counts["quarantined"]:
        # No exception: what was good stays stored.
        answer["error"] = {
            "code": "not_all_stored",
            "message": "Some events were not stored; see events.",
        }
        return json_response(answer, 422)
    return json_response(answer)


class UsageController(http.Controller):
    """Ingest and current usage for product systems."""

    @http.route(
        "/saas/v1/usage/events",
        type="saas_rest",
        auth="bearer",
        csrf=False,
        save_session=False,
    )
    def ingest(self, **_query) -> Response:
        """Store usage events; see readme/USAGE.md for every answer."""
        given = admit("POST", INGEST)
        events = read_events(request.httprequest)
        Event = request.env["saas.usage.event"]
        Event._start_ingest()
        result = Event._ingest(
            events,
            correlation_id(request.httprequest),
            dry_run=given["dry_run"] == "1",
        )
        return answer_ingest(result, given)

    @http.route(
        "/saas/v1/usage/current",
        type="saas_rest",
        auth="bearer",
        csrf=False,
        save_session=False,
    )
    def current(self, **_query) -> Response:
        """Answer quantity and amount of the current period, per meter."""
        given = admit("GET", CURRENT_USAGE)
        by_day, wallets = (given.pop(name) == "1" for name in ("days", "wallets"))
        try:
            found = request.env["saas.subscription"]._find_for_usage(**given)
        except AmbiguousSubjectError as error:
            raise ApiError(409, "ambiguous_subject", error.args[0]) from error
        if not found:
            raise ApiError(
                404,
                "unknown_subject",
                "No subscription is known by that name. Give subject and source, or"
                " subscription=<number>.",
            )
        return json_response(found._get_current_usage_answer(by_day, wallets))
