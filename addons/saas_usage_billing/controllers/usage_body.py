# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Turn the body of an ingest request into a list of events.

Accepted: one JSON object, an array, CloudEvents in structured, batch and binary
mode, NDJSON; each plain or gzipped. Numbers keep every digit (``Decimal``).
"""

import zlib
from urllib.parse import unquote

from werkzeug.exceptions import RequestEntityTooLarge

from ..models.usage_json import load, load_flat
from ..models.usage_plain import read_plain
from ..models.usage_screen import BrokenEvent
from .dispatcher import ApiError

MAX_BYTES = 20 * 1024 * 1024
MAX_EVENTS = 10_000
JSON_TYPES = ("application/json", "application/cloudevents+json")
BATCH_TYPE = "application/cloudevents-batch+json"
NDJSON_TYPES = ("application/x-ndjson", "application/ndjson", "application/jsonl")
ACCEPTED = (*JSON_TYPES, BATCH_TYPE, *NDJSON_TYPES)
FEED_TYPES = (JSON_TYPES[0], *NDJSON_TYPES)
_CE_ATTRIBUTES = ("id", "source", "type", "subject", "time", "specversion") + (
    "voids",
    "replaces",
)


def read_events(httprequest) -> list:
    """Return the events of a request.

    :return: what was sent, one item per event, in order; ``PlainEvent`` when all are
        plain, else usually dicts. A line of NDJSON that cannot be read becomes a
        ``BrokenEvent``.
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
        events = read_plain(text) or _json(text, mimetype)
    if len(events) > MAX_EVENTS:
        raise too_many(len(events))
    return events


def read_payloads(httprequest) -> list:
    """Return the payloads of a request to a feed, whatever their shape.

    :return: one item per payload: an object, the members of an array, or the lines of
        NDJSON; a line that cannot be read becomes a ``BrokenEvent``
    :raise ApiError: 400, 413 or 415, when nothing of the body can be used
    """
    mimetype = httprequest.mimetype
    if mimetype not in FEED_TYPES:
        raise _unsupported(FEED_TYPES)
    text = _decode(_unzip(httprequest, _read(httprequest)))
    if mimetype in NDJSON_TYPES:
        payloads = _lines(text, load_flat)
    else:
        payloads = _json(text, mimetype, load_flat)
    if len(payloads) > MAX_EVENTS:
        raise too_many(len(payloads))
    return payloads


def too_many(number: int) -> ApiError:
    """Return the refusal of a request with more events than are taken at once.

    :param number: of its events
    """
    return ApiError(
        413,
        "too_many_events",
        f"At most {MAX_EVENTS} events a request; this one has {number}."
        " Send smaller batches.",
    )


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


def _json(text, mimetype, read=load):
    try:
        data = read(text)
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


def _lines(text, read=load):
    events = []
    for line in text.split("\n"):
        line = line.strip()
        if not line:
            continue
        try:
            events.append(read(line))
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
