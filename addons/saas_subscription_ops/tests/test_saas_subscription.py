# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from unittest.mock import patch

from psycopg2.errors import CheckViolation, UniqueViolation

from odoo import Command
from odoo.exceptions import ValidationError
from odoo.tests import freeze_time, tagged
from odoo.tools import mute_logger

from ..exceptions import LedgerError, SubscriptionError, TransitionError
from .common import SubscriptionCase


@tagged("post_install", "-at_install")
class TestSaasSubscription(SubscriptionCase):
    """The contract: states, terms, figures, and what must not be changed."""

    # States ----------------------------------------------------------
    def test_numbers_come_from_the_sequence(self):
        first, second = self.create_subscription(), self.create_subscription()
        self.assertNotEqual(first.name, second.name)
        self.assertTrue(first.name.startswith("SUB"))

    def test_activation_is_one_event_however_often_asked(self):
        subscription = self.create_subscription()
        subscription.action_activate()
        self.assertEqual(len(self.events(subscription, "subscription.activated")), 1)
        self.assertEqual(len(self.events(subscription, "subscription.created")), 1)

    def test_activation_without_lines_is_refused(self):
        subscription = self.create_subscription(activate=False)
        subscription.line_ids.unlink()
        with self.assertRaisesRegex(SubscriptionError, "no lines"):
            subscription.action_activate()

    def test_impossible_transition_says_why(self):
        subscription = self.create_subscription()
        subscription._set_state({"active"}, "cancelled", "test")
        with self.assertRaisesRegex(TransitionError, "Cancelled.*can't become Active"):
            subscription.action_activate()

    def test_state_is_not_a_field_to_write(self):
        subscription = self.create_subscription(activate=False)
        with self.assertRaises(TransitionError):
            subscription.with_user(self.manager).write({"state": "active"})
        with self.assertRaises(TransitionError):
            self.create_subscription(state="active", activate=False)

    def test_started_subscription_stays(self):
        subscription = self.create_subscription()
        with self.assertRaisesRegex(SubscriptionError, "can't be deleted"):
            subscription.with_user(self.manager).unlink()
        draft = self.create_subscription(activate=False)
        draft.with_user(self.manager).unlink()

    def test_one_subscription_per_order(self):
        order = self.create_order()
        order.action_confirm()
        with mute_logger("odoo.sql_db"), self.assertRaises(UniqueViolation):
            with self.env.cr.savepoint():
                self.create_subscription(order_id=order.id)

    # Life cycle ------------------------------------------------------
    def test_trial_ends_on_its_day(self):
        with freeze_time("2026-03-02"):
            subscription = self.create_subscription(trial_end=date(2026, 3, 16))
        self.assertEqual((subscription.state, subscription.mrr), ("trial", 0))
        process = self.env["saas.subscription"]._process_lifecycle
        process(date(2026, 3, 15))
        self.assertEqual(subscription.state, "trial")
        process(date(2026, 3, 16))
        process(date(2026, 3, 16))
        self.assertEqual((subscription.state, subscription.mrr), ("active", 500))
        self.assertEqual(len(self.events(subscription, "subscription.trial_ended")), 1)

    def test_term_renews_or_expires_once_also_after_an_outage(self):
        renewing = self.create_subscription(term_end=date(2026, 9, 2))
        ending = self.create_subscription(
            term_end=date(2026, 9, 2), date_end=date(2026, 9, 2)
        )
        self.plan.term_months = 6
        process = self.env["saas.subscription"]._process_lifecycle
        process(date(2027, 9, 10))
        process(date(2027, 9, 10))
        self.assertEqual(renewing.state, "active")
        self.assertEqual(renewing.term_end, date(2028, 3, 2))
        self.assertEqual(len(self.events(renewing, "subscription.renewed")), 3)
        self.assertEqual((ending.state, ending.mrr), ("expired", 0))
        self.assertEqual(len(self.events(ending, "subscription.expired")), 1)

    def test_failing_subscription_does_not_stop_the_others(self):
        good, bad = (
            self.create_subscription(term_end=date(2026, 9, 2)) for _n in range(2)
        )
        cls = type(good)
        origin = cls._renew_term

        def renew(subscription):
            if subscription == bad:
                raise SubscriptionError("no")
            return origin(subscription)

        with patch.object(cls, "_renew_term", renew):
            self.env["saas.subscription"]._process_lifecycle(date(2026, 9, 2))
        self.assertEqual(good.term_end, date(2027, 9, 2))
        self.assertEqual(bad.term_end, date(2026, 9, 2))
        failed = self.exceptions("subscription.lifecycle_failed")
        self.assertEqual(failed.res_id, bad.id)
        with freeze_time("2026-09-02"):
            bad.saas_retry_lifecycle()
        self.assertEqual(bad.term_end, date(2027, 9, 2))

    def test_cron_runs(self):
        with freeze_time("2026-03-02"):
            subscription = self.create_subscription(trial_end=date(2026, 3, 16))
        cron = self.env.ref(
            "saas_subscription_ops.ir_cron_saas_subscription_process_lifecycle"
        )
        with freeze_time("2026-03-16"), self.enter_registry_test_mode():
            cron.method_direct_trigger()
        subscription.invalidate_recordset()
        self.assertEqual(subscription.state, "active")

    # Figures ---------------------------------------------------------
    @freeze_time("2026-03-10")
    def test_mrr_counts_recurring_lines_in_force(self):
        subscription = self.create_subscription(
            [
                {"product_id": self.platform.id, "quantity": 3, "price_unit": 100},
                {
                    "product_id": self.platform.id,
                    "price_unit": 50,
                    "discount": 10,
                    "date_end": date(2026, 4, 1),
                },
                {"product_id": self.package.id, "price_unit": 900},
                {"product_id": self.calls.id, "price_unit": 7},
            ]
        )
        self.assertEqual(subscription.mrr, 345)
        self.env["saas.subscription"]._process_lifecycle(date(2026, 4, 1))
        self.assertEqual(subscription.mrr, 300)

    def test_mrr_is_untaxed(self):
        tax = self.env["account.tax"].create(
            {
                "name": "VAT 20 included",
                "amount": 20,
                "price_include_override": "tax_included",
                "company_id": self.company.id,
            }
        )
        self.platform.taxes_id = tax
        subscription = self.create_subscription(
            [{"product_id": self.platform.id, "price_unit": 120}]
        )
        self.assertEqual(subscription.mrr, 100)

    def test_kpis_are_taken_at_the_period_end(self):
        subscription = self.create_subscription()
        subscription.line_ids.date_end = date(2026, 6, 1)
        Model = self.env["saas.subscription"]

        def kpi(name, month):
            method = getattr(Model, f"_saas_kpi_{name}")
            start = date(2026, month, 1)
            return method(None, self.company, start, date(2026, month + 1, 1))[0]

        self.assertEqual(kpi("mrr", 2)["value"], 0)
        self.assertEqual(kpi("mrr", 3)["value"], 500)
        self.assertEqual(kpi("mrr", 3)["currency_id"], self.company.currency_id.id)
        self.assertEqual(kpi("mrr", 6)["value"], 0)
        self.assertEqual(kpi("active_subscriptions", 2)["value"], 0)
        self.assertEqual(kpi("active_subscriptions", 3)["value"], 1)
        found = Model.search(kpi("active_subscriptions", 3)["domain"])
        self.assertEqual(found, subscription)

    def test_mrr_kpi_converts_currencies(self):
        usd = self.env.ref("base.USD")
        usd.active = True
        self.env["res.currency.rate"].create(
            {
                "currency_id": usd.id,
                "name": "2026-01-01",
                "rate": 2.0,
                "company_id": self.company.id,
            }
        )
        subscription = self.create_subscription(currency_id=usd.id)
        row = subscription._saas_kpi_mrr(
            None, self.company, date(2026, 3, 1), date(2026, 4, 1)
        )[0]
        self.assertEqual(row["value"], 250)
        self.assertEqual(subscription.mrr_company, 250)

    # What is billed stays --------------------------------------------
    def test_billed_line_is_ended_never_edited(self):
        subscription = self.create_subscription()
        self.bill()
        line = subscription.line_ids.with_user(self.manager)
        for vals in ({"price_unit": 1}, {"quantity": 9}, {"date_start": "2026-03-05"}):
            with (
                self.subTest(vals=vals),
                self.assertRaisesRegex(LedgerError, "end date"),
            ):
                line.write(vals)
        with self.assertRaises(LedgerError):
            line.unlink()
        line.write({"price_unit": 500.0, "date_end": "2026-05-02"})
        with self.assertRaises(LedgerError):
            subscription.with_user(self.manager).plan_id = self.create_plan()

    def test_line_intervals_must_be_valid(self):
        subscription = self.create_subscription()
        with mute_logger("odoo.sql_db"), self.assertRaises(CheckViolation):
            with self.env.cr.savepoint():
                subscription.line_ids.date_end = date(2026, 3, 1)
                self.env.flush_all()
        with self.assertRaisesRegex(ValidationError, "before its subscription"):
            subscription.line_ids = [
                Command.create(
                    {"product_id": self.platform.id, "date_start": date(2026, 3, 1)}
                )
            ]

    def test_usage_is_charged_in_arrears_only(self):
        subscription = self.create_subscription(
            [{"product_id": self.calls.id}], activate=False
        )
        self.assertEqual(subscription.line_ids.timing, "arrears")
        with self.assertRaisesRegex(ValidationError, "after it happened"):
            subscription.line_ids.timing = "advance"

    def test_external_id_resolves_to_the_subscription(self):
        subscription = self.create_subscription()
        external = self.env["saas.external.id"].create(
            {
                "source": "product",
                "kind": "subject",
                "value": "tenant-1",
                "partner_id": self.partner.id,
                "subscription_id": subscription.id,
            }
        )
        found = external._resolve_many("product", "subject", ["tenant-1"], self.company)
        self.assertEqual(found["tenant-1"].subscription_id, subscription)
        stranger = self.env["res.partner"].create({"name": "Other", "is_company": True})
        with self.assertRaisesRegex(ValidationError, "another account"):
            external.partner_id = stranger
