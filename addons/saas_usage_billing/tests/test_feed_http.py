# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import json
from datetime import datetime, timedelta

from odoo import Command
from odoo.tests import HttpCase, tagged

from ..controllers.openapi import ERRORS, build_document
from .common import UsageFixture

FEEDS = "/saas/v1/usage/feeds/"


@tagged("post_install", "-at_install")
class TestFeedHttp(UsageFixture, HttpCase):
    """The route of feeds answers like the route of events."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.create_world()
        cls.sender = cls.new_user("feed_sender", "integration")
        # sudo: keys of service users may live longer than their own right allows
        keys = cls.env["res.users.apikeys"].with_user(cls.sender).sudo()
        cls.key = keys._generate(None, "Test", datetime.now() + timedelta(days=1))
        cls.env["saas.usage.mapping"].create(
            {
                "name": "Gateway",
                "source_id": cls.source.id,
                "active": True,
                "items": "records",
                "id_path": "rid",
                "type_path": "'test.request'",
                "subject_path": "$.tenant",
                "time_path": "at",
                "data_ids": [Command.create({"key": "bytes", "path": "size"})],
            }
        )

    def post(self, body, code="weblog", content_type="application/json", query=""):
        body = body if isinstance(body, str) else json.dumps(body)
        headers = {
            "Content-Type": content_type,
            "Authorization": f"Bearer {self.key}",
        }
        return self.url_open(
            FEEDS + code + query, data=body, headers=headers, timeout=60
        )

    def payload(self, *ids):
        records = [{"rid": rid, "at": "2026-04-01T10:00:00Z", "size": 5} for rid in ids]
        return {"tenant": "client-1", "records": records}

    def assertRefused(self, response, status, code):
        self.assertEqual(response.status_code, status, response.text[:300])
        self.assertEqual(response.json()["error"]["code"], code)
        self.assertIn(code, ERRORS[status])

    def test_payloads_are_counted_by_their_events(self):
        answer = self.post([self.payload("a", "b"), {"x": 1}]).json()
        self.assertEqual((answer["received"], answer["stored"]), (3, 2))
        self.assertEqual(answer["events"][0]["code"], "mapping_failed")
        self.assertEqual(answer["batch_ids"][0]["source"], "weblog")
        lines = "\n".join([json.dumps(self.payload("a", "c")), '{"broken'])
        answer = self.post(lines, content_type="application/x-ndjson").json()
        self.assertEqual(
            [answer[name] for name in ("stored", "duplicate", "rejected")], [1, 1, 1]
        )
        self.assertEqual(len(answer["batch_ids"]), 1)
        response = self.post({"x": 2}, query="?strict=1&dry_run=1")
        self.assertEqual(response.status_code, 422)
        self.assertIsNone(response.json()["batch_id"])

    def test_refusals(self):
        for code in ("nobody", "a/b", "a%0Ab", "%00", "%2E"):
            self.assertRefused(self.post({}, code), 404, "unknown_source")
        self.assertRefused(self.post("[" * 60 + "]" * 60), 400, "bad_json")
        self.assertRefused(
            self.post("{}", content_type="text/plain"), 415, "unsupported_media_type"
        )
        self.assertRefused(self.post({}, query="?x=1"), 422, "bad_parameter")
        many = {"tenant": "client-1", "records": [{}] * 10_001}
        self.assertRefused(self.post(many), 413, "too_many_events")
        other = self.new_user("feed_other", "integration")
        self.source.user_ids = [Command.set(other.ids)]
        self.assertRefused(self.post(self.payload("a")), 403, "forbidden")
        self.assertFalse(self.events_of())

    def test_route_is_documented(self):
        operation = build_document()["paths"][FEEDS + "{code}"]["post"]
        self.assertEqual(operation["parameters"][0]["in"], "path")
        self.assertIn("404", operation["responses"])
