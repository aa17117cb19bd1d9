# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The usage API answers as its OpenAPI document says, whatever it is sent."""

import gzip
import json

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from tools.story.world import Access

DOCUMENT = "/saas/v1/openapi.json"
EVENTS = "/saas/v1/usage/events"
FEEDS = "/saas/v1/usage/feeds/{code}"
OPERATIONS = [
    ("post", EVENTS),
    ("post", FEEDS),
    ("post", "/saas/v1/usage/watermarks"),
    ("get", "/saas/v1/usage/status"),
    ("get", "/saas/v1/usage/current"),
    ("get", "/saas/v1/entitlements/{subject}"),
]
# What is wrong with an event is its answer, not a status: no check of rejections.
load_all_checks()
_CHECKS = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "response_headers_conformance",
        "ignored_auth",
    ]
)
_CALM = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="session")
def key(server):
    return Access.load(server.access).usage_key


@pytest.fixture(scope="session")
def schema(server):
    return schemathesis.openapi.from_url(server.url + DOCUMENT)


def test_document_has_these_operations(schema):
    found = {(one.ok().method, one.ok().path) for one in schema.get_all_operations()}
    assert found == set(OPERATIONS)


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_as_documented(schema, key, method, path, mode):
    headers = {"Authorization": f"Bearer {key}"}

    @_CALM
    @given(case=schema[path][method].as_strategy(generation_mode=mode))
    def check(case):
        case.call_and_validate(headers=headers, checks=_CHECKS)

    check()


@pytest.mark.parametrize(("method", "path"), [*OPERATIONS, ("get", DOCUMENT)])
def test_other_methods_are_named(server, key, method, path):
    for other in {"GET", "POST", "PUT", "DELETE", "PATCH"} - {method.upper()}:
        answer = requests.request(
            other,
            server.url + path.format(code="weblog", subject="a/b"),
            headers={"Authorization": f"Bearer {key}"},
            timeout=60,
        )
        assert answer.status_code == 405, (other, answer.text)
        assert answer.headers["Allow"] == method.upper()
        assert answer.json()["error"]["code"] == "method_not_allowed"


@pytest.fixture(scope="session")
def post(server, key):
    session = requests.Session()
    session.trust_env = False

    def send(body, path=EVENTS, **headers):
        return session.post(
            server.url + path,
            data=body,
            headers={"Authorization": f"Bearer {key}", **headers},
            timeout=60,
        )

    yield send
    session.close()


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["id", "source", "type", "subject", "time", "data", "x"])
            | st.text(max_size=5),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)
BODIES = st.binary(max_size=200) | JSON_VALUES.map(lambda v: json.dumps(v).encode())
TYPES = st.sampled_from(
    [
        "application/json",
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
        "application/x-ndjson",
        "text/plain",
        "",
    ]
)
HEADER_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["ce-id", "ce-type", "ce-source", "ce-time", "ce-subject", "ce-specversion"]
        + ["X-Correlation-Id", "Content-Encoding"]
    ),
    HEADER_TEXT.map(str.strip),
    max_size=4,
)


@_CALM
@given(body=BODIES, kind=TYPES, headers=HEADERS, zipped=st.booleans())
@example(b"[" * 50_000, "application/json", {}, False)
@example(b'{"id":"\\ud800","source":"\\u0000"}', "application/json", {}, False)
@example(b"1e999999999", "application/json", {}, True)
@example(b"9" * 9_000, "application/x-ndjson", {}, False)
def test_no_body_or_header_brings_it_down(post, body, kind, headers, zipped):
    if zipped:
        body, headers = gzip.compress(body), {**headers, "Content-Encoding": "gzip"}
    answer = post(body, **{"Content-Type": kind, **headers})
    assert answer.status_code in (200, 400, 415), answer.text
    told = answer.json()
    assert answer.headers["X-Correlation-Id"]
    if answer.status_code == 200:
        assert told["received"] == (
            told["stored"] + told["duplicate"] + told["quarantined"]
        )
    else:
        assert told["error"]["code"]


@_CALM
@given(
    query=st.dictionaries(
        st.sampled_from(["details", "dry_run", "strict", "x"]) | st.text(max_size=5),
        st.sampled_from(["0", "1", "all"]) | st.text(max_size=5),
        max_size=3,
    )
)
def test_no_query_brings_it_down(post, query):
    answer = post(b"[]", EVENTS + "?" + requests.models.urlencode(query))
    assert answer.status_code in (200, 415, 422), answer.text
