# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from psycopg2.errors import RestrictViolation

from odoo.exceptions import AccessError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..models.usage_schema import create_store
from .common import UsageCase


@tagged("post_install", "-at_install")
class TestUsagePartition(UsageCase):
    """What is stored, by month."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ingest([cls.event(time="2021-02-10T10:00:00Z")])
        cls.partitions = cls.env["saas.usage.partition"]

    def get(self, month):
        return self.partitions.search([("month", "=", month)])

    def test_each_month_is_there_once(self):
        february = self.get(date(2021, 2, 1))
        self.assertEqual(february.name, "saas_usage_event_store_p2021_02")
        self.assertEqual(february.display_name, "February 2021")
        self.assertEqual(february.state, "attached")
        self.assertTrue(february.bytes)
        self.assertIn("B", february.size_text)
        self.ingest([self.event(time="2021-02-11T10:00:00Z")])
        self.assertEqual(self.get(date(2021, 2, 1)), february)

    def test_months_of_earlier_versions_are_found(self):
        february = self.get(date(2021, 2, 1))
        name = february.name
        self.env.cr.execute(
            "DELETE FROM saas_usage_partition WHERE id = %s", [february.id]
        )
        create_store(self.env.cr)
        create_store(self.env.cr)
        self.partitions.invalidate_model()
        self.assertEqual(self.get(date(2021, 2, 1)).mapped("name"), [name])

    @mute_logger("odoo.addons.base.models.ir_model", "odoo.addons.base.models.ir_rule")
    def test_administrators_and_auditors_look_and_nobody_edits(self):
        february = self.get(date(2021, 2, 1))
        for role in ("administrator", "auditor"):
            user = self.new_user(f"partition_{role}", role)
            # A month is of all companies.
            with self.assertRaises(AccessError):
                february.with_user(user).read(["name"])
            user.company_ids = self.env["res.company"].search([])
            self.assertTrue(february.with_user(user).size_text)
            with self.assertRaises(AccessError):
                february.with_user(user).write({"state": "attached"})
        with self.assertRaises(AccessError):
            clerk = self.new_user("partition_clerk", "billing_operator")
            february.with_user(clerk).read(["name"])

    def get_options(self, table):
        self.env.cr.execute(
            "SELECT reloptions FROM pg_class WHERE relname = %s", [table]
        )
        return dict(one.split("=") for one in self.env.cr.fetchone()[0] or ())

    def test_tables_say_how_they_are_cleaned_up(self):
        name = self.get(date(2021, 2, 1)).name
        wanted = {
            "autovacuum_vacuum_insert_scale_factor": "0.05",
            "autovacuum_analyze_scale_factor": "0.02",
            "autovacuum_freeze_min_age": "0",
        }
        self.assertEqual(self.get_options(name), wanted)
        # Those of earlier versions get it when the module is upgraded.
        self.env.cr.execute(f"ALTER TABLE {name} RESET ({', '.join(wanted)})")
        create_store(self.env.cr)
        self.assertEqual(self.get_options(name), wanted)
        for table, option, value in (
            ("saas_usage_event_key", "autovacuum_vacuum_insert_scale_factor", "0.02"),
            ("saas_usage_bucket", "autovacuum_vacuum_scale_factor", "0.02"),
            ("saas_usage_bucket_key", "autovacuum_vacuum_insert_scale_factor", "0.05"),
            ("saas_usage_touched", "autovacuum_vacuum_threshold", "1000"),
            ("saas_usage_call", "autovacuum_vacuum_threshold", "500"),
        ):
            self.assertEqual(self.get_options(table)[option], value, table)

    def test_keys_can_be_cut_by_hash(self):
        first = self.event()
        self.ingest([first])
        parts = "".join(
            f"CREATE TABLE saas_usage_event_key_h{n:02} PARTITION OF"
            " saas_usage_event_key FOR VALUES WITH (MODULUS 16, REMAINDER"
            f" {n});"
            for n in range(16)
        )
        self.env.cr.execute(
            f"""
            ALTER TABLE saas_usage_event_key RENAME TO saas_usage_event_key_flat;
            ALTER INDEX saas_usage_event_key_pkey
                RENAME TO saas_usage_event_key_flat_pkey;
            CREATE TABLE saas_usage_event_key (
                LIKE saas_usage_event_key_flat, PRIMARY KEY (source_id, event_id)
            ) PARTITION BY HASH (source_id, event_id);
            {parts}
            INSERT INTO saas_usage_event_key SELECT * FROM saas_usage_event_key_flat
            """
        )
        create_store(self.env.cr)
        second = self.event()
        self.assertEqual(self.ingest_counts([first, second])[:3], (2, 1, 1))
        self.assertEqual(
            self.get_options("saas_usage_event_key_h07")[
                "autovacuum_vacuum_insert_scale_factor"
            ],
            "0.02",
        )
        with self.assertRaises(RestrictViolation), mute_logger("odoo.sql_db"):
            with self.env.cr.savepoint():
                self.env.cr.execute("DELETE FROM saas_usage_event_key")
