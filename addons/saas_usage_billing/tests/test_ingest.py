# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import random

from odoo.tests import tagged

from .common import UsageCase


@tagged("post_install", "-at_install")
class TestIngest(UsageCase):
    """Every event of a batch is stored, a duplicate or quarantined."""

    def codes(self, result):
        return {outcome.index: outcome.code for outcome in result.outcomes}

    def test_event_is_stored_as_sent(self):
        result = self.ingest([self.event(id="x1", data={"bytes": 7, "path": "/é"})])
        self.assertEqual(result.counts["stored"], 1)
        event = self.events_of()
        self.assertEqual(event.event_id, "x1")
        self.assertEqual(event.data, {"bytes": 7, "path": "/é"})
        self.assertEqual(str(event.event_time), "2026-04-01 10:00:00")
        self.assertEqual(event.account_id, self.partner)
        self.assertEqual(event.company_id, self.company)
        self.assertEqual(event.batch_id.id, result.batch_id)

    def test_mixed_batch_loses_nothing(self):
        events = [
            self.event(id="good"),
            self.event(id="good"),
            self.event(subject="nobody"),
            self.event(data={"bytes": -1}),
            self.event(data={"bytes": "many"}),
            self.event(data={}),
            self.event(time="2099-01-01T00:00:00Z"),
            self.event(time="1999-01-01T00:00:00Z"),
            self.event(type="unknown"),
            self.event(source="unknown"),
            self.event(id=None),
            "text",
            self.event(),
        ]
        result = self.ingest(events)
        self.assertEqual(
            self.codes(result),
            {
                1: "duplicate",
                2: "unknown_subject",
                3: "negative_value",
                4: "bad_value",
                5: "missing_value",
                6: "in_future",
                7: "too_old",
                8: "unknown_type",
                9: "unknown_source",
                10: "missing_id",
                11: "not_an_object",
            },
        )
        self.assertEqual(
            result.counts,
            {
                "received": 13,
                "stored": 2,
                "duplicate": 1,
                "quarantined": 10,
                "rejected": 2,
            },
        )
        self.assertEqual(len(self.events_of()), 2)
        kept = self.env["saas.usage.quarantine"].search(
            [("batch_id", "in", list(result.batch_ids.values()))]
        )
        self.assertEqual(len(kept), 10)
        self.assertEqual(len(kept.filtered("is_rejected")), 2)

    def test_request_log_adds_up(self):
        result = self.ingest(
            [self.event(), self.event(subject="nobody")], correlation_id="abc"
        )
        batch = self.env["saas.usage.batch"].browse(result.batch_id)
        self.assertEqual(batch.correlation_id, "abc")
        self.assertEqual(batch.source_id, self.source)
        self.assertEqual(
            (batch.received, batch.stored, batch.duplicate, batch.quarantined),
            (2, 1, 0, 1),
        )

    def test_request_is_logged_per_source(self):
        other = self.env["saas.usage.source"].create(
            {"name": "Other", "code": "other", "max_age_days": 3650}
        )
        self.tie("client-1", self.subscription, source="other")
        same = self.event(id="twice", source="other", time="2026-04-02T10:00:00.5Z")
        result = self.ingest(
            [
                self.event(time="2026-04-02T10:00:00Z"),
                self.event(time="2026-04-01T09:00:00+02:00"),
                self.event(subject="nobody", time="2026-03-01T09:00:00Z"),
                same,
                same,
                self.event(source="unknown"),
                "text",
            ],
            correlation_id="mixed",
        )
        batches = self.env["saas.usage.batch"].search(
            [("correlation_id", "=", "mixed")]
        )
        figures = {
            batch.source_id: (
                batch.received,
                batch.stored,
                batch.duplicate,
                batch.quarantined,
                batch.rejected,
                str(batch.time_min or ""),
                str(batch.time_max or ""),
            )
            for batch in batches
        }
        at = "2026-04-02 10:00:00"
        self.assertEqual(
            figures,
            {
                self.source: (3, 2, 0, 1, 0, "2026-04-01 07:00:00", at),
                other: (2, 1, 1, 0, 0, f"{at}.500000", f"{at}.500000"),
                self.source.browse(): (2, 0, 0, 2, 1, "", ""),
            },
        )
        self.assertEqual(
            result.as_answer()["batch_ids"],
            [
                {"source": source.code or None, "batch_id": number}
                for source in (self.source, other, self.source.browse())
                for number in batches.filtered(lambda b, s=source: b.source_id == s).ids
            ],
        )
        # Evidence and what waits have the number of their own source.
        for event in self.events_of():
            self.assertEqual(event.batch_id.source_id, event.source_id)
        waiting = self.env["saas.usage.quarantine"].search(
            [("batch_id", "in", batches.ids)]
        )
        self.assertEqual(len(waiting), 3)
        for row in waiting:
            self.assertEqual(row.batch_id.source_id, row.source_id)

    def test_dry_run_answers_the_same_and_keeps_nothing(self):
        self.ingest([self.event(id="known")])
        events = [
            self.event(id="new", time="2026-01-01T00:00:00Z"),
            self.event(id="new", data={"bytes": -1}),
            self.event(id="known"),
            self.event(id="lost", subject="nobody"),
            self.event(source="unknown"),
            "text",
        ]
        logged = self.env["saas.usage.batch"].search_count([])
        kept = self.env["saas.usage.quarantine"].search_count([])
        dry = self.ingest(events, dry_run=True)
        answer = dry.as_answer()
        self.assertTrue(answer["dry_run"])
        self.assertIsNone(answer["batch_id"])
        self.assertEqual(answer["batch_ids"], [])
        self.assertEqual(self.events_of().mapped("event_id"), ["known"])
        self.assertEqual(self.env["saas.usage.batch"].search_count([]), logged)
        self.assertEqual(self.env["saas.usage.quarantine"].search_count([]), kept)
        real = self.ingest(events)
        self.assertEqual(self.codes(dry), self.codes(real))
        self.assertEqual(dry.counts, real.counts)
        self.assertEqual(real.counts["stored"], 1)

    def test_dry_run_leaves_what_waits_open(self):
        event = self.event(id="waits", subject="later")
        self.ingest([event])
        self.tie("later", self.subscription)
        self.assertEqual(self.ingest([event], dry_run=True).counts["stored"], 1)
        row = self.env["saas.usage.quarantine"].search([("event_id", "=", "waits")])
        self.assertEqual(row.state, "open")
        self.ingest([event])
        self.assertEqual(row.state, "replayed")

    def test_times_of_a_request_are_those_stored(self):
        self.ingest([self.event(id="known", time="2026-03-02T10:00:00Z")])
        result = self.ingest(
            [
                self.event(id="known", time="2026-03-01T10:00:00Z"),
                self.event(time="2026-03-05T10:00:00Z"),
                self.event(subject="nobody", time="2026-03-09T10:00:00Z"),
            ]
        )
        batch = self.env["saas.usage.batch"].browse(result.batch_id)
        self.assertEqual(str(batch.time_min), "2026-03-05 10:00:00")
        self.assertEqual(str(batch.time_max), "2026-03-05 10:00:00")

    def test_cloudevents_it_cannot_read_are_quarantined(self):
        result = self.ingest(
            [
                self.event(specversion="0.3"),
                self.event(specversion=1),
                self.event(data_base64="e30="),
                self.event(specversion=None),
            ]
        )
        self.assertEqual(
            self.codes(result),
            {0: "bad_specversion", 1: "bad_specversion", 2: "bad_data"},
        )
        kept = self.env["saas.usage.quarantine"].search(
            [("batch_id", "=", result.batch_id)]
        )
        self.assertEqual(
            sorted(kept.mapped("reason")),
            ["bad_data", "bad_specversion", "bad_specversion"],
        )

    def test_repeat_is_a_duplicate_whatever_else_changed(self):
        self.ingest([self.event(id="once")])
        for changes in (
            {},
            {"time": "2026-03-05T10:00:00Z"},
            {"subject": "nobody"},
            {"data": {"bytes": "bad"}},
            {"type": "unknown"},
            {"time": "2099-01-01T00:00:00Z"},
        ):
            counts = self.ingest_counts([self.event(id="once", **changes)])
            self.assertEqual(counts, (1, 0, 1, 0, 0), changes)
        self.assertEqual(len(self.events_of()), 1)

    def test_replay_in_any_order_stores_nothing(self):
        events = [self.event() for _number in range(200)]
        self.assertEqual(self.ingest_counts(events), (200, 200, 0, 0, 0))
        again = events + events[:6]
        random.Random(3).shuffle(again)
        for start in range(0, len(again), 50):
            counts = self.ingest_counts(again[start : start + 50])
            self.assertEqual(counts[1], 0)
        self.assertEqual(len(self.events_of()), 200)

    def test_same_id_of_another_source_is_another_event(self):
        self.env["saas.usage.source"].create(
            {"name": "Other", "code": "other", "max_age_days": 3650}
        )
        self.tie("client-1", self.subscription, source="other")
        events = [self.event(id="a"), self.event(id="a", source="other")]
        self.assertEqual(self.ingest_counts(events), (2, 2, 0, 0, 0))

    def test_account_with_one_matching_subscription(self):
        partner = self.create_partner("Globex")
        self.tie("globex", partner=partner)
        result = self.ingest([self.event(id="g", subject="globex")])
        self.assertEqual(self.codes(result), {0: "no_subscription"})
        first = self.create_subscription(partner)
        self.assertEqual(
            self.ingest_counts([self.event(id="g", subject="globex")])[1], 1
        )
        self.assertEqual(len(self.events_of(first)), 1)
        self.create_subscription(partner)
        result = self.ingest([self.event(subject="globex")])
        self.assertEqual(self.codes(result), {0: "ambiguous_subject"})

    def test_account_named_by_its_contact(self):
        partner = self.create_partner("Initech")
        contact = self.env["res.partner"].create(
            {"name": "Bill", "parent_id": partner.id}
        )
        subscription = self.create_subscription(partner)
        self.tie("initech", partner=contact)
        self.ingest([self.event(subject="initech")])
        self.assertEqual(len(self.events_of(subscription)), 1)

    def test_archived_source_or_meter_counts_as_unknown(self):
        self.source.active = False
        self.assertEqual(self.codes(self.ingest([self.event()])), {0: "unknown_source"})
        self.source.active = True
        (self.calls_meter | self.bytes_meter).active = False
        self.assertEqual(self.codes(self.ingest([self.event()])), {0: "unknown_type"})

    def test_meters_added_later_change_what_is_needed(self):
        self.assertEqual(self.ingest_counts([self.event()])[1], 1)
        self.create_meter("Users", "users", "unique", "user")
        result = self.ingest([self.event()])
        self.assertEqual(self.codes(result), {0: "missing_value"})
        counts = self.ingest_counts([self.event(data={"bytes": 1, "user": "ann"})])
        self.assertEqual(counts[1], 1)

    def test_unstorable_text_is_quarantined_alone(self):
        result = self.ingest(
            [self.event(data={"bytes": 1, "x": "\ud800"}), self.event()]
        )
        self.assertEqual(self.codes(result), {0: "bad_data"})
        self.assertEqual(result.counts["stored"], 1)

    def test_empty_batch_is_logged(self):
        result = self.ingest([])
        self.assertEqual(tuple(result.counts.values()), (0, 0, 0, 0, 0))
        self.assertTrue(self.env["saas.usage.batch"].browse(result.batch_id).exists())
