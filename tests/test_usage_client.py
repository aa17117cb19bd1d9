# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The client for product systems against a server that answers what it is told to."""

import gzip
import json
import threading
import uuid
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tools import saas_usage_client as client_module
from tools.saas_usage_client import (
    Refused,
    UsageClient,
    UsageClientError,
    make_id,
    make_pause,
    read_retry_after,
)


class Told:
    """What the server answers next, and what it was sent."""

    def __init__(self):
        self.answers = []
        self.requests = []
        self.url = ""

    @property
    def batches(self):
        return [json.loads(gzip.decompress(body)) for _headers, body in self.requests]

    @property
    def ids(self):
        return [event["id"] for batch in self.batches for event in batch]


@pytest.fixture
def told():
    state = Told()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.requests.append((dict(self.headers), body))
            answer = state.answers.pop(0) if state.answers else (200, {}, {})
            if answer is None:
                self.close_connection = True
                return
            status, headers, content = answer
            data = json.dumps(content).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """Pauses taken, without taking them."""
    taken = []
    monkeypatch.setattr(client_module.time, "sleep", taken.append)
    monkeypatch.setenv("NO_PROXY", "*")
    return taken


def make_client(told, **options):
    return UsageClient(told.url, "secret", "app", **{"max_wait": 60, **options})


def test_event_is_sent_as_cloud_event(told):
    at = datetime(2026, 4, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    with make_client(told) as usage:
        usage.send("api.request", "t-1", {"bytes": 5}, id="e1", time=at)
    headers, _body = told.requests[0]
    assert headers["Authorization"] == "Bearer secret"
    assert headers["Content-Type"] == "application/cloudevents-batch+json"
    assert told.batches == [
        [
            {
                "specversion": "1.0",
                "id": "e1",
                "source": "app",
                "type": "api.request",
                "subject": "t-1",
                "time": "2026-04-01T10:00:00+00:00",
                "data": {"bytes": 5},
            }
        ]
    ]


def test_times_that_are_text_are_sent_as_they_are(told):
    with make_client(told) as usage:
        usage.send("a", "s", time="2026-04-01T12:00:00.000000001+02:00")
    assert told.batches[0][0]["time"] == "2026-04-01T12:00:00.000000001+02:00"


def test_batches_by_size_and_the_rest_at_the_end(told):
    with make_client(told, batch_size=10) as usage:
        sent = [usage.send("a", "s") for _number in range(25)]
    assert [len(batch) for batch in told.batches] == [10, 10, 5]
    assert told.ids == sent


def test_batch_leaves_when_it_is_old_enough(told):
    usage = make_client(told, max_wait=0.05)
    usage.send("a", "s")
    threading.Event().wait(1)
    assert len(told.requests) == 1
    usage.close()
    assert len(told.requests) == 1


def test_flush_delivers_what_waits(told):
    usage = make_client(told)
    usage.send("a", "s")
    usage.flush()
    assert len(told.requests) == 1
    usage.flush()
    assert len(told.requests) == 1
    usage.close()
    usage.close()


def test_what_the_server_did_not_take_is_sent_again_as_it_was(told, pauses):
    told.answers = [
        (503, {"Retry-After": "7"}, {}),
        None,
        (429, {"Retry-After": "3"}, {}),
        (502, {}, {}),
        (200, {}, {"events": []}),
    ]
    with make_client(told) as usage:
        usage.send("a", "s")
    assert len(told.requests) == 5
    assert len({body for _headers, body in told.requests}) == 1
    waited = [pause for pause in pauses if pause]
    assert waited[0] == 7
    assert 3 in waited


def test_gives_up_and_hands_back_the_events(told):
    told.answers = [(500, {}, {})] * 6
    usage = make_client(told, retries=2)
    usage.send("a", "s", id="one")
    with pytest.raises(UsageClientError) as raised:
        usage.flush()
    assert [event["id"] for event in raised.value.events] == ["one"]
    assert len(told.requests) == 3
    # What failed is told once, the others go on.
    told.answers = []
    usage.send("a", "s", id="two")
    usage.close()
    assert told.ids[-1] == "two"


def test_refusal_is_not_repeated(told):
    error = {"error": {"code": "forbidden", "message": "no"}}
    told.answers = [(403, {}, error)]
    usage = make_client(told)
    usage.send("a", "s", id="one")
    with pytest.raises(Refused) as raised:
        usage.close()
    assert (raised.value.status, raised.value.code) == (403, "forbidden")
    assert [event["id"] for event in raised.value.events] == ["one"]
    assert len(told.requests) == 1


def test_refusal_of_somebody_else_is_repeated(told):
    # So answers Odoo while its database is away.
    told.answers = [(404, {}, "No database is selected"), (404, {}, {"error": "no"})]
    with make_client(told) as usage:
        usage.send("a", "s", id="one")
    assert told.ids == ["one"] * 3


def test_problems_go_to_the_callback(told):
    entries = [
        {"index": 0, "id": "a", "status": "duplicate", "code": "d", "message": ""},
        {"index": 1, "id": "b", "status": "quarantined", "code": "q", "message": ""},
    ]
    told.answers = [(200, {}, {"events": entries})] * 2
    problems = []

    def note(event, entry):
        problems.append((event["id"], entry["code"]))
        raise RuntimeError("must not stop the client")

    with make_client(told, on_problem=note) as usage:
        for _batch in range(2):
            usage.send("x", "s", id="a")
            usage.send("x", "s", id="b")
            usage.flush()
    assert problems == [("b", "q")] * 2


def test_threads_lose_nothing(told):
    with make_client(told, batch_size=7, capacity=5) as usage:
        sent = []

        def work():
            sent.extend(usage.send("a", "s") for _number in range(50))

        threads = [threading.Thread(target=work) for _number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(told.ids) == sorted(sent)
    assert len(set(sent)) == 200


def test_bad_use_is_told_at_once(told):
    usage = make_client(told)
    with pytest.raises(TypeError):
        usage.send("a", "s", {"x": object()})
    with pytest.raises(ValueError, match="time zone"):
        usage.send("a", "s", time=datetime(2026, 1, 1))
    usage.send("a", "s", {"x": Decimal("0.10")})
    usage.close()
    with pytest.raises(UsageClientError):
        usage.send("a", "s")
    with pytest.raises(ValueError, match="batch_size"):
        make_client(told, batch_size=0)
    assert told.batches[0][0]["data"] == {"x": "0.10"}


def test_events_are_taken_back_and_replaced(told):
    at = datetime(2026, 4, 1, 10, tzinfo=timezone.utc)
    with make_client(told) as usage:
        sent = [
            usage.void("e1"),
            usage.void("e2", id="v2"),
            usage.replace("e3", "a", "s", {"x": 1}, id="r3", time=at),
        ]
    common = {"specversion": "1.0", "source": "app"}
    assert told.batches == [
        [
            {**common, "id": sent[0], "voids": "e1"},
            {**common, "id": "v2", "voids": "e2"},
            {
                **common,
                "id": "r3",
                "replaces": "e3",
                "type": "a",
                "subject": "s",
                "time": "2026-04-01T10:00:00+00:00",
                "data": {"x": 1},
            },
        ]
    ]
    assert sent[1:] == ["v2", "r3"]


def test_ids_are_uuids_in_order():
    ids = [make_id() for _number in range(1000)]
    assert len(set(ids)) == 1000
    for text in ids:
        parsed = uuid.UUID(text)
        assert (parsed.version, str(parsed)) == (7, text)
        assert parsed.variant == uuid.RFC_4122
    assert [text[:13] for text in ids] == sorted(text[:13] for text in ids)


def test_pauses_grow_and_are_bounded():
    assert all(0 <= make_pause(n) <= min(60, 0.5 * 2**n) for n in range(100))
    assert read_retry_after("2") == 2
    assert read_retry_after(None) == read_retry_after("soon") == 0
    later = datetime.now(timezone.utc) + timedelta(seconds=90)
    assert 60 < read_retry_after(format_datetime(later)) <= 90
