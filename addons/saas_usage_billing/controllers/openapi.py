# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The OpenAPI 3.1 document of the usage API, made of what the code itself uses."""

import hashlib
import json
from functools import cache

from odoo import http
from odoo.http import Response, request

from ..engine.event import SPEC_VERSION
from .dispatcher import CORRELATION_HEADER, ApiError, json_response
from .openapi_schemas import (
    CURRENT,
    ENTITLED,
    ERROR,
    EVENT,
    INGESTED,
    STATUS,
    STRICT,
    VOID,
    WATERMARK,
    ref,
)
from .usage_body import (
    ACCEPTED,
    BATCH_TYPE,
    FEED_TYPES,
    JSON_TYPES,
    MAX_BYTES,
    MAX_EVENTS,
    NDJSON_TYPES,
)
from .usage_parameters import (
    CURRENT_USAGE,
    ENTITLEMENTS,
    EVENT_STATUS,
    INGEST,
    MAX_LENGTH,
)

MAX_AGE = 300
#: Codes of the errors, by status.
ERRORS = {
    400: ("bad_json", "bad_encoding", "bad_gzip", "bad_request"),
    401: ("unauthorized",),
    403: ("forbidden",),
    404: ("unknown_subject", "unknown_source", "unknown_event"),
    405: ("method_not_allowed",),
    409: ("ambiguous_subject",),
    413: ("too_large", "too_many_events"),
    415: ("unsupported_media_type", "unsupported_encoding"),
    422: ("bad_parameter", "bad_watermark", "not_all_stored", "unprocessable"),
    429: ("too_many_requests",),
    500: ("internal_error",),
    503: ("try_again",),
}
_MEANING = {
    400: "Nothing of the body can be read.",
    401: "No API key, or one that is wrong or expired.",
    403: "The user of the key may not do that.",
    404: "Nothing is known by that name.",
    405: "The route has another method, see Allow.",
    409: "Several customers are known by that name.",
    413: f"Over {MAX_BYTES} bytes, also unpacked, or over {MAX_EVENTS} events.",
    415: "Another content type or encoding than those accepted.",
    422: "A parameter or value that cannot be understood.",
    429: "Too many requests of this key; nothing was read.",
    500: "The server failed; nothing was kept, send it again.",
    503: "The database is busy; nothing was kept, send it again.",
}
_EXTRA_HEADERS = {
    401: {"WWW-Authenticate": {"type": "string"}},
    405: {"Allow": {"type": "string"}},
    429: {"Retry-After": {"type": "integer", "minimum": 1}},
    503: {"Retry-After": {"type": "integer", "minimum": 1}},
}
_ALWAYS = (401, 403, 405, 422, 429, 500, 503)
_WITH_BODY = (400, 413, 415)


class OpenApiController(http.Controller):
    """Describe the API to programs."""

    @http.route(
        "/saas/v1/openapi.json",
        type="saas_rest",
        auth="none",
        csrf=False,
        save_session=False,
    )
    def document(self, **_query) -> Response:
        """Answer the OpenAPI document; it is no secret."""
        if request.httprequest.method != "GET":
            raise ApiError(405, "method_not_allowed", "Use GET here.", {"Allow": "GET"})
        text, tag = _get_text()
        response = json_response({}, 200, {"Cache-Control": f"max-age={MAX_AGE}"})
        response.set_data(text)
        response.set_etag(tag)
        return response.make_conditional(request.httprequest.environ)


@cache
def _get_text():
    text = json.dumps(build_document(), ensure_ascii=False, separators=(",", ":"))
    return text, hashlib.sha256(text.encode()).hexdigest()[:32]


def build_document() -> dict:
    """Return the OpenAPI 3.1 document of the usage API."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "SaaS usage API",
            "version": "1",
            "description": "Send usage, ask what became of it, and what it costs.",
            "license": {"name": "AGPL-3.0", "identifier": "AGPL-3.0-or-later"},
        },
        "security": [{"key": []}],
        "paths": {
            "/saas/v1/usage/events": {"post": _ingest()},
            "/saas/v1/usage/feeds/{code}": {"post": _feed()},
            "/saas/v1/usage/watermarks": {"post": _watermark()},
            "/saas/v1/usage/status": {"get": _status()},
            "/saas/v1/usage/current": {"get": _current()},
            "/saas/v1/entitlements/{subject}": {"get": _entitlements()},
        },
        "components": {
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "API key of a user with the role Integration.",
                }
            },
            "schemas": {
                "Event": EVENT,
                "Void": VOID,
                "Ingested": INGESTED,
                "Strict": STRICT,
                "Status": STATUS,
                "Watermark": WATERMARK,
                "Current": CURRENT,
                "Entitlements": ENTITLED,
                "Error": ERROR,
            },
        },
    }


# ----------------------------------------------------------------------
# Operations
# ----------------------------------------------------------------------
def _ingest():
    event = {"anyOf": [ref("Event"), ref("Void")]}
    events = {"type": "array", "items": event, "maxItems": MAX_EVENTS}
    content = {
        kind: {"schema": {"anyOf": [*event["anyOf"], events]}} for kind in JSON_TYPES
    }
    content[BATCH_TYPE] = {"schema": events}
    lines = {"type": "string", "description": "One event as JSON a line."}
    content |= {kind: {"schema": lines} for kind in NDJSON_TYPES}
    return {
        "operationId": "sendUsage",
        "summary": "Store usage events",
        "description": (
            f"CloudEvents {SPEC_VERSION} in structured, batch or binary mode, plain or"
            f" gzipped: {', '.join(ACCEPTED)}. Each event is stored, a duplicate or"
            " quarantined, whatever becomes of the others; sending again is harmless."
        ),
        "parameters": _ingest_parameters(),
        "requestBody": {"required": True, "content": content},
        "responses": _ingest_answers(),
    }


def _feed():
    anything = {"description": "JSON in the shape of the source, or an array of it."}
    content = {kind: {"schema": anything} for kind in FEED_TYPES}
    code = _path_parameter("code", "Code of the usage source.")
    return {
        "operationId": "sendFeed",
        "summary": "Store usage events made of payloads in another shape",
        "description": (
            "The mappings of the source make events of each payload; what no mapping"
            " makes an event of is quarantined as mapping_failed."
        ),
        "parameters": [code, *_ingest_parameters()],
        "requestBody": {"required": True, "content": content},
        "responses": _ingest_answers(404),
    }


def _ingest_parameters():
    return [
        *(
            _parameter(name, {"type": "string", "enum": list(values)})
            for name, values in INGEST.items()
        ),
        _correlation_parameter(),
    ]


def _ingest_answers(*statuses):
    answers = _answers("Ingested", *statuses, *_WITH_BODY, *_ALWAYS)
    # With strict=1 the counts and events come with the error.
    answers["422"]["content"]["application/json"]["schema"] = {
        "anyOf": [ref("Strict"), _error_schema(422)]
    }
    return answers


def _watermark():
    schema = {"schema": ref("Watermark")}
    return {
        "operationId": "sendWatermark",
        "summary": "Say up to when a source has sent everything",
        "parameters": [_correlation_parameter()],
        "requestBody": {"required": True, "content": {JSON_TYPES[0]: schema}},
        "responses": _answers("Watermark", 404, *_WITH_BODY, *_ALWAYS),
    }


def _status():
    return {
        "operationId": "getEventStatus",
        "summary": "Ask what became of one event",
        "parameters": [
            *(_parameter(name, _text(), required=True) for name in EVENT_STATUS),
            _correlation_parameter(),
        ],
        "responses": _answers("Status", 404, *_ALWAYS),
    }


def _current():
    return {
        "operationId": "getCurrentUsage",
        "summary": "Ask for quantity and amount of the running period",
        "description": "Give subject and source, or subscription.",
        "parameters": [*_parameters(CURRENT_USAGE), _correlation_parameter()],
        "responses": _answers("Current", 404, 409, *_ALWAYS),
    }


def _entitlements():
    return {
        "operationId": "getEntitlements",
        "summary": "Ask what a subject may use",
        "description": "All features of the company, granted or not, and what is left.",
        "parameters": [
            _path_parameter("subject", "Subject as in events; it may have slashes."),
            *_parameters(ENTITLEMENTS),
            _correlation_parameter(),
        ],
        "responses": _answers("Entitlements", 404, 409, *_ALWAYS),
    }


# ----------------------------------------------------------------------
# Pieces
# ----------------------------------------------------------------------
def _text():
    return {"type": "string", "maxLength": MAX_LENGTH}


def _parameters(allowed):
    """Yield query parameters.

    :param dict allowed: values by name, see ``usage_parameters``
    """
    for name, values in allowed.items():
        schema = {"type": "string", "enum": list(values)} if values else _text()
        yield _parameter(name, schema)


def _parameter(name, schema, required=False):
    return {"name": name, "in": "query", "required": required, "schema": schema}


def _path_parameter(name, description):
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string", "minLength": 1},
    }


def _correlation_parameter():
    return {
        "name": CORRELATION_HEADER,
        "in": "header",
        "description": "Echoed when it has up to 128 printable characters, else new.",
        "schema": {"type": "string"},
    }


def _answers(schema, *statuses):
    answers = {"200": _answer("What was asked for.", ref(schema), {})}
    for status in sorted(statuses):
        answers[str(status)] = _answer(
            _MEANING[status], _error_schema(status), _EXTRA_HEADERS.get(status, {})
        )
    return answers


def _answer(description, schema, headers):
    names = {CORRELATION_HEADER: {"type": "string"}, **headers}
    return {
        "description": description,
        "headers": {
            **{
                name: {"required": True, "schema": kind} for name, kind in names.items()
            },
            "X-RateLimit-Limit": {"schema": {"type": "integer"}},
            "X-RateLimit-Remaining": {"schema": {"type": "integer"}},
        },
        "content": {"application/json": {"schema": schema}},
    }


def _error_schema(status):
    codes = {"properties": {"code": {"enum": list(ERRORS[status])}}}
    return {"allOf": [ref("Error"), {"properties": {"error": codes}}]}
