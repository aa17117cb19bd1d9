# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from fractions import Fraction

from psycopg2.errors import CheckViolation, UniqueViolation

from odoo import Command
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import SubscriptionCase


@tagged("post_install", "-at_install")
class TestSaasPlan(SubscriptionCase):
    """Plans: normalisation to months and refused terms."""

    def test_months_per_period(self):
        for unit, count, months in (
            ("month", 1, 1),
            ("quarter", 1, 3),
            ("year", 2, 24),
            ("day", 365, 12),
            ("week", 1, Fraction(84, 365)),
        ):
            with self.subTest(unit=unit, count=count):
                plan = self.create_plan(recurrence_unit=unit, recurrence_count=count)
                self.assertEqual(plan._get_months_per_period(), months)

    def test_count_of_zero_is_refused(self):
        with mute_logger("odoo.sql_db"), self.assertRaises(CheckViolation):
            with self.env.cr.savepoint():
                self.create_plan(recurrence_count=0)

    def test_notice_longer_than_term_is_refused(self):
        with self.assertRaisesRegex(ValidationError, "does not fit"):
            self.create_plan(term_months=1, notice_days=60)

    def test_product_of_a_plan_is_a_recurring_service(self):
        self.assertEqual(self.platform.saas_charge_kind, "recurring")
        with self.assertRaisesRegex(ValidationError, "Recurring"):
            self.platform.saas_charge_kind = "usage"
        with self.assertRaisesRegex(ValidationError, "Service"):
            self.platform.type = "consu"

    def test_options_have_sensible_defaults(self):
        plan = self.env["saas.plan"].with_user(self.manager).create({"name": "New"})
        self.assertRecordValues(
            plan,
            [
                {
                    "min_term_months": 0,
                    "grace_days": 0,
                    "pause_allowed": True,
                    "pause_mode": "credit",
                    "cancel_credit": True,
                    "portal_change": "request",
                    "portal_cancel": "request",
                    "approval_credit_limit": 0.0,
                }
            ],
        )

    def test_negative_options_are_refused(self):
        for name in (
            "term_months",
            "min_term_months",
            "notice_days",
            "trial_days",
            "grace_days",
            "pause_max_days",
            "approval_credit_limit",
        ):
            with (
                self.subTest(name=name),
                mute_logger("odoo.sql_db"),
                self.assertRaises(CheckViolation),
                self.env.cr.savepoint(),
            ):
                self.create_plan(**{name: -1})

    def test_minimum_term_lies_within_the_term(self):
        self.assertTrue(self.create_plan(term_months=12, min_term_months=12))
        self.assertTrue(self.create_plan(term_months=0, min_term_months=6))
        with self.assertRaisesRegex(ValidationError, "longer than its term"):
            self.create_plan(term_months=12, min_term_months=13)

    def test_calendar_plans_can_not_extend(self):
        with self.assertRaisesRegex(ValidationError, "follows the calendar"):
            self.create_plan(alignment="calendar", pause_mode="extend")
        self.assertTrue(
            self.create_plan(
                alignment="calendar", pause_mode="extend", pause_allowed=False
            )
        )

    def test_ramp_steps_of_a_plan(self):
        steps = [{"from_month": 12, "percent": 110}, {"from_month": 24, "percent": 120}]
        plan = self.create_plan(
            term_months=36, ramp_ids=[Command.create(step) for step in steps]
        )
        self.assertEqual(plan.ramp_ids.mapped("percent"), [110.0, 120.0])
        self.assertEqual(len(plan.copy().ramp_ids), 2)
        with self.assertRaisesRegex(ValidationError, "beyond the term"):
            plan.term_months = 24
        for wrong in ({"from_month": 0}, {"from_month": 6, "percent": -1}):
            with (
                self.subTest(wrong=wrong),
                mute_logger("odoo.sql_db"),
                self.assertRaises(CheckViolation),
                self.env.cr.savepoint(),
            ):
                plan.ramp_ids = [Command.create(wrong)]
        with mute_logger("odoo.sql_db"), self.assertRaises(UniqueViolation):
            with self.env.cr.savepoint():
                plan.ramp_ids = [Command.create({"from_month": 12})]

    def test_words_of_a_period(self):
        for unit, count, words in (
            ("month", 1, "per month"),
            ("year", 1, "per year"),
            ("quarter", 2, "every 2 quarters"),
            ("week", 4, "every 4 weeks"),
            ("day", 10, "every 10 days"),
        ):
            plan = self.create_plan(recurrence_unit=unit, recurrence_count=count)
            self.assertEqual(plan._get_recurrence_label(), words)

    # Products --------------------------------------------------------
    def test_product_with_a_period_of_its_own(self):
        product = self.create_product(
            "Support", 2400.0, saas_charge_kind="recurring", saas_recurrence_unit="year"
        )
        self.assertEqual(product.saas_recurrence_count, 1)
        with mute_logger("odoo.sql_db"), self.assertRaises(CheckViolation):
            with self.env.cr.savepoint():
                product.saas_recurrence_count = 0
        with self.assertRaisesRegex(ValidationError, "period of its own"):
            self.package.saas_recurrence_unit = "year"
        with self.assertRaisesRegex(ValidationError, "after it happened"):
            self.calls.saas_timing = "advance"

    # Access ----------------------------------------------------------
    def test_only_managers_edit_plans(self):
        self.plan.with_user(self.manager).grace_days = 3
        for user in (self.salesperson, self.auditor, self.operator):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                self.plan.with_user(user).grace_days = 4
