# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Usage in shapes of the senders' own; see readme/USAGE.md."""

from odoo import http
from odoo.http import Response, request

from ..models.usage_mapping import TooManyEventsError
from .dispatcher import correlation_id
from .usage import answer_ingest
from .usage_body import MAX_EVENTS, read_payloads, too_many
from .usage_gate import admit
from .usage_parameters import INGEST
from .usage_source import find_own_source


class UsageFeedController(http.Controller):
    """Ingest through the mappings of a source."""

    @http.route(
        # Codes may have slashes; a path may have anything else.
        ["/saas/v1/usage/feeds/<string:code>", "/saas/v1/usage/feeds/<path:code>"],
        type="saas_rest",
        auth="bearer",
        csrf=False,
        save_session=False,
    )
    def feed(self, code, **_query) -> Response:
        """Store usage events made of payloads in another shape."""
        given = admit("POST", INGEST)
        payloads = read_payloads(request.httprequest)
        Event = request.env["saas.usage.event"]
        Event._start_ingest()
        source = find_own_source(code)
        try:
            result = Event._ingest_feed(
                source,
                payloads,
                correlation_id(request.httprequest),
                dry_run=given["dry_run"] == "1",
            )
        except TooManyEventsError as error:
            raise too_many(f"more than {MAX_EVENTS}") from error
        return answer_ingest(result, given)
