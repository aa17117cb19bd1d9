# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from fractions import Fraction

from psycopg2.errors import CheckViolation

from odoo.exceptions import ValidationError
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
