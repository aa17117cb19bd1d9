# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import json
from unittest.mock import patch

from odoo import Command
from odoo.tests import tagged
from odoo.tools.translate import code_translations

from ..exceptions import UsageReplayError, UsageStoreError
from .common import NOW, UsageCase


@tagged("post_install", "-at_install")
class TestQuarantine(UsageCase):
    """What could not be stored waits, is counted once, and can be replayed."""

    def waiting(self, **domain):
        return self.env["saas.usage.quarantine"].search(
            [("company_id", "=", self.company.id)]
            + [(name, "=", value) for name, value in domain.items()]
        )

    def test_same_event_again_is_counted_not_listed(self):
        event = self.event(id="q1", subject="nobody")
        self.ingest([event, event])
        self.ingest([event])
        row = self.waiting()
        self.assertEqual(len(row), 1)
        self.assertEqual((row.occurrences, row.reason), (3, "unknown_subject"))
        self.assertEqual(json.loads(row.raw), event)

    def test_event_without_identity_is_kept_by_content(self):
        event = self.event(id=None)
        self.ingest([event, event, self.event(id=None, subject="client-9")])
        self.assertEqual(sorted(self.waiting().mapped("occurrences")), [1, 2])
        self.assertEqual(set(self.waiting().mapped("is_rejected")), {True})

    def test_words_of_mappings_are_those_of_the_reader(self):
        self.env["res.lang"]._activate_lang("de_DE")
        words = {
            "data.%(key)s must be a single value.": "data.%(key)s: nur ein Wert.",
            "The mapping makes no event of this payload any more.": "Nichts mehr.",
        }
        patched = patch.object(
            code_translations, "get_python_translations", return_value=words
        )
        mapping = self.env["saas.usage.mapping"].create(
            {
                "name": "Gateway",
                "source_id": self.source.id,
                "id_path": "id",
                "type_path": "'test.request'",
                "subject_path": "tenant",
                "time_path": "at",
                "data_ids": [Command.create({"key": "bytes", "path": "size"})],
                "active": True,
            }
        )
        payload = {"id": "x", "at": "2026-04-01T10:00:00Z", "size": [1], "tenant": "?"}
        # Whoever sends reads English, whatever the language of the key's user.
        feed = self.env["saas.usage.event"].with_context(lang="de_DE")._ingest_feed
        with patched:
            [outcome] = feed(self.source, [payload]).outcomes
            self.assertEqual(outcome.message, "data.bytes must be a single value.")
            row = self.waiting(mapping_id=mapping.id)
            self.assertEqual(row.message_text, outcome.message)
            german = row.with_context(lang="de_DE")
            self.assertEqual(german.message_text, "data.bytes: nur ein Wert.")
            self.assertEqual(german.message, outcome.message)

            # what waits for another reason by now says that one
            mapping.items = "records"
            row.action_replay()
            self.assertIn("leads to no list", german.message_text)
            mapping.items = "records || `[]`"
            row.action_replay()
            self.assertEqual(german.message_text, "Nichts mehr.")

            # words of the check itself are as they were answered
            self.ingest([self.event(id="q1", subject="nobody")])
            other = self.waiting(reason="unknown_subject").with_context(lang="de_DE")
            self.assertEqual(other.message_text, other.message)

    def test_samples_of_mappings_speak_the_language_of_the_reader(self):
        self.env["res.lang"]._activate_lang("de_DE")
        words = {"The path of the items leads to no list.": "Keine Liste."}
        mapping = self.env["saas.usage.mapping"].create(
            {
                "name": "Gateway",
                "source_id": self.source.id,
                "items": "records",
                "type_path": "t",
                "subject_path": "s",
                "time_path": "at",
                "sample_ids": [Command.create({"payload": "{}"})],
            }
        )
        with patch.object(
            code_translations, "get_python_translations", return_value=words
        ):
            sample = mapping.with_context(lang="de_DE").sample_ids
            sample.invalidate_recordset()
            self.assertEqual(sample.problem, "Keine Liste.")

    def test_replay_after_the_mapping_was_mended(self):
        events = [self.event(subject="new") for _number in range(3)]
        self.ingest([*events, self.event(subject="still-unknown")])
        rows = self.waiting()
        self.tie("new", self.subscription)
        operator = self.new_user("usage_op", "billing_operator")
        answer = rows.with_user(operator).action_replay()
        self.assertIn("3 stored, 1 still quarantined", answer["params"]["message"])
        self.assertEqual(len(self.events_of()), 3)
        done = rows.filtered(lambda row: row.state == "replayed")
        self.assertEqual(len(done), 3)
        self.assertEqual(done.closed_by_id, operator)
        left = rows - done
        self.assertEqual((left.state, left.occurrences), ("open", 1))
        batch = self.env["saas.usage.batch"].search([("kind", "=", "replay")], limit=1)
        self.assertEqual((batch.received, batch.stored, batch.quarantined), (4, 3, 1))

    def test_replay_twice_stores_once(self):
        self.ingest([self.event(subject="new")])
        rows = self.waiting()
        self.tie("new", self.subscription)
        rows.action_replay()
        with self.assertRaises(UsageReplayError):
            rows.action_replay()
        self.assertEqual(len(self.events_of()), 1)

    def test_age_is_measured_from_the_arrival(self):
        self.source.max_age_days = 1
        event = self.event(subject="new", time="2026-04-10T09:00:00Z")
        self.ingest([event])
        row = self.waiting()
        self.env.cr.execute(
            "UPDATE saas_usage_quarantine SET first_seen_at = '2026-04-10 12:00:00'"
            " WHERE id = %s",
            [row.id],
        )
        row.invalidate_recordset()
        self.tie("new", self.subscription)
        row.action_replay()
        self.assertEqual(row.state, "replayed")

    def test_sent_again_after_the_mending_closes_the_row(self):
        event = self.event(subject="new")
        self.ingest([event])
        self.tie("new", self.subscription)
        self.assertEqual(self.ingest_counts([event])[1], 1)
        self.assertEqual(self.waiting().state, "replayed")

    def test_corrected_event_replaces_the_broken_one(self):
        self.ingest([self.event(id="c", data={"bytes": -1})])
        self.ingest([self.event(id="c", subject="nobody")])
        self.assertEqual(self.waiting().reason, "unknown_subject")
        self.assertEqual(self.waiting().occurrences, 2)
        self.assertEqual(self.ingest_counts([self.event(id="c")])[1], 1)
        self.assertEqual(self.waiting().state, "replayed")

    def test_ignore_and_reopen(self):
        event = self.event(subject="nobody")
        self.ingest([event])
        row = self.waiting()
        row.action_ignore()
        self.assertEqual(row.state, "ignored")
        self.assertEqual(row.closed_by_id, self.env.user)
        self.ingest([event])
        self.assertEqual((row.state, row.occurrences), ("ignored", 2))
        row.action_reopen()
        self.assertEqual((row.state, row.closed_at), ("open", False))

    def test_closed_row_keeps_its_content(self):
        self.ingest([self.event(id="c", subject="nobody")])
        row = self.waiting()
        raw = row.raw
        row.action_ignore()
        self.ingest([self.event(id="c", subject="somebody")])
        self.assertEqual((row.state, row.occurrences), ("ignored", 2))
        self.assertEqual((row.subject, row.raw), ("nobody", raw))

    def test_row_keeps_its_source(self):
        event = self.event(id="c", subject="nobody")
        self.ingest([event])
        self.source.active = False
        self.ingest([event])
        row = self.waiting()
        self.assertEqual((row.reason, row.occurrences), ("unknown_source", 2))
        self.assertEqual(row.source_id, self.source)

    def test_sender_of_another_source_changes_nothing(self):
        """Its events are kept apart from those of the source, for good."""
        own = self.new_user("quarantine_own", "integration")
        other = self.new_user("quarantine_other", "integration")
        self.source.user_ids = own
        Event = self.env["saas.usage.event"]
        genuine = self.event(id="c", subject="nobody")
        Event.with_user(own)._ingest([genuine], at=NOW)
        row = self.waiting()
        for is_active in (True, False):
            self.source.active = is_active
            forged = self.event(id="c", subject="client-1", number=int(is_active))
            bad = self.event(id="c", time="never")
            result = Event.with_user(other)._ingest([forged, forged, bad], at=NOW)
            self.assertEqual(
                [(one.code, one.status) for one in result.outcomes],
                [
                    ("unknown_source", "rejected"),
                    ("unknown_source", "rejected"),
                    ("bad_time", "rejected"),
                ],
            )
        self.assertEqual((row.occurrences, row.source_id), (1, self.source))
        self.assertEqual(json.loads(row.raw), genuine)
        kept = self.waiting() - row
        self.assertEqual(len(kept), 3)
        self.assertEqual(sorted(kept.mapped("occurrences")), [2, 2, 2])
        self.assertFalse(kept.source_id)
        self.source.active = True
        with self.assertRaises(UsageReplayError):
            kept.action_replay()
        self.tie("nobody", self.subscription)
        self.waiting().action_replay()
        self.assertEqual(row.state, "replayed")
        self.assertEqual(self.events_of().subject, "nobody")

    def test_event_without_identity_cannot_be_replayed(self):
        self.ingest([self.event(id=None)])
        with self.assertRaises(UsageReplayError):
            self.waiting().action_replay()

    def test_numbers_survive_the_quarantine(self):
        from decimal import Decimal

        exact = Decimal("0.100000000001")
        self.ingest([self.event(subject="new", data={"bytes": exact})])
        self.tie("new", self.subscription)
        self.waiting().action_replay()
        self.env.cr.execute(
            "SELECT data ->> 'bytes' FROM saas_usage_event_store"
            " WHERE subscription_id = %s",
            [self.subscription.id],
        )
        self.assertEqual(self.env.cr.fetchone()[0], str(exact))

    def test_quarantine_is_written_by_the_api_only(self):
        self.ingest([self.event(id=None)])
        with self.assertRaises(UsageStoreError):
            self.waiting().sudo().unlink()
        with self.assertRaises(UsageStoreError):
            self.env["saas.usage.quarantine"].sudo().create({})

    def test_map_subject_opens_the_external_id(self):
        self.ingest([self.event(subject="nobody")])
        context = self.waiting().action_map_subject()["context"]
        self.assertEqual(context["default_source"], "weblog")
        self.assertEqual(context["default_value"], "nobody")
