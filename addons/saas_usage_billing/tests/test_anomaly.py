# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from psycopg2 import IntegrityError

from odoo import Command
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .test_hold import HoldCase

APRIL, MAY, JUNE = date(2026, 4, 1), date(2026, 5, 1), date(2026, 6, 1)
JULY, AUGUST = date(2026, 7, 1), date(2026, 8, 1)


@tagged("post_install", "-at_install")
class TestAnomaly(HoldCase):
    """Three usual months were billed; what is unlike them is held for a person."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.calls_meter.dimension_ids = [
            Command.create({"name": "Region", "key": "region"})
        ]
        for month in (3, 4, 5):
            cls.store(100, f"2026-{month:02}-10", bytes=1000, region="eu")
        for month in (APRIL, MAY, JUNE):
            run = cls.compute(month)
            assert run.line_ids.state == "ok", run.line_ids.why
            cls.post(cls.approve(run))

    @classmethod
    def compute(cls, cutoff=JULY, **vals):
        run = cls.create_run(
            cutoff, date_invoice=cutoff, variance_tolerance=10**6, **vals
        )
        run.with_user(cls.operator).action_compute()
        return run

    def use(self, number, day="2026-06-10", size=1000, region="eu"):
        self.store(number, day, bytes=size, region=region)

    # Findings --------------------------------------------------------
    def test_usual_usage_passes(self):
        self.use(120)
        line = self.compute().line_ids
        self.assertEqual(line.state, "ok", line.why)
        self.assertFalse(line.has_usage_findings)

    def test_deviation(self):
        self.use(120, size=100000)
        line = self.compute().line_ids
        self.assertEqual(line.state, "held")
        self.assertIn("12,000,000", line.why)
        self.assertIn("Traffic", line.why)
        # 100,000 a month of 31, 30 and 31 days; June has 30
        self.assertIn("usual are 96,774.19", line.why)
        self.assertNotIn("API calls", line.why)

    def test_new_value_of_a_dimension(self):
        self.use(110)
        self.use(6, region="ap")
        line = self.compute().line_ids
        self.assertEqual(line.state, "held")
        self.assertIn("Region ap is new and makes 5.2 %", line.why)

    def test_known_values_pass(self):
        self.use(110)
        self.use(5, region="ap")
        self.assertEqual(self.compute().line_ids.state, "ok")

    def test_sudden_zero_is_told_once(self):
        run = self.compute()
        line = run.line_ids
        self.assertEqual(line.state, "held")
        self.assertIn("nothing was used; usual are", line.why)
        line.comment = "The customer was on holiday"
        line.with_user(self.operator).action_release()
        self.post(self.approve(run))
        # with July it counts as a month of nothing, and is not told again
        self.use(100, "2026-07-10")
        line = self.compute(AUGUST).line_ids
        self.assertEqual(line.state, "ok", line.why)

    def test_late_usage_is_judged_as_the_whole_period(self):
        self.use(100)
        self.post(self.approve(self.compute()))
        self.use(50, "2026-04-20", size=0)
        line = self.compute().line_ids
        self.assertEqual(line.state, "ok", line.why)
        self.use(500, "2026-04-21", size=0)
        line = self.compute().line_ids
        self.assertEqual(line.state, "held")
        self.assertIn("650", line.why)

    def test_correction_of_a_price_is_no_unusual_usage(self):
        self.use(100)
        self.post(self.approve(self.compute()))
        price = self.env["saas.usage.price"].search(
            [("product_tmpl_id", "=", self.traffic.product_tmpl_id.id)]
        )
        price.write({"change_reason": "Agreed by mail", "unit_price": 0.001})
        line = self.compute(credit_tolerance=10**6).line_ids
        self.assertFalse(line.has_usage_findings, line.why)

    def test_tolerances_of_the_run(self):
        self.use(120, size=100000)
        self.assertEqual(self.compute(usage_sigma=0).line_ids.state, "ok")
        self.assertEqual(self.compute(usage_floor=200000).line_ids.state, "ok")
        self.assertEqual(self.compute(usage_floor=1000).line_ids.state, "held")

    def test_defaults_come_from_the_company(self):
        self.company.saas_usage_sigma = 7
        self.company.saas_usage_floor = 12
        run = self.create_run(JULY)
        self.assertEqual((run.usage_sigma, run.usage_floor), (7, 12))
        schedule = (
            self.env["saas.billing.schedule"]
            .with_user(self.operator)
            .create({"name": "Monthly", "operator_id": self.operator.id})
        )
        self.assertEqual((schedule.usage_sigma, schedule.usage_floor), (7, 12))
        schedule.usage_floor = 15
        vals = schedule._prepare_run_vals(JULY, JULY)
        self.assertEqual((vals["usage_sigma"], vals["usage_floor"]), (7, 15))

    @mute_logger("odoo.sql_db")
    def test_tolerances_are_not_negative(self):
        for name in ("saas_usage_sigma", "saas_usage_floor"):
            with self.assertRaises(IntegrityError), self.env.cr.savepoint():
                self.company[name] = -1
                self.env.flush_all()

    # Hold Usage Only -------------------------------------------------
    def test_hold_usage_only(self):
        self.use(120, size=100000)
        run = self.compute()
        run.line_ids.with_user(self.operator).action_hold_usage()
        line = run.line_ids
        self.assertEqual(line.state, "ok", line.why)
        hold = self.subscription.usage_hold_ids
        self.assertEqual((hold.kind, hold.state), ("anomaly", "open"))
        self.assertEqual(hold.meter_id, self.bytes_meter)
        self.assertEqual((hold.date_from, hold.date_to), (JUNE, JULY))
        self.assertIn("12,000,000", hold.reason)
        self.assertIn(hold.name, "".join(run.message_ids.mapped("body")))
        self.post(self.approve(run))
        self.assertEqual(self.booked(), 420)
        self.assertEqual(self.booked(self.traffic), 300000)
        # released, it is judged again before it is billed
        self.release(hold)
        line = self.compute().line_ids
        self.assertEqual(line.state, "held")
        self.assertIn("12,000,000", line.why)

    def test_hold_usage_of_a_period_without_use(self):
        run = self.compute()
        run.line_ids.with_user(self.operator).action_hold_usage()
        self.assertEqual(run.line_ids.state, "ok", run.line_ids.why)
        self.assertEqual(len(self.subscription.usage_hold_ids), 2)

    def test_hold_usage_needs_a_finding_and_the_role(self):
        self.use(120, size=100000)
        run = self.compute()
        with self.assertRaises(AccessError):
            run.line_ids.with_user(self.approver).action_hold_usage()
        with self.assertRaises(AccessError):
            run.line_ids.with_user(self.auditor).action_hold_usage()
        plain = self.compute(usage_sigma=0)
        line = plain.line_ids
        line.comment = "By hand"
        with self.assertRaises(UserError):
            line.with_user(self.operator).action_hold_usage()
        line.with_user(self.operator).action_hold()
        with self.assertRaises(UserError):
            line.with_user(self.operator).action_hold_usage()
        run.with_user(self.operator).action_review()
        with self.assertRaises(UserError):
            run.line_ids.with_user(self.operator).action_hold_usage()
        self.assertFalse(self.subscription.usage_hold_ids)
