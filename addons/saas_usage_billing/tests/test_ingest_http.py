# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import gzip
import json
from datetime import datetime, timedelta, timezone
from unittest.mock import patch

from odoo.exceptions import ConcurrencyError
from odoo.tests import HttpCase, new_test_user, tagged
from odoo.tools import mute_logger

from ..controllers.openapi import ERRORS, build_document
from ..controllers.usage_body import MAX_BYTES
from ..models.saas_usage_event import SaasUsageEvent
from .common import UsageFixture

PATH = "/saas/v1/usage/events"
CURRENT = "/saas/v1/usage/current"


@tagged("post_install", "-at_install")
class TestIngestHttp(UsageFixture, HttpCase):
    """Every documented answer of the usage API."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.create_world()
        cls.sender = cls.new_user("usage_sender", "integration")
        cls.key = cls.make_key(cls.sender)
        cls.at = datetime.now(timezone.utc) - timedelta(hours=1)

    @classmethod
    def make_key(cls, user):
        # sudo: keys of service users may live longer than their own right allows
        keys = cls.env["res.users.apikeys"].with_user(user).sudo()
        return keys._generate(None, "Test", datetime.now() + timedelta(days=1))

    def good(self, **changes):
        return self.event(**{"time": self.at.isoformat(), **changes})

    def post(
        self, body, content_type="application/json", key=True, query="", **headers
    ):
        if not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        headers = {"Content-Type": content_type, **headers}
        if key:
            token = self.key if key is True else key
            headers["Authorization"] = f"Bearer {token}"
        return self.url_open(PATH + query, data=body, headers=headers, timeout=60)

    def assertRefused(self, response, status, code):
        self.assertEqual(response.status_code, status, response.text[:300])
        self.assertTrue(response.headers["Content-Type"].startswith("application/json"))
        self.assertTrue(response.headers["X-Correlation-Id"])
        error = response.json()["error"]
        self.assertEqual(error["code"], code)
        self.assertIn(code, ERRORS[status])
        self.assertTrue(error["message"])
        self.assertNotIn("Traceback", response.text)

    def assertCounts(self, response, received, stored, duplicate=0, quarantined=0):
        self.assertEqual(response.status_code, 200, response.text[:300])
        answer = response.json()
        self.assertEqual(
            [
                answer[name]
                for name in ("received", "stored", "duplicate", "quarantined")
            ],
            [received, stored, duplicate, quarantined],
        )
        return answer

    # What is accepted --------------------------------------------------
    def test_object_array_and_cloudevents(self):
        for body, content_type in (
            (self.good(), "application/json"),
            ([self.good()], "application/json"),
            (self.good(), "application/cloudevents+json; charset=utf-8"),
            ([self.good()], "application/cloudevents-batch+json"),
        ):
            self.assertCounts(self.post(body, content_type), 1, 1)
        self.assertEqual(len(self.events_of()), 4)

    def test_binary_mode(self):
        event = self.good()
        headers = {f"ce-{name}": event[name] for name in event if name != "data"}
        response = self.post(json.dumps(event["data"]), **headers)
        self.assertCounts(response, 1, 1)
        self.assertEqual(self.events_of().data, event["data"])

    def test_ndjson_loses_only_the_broken_line(self):
        lines = [json.dumps(self.good()), '{"id": ', "", json.dumps(self.good())]
        response = self.post("\n".join(lines), "application/x-ndjson")
        answer = self.assertCounts(response, 3, 2, 0, 1)
        (entry,) = answer["events"]
        self.assertEqual(
            (entry["index"], entry["status"], entry["code"]),
            (1, "rejected", "broken_json"),
        )

    def test_gzip(self):
        body = gzip.compress(json.dumps([self.good(), self.good()]).encode())
        response = self.post(body, **{"Content-Encoding": "gzip"})
        self.assertCounts(response, 2, 2)

    def test_answer_names_what_was_not_stored(self):
        same = self.good(id="same")
        batch = [same, same, self.good(subject="nobody"), self.good(id=None)]
        answer = self.assertCounts(self.post(batch), 4, 1, 1, 2)
        self.assertEqual(answer["rejected"], 1)
        self.assertEqual(
            [(entry["index"], entry["status"]) for entry in answer["events"]],
            [(1, "duplicate"), (2, "quarantined"), (3, "rejected")],
        )
        answer = self.post(batch, query="?details=all").json()
        self.assertEqual([entry["index"] for entry in answer["events"]], [0, 1, 2, 3])
        answer = self.post([self.good(id="new")], query="?details=all").json()
        self.assertEqual(answer["events"][0]["status"], "stored")

    def test_bad_events_between_good_ones(self):
        bad = {
            "unknown_subject": {"subject": "nobody"},
            "missing_id": {"id": None},
            "negative_value": {"data": {"bytes": -1}},
            "bad_value": {"data": {"bytes": "many"}},
            "in_future": {
                "time": (datetime.now(timezone.utc) + timedelta(days=2)).isoformat()
            },
        }
        for code, changes in bad.items():
            batch = [self.good(), self.good(**changes), self.good()]
            answer = self.assertCounts(self.post(batch), 3, 2, 0, 1)
            self.assertEqual(answer["events"][0]["code"], code)
            self.assertEqual(answer["events"][0]["index"], 1)

    def test_correlation_id_is_echoed_and_kept(self):
        response = self.post([self.good()], **{"X-Correlation-Id": "run-42"})
        self.assertEqual(response.headers["X-Correlation-Id"], "run-42")
        self.assertEqual(response.json()["correlation_id"], "run-42")
        batch = self.env["saas.usage.batch"].browse(response.json()["batch_id"])
        self.assertEqual(batch.correlation_id, "run-42")
        self.assertEqual(batch.user_id, self.sender)
        response = self.post("{", **{"X-Correlation-Id": "x" * 200})
        self.assertEqual(len(response.headers["X-Correlation-Id"]), 32)

    def test_second_replay_stores_nothing(self):
        batch = [self.good() for _number in range(20)]
        self.assertCounts(self.post(batch), 20, 20)
        batch.reverse()
        self.assertCounts(self.post(batch), 20, 0, 20)
        self.assertEqual(len(self.events_of()), 20)

    def test_numbers_keep_every_digit(self):
        event = json.dumps(self.good(data={"bytes": 1})).replace(
            '"bytes": 1', '"bytes": 0.123456789012'
        )
        self.assertCounts(self.post(event), 1, 1)
        self.env.cr.execute(
            "SELECT data ->> 'bytes' FROM saas_usage_event_store"
            " WHERE subscription_id = %s",
            [self.subscription.id],
        )
        self.assertEqual(self.env.cr.fetchone()[0], "0.123456789012")

    # What is refused ---------------------------------------------------
    def test_unreadable_body_is_refused_whole(self):
        for body, code in (
            (" ", "bad_json"),
            ("{", "bad_json"),
            ("[1, 2", "bad_json"),
            ("5", "bad_json"),
            ("[NaN]", "bad_json"),
            ("[" * 100_000, "bad_json"),
            (b"\xff\xfe", "bad_encoding"),
        ):
            self.assertRefused(self.post(body), 400, code)
        self.assertRefused(
            self.post("{}", "application/cloudevents-batch+json"), 400, "bad_json"
        )
        for body in (
            b"no gzip",
            gzip.compress(b"[]")[:-3],
            gzip.compress(b"[]") + b"x",
        ):
            response = self.post(body, **{"Content-Encoding": "gzip"})
            self.assertRefused(response, 400, "bad_gzip")

    def test_too_much_is_refused(self):
        self.assertRefused(self.post(b" " * (MAX_BYTES + 1)), 413, "too_large")
        bomb = gzip.compress(b" " * (4 * MAX_BYTES))
        self.assertLess(len(bomb), 100_000)
        response = self.post(bomb, **{"Content-Encoding": "gzip"})
        self.assertRefused(response, 413, "too_large")
        self.assertRefused(self.post([{}] * 10_001), 413, "too_many_events")
        self.assertCounts(self.post([self.good()]), 1, 1)

    def test_other_types_are_refused(self):
        self.assertRefused(self.post("a;b", "text/csv"), 415, "unsupported_media_type")
        response = self.post("[]", **{"Content-Encoding": "br"})
        self.assertRefused(response, 415, "unsupported_encoding")

    def test_other_methods_are_refused(self):
        headers = {"Authorization": f"Bearer {self.key}"}
        response = self.opener.get(self.base_url() + PATH, headers=headers)
        self.assertRefused(response, 405, "method_not_allowed")
        self.assertEqual(response.headers["Allow"], "POST")

    def test_without_a_valid_key(self):
        for key in (False, "wrong", "0" * 40):
            self.assertRefused(self.post([self.good()], key=key), 401, "unauthorized")
        self.assertFalse(self.events_of())

    def test_key_without_the_role(self):
        person = self.new_user("usage_person", "billing_operator")
        response = self.post([self.good()], key=self.make_key(person))
        self.assertRefused(response, 403, "forbidden")
        self.assertFalse(self.events_of())

    def test_source_of_another_company_is_unknown(self):
        other = self.create_company("Elsewhere")
        stranger = new_test_user(
            self.env,
            "usage_stranger",
            groups="saas_core.group_saas_core_integration",
            company_id=other.id,
            company_ids=other.ids,
        )
        response = self.post([self.good()], key=self.make_key(stranger))
        answer = self.assertCounts(response, 1, 0, 0, 1)
        self.assertEqual(answer["events"][0]["code"], "unknown_source")
        self.assertFalse(self.events_of())

    def test_failure_tells_nothing_of_the_inside(self):
        def fail(*_args, **_kwargs):
            raise RuntimeError("secret of the inside")

        with (
            patch.object(SaasUsageEvent, "_ingest", fail),
            mute_logger("odoo.http"),
        ):
            response = self.post([self.good()])
        self.assertRefused(response, 500, "internal_error")
        self.assertNotIn("secret", response.text)

    def test_busy_database_asks_to_try_again(self):
        def fail(*_args, **_kwargs):
            raise ConcurrencyError("busy")

        with (
            patch.object(SaasUsageEvent, "_ingest", fail),
            patch("odoo.service.model.MAX_TRIES_ON_CONCURRENCY_FAILURE", 1),
            mute_logger("odoo.http", "odoo.service.model"),
        ):
            response = self.post([self.good()])
        self.assertRefused(response, 503, "try_again")
        self.assertEqual(response.headers["Retry-After"], "1")

    def test_parameters_are_understood_or_refused(self):
        for query in (
            "?details=most",
            "?details=",
            "?dry_run=yes",
            "?strict=2",
            "?dryrun=1",
            "?details=all&details=all",
        ):
            response = self.post([self.good()], query=query)
            self.assertRefused(response, 422, "bad_parameter")
        self.assertFalse(self.events_of())
        for params in ({"subject": "a\0b"}, {"subject": "x" * 300}, {"sub": "x"}):
            self.assertRefused(self.current(**params), 422, "bad_parameter")

    def test_strict_tells_by_status_and_keeps_what_was_good(self):
        batch = [self.good(id="fine"), self.good(subject="nobody")]
        response = self.post(batch, query="?strict=1")
        self.assertRefused(response, 422, "not_all_stored")
        answer = response.json()
        self.assertEqual((answer["stored"], answer["quarantined"]), (1, 1))
        self.assertEqual(answer["events"][0]["code"], "unknown_subject")
        self.assertEqual(self.events_of().event_id, "fine")
        # A repeat is no failure.
        response = self.post([self.good(id="fine")], query="?strict=1")
        self.assertCounts(response, 1, 0, 1)

    def test_dry_run(self):
        batch = [self.good(), self.good(subject="nobody")]
        answer = self.assertCounts(
            self.post(batch, query="?dry_run=1&details=all"), 2, 1, 0, 1
        )
        self.assertEqual((answer["dry_run"], answer["batch_id"]), (True, None))
        self.assertEqual([e["status"] for e in answer["events"]][0], "stored")
        self.assertFalse(self.events_of())
        answer = self.assertCounts(self.post(batch), 2, 1, 0, 1)
        self.assertFalse(answer["dry_run"])

    # Status and watermarks ----------------------------------------------
    def ask(self, path, **params):
        return self.opener.get(
            f"{self.base_url()}/saas/v1/usage/{path}",
            params=params,
            headers={"Authorization": f"Bearer {self.key}"},
        )

    def mark(self, body, content_type="application/json"):
        return self.url_open(
            "/saas/v1/usage/watermarks",
            data=body if isinstance(body, str) else json.dumps(body),
            headers={
                "Content-Type": content_type,
                "Authorization": f"Bearer {self.key}",
            },
        )

    def test_status_of_an_event(self):
        answer = self.post([self.good(id="s1"), self.good(id="s2", subject="no")])
        status = self.ask("status", source="weblog", id="s1").json()
        self.assertEqual(
            (status["status"], status["batch_id"]),
            ("stored", answer.json()["batch_id"]),
        )
        self.assertEqual(
            datetime.fromisoformat(status["event_time"]).replace(microsecond=0),
            self.at.replace(microsecond=0),
        )
        self.assertTrue(status["stored_at"].endswith("Z"))
        status = self.ask("status", source="weblog", id="s2").json()
        self.assertEqual(
            (status["status"], status["code"]), ("quarantined", "unknown_subject")
        )
        for params, code in (
            ({"source": "weblog", "id": "s3"}, "unknown_event"),
            ({"source": "weblog"}, "unknown_event"),
            ({"source": "other", "id": "s1"}, "unknown_source"),
            ({}, "unknown_source"),
        ):
            self.assertRefused(self.ask("status", **params), 404, code)

    def test_source_of_others_has_no_status(self):
        self.post([self.good(id="s1")])
        self.source.user_ids = self.new_user("usage_other", "integration")
        response = self.ask("status", source="weblog", id="s1")
        self.assertRefused(response, 404, "unknown_source")
        response = self.mark({"source": "weblog", "complete_until": "x"})
        self.assertRefused(response, 403, "forbidden")

    def test_watermark(self):
        body = {"source": "weblog", "complete_until": "2026-03-01T01:00:00+01:00"}
        for until in (body["complete_until"], "2026-02-01T00:00:00Z"):
            response = self.mark({**body, "complete_until": until})
            self.assertEqual(response.status_code, 200, response.text)
            self.assertEqual(
                response.json(),
                {"source": "weblog", "complete_until": "2026-03-01T00:00:00Z"},
            )
        self.source.invalidate_recordset()
        self.assertEqual(self.source.complete_until, datetime(2026, 3, 1))
        self.assertTrue(self.source.sends_watermarks)

    def test_watermark_that_cannot_be_taken(self):
        late = (datetime.now(timezone.utc) + timedelta(days=1)).isoformat()
        for until in (late, "yesterday", None, 5, "2026-03-01T00:00:00"):
            response = self.mark({"source": "weblog", "complete_until": until})
            self.assertRefused(response, 422, "bad_watermark")
        for code in ("other", "a\0b", None, 5, [], "\ud800"):
            response = self.mark({"source": code, "complete_until": late})
            self.assertRefused(response, 404, "unknown_source")
        for body in ("[]", "{", "5"):
            self.assertRefused(self.mark(body), 400, "bad_json")
        response = self.mark("{}", "text/plain")
        self.assertRefused(response, 415, "unsupported_media_type")
        response = self.ask("watermarks")
        self.assertRefused(response, 405, "method_not_allowed")
        self.assertFalse(self.source.sends_watermarks)

    # Description --------------------------------------------------------
    def test_document_needs_no_key(self):
        url = f"{self.base_url()}/saas/v1/openapi.json"
        response = self.opener.get(url)
        self.assertEqual(response.status_code, 200)
        self.assertIn("max-age", response.headers["Cache-Control"])
        document = response.json()
        self.assertEqual(document["openapi"], "3.1.0")
        self.assertIn(PATH, document["paths"])
        tag = response.headers["ETag"]
        response = self.opener.get(url, headers={"If-None-Match": tag})
        self.assertEqual((response.status_code, response.text), (304, ""))
        self.assertRefused(self.opener.post(url), 405, "method_not_allowed")

    def test_answers_have_what_the_document_says(self):
        schemas = build_document()["components"]["schemas"]
        self.create_price()
        ingested = self.post([self.good(id="a", time=self.at.isoformat())])
        for name, response in (
            ("Ingested", ingested),
            ("Status", self.ask("status", source="weblog", id="a")),
            ("Current", self.current(subject="client-1", source="weblog")),
        ):
            answer = response.json()
            self.assertLessEqual(set(schemas[name]["required"]), set(answer))
            self.assertLessEqual(set(answer), set(schemas[name]["properties"]))

    # Rate ---------------------------------------------------------------
    def test_too_many_requests_wait(self):
        self.sender.saas_usage_rate = 1
        response = self.post([self.good()])
        self.assertCounts(response, 1, 1)
        self.assertEqual(response.headers["X-RateLimit-Limit"], "2")
        self.assertEqual(response.headers["X-RateLimit-Remaining"], "1")
        # Empty, and filled last by a clock that is ahead: no token for a second.
        self.env.cr.execute(
            "INSERT INTO saas_usage_call VALUES (%s, 0, %s)"
            " ON CONFLICT (user_id) DO UPDATE SET tokens = EXCLUDED.tokens,"
            " filled_at = EXCLUDED.filled_at",
            [self.sender.id, datetime.now() + timedelta(days=1)],
        )
        refused = self.post("{", query="?details=most")
        self.assertRefused(refused, 429, "too_many_requests")
        self.assertEqual(refused.headers["Retry-After"], "1")
        self.assertEqual(refused.headers["X-RateLimit-Remaining"], "0")
        self.assertEqual(len(self.events_of()), 1)

    def test_no_limit(self):
        self.company.saas_usage_rate = 0
        response = self.post([self.good()])
        self.assertCounts(response, 1, 1)
        self.assertNotIn("X-RateLimit-Limit", response.headers)

    # Current usage -----------------------------------------------------
    def current(self, **params):
        return self.opener.get(
            self.base_url() + CURRENT,
            params=params,
            headers={"Authorization": f"Bearer {self.key}"},
        )

    def test_current_usage(self):
        self.create_price()
        self.post([self.good(time=datetime.now(timezone.utc).isoformat())])
        for params in (
            {"subject": "client-1", "source": "weblog"},
            {"subscription": self.subscription.name},
        ):
            response = self.current(**params)
            self.assertEqual(response.status_code, 200, response.text)
            answer = response.json()
            self.assertEqual(answer["subscription"], self.subscription.name)
            calls = next(row for row in answer["usage"] if row["meter"] == "calls")
            self.assertEqual((calls["quantity"], calls["amount"]), ("1", "0.00"))

    def test_current_usage_of_several_is_a_conflict(self):
        self.tie("client-1", partner=self.create_partner("Globex"), source="crm")
        self.assertRefused(self.current(subject="client-1"), 409, "ambiguous_subject")
        for params in (
            {"subject": "client-1", "source": "weblog"},
            {"subject": "client-1", "source": "weblog", "wallets": "0"},
            {"subscription": self.subscription.name},
        ):
            answer = self.current(**params).json()
            self.assertEqual(answer["subscription"], self.subscription.name)
        # Nothing of them can be told.
        self.assertRefused(
            self.current(subject="client-1", source="crm"), 404, "unknown_subject"
        )
        self.create_subscription(self.partner)
        self.tie("acme", partner=self.partner)
        self.assertRefused(
            self.current(subject="acme", source="weblog"), 409, "ambiguous_subject"
        )

    def test_current_usage_of_nobody(self):
        self.assertRefused(
            self.current(subject="x", source="y"), 404, "unknown_subject"
        )
        self.assertRefused(self.current(), 404, "unknown_subject")
