# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import http
from odoo.http import Response, request

from ..exceptions import AmbiguousSubjectError
from .dispatcher import ApiError, json_response
from .usage_gate import admit
from .usage_parameters import ENTITLEMENTS, MAX_LENGTH

#: Seconds a product may keep an answer.
MAX_AGE = 10


class EntitlementController(http.Controller):
    """What a customer may use, asked by the product before it lets them."""

    @http.route(
        # The second one takes slashes, too, but no line breaks.
        [
            "/saas/v1/entitlements/<string:subject>",
            "/saas/v1/entitlements/<path:subject>",
        ],
        type="saas_rest",
        auth="bearer",
        csrf=False,
        save_session=False,
    )
    def entitlements(self, subject: str, **_query) -> Response:
        """Answer features, limits and what is left of them; see readme/USAGE.md."""
        given = admit("GET", ENTITLEMENTS)
        answer = None
        if len(subject) <= MAX_LENGTH and subject.isprintable():
            given["wallets"] = given["wallets"] == "1"
            try:
                answer = request.env["saas.subscription"]._get_entitlement_answer(
                    subject, **given
                )
            except AmbiguousSubjectError as error:
                raise ApiError(409, "ambiguous_subject", error.args[0]) from error
        if answer is None:
            raise ApiError(
                404,
                "unknown_subject",
                "No account is known by that name. Give the subject as in events, and"
                " a source that knows it.",
            )
        return json_response(
            answer, 200, {"Cache-Control": f"private, max-age={MAX_AGE}"}
        )
