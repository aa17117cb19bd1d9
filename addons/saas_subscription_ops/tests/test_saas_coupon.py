# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from psycopg2.errors import CheckViolation, UniqueViolation

from odoo import Command
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import Form, freeze_time, tagged
from odoo.tools import mute_logger

from ..exceptions import CouponError, LedgerError
from .common import SubscriptionCase


class CouponCase(SubscriptionCase):
    """Subscriptions with coupons."""

    @classmethod
    def create_coupon(cls, **vals):
        return cls.env["saas.coupon"].create(
            {"code": "WELCOME10", "name": "Welcome", "value": 10.0, **vals}
        )

    @classmethod
    def grant(cls, subscription, coupon, **vals):
        return cls.env["saas.subscription.coupon"].create(
            {"subscription_id": subscription.id, "coupon_id": coupon.id, **vals}
        )


@tagged("post_install", "-at_install")
@freeze_time("2026-03-02")
class TestSaasCoupon(CouponCase):
    """Coupons: what may be defined, and when they may be granted."""

    def test_code_is_cleaned_and_unique_per_company(self):
        coupon = self.create_coupon(code=" summer ")
        self.assertEqual(coupon.code, "SUMMER")
        with mute_logger("odoo.sql_db"), self.assertRaises(UniqueViolation):
            with self.env.cr.savepoint():
                self.create_coupon(code="Summer")
        with self.assertRaisesRegex(ValidationError, "code"):
            self.create_coupon(code="   ")

    def test_bad_terms_are_refused(self):
        for vals in (
            {"value": 0},
            {"value": 101},
            {"duration": "periods", "periods": 0},
            {"max_redemptions": -1},
            {"date_from": date(2026, 3, 2), "date_until": date(2026, 3, 1)},
        ):
            with (
                self.subTest(vals=vals),
                mute_logger("odoo.sql_db"),
                self.assertRaises(CheckViolation),
                self.env.cr.savepoint(),
            ):
                self.create_coupon(**vals)

    def test_amount_needs_a_currency(self):
        with self.assertRaisesRegex(ValidationError, "set the currency"):
            self.create_coupon(discount_type="amount", value=50.0)

    def test_form_proposes_the_currency(self):
        with Form(self.env["saas.coupon"].with_user(self.manager)) as form:
            form.code = "EURO50"
            form.name = "Fifty off"
            form.discount_type = "amount"
            form.value = 50.0
        coupon = form.save()
        self.assertEqual(coupon.currency_id, self.company.currency_id)

    def test_words(self):
        for vals, words in (
            ({}, "10% off in the first billing period"),
            ({"duration": "periods", "periods": 3}, "in the first 3 billing periods"),
            ({"duration": "forever"}, "10% off"),
        ):
            with self.subTest(words=words):
                coupon = self.create_coupon(code=words, **vals)
                self.assertIn(words, coupon._get_label())

    # Granting --------------------------------------------------------
    def test_grant_copies_the_terms(self):
        coupon = self.create_coupon(
            duration="periods", periods=3, product_ids=[self.platform.id]
        )
        subscription = self.create_subscription()
        grant = self.grant(subscription.with_user(self.manager), coupon)
        coupon.write({"value": 50.0, "periods": 1, "product_ids": [Command.clear()]})
        self.assertEqual((grant.value, grant.periods), (10.0, 3))
        self.assertEqual(grant.product_ids, self.platform)
        self.assertEqual(grant.date_start, subscription.anchor_date)
        self.assertIn("3 billing periods", grant.label)

    def test_what_can_not_be_granted_says_why(self):
        usd = self.env.ref("base.USD")
        other = self.env["res.company"].create({"name": "Elsewhere"})
        subscription = self.create_subscription()
        for vals, reason in (
            ({"date_until": date(2026, 3, 1)}, "expired"),
            ({"date_from": date(2026, 3, 3)}, "valid from"),
            ({"active": False}, "archived"),
            ({"company_id": other.id}, "belongs to Elsewhere"),
            ({"discount_type": "amount", "currency_id": usd.id}, "amount in USD"),
        ):
            with self.subTest(reason=reason):
                coupon = self.create_coupon(code=reason, **vals)
                with self.assertRaisesRegex(CouponError, reason):
                    self.grant(subscription, coupon)

    def test_last_day_counts(self):
        coupon = self.create_coupon(
            date_from=date(2026, 3, 2), date_until=date(2026, 3, 2)
        )
        self.assertTrue(coupon.is_redeemable)
        self.assertTrue(self.grant(self.create_subscription(), coupon))

    def test_redemptions_are_counted(self):
        coupon = self.create_coupon(max_redemptions=2)
        for _number in range(2):
            self.grant(self.create_subscription(), coupon)
        self.assertEqual(coupon.redemption_count, 2)
        self.assertFalse(coupon.is_redeemable)
        with self.assertRaisesRegex(CouponError, "2 times"):
            self.grant(self.create_subscription(), coupon)
        self.assertNotIn(
            coupon, self.env["saas.coupon"].search([("is_redeemable", "=", True)])
        )
        self.assertIn(
            coupon, self.env["saas.coupon"].search([("is_redeemable", "=", False)])
        )

    def test_redemptions_within_one_call_are_counted(self):
        coupon = self.create_coupon(max_redemptions=1)
        subscriptions = self.create_subscription() + self.create_subscription()
        with self.assertRaisesRegex(CouponError, "1 times"):
            self.env["saas.subscription.coupon"].create(
                [
                    {"subscription_id": subscription.id, "coupon_id": coupon.id}
                    for subscription in subscriptions
                ]
            )

    def test_once_per_subscription(self):
        coupon, subscription = self.create_coupon(), self.create_subscription()
        self.grant(subscription, coupon)
        with mute_logger("odoo.sql_db"), self.assertRaises(UniqueViolation):
            with self.env.cr.savepoint():
                self.grant(subscription, coupon)

    def test_granted_coupon_is_kept(self):
        coupon = self.create_coupon()
        self.grant(self.create_subscription(), coupon)
        with self.assertRaisesRegex(CouponError, "Archive"):
            coupon.unlink()
        self.create_coupon(code="OTHER").unlink()

    def test_copy_has_a_code_of_its_own(self):
        self.assertEqual(self.create_coupon().copy().code, "WELCOME10-COPY")

    # Charging --------------------------------------------------------
    def test_coupon_reduces_the_invoice_and_then_is_fixed(self):
        coupon = self.create_coupon(duration="periods", periods=1)
        subscription = self.create_subscription()
        grant = self.grant(subscription, coupon)
        self.bill(date(2026, 4, 3))
        charges = subscription.charge_ids
        self.assertEqual(sum(charges.mapped("amount")), 500.0 + 500.0 - 50.0)
        with self.assertRaisesRegex(LedgerError, "reduced charges"):
            grant.value = 20.0
        with self.assertRaisesRegex(LedgerError, "reduced charges"):
            grant.unlink()

    # Monthly recurring revenue ---------------------------------------
    def create_two_products(self):
        other = self.create_product("B", 100.0, saas_plan_id=self.plan.id)
        return self.create_subscription(
            [
                {"product_id": self.platform.id, "price_unit": 20.0},
                {"product_id": other.id, "price_unit": 100.0},
            ]
        )

    def assert_mrr_as_billed(self, subscription, mrr):
        charges = subscription._get_proposed_charges(date(2026, 4, 1))
        billed = float(sum(charge.amount for charge in charges))
        # Billing rounds the reduction of each line.
        self.assertAlmostEqual(billed, mrr, delta=0.011)
        self.assertEqual(subscription.mrr, mrr)

    def test_amount_takes_no_more_than_its_own_lines_off_mrr(self):
        subscription = self.create_two_products()
        coupon = self.create_coupon(
            discount_type="amount",
            value=50.0,
            currency_id=self.company.currency_id.id,
            duration="forever",
            product_ids=[self.platform.id],
        )
        self.grant(subscription, coupon)
        self.assert_mrr_as_billed(subscription, 100.0)

    def test_coupons_reduce_mrr_one_after_the_other(self):
        subscription = self.create_two_products()
        coupon = self.create_coupon(
            discount_type="amount",
            value=20.0,
            currency_id=self.company.currency_id.id,
            duration="forever",
        )
        self.grant(subscription, coupon)
        self.assert_mrr_as_billed(subscription, 100.0)
        half = self.create_coupon(code="HALF", value=50.0, duration="forever")
        self.grant(subscription, half)
        self.assert_mrr_as_billed(subscription, 50.0)

    def test_mrr_follows_a_coupon_that_ends(self):
        subscription = self.create_subscription()
        coupon = self.create_coupon(value=50.0, duration="periods", periods=3)
        grant = self.grant(subscription, coupon)
        self.assertEqual(subscription.mrr, 250.0)
        for day, mrr in ((date(2026, 6, 1), 250.0), (date(2026, 6, 2), 500.0)):
            with self.subTest(day=day):
                subscription._process_lifecycle(day)
                self.assertEqual(subscription.mrr, mrr)
                self.assertEqual(subscription._get_mrr_on(day), mrr)
        subscription._process_lifecycle(date(2026, 6, 2))
        grant.periods = 6
        self.assertEqual(subscription.mrr, 250.0)
        grant.unlink()
        self.assertEqual(subscription.mrr, 500.0)

    def test_mrr_follows_a_coupon_that_begins(self):
        subscription = self.create_subscription()
        coupon = self.create_coupon(value=50.0, duration="forever")
        self.grant(subscription, coupon, date_start=date(2026, 4, 20))
        for day, mrr in ((date(2026, 5, 1), 500.0), (date(2026, 5, 2), 250.0)):
            with self.subTest(day=day):
                subscription._process_lifecycle(day)
                self.assertEqual(subscription.mrr, mrr)

    def test_unused_grant_may_be_taken_back(self):
        coupon = self.create_coupon(max_redemptions=1)
        grant = self.grant(self.create_subscription(), coupon)
        grant.with_user(self.manager).unlink()
        self.assertEqual(coupon.redemption_count, 0)

    def test_lasting_coupon_can_be_stopped_but_not_rewritten(self):
        subscription = self.create_subscription()
        coupon = self.create_coupon(value=50.0, duration="forever")
        grant = self.grant(subscription, coupon)
        self.bill(date(2026, 3, 31))
        with self.assertRaisesRegex(CouponError, "today or later"):
            grant.date_end = date(2026, 3, 1)
        with self.assertRaisesRegex(LedgerError, "stops on"):
            grant.value = 10.0
        grant.with_user(self.manager).date_end = date(2026, 5, 2)
        self.assertIn("stops on", subscription.message_ids[0].body)
        self.assertEqual(subscription._get_mrr_on(date(2026, 5, 1)), 250.0)
        self.assertEqual(subscription._get_mrr_on(date(2026, 5, 2)), 500.0)
        rows = subscription._get_proposed_charges(date(2026, 6, 30))
        reduced = [row for row in rows if row.ref.startswith("coupon:")]
        self.assertEqual(
            sorted(row.service_start for row in reduced),
            [date(2026, 3, 2), date(2026, 4, 2)],
        )

    # Access ----------------------------------------------------------
    def test_access(self):
        coupon = self.create_coupon()
        subscription = self.create_subscription()
        vals = {"code": "NEW", "name": "New", "value": 5.0}
        self.assertTrue(self.env["saas.coupon"].with_user(self.manager).create(vals))
        for user in (self.salesperson, self.auditor, self.operator):
            with self.subTest(user=user.login):
                self.assertTrue(coupon.with_user(user).code)
                with self.assertRaises(AccessError):
                    self.env["saas.coupon"].with_user(user).create(vals)
                with self.assertRaises(AccessError):
                    self.env["saas.subscription.coupon"].with_user(user).create(
                        {"subscription_id": subscription.id, "coupon_id": coupon.id}
                    )

    def test_portal_and_other_companies_see_nothing(self):
        coupon = self.create_coupon()
        portal = self.new_user("coupon_portal", "base.group_portal")
        other = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = self.new_user(
            "coupon_other", "saas_core.group_saas_core_subscription_manager", other
        )
        with self.assertRaises(AccessError):
            coupon.with_user(portal).read(["code"])
        coupons = self.env["saas.coupon"].with_user(stranger)
        found = coupons.with_context(allowed_company_ids=other.ids).search([])
        self.assertNotIn(coupon, found)
