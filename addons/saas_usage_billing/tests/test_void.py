# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import random
from datetime import datetime, timedelta
from unittest.mock import patch

from odoo.tests import tagged

from ..engine.correction import Arrival, accept
from ..models.usage_store_api import MeterSpec, Window, get_store
from .common import UsageCase

WINDOW = datetime(2026, 1, 1), datetime(2027, 1, 1)


@tagged("post_install", "-at_install")
class TestVoid(UsageCase):
    """What a source takes back counts no more, whatever comes first."""

    def void(self, target, **changes):
        """Return an event that takes back another one; it needs no more than this."""
        return {
            "id": f"void-{target}",
            "source": "weblog",
            "voids": target,
            **changes,
        }

    def codes(self, result):
        return {outcome.event_id: outcome.code for outcome in result.outcomes}

    def total(self, bounds=None, **options):
        """Return the traffic that counts."""
        spec = MeterSpec("test.request", "sum", "bytes")
        window = Window(self.subscription.id, *WINDOW)
        [groups] = get_store(self.env).aggregate(spec, [window], bounds)
        return int(groups[()].quantity)

    def waiting(self, event_id):
        return self.env["saas.usage.quarantine"].search(
            [("company_id", "=", self.company.id), ("event_id", "=", event_id)]
        )

    def test_voided_event_does_not_count(self):
        self.ingest([self.event(id="a"), self.event(id="b")])
        result = self.ingest([self.void("a")])
        self.assertEqual(result.counts["stored"], 1)
        self.assertEqual(self.total(), 10)
        self.assertEqual(self.ingest_counts([self.void("a")]), (1, 0, 1, 0, 0))
        batch = self.env["saas.usage.batch"].browse(result.batch_id)
        self.assertEqual((batch.received, batch.stored), (1, 1))
        self.assertEqual(batch.source_id, self.source)
        # The evidence stays, and says what became of it.
        event = self.events_of().filtered(lambda one: one.event_id == "a")
        self.assertTrue(event.is_voided)
        self.assertEqual(event.voided_by, "void-a")
        self.assertFalse(event.replaced_by_id)

    def test_replacement_counts_instead(self):
        self.ingest([self.event(id="a")])
        self.ingest([self.event(id="r", replaces="a", data={"bytes": 7})])
        self.assertEqual(self.total(), 7)
        # A replacement is an event like others: it can be replaced, and taken back.
        self.ingest([self.event(id="s", replaces="r", data={"bytes": 5})])
        self.assertEqual(self.total(), 5)
        self.ingest([self.void("s")])
        self.assertEqual(self.total(), 0)
        by_id = {event.event_id: event for event in self.events_of()}
        self.assertEqual(by_id["a"].replaced_by_id, by_id["r"])
        self.assertEqual(by_id["r"].replaces_id, by_id["a"])
        self.assertEqual(by_id["r"].replaced_by_id, by_id["s"])
        self.assertEqual(by_id["s"].voided_by, "void-s")
        events = self.env["saas.usage.event"]
        own = [("subscription_id", "=", self.subscription.id)]
        self.assertEqual(len(events.search([*own, ("is_voided", "=", True)])), 3)
        self.assertFalse(events.search([*own, ("is_voided", "=", False)]))

    def test_replacement_may_move_the_event(self):
        partner = self.create_partner("Globex")
        other = self.create_subscription(partner)
        self.tie("client-2", other)
        self.ingest([self.event(id="a")])
        self.ingest(
            [
                self.event(
                    id="r",
                    replaces="a",
                    subject="client-2",
                    time="2026-03-02T10:00:00Z",
                )
            ]
        )
        self.assertEqual(self.total(), 0)
        spec = MeterSpec("test.request", "count")
        window = Window(other.id, datetime(2026, 3, 1), datetime(2026, 4, 1))
        [groups] = get_store(self.env).aggregate(spec, [window])
        self.assertEqual(groups[()].quantity, 1)

    def test_taken_back_once(self):
        self.ingest([self.event(id="a"), self.event(id="b")])
        result = self.ingest(
            [
                self.void("a"),
                self.event(id="r", replaces="a"),
                self.void("a", id="again"),
                self.void("b"),
            ]
        )
        self.assertEqual(
            self.codes(result), dict.fromkeys(("r", "again"), "already_corrected")
        )
        result = self.ingest([self.event(id="s", replaces="b")])
        self.assertEqual(self.codes(result), {"s": "already_corrected"})
        # A void is no event: what it took back is sent again with another id.
        result = self.ingest([self.void("void-a")])
        self.assertEqual(self.codes(result), {"void-void-a": "already_corrected"})
        self.assertEqual(self.total(), 0)
        self.assertEqual(self.waiting("s").reason, "already_corrected")

    def test_correction_waits_for_its_event(self):
        result = self.ingest(
            [self.void("a"), self.event(id="r", replaces="b", data={"bytes": 3})]
        )
        self.assertEqual(
            self.codes(result), dict.fromkeys(("void-a", "r"), "unknown_event")
        )
        self.assertEqual(self.waiting("r").corrects, "b")
        # The same again is the same.
        self.ingest([self.void("a")])
        self.assertEqual(self.waiting("void-a").occurrences, 2)
        result = self.ingest([self.event(id="a"), self.event(id="b")])
        self.assertEqual(result.counts["stored"], 2)
        self.assertEqual(self.total(), 3)
        for event_id in ("void-a", "r"):
            self.assertEqual(self.waiting(event_id).state, "replayed")
        self.assertEqual(
            self.ingest_counts([self.void("a"), self.event(id="r", replaces="b")]),
            (2, 0, 2, 0, 0),
        )
        batches = self.env["saas.usage.batch"].search(
            [("source_id", "=", self.source.id)]
        )
        self.assertEqual(sum(batches.mapped("stored")), 4)
        self.assertEqual(set(batches.mapped("kind")), {"api", "replay"})

    def test_corrections_of_one_request_find_each_other(self):
        chain = [
            self.event(id="s", replaces="r", data={"bytes": 5}),
            self.event(id="r", replaces="a"),
            self.event(id="a"),
            self.void("b"),
            self.event(id="b"),
        ]
        self.assertEqual(self.ingest_counts(chain), (5, 5, 0, 0, 0))
        self.assertEqual(self.total(), 5)

    def test_many_corrections_are_stored_in_parts(self):
        path = "odoo.addons.saas_usage_billing.models.usage_store_parts"
        old = [self.event(id=f"old{n}") for n in range(6)]
        self.ingest(old[:5])
        events = [
            *(self.void(f"r{n}", id=f"v{n}") for n in range(3)),
            *(self.event(id=f"r{n}", replaces=f"old{n}") for n in range(5)),
            self.event(id="twice", replaces="old4"),
            self.void("nowhere"),
            self.event(id="s", replaces="r3", data={"bytes": 5}),
            self.event(id="lost", subject="nobody"),
            old[5],
            old[0],
            self.void("old5"),
        ]
        with patch(f"{path}._COMPARED", 0), patch(f"{path}._AT_ONCE", 2):
            result = self.ingest(events)
        self.assertEqual(
            self.codes(result),
            {
                "twice": "already_corrected",
                "void-nowhere": "unknown_event",
                "lost": "unknown_subject",
                "old0": "duplicate",
            },
        )
        self.assertEqual(self.total(), 15)

    def test_correction_of_what_is_not_stored_is_not_stored(self):
        result = self.ingest(
            [
                self.event(id="a", subject="nobody"),
                self.void("a"),
                self.event(id="x", replaces="y"),
                self.event(id="y", replaces="x"),
                self.event(id="late", replaces="gone", subject="nobody"),
            ]
        )
        self.assertEqual(
            self.codes(result),
            {
                "a": "unknown_subject",
                "void-a": "unknown_event",
                "x": "unknown_event",
                "y": "unknown_event",
                "late": "unknown_subject",
            },
        )
        self.tie("nobody", self.subscription)
        self.waiting("a").action_replay()
        self.assertEqual(self.waiting("void-a").state, "replayed")
        self.assertEqual(self.total(), 0)

    def test_too_old_to_be_corrected(self):
        self.ingest([self.event(id="a", time="2026-03-05T10:00:00Z")])
        self.source.max_age_days = 20
        result = self.ingest([self.void("a"), self.event(id="r", replaces="a")])
        self.assertEqual(self.codes(result), dict.fromkeys(("void-a", "r"), "too_old"))
        self.assertEqual(self.total(), 10)

    def test_other_sources_have_ids_of_their_own(self):
        self.env["saas.usage.source"].create(
            {"name": "Other", "code": "other", "max_age_days": 3650}
        )
        self.ingest([self.event(id="a")])
        result = self.ingest([self.void("a", source="other")])
        self.assertEqual(self.codes(result), {"void-a": "unknown_event"})
        self.assertEqual(self.total(), 10)

    def test_unusable_corrections(self):
        result = self.ingest(
            [
                self.void("own", id="own"),
                self.void("", id="empty"),
                self.void(7, id="number"),
                self.event(id="both", voids="x", replaces="y"),
                self.event(id="odd", replaces="\x00"),
                self.event(id="null", voids=None, replaces=None),
                self.void("a", id="nosource", source="nowhere"),
            ]
        )
        self.assertEqual(
            self.codes(result),
            {
                "own": "bad_voids",
                "empty": "bad_voids",
                "number": "bad_voids",
                "both": "bad_voids",
                "odd": "bad_replaces",
                "nosource": "unknown_source",
            },
        )

    def test_dry_run_tells_and_keeps_nothing(self):
        self.ingest([self.event(id="a")])
        result = self.ingest([self.void("a"), self.void("b")], dry_run=True)
        self.assertEqual(self.codes(result), {"void-b": "unknown_event"})
        self.assertEqual(self.total(), 10)
        self.assertFalse(self.waiting("void-b"))

    def test_bounds_hide_what_was_taken_back_later(self):
        self.ingest([self.event(id="a"), self.event(id="b")])
        before = get_store(self.env).bounds()
        self.ingest([self.void("a"), self.event(id="r", replaces="b")])
        between = get_store(self.env).bounds()
        self.ingest([self.void("r")])
        self.assertEqual(
            [self.total(before), self.total(between), self.total()], [20, 10, 0]
        )
        spec = MeterSpec("test.request", "count")
        window = Window(self.subscription.id, *WINDOW)
        read = get_store(self.env).read_events
        self.assertEqual(
            [
                [event.event_id for event in read(spec, window, bounds)]
                for bounds in (before, between, None)
            ],
            [["a", "b"], ["r"], []],
        )

    def test_status_tells_what_became_of_it(self):
        self.ingest([self.event(id="a"), self.event(id="b")])
        self.ingest([self.void("a"), self.event(id="r", replaces="b")])
        answers = {
            event_id: self.env["saas.usage.event"]._get_status_answer(
                self.source, event_id
            )
            for event_id in ("a", "b", "r", "void-a")
        }
        self.assertEqual({one["status"] for one in answers.values()}, {"stored"})
        self.assertEqual(
            [answers[one]["voided"] for one in answers], [True, True, False, False]
        )
        self.assertEqual(answers["b"]["replaced_by"], "r")
        self.assertIsNone(answers["a"]["replaced_by"])
        self.assertEqual(answers["void-a"]["event_time"], "2026-04-01T10:00:00Z")
        self.assertTrue(answers["void-a"]["batch_id"])

    def test_long_chain_from_its_end(self):
        chain = [self.event(id="c0", data={"bytes": 0})] + [
            self.event(id=f"c{n}", replaces=f"c{n - 1}", data={"bytes": n})
            for n in range(1, 30)
        ]
        for event in reversed(chain):
            self.ingest([event])
        self.assertEqual(self.total(), 29)
        self.assertEqual(len(self.events_of()), 30)

    def run_job(self):
        """Run the job as cron does, without its commits."""
        cron = type(self.env["ir.cron"])
        with patch.object(cron, "_commit_progress", return_value=60.0):
            self.env["saas.usage.quarantine"]._cron_replay_corrections()

    def test_missed_corrections_are_found_by_the_job(self):
        self.ingest([self.void("a")])
        # As if the void had come while somebody's transaction stored its event.
        self.waiting("void-a").action_ignore()
        self.ingest([self.event(id="a")])
        self.waiting("void-a").action_reopen()
        self.env.flush_all()
        self.assertEqual(self.total(), 10)
        self.run_job()
        self.assertEqual(self.waiting("void-a").state, "replayed")
        self.assertEqual(self.total(), 0)

    def miss(self, *targets):
        """Leave corrections waiting whose events are stored, as a race would."""
        waiting = self.env["saas.usage.quarantine"]
        for target in targets:
            self.ingest([self.void(target)])
            waiting |= self.waiting(f"void-{target}")
        waiting.action_ignore()
        self.ingest([self.event(id=target) for target in targets])
        waiting.action_reopen()
        self.env.flush_all()
        return waiting

    def failing(self, *event_ids):
        """Let the replay of corrections fail."""
        quarantine = type(self.env["saas.usage.quarantine"])
        get_events = quarantine._get_events

        def fail(row):
            if row.event_id in event_ids:
                raise ValueError("no")
            return get_events(row)

        return patch.object(quarantine, "_get_events", fail)

    def test_failing_correction_stops_no_other(self):
        bad, good = self.miss("a", "b")
        # They came with one request.
        (bad | good).first_seen_at = bad.first_seen_at
        self.env.flush_all()
        with self.failing("void-a"):
            self.run_job()
            self.assertEqual((bad.state, good.state), ("open", "replayed"))
            self.run_job()
        exception = self.env["saas.exception"].search(
            [("code", "=", "usage.correction_failed")]
        )
        self.assertEqual(exception.res_id, self.source.id)
        self.assertEqual((exception.state, exception.occurrences), ("open", 2))
        self.assertIn("void-a", exception.name)
        with self.failing("void-a"), self.assertRaises(ValueError):
            self.source.saas_retry_corrections()
        self.source.saas_retry_corrections()
        self.assertEqual((bad.state, self.total()), ("replayed", 0))
        self.run_job()
        self.assertEqual(exception.state, "resolved")

    def test_failing_correction_does_not_keep_its_event_out(self):
        self.ingest([self.void("a")])
        with self.failing("void-a"):
            result = self.ingest([self.event(id="a")])
        self.assertEqual(result.counts["stored"], 1)
        self.assertEqual((self.waiting("void-a").state, self.total()), ("open", 10))
        self.run_job()
        self.assertEqual(self.total(), 0)

    def test_more_corrections_than_fit_at_once_all_have_their_turn(self):
        name = "odoo.addons.saas_usage_billing.models.saas_usage_quarantine_correction"
        rows = self.miss("a", "b", "c")
        with patch(f"{name}._AT_ONCE", 1), self.failing("void-a"):
            self.run_job()
        self.assertEqual(rows.mapped("state"), ["open", "replayed", "replayed"])

    def test_retry_stores_all_corrections_of_its_source_only(self):
        name = "odoo.addons.saas_usage_billing.models.saas_usage_quarantine_correction"
        rows = self.miss("a", "b")
        other = self.source.copy({"code": "other"})
        with patch(f"{name}._AT_ONCE", 1):
            other.saas_retry_corrections()
            self.assertEqual(rows.mapped("state"), ["open", "open"])
            self.source.saas_retry_corrections()
        rows.invalidate_recordset()
        self.assertEqual(rows.mapped("state"), ["replayed", "replayed"])

    def make_story(self, pick, number):
        """Return events, most of them corrected once, some of those again."""
        events, free = [], []
        for n in range(number):
            event_id = f"s{number}-{n}"
            at = datetime(2026, 3, 2) + timedelta(minutes=n)
            if free and pick.random() < 0.5:
                target = free.pop(pick.randrange(len(free)))
                if pick.random() < 0.4:
                    events.append(self.void(target, id=event_id))
                    continue
                changes = {"replaces": target}
            else:
                changes = {}
            free.append(event_id)
            events.append(
                self.event(
                    id=event_id,
                    time=f"{at.isoformat()}Z",
                    data={"bytes": 1 << (n % 16)},
                    **changes,
                )
            )
        return events

    def test_any_order_and_any_repetition_is_the_same(self):
        pick = random.Random(3)
        for round_number in range(6):
            events = self.make_story(pick, 40 + round_number)
            gone = {event.get("voids") or event.get("replaces") for event in events}
            wanted = sum(
                event["data"]["bytes"]
                for event in events
                if "data" in event and event["id"] not in gone
            )
            before = self.total()
            sent = events + pick.choices(events, k=15)
            pick.shuffle(sent)
            while sent:
                size = pick.choice([1, 3, 10, 60])
                self.ingest(sent[:size])
                sent = sent[size:]
            self.assertEqual(self.total() - before, wanted, round_number)

    def test_stored_as_the_engine_says(self):
        """Corrections that contradict each other: the first one that can be stored."""
        pick = random.Random(5)
        ids = [f"k{n}" for n in range(12)]
        for round_number in range(8):
            prefix = f"{round_number}-"
            arrivals, requests = [], []
            for number in range(14):
                batch = []
                for _n in range(pick.choice([1, 1, 3])):
                    event_id, target = pick.sample(ids, 2)
                    kind = pick.choice(["event", "replaces", "voids"])
                    batch.append((prefix + event_id, kind, prefix + target))
                arrivals += [
                    Arrival(
                        event_id,
                        number,
                        None if kind == "voids" else object(),
                        None if kind == "event" else target,
                    )
                    for event_id, kind, target in batch
                ]
                requests.append(batch)
            for batch in requests:
                self.ingest(
                    [
                        self.void(target, id=event_id)
                        if kind == "voids"
                        else self.event(
                            id=event_id,
                            replaces=target if kind == "replaces" else None,
                        )
                        for event_id, kind, target in batch
                    ]
                )
            self.env.cr.execute(
                "SELECT k.event_id, v.event_id FROM saas_usage_event_key k"
                " LEFT JOIN saas_usage_event_void v ON v.source_id = k.source_id"
                " AND v.by_event_id = k.event_id"
                " WHERE k.source_id = %s AND starts_with(k.event_id, %s)",
                [self.source.id, prefix],
            )
            self.assertEqual(
                dict(self.env.cr.fetchall()),
                {one.event_id: one.corrects for one in accept(arrivals).values()},
                (round_number, requests),
            )
