# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, datetime
from unittest.mock import patch

from psycopg2.errors import CheckViolation, UniqueViolation

from odoo import Command, api
from odoo.exceptions import AccessError, UserError
from odoo.tests import freeze_time, tagged
from odoo.tools import mute_logger

from odoo.addons.queue_job.tests.common import trap_jobs

from ..exceptions import BillingError
from .common import SubscriptionCase

TODAY = date(2026, 4, 1)


@tagged("post_install", "-at_install")
class TestSaasBillingSchedule(SubscriptionCase):
    """Scheduled runs: once per date, posted alone only when nothing is to be seen."""

    def create_schedule(self, user=None, **vals):
        return (
            self.env["saas.billing.schedule"]
            .with_user(user or self.operator)
            .create(
                {
                    "name": "Month start",
                    "date_start": TODAY,
                    "operator_id": self.operator.id,
                    **vals,
                }
            )
        )

    def approved_schedule(self, **vals):
        schedule = self.create_schedule(auto_approve=True, **vals)
        schedule.with_user(self.approver).action_approve()
        return schedule

    def prepare(self, schedule, today=TODAY):
        """Prepare as the scheduled action does."""
        schedule = schedule.with_user(api.SUPERUSER_ID)
        schedule = schedule.with_context(queue_job__no_delay=True)
        return schedule._prepare_run(today)

    # Dates -----------------------------------------------------------
    def test_one_run_per_date(self):
        schedule = self.create_schedule()
        self.assertFalse(self.prepare(schedule, date(2026, 3, 31)))
        run = self.prepare(schedule)
        self.assertEqual((run.date_scheduled, run.state), (TODAY, "computed"))
        self.assertEqual(schedule.date_next, date(2026, 5, 1))
        self.assertFalse(self.prepare(schedule))
        self.assertEqual(schedule.run_count, 1)

    @mute_logger("odoo.sql_db")
    def test_the_database_refuses_a_second_run_of_a_date(self):
        schedule = self.create_schedule()
        self.prepare(schedule)
        with self.assertRaises(UniqueViolation), self.env.cr.savepoint():
            schedule.sudo().date_done = False
            self.prepare(schedule)

    def test_dates_keep_the_day_of_the_month(self):
        schedule = self.create_schedule(date_start=date(2026, 1, 31))
        dates = schedule._get_missing_dates(date(2026, 5, 1))
        self.assertEqual(
            dates,
            [
                date(2026, 1, 31),
                date(2026, 2, 28),
                date(2026, 3, 31),
                date(2026, 4, 30),
            ],
        )

    def test_missed_dates_make_one_run(self):
        self.create_subscription()
        schedule = self.create_schedule(interval_unit="day")
        run = self.prepare(schedule, date(2026, 4, 8))
        self.assertEqual(schedule.run_count, 1)
        self.assertEqual(run.date_scheduled, date(2026, 4, 8))
        self.assertEqual(run.line_ids.amount, 1000)  # March and April
        self.assertIn("were missed", "".join(run.message_ids.mapped("body")))
        self.assertEqual(schedule.date_next, date(2026, 4, 9))

    def test_cutoff_and_invoice_date(self):
        cases = [
            # offsets of cut-off and invoice date, day it is made, both dates
            (0, 0, TODAY, TODAY, TODAY),
            (7, 2, TODAY, date(2026, 4, 8), date(2026, 4, 3)),
            (0, 0, date(2026, 4, 5), TODAY, date(2026, 4, 5)),
            (0, -1, date(2026, 4, 5), TODAY, date(2026, 3, 31)),
        ]
        for cutoff, invoice, made, due, dated in cases:
            with self.subTest(cutoff=cutoff, invoice=invoice, made=made):
                schedule = self.create_schedule(
                    cutoff_offset=cutoff, invoice_offset=invoice
                )
                run = self.prepare(schedule, made)
                self.assertEqual((run.date_cutoff, run.date_invoice), (due, dated))

    def test_scope_and_tolerances_are_copied(self):
        plan = self.create_plan(name="Other")
        schedule = self.create_schedule(
            plan_ids=[Command.set(plan.ids)],
            partner_ids=[Command.set(self.partner.ids)],
            variance_tolerance=5,
            expect_tax=True,
            send_invoices=True,
        )
        run = self.prepare(schedule)
        self.assertEqual(run.plan_ids, plan)
        self.assertEqual(run.partner_ids, self.partner)
        self.assertEqual((run.variance_tolerance, run.expect_tax), (5, True))
        self.assertTrue(run.send_invoices)

    def test_bad_schedules_are_refused(self):
        with self.assertRaises(UserError):
            self.create_schedule(cutoff_offset=400)
        with self.assertRaisesRegex(UserError, "no Billing Operator"):
            self.create_schedule(operator_id=self.approver.id)
        with mute_logger("odoo.sql_db"), self.assertRaises(CheckViolation):
            with self.env.cr.savepoint():
                self.create_schedule(interval_count=0)

    # Cron ------------------------------------------------------------
    def run_cron(self, moment):
        cron = self.env.ref(
            "saas_subscription_ops.ir_cron_saas_billing_schedule_prepare_runs"
        )
        with freeze_time(moment), self.enter_registry_test_mode():
            cron.method_direct_trigger()

    def test_cron_follows_the_companys_time_zone(self):
        self.company.partner_id.tz = "Pacific/Auckland"
        schedule = self.create_schedule()
        self.run_cron(datetime(2026, 3, 31, 10, 0))
        self.assertFalse(schedule.run_count)
        self.run_cron(datetime(2026, 3, 31, 12, 0))  # already the 1st over there
        schedule.invalidate_recordset()
        self.assertEqual(schedule.run_count, 1)
        self.run_cron(datetime(2026, 3, 31, 13, 0))
        schedule.invalidate_recordset()
        self.assertEqual(schedule.run_count, 1)

    def test_a_failing_schedule_does_not_stop_the_others(self):
        bad = self.create_schedule(name="Bad")
        good = self.create_schedule(name="Good")
        cls = type(bad)
        origin = cls._prepare_run_vals

        def vals(schedule, day, today):
            if schedule == bad:
                raise ValueError("boom")
            return origin(schedule, day, today)

        with patch.object(cls, "_prepare_run_vals", vals):
            self.run_cron(datetime(2026, 4, 1, 12, 0))
        told = self.exceptions("billing.schedule_failed")
        self.assertEqual(told.res_id, bad.id)
        (bad | good).invalidate_recordset()
        self.assertEqual((bad.run_count, good.run_count), (0, 1))
        with freeze_time("2026-04-02"):
            bad.with_user(self.operator).saas_retry_prepare()
        bad.invalidate_recordset()
        self.assertEqual(bad.run_count, 1)
        with self.assertRaises(AccessError):
            bad.with_user(self.auditor).saas_retry_prepare()

    # Standing approval -----------------------------------------------
    def test_plain_run_is_posted_under_the_standing_approval(self):
        subscription = self.create_subscription()
        schedule = self.approved_schedule()
        run = self.prepare(schedule)
        self.assertEqual((run.state, run.line_ids.state), ("done", "posted"))
        self.assertEqual(run.approved_by_id, self.approver)
        self.assertTrue(run.is_standing_approval)
        self.assertNotIn(self.approver, run._get_preparers())
        self.assertEqual(run.computed_by_id.id, api.SUPERUSER_ID)
        self.assertEqual(len(subscription.charge_ids), 1)
        granted = self.events(run, "approval.granted")
        self.assertEqual(granted.payload["standing_approval_of"], self.approver.id)

    def test_a_finding_leaves_the_run_to_people(self):
        self.create_subscription()
        self.create_subscription([{"product_id": self.platform.id, "price_unit": 0}])
        run = self.prepare(self.approved_schedule())
        self.assertEqual((run.state, run.held_count), ("computed", 1))
        self.assertFalse(run.approved_by_id)
        self.assertEqual(run.activity_ids.user_id, self.operator)
        asked = self.events(run, "approval.requested")
        self.assertIn("Held by a check: 1.", asked.payload["reasons"])

    def test_a_failed_line_leaves_the_run_to_people(self):
        bad = self.create_subscription()
        cls = type(bad)
        with patch.object(cls, "_get_proposed_charges", side_effect=BillingError("x")):
            run = self.prepare(self.approved_schedule())
        self.assertEqual((run.state, run.failed_count), ("computed", 1))

    def test_without_a_valid_approval_people_decide(self):
        self.create_subscription()
        cases = {
            "not wanted": lambda schedule: schedule.sudo().write(
                {"auto_approve": False}
            ),
            "withdrawn": lambda schedule: schedule.with_user(
                self.approver
            ).action_withdraw(),
            "changed": lambda schedule: schedule.write({"credit_tolerance": 1000}),
            "archived and back": lambda schedule: schedule.action_archive(),
        }
        for name, change in cases.items():
            with self.subTest(case=name):
                schedule = self.approved_schedule(name=name)
                savepoint = self.env.cr.savepoint()
                change(schedule)
                run = self.prepare(schedule)
                self.assertEqual(run.state, "computed")
                self.assertFalse(run.approved_by_id)
                savepoint.rollback()
                self.env.invalidate_all()

    def test_approval_ends_with_the_role(self):
        self.create_subscription()
        schedule = self.approved_schedule()
        internal = self.env.ref("base.group_user")
        self.approver.group_ids = [Command.set(internal.ids)]
        self.assertEqual(self.prepare(schedule).state, "computed")

    def test_approval_ends_with_the_user(self):
        self.create_subscription()
        schedule = self.approved_schedule()
        self.approver.active = False
        self.assertEqual(self.prepare(schedule).state, "computed")

    def test_authors_of_the_schedule_never_approve_its_runs(self):
        self.create_subscription()
        both = self.new_user(
            "sched_both",
            "saas_core.group_saas_core_billing_operator,"
            "saas_core.group_saas_core_billing_approver",
        )
        run = self.prepare(self.create_schedule(user=both))
        run.with_user(self.operator).action_review()
        with self.assertRaisesRegex(AccessError, "took part"):
            run.with_user(both).action_approve()
        run.with_user(self.approver).action_approve()

    def test_a_run_computed_again_by_a_person_is_theirs(self):
        self.create_subscription([{"product_id": self.platform.id, "price_unit": 0}])
        run = self.prepare(self.approved_schedule())
        self.env["saas.subscription.line"].search(
            [("subscription_id", "in", run.line_ids.subscription_id.ids)]
        ).price_unit = 10
        run.with_user(self.operator).action_compute()
        self.assertEqual((run.state, run.held_count), ("computed", 0))

    def test_empty_run_asks_nobody(self):
        schedule = self.create_schedule()
        run = self.prepare(schedule)
        self.assertFalse(run.line_ids)
        self.assertFalse(run.activity_ids)

    def test_jobs_decide_when_the_last_chunk_is_computed(self):
        self.create_subscription()
        schedule = self.approved_schedule().with_user(api.SUPERUSER_ID)
        compute = "odoo.addons.saas_subscription_ops.models.saas_billing_run_compute"
        with patch(f"{compute}.COMPUTE_AT_ONCE", 0), trap_jobs() as trap:
            run = schedule._prepare_run(TODAY)
            self.assertEqual(run.state, "computing")
            trap.perform_enqueued_jobs()
            trap.perform_enqueued_jobs()
        self.assertIn(run.state, ("posting", "done"))
        self.assertEqual(run.approved_by_id, self.approver)

    # Four eyes on the schedule ---------------------------------------
    def test_authors_never_approve_the_schedule(self):
        both = self.new_user(
            "sched_both2",
            "saas_core.group_saas_core_billing_operator,"
            "saas_core.group_saas_core_billing_approver",
        )
        schedule = self.create_schedule()
        self.assertTrue(schedule.with_user(both).can_approve)
        schedule.with_user(both).name = "Start of month"
        schedule.with_user(self.operator).variance_tolerance = 10
        self.assertFalse(schedule.with_user(both).can_approve)
        for user, message in ((both, "wrote or changed"), (self.operator, "role")):
            with self.subTest(user=user.login):
                with self.assertRaisesRegex(AccessError, message):
                    schedule.with_user(user).action_approve()
        schedule.with_user(self.approver).action_approve()
        self.assertEqual(schedule.approved_by_id, self.approver)

    def test_every_change_ends_the_approval(self):
        for vals in (
            {"name": "Other"},
            {"variance_tolerance": 99},
            {"partner_ids": [Command.link(self.partner.id)]},
            {"operator_id": self.operator.id},
            {"active": False},
        ):
            with self.subTest(vals=vals):
                schedule = self.approved_schedule()
                schedule.with_user(self.operator).write(vals)
                self.assertFalse(schedule.approved_by_id)
        schedule = self.approved_schedule()
        schedule.with_user(self.operator).message_post(body="seen")
        self.prepare(schedule)
        self.assertEqual(schedule.approved_by_id, self.approver)

    def test_approval_can_not_be_written(self):
        schedule = self.create_schedule()
        for user in (self.operator, self.approver):
            for vals in (
                {"approved_by_id": self.approver.id},
                {"author_ids": [Command.clear()]},
                {"date_done": TODAY},
            ):
                with self.subTest(user=user.login, vals=vals):
                    with self.assertRaises(AccessError):
                        schedule.with_user(user).write(vals)
        with self.assertRaises(AccessError):
            self.create_schedule(approved_by_id=self.approver.id)

    @mute_logger("odoo.sql_db")
    def test_the_database_refuses_an_authors_approval(self):
        schedule = self.create_schedule()
        with self.assertRaises(CheckViolation), self.env.cr.savepoint():
            schedule.sudo().approved_by_id = self.operator
            schedule.flush_recordset()

    def test_used_schedule_stays(self):
        schedule = self.create_schedule()
        unused = self.create_schedule()
        self.prepare(schedule)
        with self.assertRaisesRegex(BillingError, "evidence"):
            schedule.with_user(self.operator).unlink()
        unused.with_user(self.operator).unlink()

    def test_rights(self):
        schedule = self.create_schedule()
        for user in (self.approver, self.auditor, self.manager):
            with self.subTest(user=user.login):
                self.assertEqual(schedule.with_user(user).name, schedule.name)
                with self.assertRaises(AccessError):
                    schedule.with_user(user).write({"name": "x"})
                with self.assertRaises(AccessError):
                    self.create_schedule(user=user)
        with self.assertRaises(AccessError):
            schedule.with_user(self.salesperson).read(["name"])
        other = self.env["res.company"].create({"name": "Other Ltd"})
        stranger = self.new_user(
            "sched_other", "saas_core.group_saas_core_billing_operator", company=other
        )
        with self.assertRaises(AccessError):
            schedule.with_user(stranger).with_context(
                allowed_company_ids=other.ids
            ).read(["name"])
