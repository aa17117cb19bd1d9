# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import json

from odoo import Command
from odoo.tests import HttpCase, tagged

from .common import UsageFixture


@tagged("post_install", "-at_install")
class TestTourFeed(UsageFixture, HttpCase):
    """A billing operator uploads a file and mends a feed nobody could read."""

    # The first page of a fresh database compiles its assets while others wait.
    test_cursor_lock_timeout = 60

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.create_world()
        cls.new_user("feed_tour", "billing_operator")

    def test_upload_a_file(self):
        self.start_tour("/odoo", "saas_usage_upload_tour", login="feed_tour")
        upload = self.env["saas.usage.upload"].search([("name", "=", "tour.csv")])
        self.assertEqual((upload.state, upload.row_count), ("importing", 2))
        upload._job_import(0)
        self.assertEqual((upload.state, upload.stored), ("done", 1))

    def test_mend_a_quarantined_feed(self):
        payload = {"tenant": {"name": "client-1"}, "at": "2026-04-01T10:00:00Z", "n": 5}
        mapping = self.env["saas.usage.mapping"].create(
            {
                "name": "Gateway",
                "source_id": self.source.id,
                "active": True,
                "type_path": "'test.request'",
                "subject_path": "tenant",
                "time_path": "at",
                "data_ids": [Command.create({"key": "bytes", "path": "n"})],
            }
        )
        self.env["saas.usage.event"]._ingest_feed(self.source, [payload])
        self.env["saas.usage.mapping.sample"].create(
            {
                "mapping_id": mapping.id,
                "name": "Of today",
                "payload": json.dumps(payload),
            }
        )
        self.start_tour("/odoo", "saas_usage_feed_tour", login="feed_tour")
        self.assertEqual(len(self.events_of()), 1)
