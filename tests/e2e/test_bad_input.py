# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What the usage endpoint answers to input it cannot take.

Every bad event travels between two good ones: nothing else of a batch may be lost.
"""

import json
from datetime import datetime, timedelta, timezone
from itertools import count

import pytest

from tools.story import usage
from tools.story.odoo_client import Odoo
from tools.story.usage_client import UsageClient
from tools.story.world import SOURCE

_numbers = count(1)


@pytest.fixture(scope="module")
def client(world):
    connection = UsageClient(world.url, world.access.usage_key)
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def good(story, world):
    """Make a good event of the main customer, another one at each call."""
    host = next(r.host for r in world.requests if usage.index_of(world, r.host) == 0)
    at = datetime.now(timezone.utc) - timedelta(seconds=30)

    def make(**changes):
        event = {
            "specversion": "1.0",
            "id": f"bad-input/{next(_numbers)}",
            "source": SOURCE,
            "type": "api.request",
            "subject": host,
            "time": at.isoformat(timespec="seconds"),
            "data": {"bytes": 10},
        }
        event.update(changes)
        return {key: value for key, value in event.items() if value is not None}

    return make


def _future():
    return (datetime.now(timezone.utc) + timedelta(days=2)).isoformat()


BAD_EVENTS = {
    "unknown subject": ({"subject": "nobody.example"}, "unknown_subject"),
    "missing id": ({"id": None}, "missing_id"),
    "negative value": ({"data": {"bytes": -1}}, "negative_value"),
    "value is text": ({"data": {"bytes": "many"}}, "bad_value"),
    "value is true": ({"data": {"bytes": True}}, "bad_value"),
    "value is missing": ({"data": {}}, "missing_value"),
    "future time": ({"time": "FUTURE"}, "in_future"),
    "no time": ({"time": None}, "missing_time"),
    "time without offset": ({"time": "2026-01-31T12:00:00"}, "bad_time"),
    "ancient time": ({"time": "1900-01-31T12:00:00Z"}, "too_old"),
    "unknown type": ({"type": "nothing.counted"}, "unknown_type"),
    "unknown source": ({"source": "somebody-else"}, "unknown_source"),
}


@pytest.mark.parametrize("case", BAD_EVENTS)
def test_bad_event_is_named_and_its_neighbours_are_stored(client, good, world, case):
    changes, code = BAD_EVENTS[case]
    if changes.get("time") == "FUTURE":
        changes = {"time": _future()}
    before = usage.stored_count(world)
    answer = client.post(json.dumps([good(), good(**changes), good()]).encode())
    assert answer.status == 200, answer
    assert answer.body["stored"] == 2
    (problem,) = answer.body["events"]
    assert problem["index"] == 1
    assert problem["code"] == code
    assert problem["message"]
    assert usage.stored_count(world) == before + 2


def test_items_that_are_no_events_are_named(client, good):
    body = [good(), "text", 7, None, [], good()]
    answer = client.post(json.dumps(body).encode())
    assert answer.status == 200
    assert answer.body["stored"] == 2
    assert [row["index"] for row in answer.body["events"]] == [1, 2, 3, 4]


def test_broken_line_of_ndjson_loses_nothing_else(client, good):
    lines = [json.dumps(good()), '{"id": "cut', json.dumps(good())]
    answer = client.post("\n".join(lines).encode(), "application/x-ndjson")
    assert answer.status == 200
    assert answer.body["stored"] == 2
    assert [row["code"] for row in answer.body["events"]] == ["broken_json"]


@pytest.mark.parametrize("body", [b"{", b"[1, 2", b"", b"\xff\xfe", b"[NaN]"])
def test_broken_json_is_refused_whole(client, world, body):
    before = usage.stored_count(world)
    answer = client.post(body)
    assert answer.status == 400
    assert answer.body["error"]["code"] in ("bad_json", "bad_encoding")
    assert usage.stored_count(world) == before


def test_too_large_body_is_refused_and_the_connection_goes_on(client, good, world):
    before = usage.stored_count(world)
    event = good(data={"bytes": 1, "filler": "x" * (20 * 1024 * 1024)})
    answer = client.post(json.dumps([event]).encode())
    assert answer.status == 413
    assert answer.body["error"]["code"] == "too_large"
    assert usage.stored_count(world) == before
    assert client.post(json.dumps([good()]).encode()).body["stored"] == 1


def test_small_body_that_unpacks_too_large_is_refused(client, good):
    import gzip

    event = good(data={"bytes": 1, "filler": "x" * (20 * 1024 * 1024)})
    packed = gzip.compress(json.dumps([event]).encode())
    assert client.post(packed, zipped=True).status == 413


def test_other_content_type_is_refused(client, good):
    answer = client.post(json.dumps([good()]).encode(), "text/csv")
    assert answer.status == 415


@pytest.mark.parametrize("key", [None, "", "wrong", "0" * 40])
def test_no_key_or_a_wrong_one(world, good, key):
    visitor = UsageClient(world.url, key)
    answer = visitor.post(json.dumps([good()]).encode())
    visitor.close()
    assert answer.status == 401
    assert answer.body["error"]["code"] == "unauthorized"


def test_key_of_a_user_without_the_role(world, good):
    key = make_key(world.as_("support_agent_1"), world.access.password)
    before = usage.stored_count(world)
    person = UsageClient(world.url, key)
    answer = person.post(json.dumps([good()]).encode())
    person.close()
    assert answer.status == 403
    assert answer.body["error"]["code"] == "forbidden"
    assert usage.stored_count(world) == before


def make_key(person: Odoo, password: str) -> str:
    """Make an API key as its owner does in the web client, password check included."""
    wizard = person.create(
        "res.users.apikeys.description", {"name": "wrong key", "duration": "1"}
    )
    answer = person.call("res.users.apikeys.description", "make_key", [wizard])
    if answer["res_model"] == "res.users.identitycheck":
        answer = person.call(
            "res.users.identitycheck",
            "run_check",
            [answer["res_id"]],
            context={"password": password},
        )
    return answer["context"]["default_key"]
