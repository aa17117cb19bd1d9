# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Usage over HTTP. Answers are documented in readme/USAGE.md."""

from odoo import http
from odoo.http import Response, request

from .dispatcher import ApiError, correlation_id, json_response
from .usage_body import read_events

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
    def ingest(self, details: str = "") -> Response:
        """Store usage events; see readme/USAGE.md for every answer."""
        self._check_method("POST")
        self._check_role()
        events = read_events(request.httprequest)
        Event = request.env["saas.usage.event"]
        Event._start_ingest()
        result = Event._ingest(events, correlation_id(request.httprequest))
        return json_response(result.as_answer(everything=details == "all"))

    @http.route(
        "/saas/v1/usage/current",
        type="saas_rest",
        auth="bearer",
        csrf=False,
        save_session=False,
    )
    def current(self, subject: str = "", source: str = "", subscription: str = ""):
        """Answer quantity and amount of the current period, per meter."""
        self._check_method("GET")
        self._check_role()
        found = request.env["saas.subscription"]._find_for_usage(
            subject=subject, source=source, subscription=subscription
        )
        if len(found) != 1:
            raise ApiError(
                404,
                "unknown_subject",
                "No single subscription is known by that name. Give subject and"
                " source, or subscription=<number>.",
            )
        return json_response(found._get_current_usage_answer())

    @staticmethod
    def _check_method(method):
        if request.httprequest.method != method:
            raise ApiError(
                405, "method_not_allowed", f"Use {method} here.", {"Allow": method}
            )

    @staticmethod
    def _check_role():
        if not request.env.user.has_group(_GROUP):
            raise ApiError(
                403,
                "forbidden",
                "The user of this API key does not have the Integration role.",
            )
