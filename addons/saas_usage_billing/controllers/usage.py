# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Usage over HTTP. Answers are documented in readme/USAGE.md."""

from odoo import http
from odoo.http import Response, request

from ..models.usage_rate import take_call
from .dispatcher import ApiError, correlation_id, json_response, note_headers
from .usage_body import read_events
from .usage_parameters import INGEST, TEXT, read_parameters

_GROUP = "saas_core.group_saas_core_integration"


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
        given = self._admit("POST", INGEST)
        events = read_events(request.httprequest)
        Event = request.env["saas.usage.event"]
        Event._start_ingest()
        result = Event._ingest(
            events,
            correlation_id(request.httprequest),
            dry_run=given["dry_run"] == "1",
        )
        answer = result.as_answer(everything=given["details"] == "all")
        if given["strict"] == "1" and result.counts["quarantined"]:
            # No exception: what was good stays stored.
            answer["error"] = {
                "code": "not_all_stored",
                "message": "Some events were not stored; see events.",
            }
            return json_response(answer, 422)
        return json_response(answer)

    @http.route(
        "/saas/v1/usage/current",
        type="saas_rest",
        auth="bearer",
        csrf=False,
        save_session=False,
    )
    def current(self, **_query) -> Response:
        """Answer quantity and amount of the current period, per meter."""
        given = self._admit(
            "GET", {"subject": TEXT, "source": TEXT, "subscription": TEXT}
        )
        found = request.env["saas.subscription"]._find_for_usage(**given)
        if len(found) != 1:
            raise ApiError(
                404,
                "unknown_subject",
                "No single subscription is known by that name. Give subject and"
                " source, or subscription=<number>.",
            )
        return json_response(found._get_current_usage_answer())

    # ------------------------------------------------------------------
    # Before anything of the body is read
    # ------------------------------------------------------------------
    def _admit(self, method, parameters):
        """Check method, role, rate and parameters, in this order.

        :param str method: the only one the route answers
        :param dict parameters: what it understands, see ``usage_parameters``
        :return: parameters by name
        :raise ApiError: 405, 403, 429 or 422
        """
        if request.httprequest.method != method:
            raise ApiError(
                405, "method_not_allowed", f"Use {method} here.", {"Allow": method}
            )
        if not request.env.user.has_group(_GROUP):
            raise ApiError(
                403,
                "forbidden",
                "The user of this API key does not have the Integration role.",
            )
        self._count_call()
        return read_parameters(request.httprequest, parameters)

    @staticmethod
    def _count_call():
        environ = request.httprequest.environ
        rate = request.env.user._get_saas_usage_rate()
        # A transaction that failed is run again: still the same request.
        if not rate or "saas.usage_call" in environ:
            return
        call = take_call(request.env.registry, request.env.uid, rate)
        environ["saas.usage_call"] = call
        note_headers(
            request.httprequest,
            {
                "X-RateLimit-Limit": str(call.limit),
                "X-RateLimit-Remaining": str(call.remaining),
            },
        )
        if call.retry_after:
            raise ApiError(
                429,
                "too_many_requests",
                "This key sends too many requests: wait as long as Retry-After says,"
                " or send larger batches.",
                {"Retry-After": str(call.retry_after)},
            )
