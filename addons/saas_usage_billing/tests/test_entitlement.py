# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, timedelta

from psycopg2 import IntegrityError

from odoo.exceptions import AccessError, ValidationError
from odoo.tests import TransactionCase, tagged
from odoo.tools import mute_logger

from ..exceptions import AmbiguousSubjectError
from .common import NOW, UsageFixture


class EntitlementFixture(UsageFixture):
    """Features granted by plan, products and agreement."""

    @classmethod
    def create_features(cls):
        cls.create_world()
        cls.sso = cls.create_feature("sso", "flag")
        cls.seats = cls.create_feature("seats", "limit")
        cls.api = cls.create_feature("api.calls", "metered", meter=cls.calls_meter)
        cls.support = cls.create_feature("support", "text")
        cls.pack = cls.env["product.product"].create(
            {
                "name": "Seat",
                "type": "service",
                "company_id": cls.company.id,
                "saas_charge_kind": "recurring",
            }
        )
        cls.grant(cls.seats, plan_id=cls.plan.id, limit_value=2)
        cls.grant(cls.api, plan_id=cls.plan.id, limit_value=100, overage="soft")
        cls.grant(cls.support, plan_id=cls.plan.id, text_value="business hours")

    @classmethod
    def create_feature(cls, code, kind, meter=None):
        return cls.env["saas.feature"].create(
            {
                "name": code.title(),
                "code": code,
                "kind": kind,
                "meter_id": meter.id if meter else False,
                "company_id": cls.company.id,
            }
        )

    @classmethod
    def grant(cls, feature, **vals):
        return cls.env["saas.entitlement"].create(
            {"feature_id": feature.id, "company_id": cls.company.id, **vals}
        )

    @classmethod
    def add_product(cls, quantity, **vals):
        return cls.env["saas.subscription.line"].create(
            {
                "subscription_id": cls.subscription.id,
                "product_id": cls.pack.id,
                "quantity": quantity,
                "price_unit": 1,
                "date_start": cls.subscription.date_start,
                **vals,
            }
        )

    @classmethod
    def ask(cls, subject="client-1", at=NOW, **kwargs):
        return cls.env["saas.subscription"]._get_entitlement_answer(
            subject, now=at, **kwargs
        )

    @classmethod
    def features(cls, **kwargs):
        """Return the features of the only subscription by code."""
        [subscription] = cls.ask(**kwargs)["subscriptions"]
        return {one["code"]: one for one in subscription["features"]}


@tagged("post_install", "-at_install")
class TestEntitlement(EntitlementFixture, TransactionCase):
    """What a customer may use, by plan, products and agreement."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.create_features()

    def test_every_feature_is_answered(self):
        answer = self.ask()
        self.assertEqual(answer["subject"], "client-1")
        self.assertEqual(answer["account_standing"], "good")
        [one] = answer["subscriptions"]
        self.assertEqual(
            (one["subscription"], one["state"]), (self.subscription.name, "active")
        )
        found = {row["code"]: row for row in one["features"]}
        self.assertEqual(set(found), {"sso", "seats", "api.calls", "support"})
        self.assertFalse(found["sso"]["granted"])
        self.assertTrue(found["seats"]["granted"])
        self.assertEqual(found["seats"]["limit"], "2")
        self.assertIsNone(found["seats"]["used"])
        self.assertEqual(found["support"]["value"], "business hours")

    def test_metered_limits_say_what_is_left(self):
        self.store(30, "2026-04-05")
        self.store(50, "2026-03-20")
        api = self.features()["api.calls"]
        self.assertEqual(
            [api[key] for key in ("limit", "used", "remaining", "overage")],
            ["100", "30", "70", "soft"],
        )
        self.assertEqual(api["resets_at"], "2026-05-01T00:00:00Z")
        self.store(90, "2026-04-06")
        self.assertEqual(self.features()["api.calls"]["remaining"], "0")
        later = self.features(at=NOW + timedelta(days=30))["api.calls"]
        self.assertEqual((later["used"], later["remaining"]), ("0", "100"))

    def test_products_beat_the_plan_and_agreements_beat_products(self):
        self.grant(
            self.seats, product_id=self.pack.id, limit_value=5, per_quantity=True
        )
        self.assertEqual(self.features()["seats"]["limit"], "2")
        self.add_product(3)
        self.add_product(4, date_end=date(2026, 4, 1))
        self.assertEqual(self.features()["seats"]["limit"], "15")
        self.grant(self.seats, product_id=self.calls.id, limit_value=1)
        self.assertEqual(self.features()["seats"]["limit"], "16")
        agreed = self.grant(
            self.seats, subscription_id=self.subscription.id, is_unlimited=True
        )
        self.assertIsNone(self.features()["seats"]["limit"])
        agreed.write({"is_unlimited": False, "limit_value": 0.5})
        self.assertEqual(self.features()["seats"]["limit"], "0.5")
        agreed.is_granted = False
        seats = self.features()["seats"]
        self.assertEqual((seats["granted"], seats["limit"]), (False, "0"))
        agreed.date_end = date(2026, 4, 10)
        self.assertEqual(self.features()["seats"]["limit"], "16")
        agreed.unlink()
        self.assertEqual(self.features()["seats"]["limit"], "16")

    def test_days_are_those_of_the_customer(self):
        self.subscription.tz = "Asia/Tokyo"
        self.grant(
            self.sso, subscription_id=self.subscription.id, date_start=date(2026, 4, 11)
        )
        self.assertFalse(self.features()["sso"]["granted"])
        # 15:00 in London is midnight in Tokyo.
        self.assertTrue(self.features(at=NOW + timedelta(hours=3))["sso"]["granted"])

    def test_who_does_not_pay_or_run_may_use_nothing(self):
        for standing in ("hold", "closed"):
            # sudo: standings are set by the flow of payments
            self.partner.sudo()._saas_set_standing(standing)
            answer = self.ask()
            self.assertEqual(answer["account_standing"], standing)
            for row in answer["subscriptions"][0]["features"]:
                self.assertFalse(row["granted"], row)
                self.assertIn(row["remaining"], ("0", None))
        self.partner.sudo()._saas_set_standing("good")
        self.assertTrue(self.features()["seats"]["granted"])
        self.env.cr.execute(
            "UPDATE saas_subscription SET state = 'paused' WHERE id = %s",
            [self.subscription.id],
        )
        self.assertFalse(self.features()["seats"]["granted"])

    def test_one_feature_only(self):
        self.assertEqual(set(self.features(feature="seats")), {"seats"})
        self.assertEqual(self.features(feature="none"), {})

    def test_subjects_of_accounts_have_all_running_subscriptions(self):
        second = self.create_subscription(self.partner)
        self.create_subscription(self.partner, activate=False)
        self.tie("account-1", partner=self.partner)
        rows = self.ask("account-1")["subscriptions"]
        names = [row["subscription"] for row in rows]
        self.assertEqual(
            sorted(names), sorted((self.subscription + second).mapped("name"))
        )
        empty = self.create_partner("No Subscriptions")
        self.tie("account-2", partner=empty)
        answer = self.ask("account-2")
        self.assertEqual(
            (answer["account_standing"], answer["subscriptions"]), ("good", [])
        )

    def test_a_subject_of_several_accounts_needs_its_source(self):
        other = self.create_partner("Globex")
        theirs = self.create_subscription(other)
        self.tie("client-1", theirs, source="CRM")
        with self.assertRaisesRegex(AmbiguousSubjectError, "Give the source"):
            self.ask()
        for source, subscription in (("weblog", self.subscription), ("CRM", theirs)):
            [one] = self.ask(source=source)["subscriptions"]
            self.assertEqual(one["subscription"], subscription.name)
        # The same account by two names is no question.
        self.tie("client-2", self.subscription)
        self.tie("client-2", self.subscription, source="crm")
        self.assertEqual(len(self.ask("client-2")["subscriptions"]), 1)

    def test_unknown_subjects_and_other_companies(self):
        self.assertIsNone(self.ask("nobody"))
        self.assertIsNone(self.ask(source="other"))
        self.assertIsNotNone(self.ask(source="weblog"))
        elsewhere = self.create_company("Elsewhere Ltd")
        Foreign = self.env["saas.subscription"].with_company(elsewhere)
        self.assertIsNone(Foreign._get_entitlement_answer("client-1", now=NOW))

    def test_features_are_known_by_name_and_code(self):
        self.assertEqual(self.sso.display_name, "Sso (sso)")
        self.assertEqual(self.env["saas.feature"].new({"name": "X"}).display_name, "X")

    def test_a_copy_has_a_code_of_its_own(self):
        copied = self.seats.copy()
        self.assertEqual(copied.code, "seats-copy")
        self.assertEqual(copied.entitlement_ids.mapped("limit_value"), [2])
        self.assertEqual(self.features()["seats-copy"]["limit"], "2")

    def test_few_statements_whatever_is_granted(self):
        self.ask(feature="seats")
        with self.assertQueryCount(1):
            self.ask(feature="seats")

    def test_statements_do_not_grow_with_metered_features(self):
        def count_statements():
            counting = self.env["saas.usage.counting"]
            while counting._count() or counting._extend():
                pass
            self.ask()
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            answer = self.ask()
            return self.env.cr.sql_log_count - before, answer

        self.store(3, "2026-04-02")
        few, answer = count_statements()
        for number in range(4):
            meter = self.create_meter(f"More {number}", f"more_{number}", "count")
            # What is sold is counted as it arrives.
            product = self.create_product(meter.name, meter)
            self.add_product(1, product_id=product.id, price_unit=0)
            feature = self.create_feature(f"more.{number}", "metered", meter=meter)
            self.grant(feature, plan_id=self.plan.id, limit_value=10 + number)
        many, answer = count_statements()
        self.assertEqual(many, few)
        [own] = answer["subscriptions"]
        used = {row["code"]: row["used"] for row in own["features"]}
        self.assertEqual({used[f"more.{number}"] for number in range(4)}, {"3"})

    def test_form_shows_what_is_in_force(self):
        reader = self.new_user("feature_reader", "auditor")
        html = self.subscription.with_user(reader).entitlement_html
        self.assertIn("business hours", html)
        self.assertIn("Api.Calls", html)
        draft = self.create_subscription(self.partner, activate=False)
        self.assertFalse(draft.entitlement_html)

    @mute_logger("odoo.sql_db")
    def test_rows_that_contradict_are_refused(self):
        with self.assertRaisesRegex(ValidationError, "there already"):
            self.grant(self.seats, plan_id=self.plan.id, date_start=date(2026, 5, 1))
        with self.assertRaisesRegex(ValidationError, "each unit"):
            self.grant(self.sso, plan_id=self.plan.id, per_quantity=True)
        self.grant(self.support, product_id=self.pack.id, is_granted=False)
        with self.assertRaisesRegex(ValidationError, "enter the Text"):
            self.grant(self.support, subscription_id=self.subscription.id)
        with self.assertRaisesRegex(ValidationError, "cannot be asked for"):
            self.create_feature("Not A Code", "flag")
        with self.assertRaisesRegex(ValidationError, "choose the meter"):
            self.create_feature("x", "metered")
        for vals in (
            {},
            {"plan_id": self.plan.id, "product_id": self.pack.id},
            {"plan_id": self.plan.id, "limit_value": -1},
            {
                "plan_id": self.plan.id,
                "date_start": date(2026, 5, 1),
                "date_end": date(2026, 5, 1),
            },
        ):
            with self.assertRaises(IntegrityError):
                self.grant(self.sso, **vals)

    def test_who_may_change_features(self):
        for role in ("billing_operator", "subscription_manager"):
            user = self.new_user(f"feature_{role}", role)
            row = self.sso.with_user(user)
            row.name = role
            self.grant(self.sso.with_user(user), plan_id=self.plan.id).with_user(
                user
            ).unlink()
        for role in ("auditor", "support_agent"):
            user = self.new_user(f"feature_{role}", role)
            self.assertEqual(self.sso.with_user(user).code, "sso")
            with self.assertRaises(AccessError):
                self.sso.with_user(user).name = "no"
        elsewhere = self.create_company("Elsewhere Ltd")
        foreign = self.new_user("feature_foreign", "billing_operator", elsewhere)
        with self.assertRaises(AccessError):
            self.sso.with_user(foreign).read(["code"])
        plain = self.new_user("feature_plain", "base.group_user")
        with self.assertRaises(AccessError):
            self.sso.with_user(plain).read(["code"])
