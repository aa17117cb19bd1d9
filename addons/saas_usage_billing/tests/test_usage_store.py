# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, timedelta

import psycopg2.errors

from odoo.tests import tagged
from odoo.tools import mute_logger

from ..exceptions import UsageStoreError
from ..models.usage_schema import (
    create_store,
    ensure_partitions,
    partition_name,
)
from ..models.usage_store_api import PARAMETER, get_store
from .common import UsageCase


@tagged("post_install", "-at_install")
class TestUsageStore(UsageCase):
    """Partitions come when needed; nobody changes what is stored."""

    def assertRefused(self, query):
        with (
            mute_logger("odoo.sql_db"),
            self.assertRaises(psycopg2.errors.RestrictViolation),
            self.env.cr.savepoint(),
        ):
            self.env.cr.execute(query)

    def test_database_refuses_every_change(self):
        self.ingest([self.event(id="e1")])
        partition = partition_name(date(2026, 4, 1))
        self.ingest([{"id": "void", "source": "weblog", "voids": "e1"}])
        tables = (
            "saas_usage_event_store",
            partition,
            "saas_usage_event_key",
            "saas_usage_event_void",
        )
        for table in (*tables, "saas_usage_event"):
            self.assertRefused(f"DELETE FROM {table}")
            self.assertRefused(f"UPDATE {table} SET event_id = 'other'")
        for table in tables:
            self.assertRefused(f"TRUNCATE {table}")
        self.assertEqual(len(self.events_of()), 1)

    def test_orm_refuses_every_change_for_the_superuser(self):
        self.ingest([self.event()])
        event = self.events_of().sudo()
        for change in (
            lambda: event.write({"subject": "other"}),
            event.unlink,
            event.copy,
            lambda: event.create({"subject": "x"}),
        ):
            with self.assertRaises(UsageStoreError):
                change()

    def test_request_log_is_written_by_the_api_only(self):
        batch = self.env["saas.usage.batch"].browse(
            self.ingest([self.event()]).batch_id
        )
        for change in (
            lambda: batch.sudo().write({"stored": 2}),
            batch.sudo().unlink,
            lambda: batch.sudo().create({}),
        ):
            with self.assertRaises(UsageStoreError):
                change()

    def test_partition_per_month_on_demand(self):
        months = [date(1999, 12, 1), date(2031, 1, 1)]
        self.assertEqual(
            ensure_partitions(self.env.cr, [*months, months[0]]),
            ["saas_usage_event_store_p1999_12", "saas_usage_event_store_p2031_01"],
        )
        self.assertEqual(ensure_partitions(self.env.cr, months), [])
        self.env.cr.execute(
            "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = %s",
            ["saas_usage_event_store_p1999_12"],
        )
        bound = self.env.cr.fetchone()[0]
        self.assertIn("1999-12-01", bound)
        self.assertIn("2000-01-01", bound)

    def test_events_of_different_months_land_in_their_partition(self):
        self.ingest(
            [
                self.event(time="2026-02-28T23:59:59.999999Z"),
                self.event(time="2026-03-01T00:00:00Z"),
            ]
        )
        for month in (2, 3):
            self.env.cr.execute(
                f"SELECT count(*) FROM {partition_name(date(2026, month, 1))}"
                " WHERE subscription_id = %s",
                [self.subscription.id],
            )
            self.assertEqual(self.env.cr.fetchone()[0], 1)

    def test_detached_partition_stays_guarded(self):
        self.ingest([self.event()])
        partition = partition_name(date(2026, 4, 1))
        self.env.cr.execute(
            f"ALTER TABLE saas_usage_event_store DETACH PARTITION {partition}"
        )
        self.assertRefused(f"DELETE FROM {partition}")
        self.assertRefused(f"UPDATE {partition} SET event_id = 'other'")
        self.assertRefused(f"TRUNCATE {partition}")

    def test_requests_are_numbered_beyond_two_thousand_million(self):
        first = 2**31 + 5
        cr = self.env.cr
        cr.execute("SELECT nextval('saas_usage_batch_id_seq')")
        [before] = cr.fetchone()
        # A sequence is not rolled back with the test.
        self.addCleanup(
            cr.execute, "SELECT setval('saas_usage_batch_id_seq', %s)", [before]
        )
        cr.execute("SELECT setval('saas_usage_batch_id_seq', %s)", [first - 1])
        result = self.ingest([self.event(), self.event(subject="nobody")])
        self.assertEqual(result.batch_id, first)
        self.env.invalidate_all()
        self.assertEqual(self.events_of().batch_id.id, first)
        waiting = self.env["saas.usage.quarantine"].search(
            [("batch_id", "=", first), ("subject", "=", "nobody")]
        )
        self.assertEqual(waiting.batch_id.stored, 1)
        bounds = get_store(self.env).bounds()
        self.assertEqual(bounds.batch_max, first)

    def test_unknown_store_is_refused(self):
        self.env["ir.config_parameter"].set_param(PARAMETER, "nowhere")
        with self.assertRaisesRegex(UsageStoreError, "nowhere"):
            get_store(self.env)

    def test_set_up_can_be_repeated(self):
        self.ingest([self.event()])
        create_store(self.env.cr)
        self.assertEqual(len(self.events_of()), 1)
        self.assertRefused("DELETE FROM saas_usage_event_store")

    def test_records_with_events_stay(self):
        draft = self.create_subscription(self.partner, activate=False)
        self.tie("client-2", draft)
        self.ingest([self.event(subject="client-2")])
        with self.assertRaises(UsageStoreError):
            draft.unlink()
        with self.assertRaises(UsageStoreError):
            self.source.unlink()
        with self.assertRaises(UsageStoreError):
            self.source.code = "other"
        self.source.write({"name": "Other Name", "code": "weblog"})

    def draw(self):
        self.env.cr.execute("SELECT nextval('saas_usage_batch_id_seq')")
        return self.env.cr.fetchone()[0]

    def receive(self, age):
        """Log a request that arrived some time ago."""
        number = self.ingest([self.event()]).batch_id
        self.env.cr.execute(
            "UPDATE saas_usage_batch SET received_at = received_at - %s WHERE id = %s",
            [age, number],
        )

    def test_numbers_that_are_never_used_are_not_waited_for(self):
        lost = self.draw()
        self.receive(timedelta(days=1))
        running = self.draw()
        self.receive(timedelta(minutes=5))
        open_numbers = get_store(self.env).bounds().batch_open
        self.assertNotIn(lost, open_numbers)
        self.assertIn(running, open_numbers)
