# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Turn the body of an ingest request into a list of events.

Accepted: one JSON object, an array, CloudEvents in structured, batch and binary
mode, NDJSON; each plain or gzipped. Numbers keep every digit (``Decimal``).
"""

import json
import zlib
from decimal import Decimal, InvalidOperation
from urllib.parse import unquote

from werkzeug.exceptions import RequestEntityTooLarge

from ..models.usage_screen import BrokenEvent
from .dispatcher import ApiError

MAX_BYTES = 20 * 1024 * 1024
MAX_EVENTS = 10_000
JSON_TYPES = ("application/json", "application/cloudevents+json")
BATCH_TYPE = "application/cloudevents-batch+json"
NDJSON_TYPES = ("application/x-ndjson", "application/ndjson", "application/jsonl")
ACCEPTED = (*JSON_TYPES, BATCH_TYPE, *NDJSON_TYPES)
_CE_ATTRIBUTES = ("id", "source", "type", "subject", "time", "specversion")
#: Decimals beyond this exponent are kept as text, so that no sum can be blown up.
_MAX_EXPONENT = 400


def read_events(httprequest) -> list:
    """Return the events of a request.

    :return: what was sent, one item per event, in order; usually dicts. A line of
        NDJSON that cannot be read becomes a ``BrokenEvent``.
    :raise ApiError: 400, 413 or 415, when nothing of the body can be used
    """
    mimetype = httprequest.mimetype
    binary = "ce-id" in httprequest.headers or "ce-type" in httprequest.headers
    if not binary and mimetype not in ACCEPTED:
        raise _unsupported(ACCEPTED)
    text = _decode(_unzip(httprequest, _read(httprequest)))
    if binary:
        events = [_binary_event(httprequest, text)]
    elif mimetype in NDJSON_TYPES:
        events = _lines(text)
    else:
        events = _json(text, mimetype)
    if len(events) > MAX_EVENTS:
        raise ApiError(
            413,
            "too_many_events",
            f"At most {MAX_EVENTS} events a request; this one has {len(events)}."
            " Send smaller batches.",
        )
    return events


def read_object(httprequest) -> dict:
    """Return the JSON object of a request.

    :return: dict, numbers as int or ``Decimal``
    :raise ApiError: 400, 413 or 415
    """
    if httprequest.mimetype != JSON_TYPES[0]:
        raise _unsupported(JSON_TYPES[:1])
    text = _decode(_unzip(httprequest, _read(httprequest)))
    try:
        data = load(text)
    except ValueError as error:
        raise ApiError(
            400, "bad_json", f"The body is not valid JSON: {error}."
        ) from error
    if not isinstance(data, dict):
        raise ApiError(400, "bad_json", "Send a JSON object.")
    return data


def _unsupported(accepted):
    return ApiError(
        415,
        "unsupported_media_type",
        "Send one of these content types: " + ", ".join(accepted) + ".",
        {"Accept": ", ".join(accepted)},
    )


def _too_large():
    return ApiError(
        413,
        "too_large",
        f"A request may have {MAX_BYTES // 1024 // 1024} MB, also after unpacking."
        " Send smaller batches.",
    )


def _read(httprequest):
    if (httprequest.content_length or 0) > MAX_BYTES:
        raise _too_large()
    try:
        # Cached by the request, since a transaction that failed is run again.
        body = httprequest.get_data(cache=True, parse_form_data=False)
    except RequestEntityTooLarge as error:
        raise _too_large() from error
    if len(body) > MAX_BYTES:
        raise _too_large()
    return body


def _unzip(httprequest, body):
    encoding = httprequest.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding == "identity":
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise ApiError(
            415,
            "unsupported_encoding",
            "Only gzip is understood as Content-Encoding.",
            {"Accept-Encoding": "gzip"},
        )
    # Never unpack more than the limit, however small the packed body is.
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        data = unpacker.decompress(body, MAX_BYTES + 1)
    except zlib.error as error:
        raise ApiError(400, "bad_gzip", "The body is not valid gzip.") from error
    if len(data) > MAX_BYTES:
        raise _too_large()
    if not unpacker.eof or unpacker.unused_data:
        raise ApiError(
            400, "bad_gzip", "The gzip body is cut off, or something follows its end."
        )
    return data


def _decode(body):
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ApiError(
            400, "bad_encoding", f"The body is not UTF-8: byte {error.start}."
        ) from error


def _number(text):
    try:
        value = Decimal(text)
    except InvalidOperation:
        return text
    return value if abs(value.adjusted()) <= _MAX_EXPONENT else text


def _integer(text):
    return int(text) if len(text) <= _MAX_EXPONENT else text


def _constant(name):
    raise ValueError(f"{name} is not JSON")


def load(text: str):
    """Parse JSON strictly and exactly.

    :raise ValueError: not JSON
    """
    try:
        return json.loads(text, parse_float=_number, parse_constant=_constant)
    except json.JSONDecodeError:
        raise
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    except ValueError:
        # An integer too long for Python's limit: such numbers are kept as text.
        return json.loads(
            text, parse_float=_number, parse_int=_integer, parse_constant=_constant
        )


def _json(text, mimetype):
    try:
        data = load(text)
    except ValueError as error:
        raise ApiError(
            400, "bad_json", f"The body is not valid JSON: {error}."
        ) from error
    if mimetype == BATCH_TYPE and not isinstance(data, list):
        raise ApiError(400, "bad_json", f"{BATCH_TYPE} must be an array of events.")
    if isinstance(data, dict):
        return [data]
    if not isinstance(data, list):
        raise ApiError(400, "bad_json", "Send an event object or an array of them.")
    return data


def _lines(text):
    events = []
    for line in text.split("\n"):
        line = line.strip()
        if not line:
            continue
        try:
            events.append(load(line))
        except ValueError as error:
            events.append(BrokenEvent(line, str(error)))
    return events


def _binary_event(httprequest, text):
    event = {
        name: unquote(httprequest.headers[f"ce-{name}"])
        for name in _CE_ATTRIBUTES
        if f"ce-{name}" in httprequest.headers
    }
    if not text:
        return event
    try:
        event["data"] = load(text)
    except ValueError as error:
        return BrokenEvent(text, str(error))
    return event
