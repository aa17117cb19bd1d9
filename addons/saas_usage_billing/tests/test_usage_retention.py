# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, datetime
from types import SimpleNamespace
from unittest.mock import patch

from psycopg2 import IntegrityError
from psycopg2.errors import RestrictViolation, SerializationFailure

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..exceptions import UsageStoreError
from ..models.saas_subscription_usage_periods import CACHE
from ..models.saas_usage_partition_retain import BLOCKED, KEEP
from ..models.usage_schema import drop_store
from .common import ROLE
from .test_hold import APRIL, MARCH, MAY, HoldCase

MIDDLE = datetime(2026, 3, 11)


class RetentionCase(HoldCase):
    """Usage of March, invoiced and older than what is controlled."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env.cr.execute(
            "UPDATE saas_usage_partition SET state = 'dropped' WHERE month < %s",
            ["2026-01-01"],
        )
        cls.partitions = cls.env["saas.usage.partition"]
        cls.admin = cls.new_user("retention_admin", f"{ROLE}administrator")
        cls.admin.company_ids = cls.env["res.company"].search([])

    @classmethod
    def age(cls):
        cls.env.cr.execute(
            "UPDATE saas_usage_batch SET received_at = received_at - interval '30 days'"
        )
        cls.env["saas.usage.batch"].invalidate_model()

    def month(self, day=MARCH):
        return self.partitions.search([("month", "=", day)])

    def detach(self, day=MARCH):
        self.age()
        month = self.month(day)
        month._freeze()
        month._detach(lambda: None)
        self.assertTrue(month._purge(lambda *_args: True))
        return month

    def due(self, cutoff=MAY):
        self.env.cr.cache.pop(CACHE, None)
        return [
            (row.ref, row.kind, row.service_start, row.quantity, row.amount)
            for row in self.subscription._get_unbooked_charges(cutoff)
        ]

    def count(self, table):
        self.env.cr.execute(
            f"SELECT count(*) FROM {table} WHERE source_id = %s", [self.source.id]
        )
        return self.env.cr.fetchone()[0]


@tagged("post_install", "-at_install")
class TestUsageRetention(RetentionCase):
    """Months go; what was invoiced stays, and nothing comes in twice."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.store(620, "2026-03-10", path="/a")
        cls.repeated = cls.event(time="2026-03-11T10:00:00Z")
        cls.ingest([cls.repeated])

    def bill_march(self):
        run = self.bill_usage()
        self.assertEqual(run.line_ids.mapped("state"), ["posted"], run.line_ids.reason)
        return self.subscription.charge_ids.filtered(
            lambda charge: charge.line_id.product_id == self.calls
        )

    # Nothing twice ----------------------------------------------------
    def test_repeat_of_a_detached_event_is_refused(self):
        self.bill_march()
        self.assertEqual(self.count("saas_usage_event_key"), 621)
        self.detach()
        self.assertFalse(self.events_of())
        self.assertEqual(self.count("saas_usage_event_key"), 0)
        result = self.ingest([self.repeated, self.event()])
        self.assertEqual(result.counts["stored"], 1)
        self.assertEqual([one.code for one in result.outcomes if one.code], ["too_old"])
        with_leave = self.env["saas.usage.event"].with_context(
            saas_usage_late_feed=True
        )
        again = with_leave._ingest([{**self.repeated, "id": "new"}], kind="upload")
        self.assertEqual(again.counts["quarantined"], 1)

    def test_closed_month_takes_nothing_whoever_asks(self):
        self.bill_march()
        self.age()
        self.month()._freeze()
        copied = "SELECT * FROM saas_usage_event_store LIMIT 1"
        for query in (
            f"INSERT INTO saas_usage_event_store {copied}",
            "INSERT INTO saas_usage_event_void SELECT source_id, event_id, id,"
            " event_time, subscription_id, event_type, 'void', NULL, batch_id,"
            f" stored_at FROM ({copied}) e",
        ):
            with self.assertRaises(SerializationFailure), mute_logger("odoo.sql_db"):
                with self.env.cr.savepoint():
                    self.env.cr.execute(query)
        # It still counts.
        self.assertEqual(len(self.events_of()), 621)
        self.assertFalse(self.due(APRIL))

    def test_only_keys_of_closed_months_can_be_deleted(self):
        self.bill_march()
        self.ingest([self.event()])
        self.detach()
        for table in ("saas_usage_event_key", "saas_usage_event_store"):
            with self.assertRaises(RestrictViolation), mute_logger("odoo.sql_db"):
                with self.env.cr.savepoint():
                    self.env.cr.execute(f"DELETE FROM {table}")
        self.assertEqual(self.count("saas_usage_event_key"), 1)
        for table in (self.month().name, "saas_usage_event_key"):
            with self.assertRaises(RestrictViolation), mute_logger("odoo.sql_db"):
                with self.env.cr.savepoint():
                    self.env.cr.execute(f"UPDATE {table} SET event_id = 'other'")

    # Money ------------------------------------------------------------
    def test_what_is_booked_stays_to_the_cent(self):
        self.bill_march()
        self.store(30, "2026-04-10", path="/b")
        before = self.due()
        self.assertTrue(before)
        self.detach()
        self.assertEqual(self.due(), before)
        # Another price, from the beginning: nothing of March is charged anew.
        self.create_price(
            self.traffic,
            model="standard",
            unit_price=5,
            plan_id=self.plan.id,
            correction_reason="Agreed",
        )
        self.assertEqual({row[2] for row in self.due()}, {APRIL})
        run = self.bill_usage(MAY, date(2026, 5, 1))
        self.assertEqual(run.line_ids.mapped("state"), ["posted"], run.line_ids.reason)
        self.assertFalse(self.due())

    def test_tiers_of_a_year_and_commitments_count_what_is_booked(self):
        self.env["saas.usage.price"].search(
            [("product_tmpl_id", "=", self.calls.product_tmpl_id.id)]
        ).tier_period = "contract_year"
        self.env["saas.usage.commitment"].create(
            {
                "name": "Promise",
                "subscription_id": self.subscription.id,
                "amount": 900,
                "window": "quarter",
                "date_start": MARCH,
            }
        )
        self.bill_march()
        self.store(30, "2026-04-10", path="/b")
        june = date(2026, 6, 1)
        before = self.due(june)
        self.assertTrue(any(row[0].startswith("commit:") for row in before))
        self.detach()
        self.assertEqual(self.due(june), before)

    def test_what_was_invoiced_explains_itself(self):
        charge = self.bill_march()
        self.calls_meter.dimension_ids = [(0, 0, {"key": "path", "name": "Path"})]
        before = charge._get_usage_breakdown()
        text = charge.usage_group_text
        self.detach()
        charge.invalidate_recordset()
        self.assertEqual(charge._get_usage_breakdown(), before)
        self.assertEqual(charge.usage_group_text, text)
        self.assertEqual(charge._get_usage_recomputed(), 621)
        with self.assertRaisesRegex(UsageStoreError, "no longer kept"):
            charge.action_view_usage_events()
        # The drill-down says so and keeps its totals.
        drill = self.env["saas.usage.drill"].browse(
            charge.action_drill_usage()["res_id"]
        )
        self.assertIn("no longer kept", drill.detached_note)
        self.assertFalse(drill.has_events)
        self.assertAlmostEqual(drill.amount, float(before.amount))
        self.assertEqual(sum(drill.day_ids.mapped("event_count")), 621)
        kept = self.env["saas.usage.reading"].search([("charge_id", "=", charge.id)])
        with self.assertRaises(UsageStoreError):
            kept.unlink()
        # The preview of the run has no evidence of its own.
        with self.assertRaisesRegex(UsageStoreError, "its charge"):
            self.env["saas.billing.run.charge"].search(
                [("subscription_id", "=", self.subscription.id)]
            ).filtered("has_usage")[:1]._measure_usage()

    def test_what_is_only_partly_kept_says_from_when_on(self):
        charge = self.bill_march()
        self.assertEqual(charge._get_detached_note(), "")
        until = patch.object(
            type(self.partitions), "_get_detached_until", return_value=MIDDLE
        )
        with until:
            self.assertIn("before 03/11/2026", charge._get_detached_note())
            self.assertTrue(charge._has_single_events())
            self.assertIn("this time", charge._get_detached_note(date(2026, 3, 10)))
            self.assertFalse(charge._has_single_events(date(2026, 3, 10)))
            self.assertEqual(charge._get_detached_note(date(2026, 3, 11)), "")
            self.assertTrue(charge.action_view_usage_events())
            drill = charge.env["saas.usage.drill"]
            vals = drill._prepare_drill_vals(
                charge, SimpleNamespace(quantity=1, unit="", amount=1, is_additive=True)
            )
            self.assertIn("before 03/11/2026", vals["detached_note"])

    def test_detached_months_are_not_simulated(self):
        self.bill_march()
        vals = {"name": "Other prices", "date_from": MARCH, "date_to": MAY}
        Simulation = self.env["saas.usage.simulation"].with_user(self.operator)
        Simulation.create(vals)
        self.detach()
        with self.assertRaisesRegex(ValidationError, "no longer kept"):
            Simulation.create(vals)
        Simulation.create({**vals, "date_from": APRIL})

    # By hand ----------------------------------------------------------
    def test_month_detached_by_hand_stops_billing_until_it_is_back(self):
        self.bill_march()
        before, name = self.due(), self.month().name
        store = "ALTER TABLE saas_usage_event_store"
        self.env.cr.execute(f"{store} DETACH PARTITION {name}")
        for _again in range(2):
            # Beginning anew is of no use, and nothing is credited meanwhile.
            with self.assertRaises(SerializationFailure) as caught:
                self.due()
            self.assertIn(name, str(caught.exception))
            self.assertIn("attach it again", str(caught.exception))
        late = self.event(time="2026-03-12T10:00:00Z")
        with mute_logger("odoo.sql_db"), self.assertRaises(IntegrityError):
            self.ingest([late])
        self.env.cr.execute(
            f"{store} ATTACH PARTITION {name}"
            " FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')"
        )
        self.assertEqual(self.due(), before)

        # Dropped, it is not begun anew as if it had been empty.
        self.env.cr.execute(f"{store} DETACH PARTITION {name}")
        self.env.cr.execute(f"DROP TABLE {name}")
        with mute_logger("odoo.sql_db"), self.assertRaises(IntegrityError):
            self.ingest([late])
        with self.assertRaises(SerializationFailure):
            self.due()

    # In the way -------------------------------------------------------
    def test_usage_that_is_not_settled_is_in_the_way(self):
        self.age()
        month = self.month()

        def progress(*_args):
            return 9

        self.assertFalse(month._close(progress))
        issue = month._saas_get_open_exceptions(BLOCKED)
        self.assertIn(self.subscription.name, issue.name)
        self.assertEqual(month.state, "attached")
        with self.assertRaisesRegex(UserError, self.subscription.name):
            month.with_user(self.admin).saas_retry_retain()

        self.bill_march()
        hold = self.hold(meter_id=self.calls_meter.id)
        self.assertIn(self.subscription.name, month._get_problem())
        self.release(hold)
        self.assertFalse(month._get_problem())
        self.assertTrue(month._close(progress))
        self.assertTrue(month._retain(progress))
        self.assertEqual(month.state, "detached")
        self.assertFalse(month._saas_get_open_exceptions(BLOCKED))

    def test_usage_that_just_arrived_is_in_the_way(self):
        self.bill_march()
        self.assertIn("arrived", self.month()._get_problem())
        self.age()
        self.assertFalse(self.month()._get_problem())

    def test_older_months_go_first(self):
        self.bill_march()
        self.ingest([self.event(time="2026-02-10T10:00:00Z")])
        self.age()
        self.assertIn("February 2026", self.month()._get_problem())

    def test_periods_that_last_longer_keep_the_month(self):
        # In Tokyo April begins in March of UTC.
        self.create_subscription(
            [{"product_id": self.calls.id}], date_start=MARCH, tz="Asia/Tokyo"
        )
        self.store(3, "2026-04-10", path="/b")
        self.bill_usage(MAY, date(2026, 5, 1))
        self.age()
        march, april = self.month(), self.month(APRIL)
        march._freeze()
        with self.assertRaisesRegex(UsageStoreError, "2026-04-30 15:00"):
            march._detach(lambda: None)
        self.assertFalse(march._retain(lambda: 9))
        self.assertFalse(april._get_problem())
        april._freeze()
        march._detach(lambda: None)
        self.assertEqual(march.state, "detached")
        self.assertFalse(self.due())

    # The job ----------------------------------------------------------
    def run_job(self, times):
        """Run the job, each time stopped after its first step."""
        self.patch(
            type(self.env["ir.cron"]), "_commit_progress", lambda *_args, **_kw: 0
        )
        for _time in range(times):
            self.partitions._cron_retain()

    def test_nothing_is_detached_by_default(self):
        self.bill_march()
        self.age()
        self.run_job(3)
        self.assertEqual(self.month().state, "attached")

    def test_job_goes_on_where_it_was_stopped(self):
        self.bill_march()
        self.store(3, "2026-10-10")
        self.age()
        self.env["ir.config_parameter"].set_param(KEEP, "6")
        month = self.month()
        states = []
        for _time in range(5):
            self.run_job(1)
            states.append((month.state, month.purged_id > 0, month.is_purged))
        self.assertEqual(
            states,
            [
                ("frozen", False, False),
                ("detached", False, False),
                ("detached", True, False),
                ("detached", True, True),
                ("detached", True, True),
            ],
        )
        self.assertEqual(self.month(date(2026, 10, 1)).state, "attached")
        self.assertFalse(self.due(APRIL))

    # Settings ---------------------------------------------------------
    def test_sources_accept_no_older_events_than_are_kept(self):
        def keep(months):
            settings = self.env["res.config.settings"].create(
                {"saas_usage_keep_months": months}
            )
            settings.execute()

        with self.assertRaisesRegex(ValidationError, "6 months"):
            keep(5)
        with self.assertRaisesRegex(ValidationError, "Web Log"):
            keep(12)
        self.env["saas.usage.source"].search([]).max_age_days = 100
        keep(12)
        self.assertEqual(self.partitions._get_kept_months(), 12)
        with self.assertRaisesRegex(ValidationError, "360 days"):
            self.source.max_age_days = 361
        keep(0)
        self.source.max_age_days = 3650

    # People -----------------------------------------------------------
    def test_administrators_close_detach_and_drop(self):
        self.bill_march()
        self.age()
        auditor = self.new_user("retention_auditor", f"{ROLE}auditor")
        month = self.month()
        for action in ("action_freeze", "action_detach", "action_drop"):
            with self.assertRaises(AccessError):
                getattr(month.with_user(auditor), action)()
        mine = month.with_user(self.admin)
        with self.assertRaises(UsageStoreError):
            mine.action_detach()
        mine.action_freeze()
        mine.action_detach()
        self.assertEqual(month.state, "detached")
        with self.assertRaisesRegex(UsageStoreError, "daily job"):
            mine.action_drop()
        month._purge(lambda *_args: True)
        mine.action_drop()
        self.env.cr.execute("SELECT to_regclass(%s)", [month.name])
        self.assertFalse(self.env.cr.fetchone()[0])
        self.assertFalse(self.due(APRIL))

    def test_month_that_runs_stays_open(self):
        self.store(1, date.today().isoformat())
        month = self.month(date.today().replace(day=1))
        with self.assertRaisesRegex(UsageStoreError, "not over"):
            month.with_user(self.admin).action_freeze()

    def test_removal_takes_detached_months_along(self):
        self.bill_march()
        name = self.detach().name
        with self.env.cr.savepoint() as savepoint:
            drop_store(self.env.cr)
            self.env.cr.execute(
                "SELECT relname FROM pg_class WHERE relname LIKE 'saas_usage_event%%'"
                " OR relname IN ('saas_usage_opening', 'saas_usage_partition')"
            )
            self.assertFalse(self.env.cr.fetchall(), name)
            savepoint.rollback()
