# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""JSON answers for every outcome of an API route, errors included.

Odoo's own dispatchers answer errors in HTML, or in JSON with a traceback. An API
client of another system needs neither.
"""

import json
import re
import uuid

import psycopg2
from werkzeug.exceptions import HTTPException, Unauthorized

from odoo.exceptions import (
    AccessDenied,
    AccessError,
    ConcurrencyError,
    UserError,
)
from odoo.http import Dispatcher, Response, SessionExpiredException

CORRELATION_HEADER = "X-Correlation-Id"
_CORRELATION = re.compile(r"[\x21-\x7e]{1,128}")

# Serialization failures, deadlocks and lost connections are operational errors.
_TRY_AGAIN = (ConcurrencyError, psycopg2.OperationalError, psycopg2.InterfaceError)

_CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    411: "length_required",
    413: "too_large",
    415: "unsupported_media_type",
    422: "unprocessable",
    429: "too_many_requests",
    503: "try_again",
}


class ApiError(HTTPException):
    """An answer other than 200, decided by the route itself.

    :param int status: HTTP status
    :param str code: stable word for programs
    :param str message: sentence for people: what is wrong and what to do
    :param dict headers: extra headers of the answer
    """

    def __init__(self, status, code, message, headers=None):
        super().__init__(message)
        self.code = status
        self.error = code
        self.extra_headers = headers or {}


def correlation_id(httprequest) -> str:
    """Return the client's correlation id, or a new one.

    The same one every time within a request. An id with spaces, control characters
    or more than 128 characters is replaced.
    """
    environ = httprequest.environ
    if "saas.correlation_id" not in environ:
        given = httprequest.headers.get(CORRELATION_HEADER, "")
        usable = _CORRELATION.fullmatch(given)
        environ["saas.correlation_id"] = given if usable else uuid.uuid4().hex
    return environ["saas.correlation_id"]


def note_headers(httprequest, headers):
    """Have headers added to the answer of a request, whatever it will be.

    :param dict headers: values by name
    """
    httprequest.environ.setdefault("saas.headers", {}).update(headers)


def _get_common_headers(httprequest):
    return {
        CORRELATION_HEADER: correlation_id(httprequest),
        **httprequest.environ.get("saas.headers", {}),
    }


def json_response(data, status=200, headers=None):
    """Return a compact JSON response.

    :param data: what ``json`` can write
    """
    body = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    response = Response(body, status=status, content_type="application/json")
    for name, value in (headers or {}).items():
        response.headers[name] = value
    return response


class SaasRestDispatcher(Dispatcher):
    """Route type ``saas_rest``: body left to the route, every answer in JSON."""

    routing_type = "saas_rest"
    mimetypes = ("*/*",)

    @classmethod
    def is_compatible_with(cls, request):
        """Accept every content type; the route answers 415 itself."""
        return True

    def dispatch(self, endpoint, args):
        """Call the route with its query and path parameters.

        :return: response
        """
        self.request.params = {**self.request.httprequest.args, **args}
        if self.request.db:
            return self.request.registry["ir.http"]._dispatch(endpoint)
        return endpoint(**self.request.params)

    def post_dispatch(self, response):
        """Echo the correlation id and add what the route noted."""
        response.headers.update(_get_common_headers(self.request.httprequest))
        return super().post_dispatch(response)

    def handle_error(self, exc):
        """Turn any exception into ``{"error": {"code", "message"}}``.

        :return: response, never with internal details
        """
        httprequest = self.request.httprequest
        error = self._get_api_error(exc)
        return json_response(
            {"error": {"code": error.error, "message": error.description}},
            error.code,
            {**_get_common_headers(httprequest), **error.extra_headers},
        )

    def _get_api_error(self, exc):
        if isinstance(exc, ApiError):
            return exc
        if isinstance(exc, AccessDenied) and isinstance(
            exc.__context__, psycopg2.Error
        ):
            # Odoo calls everything that fails while it looks at a key a wrong key; a
            # client would drop what it could send again a moment later.
            exc = exc.__context__
        if isinstance(exc, (Unauthorized, AccessDenied, SessionExpiredException)):
            return ApiError(
                401,
                "unauthorized",
                "Send a valid API key as: Authorization: Bearer <key>.",
                {"WWW-Authenticate": "Bearer"},
            )
        if isinstance(exc, AccessError):
            return ApiError(403, "forbidden", "This user may not do that.")
        if isinstance(exc, UserError):
            return ApiError(422, "unprocessable", str(exc.args[0]))
        if isinstance(exc, HTTPException) and exc.code:
            return ApiError(
                exc.code,
                _CODES.get(exc.code, "error"),
                exc.description or exc.name,
                self._get_kept_headers(exc),
            )
        if isinstance(exc, _TRY_AGAIN):
            return ApiError(
                503,
                "try_again",
                "The database is busy. Nothing of this request was kept: send it"
                " again.",
                {"Retry-After": "1"},
            )
        return ApiError(
            500,
            "internal_error",
            "The server failed. Nothing of this request was kept; send it again, and"
            " give the correlation id to the administrator if it goes on.",
        )

    @staticmethod
    def _get_kept_headers(exc):
        return {
            name: value
            for name, value in exc.get_headers()
            if name in ("Allow", "Retry-After", "WWW-Authenticate")
        }
