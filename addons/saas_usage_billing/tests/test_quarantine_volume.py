# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import timedelta
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.tests import freeze_time, tagged
from odoo.tools import mute_logger

from odoo.addons.queue_job.tests.common import trap_jobs

from ..exceptions import UsageReplayError
from ..models import saas_usage_quarantine_replay as replay
from .common import UsageCase


@tagged("post_install", "-at_install")
class TestQuarantineVolume(UsageCase):
    """Many rows that wait for the same thing are mended at once."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.manager = cls.new_user("map_manager", "subscription_manager")
        cls.operator = cls.new_user("replay_operator", "billing_operator")
        cls.manager.group_ids |= cls.operator.group_ids

    def waiting(self, *subjects):
        self.ingest([self.event(subject=subject) for subject in subjects])
        return self.env["saas.usage.quarantine"].search(
            [("company_id", "=", self.company.id), ("state", "=", "open")]
        )

    def open_wizard(self, rows, user=None):
        rows = rows.with_user(user or self.manager)
        return rows.env["saas.usage.map.subject"].browse(
            rows.action_map_alike()["res_id"]
        )

    def test_one_external_id_per_subject(self):
        rows = self.waiting("one", "two", "two", "three", "four")
        other = self.create_subscription(self.create_partner("Beta GmbH"))
        self.tie("three", partner=other.partner_id, source="crm")
        wizard = self.open_wizard(rows)
        lines = {line.subject: line for line in wizard.line_ids}
        self.assertEqual({n: line.row_count for n, line in lines.items()}["two"], 2)
        self.assertEqual(lines["three"].partner_id, other.partner_id)
        with self.assertRaises(UsageReplayError):
            lines["three"].partner_id = False
            wizard.action_map()
        lines["three"].partner_id = other.partner_id
        wizard.partner_id = self.partner
        lines["four"].subscription_id = other
        message = wizard.action_map()["params"]["message"]
        self.assertIn("5 stored, 0 still", message)
        self.assertEqual(len(self.events_of()), 3)
        self.assertEqual(len(self.events_of(other)), 2)
        self.assertEqual(
            self.env["saas.external.id"].search_count(
                [("source", "=", "weblog"), ("value", "=", "two")]
            ),
            1,
        )
        with self.assertRaises(UsageReplayError):
            rows.with_user(self.manager).action_map_alike()

    @mute_logger("odoo.addons.base.models.ir_model", "odoo.addons.base.models.ir_rule")
    def test_managers_of_subscriptions_map(self):
        rows = self.waiting("one")
        with self.assertRaises(AccessError):
            rows.with_user(self.operator).action_map_alike()
        wizard = self.open_wizard(rows)
        other = self.new_user("map_manager_two", "subscription_manager")
        with self.assertRaises(AccessError):
            wizard.with_user(other).action_map()

    def test_many_rows_are_replayed_by_jobs(self):
        rows = self.waiting(*(["new"] * 5), "never").with_user(self.operator)
        self.tie("new", self.subscription)
        sent = []
        with (
            patch.object(replay, "AT_ONCE", 2),
            patch.object(replay, "CHUNK_ROWS", 4),
            trap_jobs() as trap,
            patch.object(
                type(self.env.user),
                "_bus_send",
                lambda user, kind, message: sent.append((user, message)),
            ),
        ):
            rows.action_replay()
            trap.assert_jobs_count(2)
            self.assertFalse(self.events_of())
            trap.perform_enqueued_jobs()
            # The queue runs a job again whose end it has not noted.
            rows[:4]._job_replay(1, 2)
        rows.invalidate_recordset()
        self.assertEqual(sorted(set(rows.mapped("state"))), ["open", "replayed"])
        self.assertEqual(len(self.events_of()), 5)
        self.assertEqual({user for user, _message in sent}, {self.operator})
        self.assertIn("part 2 of 2", sent[1][1]["title"])

    def test_reopened_mapping(self):
        rows = self.waiting("one")
        self.assertFalse(rows.feed_source_id)
        mapping = self.env["saas.usage.mapping"].create(
            {
                "name": "Gateway",
                "source_id": self.source.id,
                "type_path": "t",
                "subject_path": "s",
                "time_path": "at",
            }
        )
        self.env["saas.usage.event"]._ingest_feed(self.source, [{"x": 1}])
        row = self.env["saas.usage.quarantine"].search(
            [("reason", "=", "mapping_failed"), ("source_id", "=", self.source.id)]
        )
        action = row.action_open_mapping()
        self.assertEqual(action["domain"], [("source_id", "=", self.source.id)])
        mapping.active = True
        self.env["saas.usage.event"]._ingest_feed(self.source, [{"t": ["x"]}])
        row = self.env["saas.usage.quarantine"].search(
            [("mapping_id", "=", mapping.id)]
        )
        self.assertEqual(row.action_open_mapping()["res_id"], mapping.id)

    def test_what_waits_too_long_is_told_once(self):
        rows = self.waiting("one", "two")
        now = rows[0].first_seen_at

        def told(days):
            self.source._check_quarantine(now + timedelta(days=days))
            return self.env["saas.exception"].search(
                [
                    ("code", "=", "usage.quarantine_waiting"),
                    ("res_id", "=", self.source.id),
                ]
            )

        self.assertFalse(told(1))
        issue = told(3)
        self.assertEqual((issue.state, issue.queue), ("open", "integration"))
        self.assertEqual(told(4).occurrences, 1)
        with freeze_time(now + timedelta(days=4)), self.assertRaises(UserError):
            self.source.saas_retry_waiting_quarantine()
        rows.action_ignore()
        self.source.saas_retry_waiting_quarantine()
        self.assertEqual(issue.state, "resolved")
