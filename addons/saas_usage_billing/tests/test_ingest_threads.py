# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import threading
from datetime import date
from itertools import count
from unittest.mock import patch

from odoo import SUPERUSER_ID, api
from odoo.modules.registry import Registry
from odoo.tests import BaseCase, get_db_name, tagged

from ..models import usage_store_ingest
from ..models.usage_schema import partition_name
from .common import NOW, UsageFixture

SENDERS = 4
EVENTS = 150
ROUNDS = 5
TYPE = "threads.request"
_TABLES = (
    "saas_usage_event_store",
    "saas_usage_event_key",
    "saas_usage_event_void",
)


@tagged("post_install", "-at_install", "-standard", "saas_usage_threads")
class TestIngestThreads(UsageFixture, BaseCase):
    """Requests with the same new ids at the same time, in real transactions.

    Commits for real, so it stands beside the standard tests; it cleans up behind
    itself, for which the guards of the store have to be lifted.
    """

    month = date(1995, 7, 1)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.numbers = count(1)
        cls.registry = Registry(get_db_name())

    def setUp(self):
        super().setUp()
        with self.registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {"tracking_disable": True})
            records = [
                env["saas.usage.source"].create(
                    {"name": "Threads", "code": TYPE, "max_age_days": 36500}
                ),
                env["saas.meter"].create(
                    {"name": "Threads", "code": TYPE, "event_type": TYPE}
                ),
                env["saas.plan"].create({"name": "Threads"}),
            ]
            records.append(
                env["saas.subscription"].create(
                    {
                        "plan_id": records[2].id,
                        "partner_id": env.company.partner_id.id,
                        "tz": "UTC",
                        "date_start": self.month,
                    }
                )
            )
            records.append(
                env["saas.external.id"].create(
                    {
                        "source": TYPE,
                        "kind": "subject",
                        "value": "client-1",
                        "subscription_id": records[3].id,
                    }
                )
            )
            self.made = [(record._name, record.id) for record in records]
        self.addCleanup(self.clean)

    def clean(self):
        with self.registry.cursor() as cr:
            source = dict(self.made)["saas.usage.source"]
            cr.execute(f"DROP TABLE IF EXISTS {partition_name(self.month)}")
            cr.execute(
                "DELETE FROM saas_usage_partition WHERE month = %s", [self.month]
            )
            for table in _TABLES:
                cr.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
                cr.execute(f"DELETE FROM {table} WHERE source_id = %s", [source])
                cr.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
            cr.execute(
                "DELETE FROM saas_usage_quarantine WHERE source_id = %s", [source]
            )
            cr.execute("DELETE FROM saas_usage_batch WHERE source_id = %s", [source])
            env = api.Environment(cr, SUPERUSER_ID, {})
            for model, record_id in reversed(self.made):
                env[model].browse(record_id).unlink()

    def send(self, events, number, results, gate):
        gate.wait()
        with self.registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            Event = env["saas.usage.event"]
            Event._start_ingest()
            results[number] = Event._ingest(events, at=NOW).counts

    def send_at_once(self, batches):
        """Send batches in transactions of the same time; return their counts."""
        results, gate = {}, threading.Barrier(len(batches))
        threads = [
            threading.Thread(target=self.send, args=(batch, n, results, gate))
            for n, batch in enumerate(batches)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(len(results), len(batches))
        return results

    def test_events_and_what_takes_them_back_at_once(self):
        for number in range(ROUNDS):
            events = [
                self.event(
                    id=f"{number}-{n}",
                    source=TYPE,
                    type=TYPE,
                    time="1995-07-01T10:00:00Z",
                )
                for n in range(20)
            ]
            # Each half also brings replacements, which the other half voids.
            voids, more = [], []
            for event in events:
                new = {**event, "id": f"r{event['id']}", "replaces": event["id"]}
                void = {"id": f"v{new['id']}", "source": TYPE, "voids": new["id"]}
                more.append(new)
                voids.append(void)
            self.send_at_once(
                [events, more, voids, voids[::-1], more[::-1] + events[:5]]
            )
        with self.registry.cursor() as cr:
            cr.execute(
                "SELECT (SELECT count(*) FROM saas_usage_event_store"
                "         WHERE source_id = %(source)s),"
                "       (SELECT count(*) FROM saas_usage_event_void"
                "         WHERE source_id = %(source)s),"
                "       (SELECT count(*) FROM saas_usage_event_key"
                "         WHERE source_id = %(source)s),"
                "       (SELECT count(*) FROM saas_usage_quarantine"
                "         WHERE source_id = %(source)s AND state = 'open')",
                {"source": dict(self.made)["saas.usage.source"]},
            )
            total = ROUNDS * 20
            self.assertEqual(cr.fetchone(), (2 * total, 2 * total, 3 * total, 0))

    def test_early_correction_holds_nobody_up(self):
        void = {"id": "void", "source": TYPE, "voids": "later"}
        results, gate = {}, threading.Barrier(2)
        lock = [usage_store_ingest._STORING, self.get_company_id()]
        sender = threading.Thread(target=self.send, args=([void], 0, results, gate))
        with (
            patch.object(usage_store_ingest, "_PATIENCE", 0.5),
            self.registry.cursor() as busy,
            self.registry.cursor() as other,
        ):
            shared = "SELECT pg_try_advisory_xact_lock_shared(%s, %s)"
            busy.execute(shared, lock)
            sender.start()
            gate.wait()
            tried = []
            while sender.is_alive():
                other.execute(shared, lock)
                tried.append(other.fetchone()[0])
                other.rollback()
                sender.join(0.01)
        self.assertTrue(tried and all(tried), tried)
        self.assertEqual(results[0]["quarantined"], 1)

    def get_company_id(self):
        with self.registry.cursor() as cr:
            return api.Environment(cr, SUPERUSER_ID, {}).company.id

    def test_same_new_ids_at_once(self):
        # A month without a partition: everybody wants to create it, too.
        events = [
            self.event(
                source=TYPE, type=TYPE, time=f"1995-07-{1 + n % 28:02}T10:00:00Z"
            )
            for n in range(EVENTS)
        ]
        results = self.send_at_once(
            [events[::1] if n % 2 else events[::-1] for n in range(SENDERS)]
        )
        self.assertEqual(sum(counts["stored"] for counts in results.values()), EVENTS)
        self.assertEqual(
            sum(counts["duplicate"] for counts in results.values()),
            EVENTS * (SENDERS - 1),
        )
        with self.registry.cursor() as cr:
            cr.execute(
                "SELECT count(*), count(DISTINCT event_id) FROM saas_usage_event_store"
                " WHERE source_id = %s",
                [dict(self.made)["saas.usage.source"]],
            )
            self.assertEqual(cr.fetchone(), (EVENTS, EVENTS))
