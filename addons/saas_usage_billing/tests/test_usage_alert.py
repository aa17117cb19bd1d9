# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, timedelta
from unittest.mock import patch

from odoo import Command
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import tagged

from ..models import saas_usage_counting_alerts
from .common_counting import NOW, CountingCase


class AlertCase(CountingCase):
    """A priced product with 10 included calls, and a CSM."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.csm = cls.new_user("alert_csm", "customer_success")
        cls.partner.saas_csm_id = cls.csm
        cls.partner.email = "office@acme.example"
        cls.create_price(cls.calls, model="standard", unit_price=2, free_units=10)
        cls.rules = cls.env["base.automation"].browse(
            cls.env["ir.model.data"]
            .search(
                [
                    ("module", "=", "saas_usage_billing"),
                    ("model", "=", "base.automation"),
                    ("name", "=like", "base_automation_usage_alert_%"),
                ]
            )
            .mapped("res_id")
        )

    @classmethod
    def create_threshold(cls, value=80, **vals):
        vals.setdefault("kind", "allowance")
        if not {"meter_id", "product_tmpl_id"} & set(vals):
            vals["product_tmpl_id"] = cls.calls.product_tmpl_id.id
        return cls.env["saas.usage.threshold"].create(
            {
                "name": f"{vals['kind']} {value}",
                "value": value,
                "company_id": cls.company.id,
                **vals,
            }
        )

    def check(self):
        """Count, then look at the thresholds of what was counted."""
        self.count_all()
        while self.counting._check_touched(NOW):
            pass
        return self.get_alerts()

    def get_alerts(self):
        return self.env["saas.usage.alert"].search(
            [("company_id", "=", self.company.id)], order="id"
        )

    def switch_off(self):
        # The patches of the rules outlive the rollback of the test.
        self.addCleanup(self.rules.write, {"active": True})
        self.rules.active = False


@tagged("post_install", "-at_install")
class TestUsageAlert(AlertCase):
    """What reaches a threshold is told, once per period."""

    def test_once_per_period(self):
        threshold = self.create_threshold()
        self.store(7, "2026-03-10")
        self.assertFalse(self.check())
        self.store(1, "2026-03-11")
        alert = self.check()
        self.assertEqual(
            (alert.threshold_id, alert.percent, alert.quantity, alert.allowance),
            (threshold, 80, 8, 10),
        )
        self.assertEqual(alert.partner_id, self.partner)
        self.assertEqual(alert.period_start, date(2026, 3, 1))
        self.assertIn("80% of the 10 included units", alert._describe())
        self.store(5, "2026-03-12")
        self.assertEqual(self.check(), alert)
        self.assertEqual(threshold.alert_count, 1)

    def test_first_tiers_for_nothing_are_included(self):
        price = self.env["saas.usage.price"].search(
            [("product_tmpl_id", "=", self.calls.product_tmpl_id.id)]
        )
        tiers = [{"up_to": 10, "unit_price": 0}, {"up_to": 0, "unit_price": 2}]
        price.write(
            {
                "model": "graduated",
                "free_units": 0,
                "tier_ids": [Command.create(tier) for tier in tiers],
            }
        )
        self.create_threshold()
        self.store(8, "2026-03-10")
        self.assertEqual((self.check().percent, self.check().allowance), (80, 10))
        self.assertEqual(self.subscription.usage_alert_count, 1)

    def test_new_threshold_looks_at_what_is_used_already(self):
        self.store(9, "2026-03-10")
        self.assertFalse(self.check())
        threshold = self.create_threshold(95)
        self.assertFalse(self.check())
        threshold.name = "Nearly all"
        self.assertFalse(self.counting._count_touched())
        threshold.value = 85
        self.assertEqual(self.check().threshold_id, threshold)

    def test_who_waits_longest_is_first(self):
        """One that is used all the time does not keep others waiting."""
        self.create_threshold()
        self.env.cr.execute("DELETE FROM saas_usage_touched")
        other = self.create_subscription(self.create_partner("Other"), self.calls)
        low, high = sorted((self.subscription.id, other.id))
        checked = []

        def check(subscription, _thresholds, _now):
            checked.append(subscription.id)

        self.patch(type(other), "_check_thresholds", check)
        self.patch(saas_usage_counting_alerts, "TOGETHER", 1)
        self.counting._after_count({low, high})
        self.assertEqual(self.counting._count_touched(), 2)
        for _minute in range(3):
            self.counting._check_touched(NOW)
            self.counting._after_count({low, high})
        self.assertEqual(checked, [low, high, low])

    def test_job_says_what_is_left(self):
        self.create_threshold()
        self.env.cr.execute("DELETE FROM saas_usage_touched")
        self.patch(saas_usage_counting_alerts, "TOGETHER", 1)
        other = self.create_subscription(self.create_partner("Other"), self.calls)
        self.counting._after_count({self.subscription.id, other.id})
        left = []

        def progress(_cron, processed=0, *, remaining=None):
            left.append((processed, remaining))
            return True

        self.patch(type(self.env["ir.cron"]), "_commit_progress", progress)
        self.counting._cron_count()
        waiting = self.counting._count_waiting()
        self.assertEqual(left[-2:], [(1, waiting + 1), (1, waiting)])

    def test_quantity_and_amount(self):
        quantity = self.create_threshold(
            12, kind="quantity", meter_id=self.calls_meter.id
        )
        amount = self.create_threshold(4, kind="amount")
        whole = self.create_threshold(5, kind="amount", product_tmpl_id=False)
        self.store(12, "2026-03-10")
        alerts = self.check()
        self.assertEqual(alerts.threshold_id, quantity | amount)
        self.assertEqual(alerts.mapped("amount"), [4, 4])
        self.assertEqual(len({alert._describe() for alert in alerts}), 2)
        self.store(1, "2026-03-10")
        alert = self.check() - alerts
        self.assertEqual((alert.threshold_id, alert.amount), (whole, 6))
        self.assertIn("6.00", alert._describe())

    def test_other_currency(self):
        """Limits are money of the company, whatever the customer pays in."""
        self.create_threshold(4, kind="amount")
        usd = self.env.ref("base.USD")
        usd.active = True
        self.env["res.currency.rate"].create(
            {
                "currency_id": usd.id,
                "company_id": self.company.id,
                "name": "2026-01-01",
                "rate": 2.0,
            }
        )
        self.create_price(
            self.calls, model="standard", unit_price=2, currency_id=usd.id
        )
        self.subscription = self.create_subscription(
            self.create_partner("Yankee"), self.calls, currency_id=usd.id
        )
        self.tie("yankee", self.subscription)
        self.store(3, "2026-03-10", subject="yankee")
        self.assertFalse(self.check())
        self.store(1, "2026-03-10", subject="yankee")
        self.assertEqual(self.check().amount, 8)

    def test_most_specific_set_wins(self):
        self.create_threshold(1, kind="quantity")
        self.create_threshold(2, kind="quantity", plan_id=self.plan.id)
        own = self.create_threshold(3, kind="quantity", partner_id=self.partner.id)
        other = self.create_partner("Other")
        self.create_threshold(1, kind="quantity", partner_id=other.id)
        self.store(3, "2026-03-10")
        self.assertEqual(self.check().threshold_id, own)
        last = self.create_threshold(
            4, kind="quantity", subscription_id=self.subscription.id
        )
        self.store(1, "2026-03-10")
        self.assertEqual(self.check().threshold_id, own | last)

    def test_bad_thresholds(self):
        for vals in (
            {
                "meter_id": self.calls_meter.id,
                "product_tmpl_id": self.calls.product_tmpl_id.id,
            },
            {"product_tmpl_id": False},
            {"plan_id": self.plan.id, "partner_id": self.partner.id},
        ):
            with self.assertRaises(ValidationError):
                self.create_threshold(**vals)

    def test_one_that_fails_does_not_stop_the_others(self):
        threshold = self.create_threshold(1, kind="quantity")
        other = self.create_subscription(self.create_partner("B"), self.calls)
        self.tie("b", other)
        self.store(1, "2026-03-10")
        self.store(1, "2026-03-10", subject="b")
        Subscription = type(other)
        plain = Subscription._check_thresholds

        def fail(record, thresholds, now):
            if record == self.subscription:
                raise ValueError("broken")
            return plain(record, thresholds, now)

        with patch.object(Subscription, "_check_thresholds", fail):
            alert = self.check()
        self.assertEqual(
            (alert.subscription_id, alert.threshold_id), (other, threshold)
        )
        exception = self.env["saas.exception"].search(
            [("code", "=", "usage.threshold_failed")]
        )
        self.assertEqual(exception.res_id, self.subscription.id)
        self.assertIn("broken", exception.name)
        self.assertEqual(exception.retry_method, "saas_retry_thresholds")
        # Mended: the next events, or the retry, end it.
        self.store(1, "2026-03-11")
        self.check()
        self.assertEqual(exception.state, "resolved")
        with patch.object(Subscription, "_check_thresholds", fail):
            self.store(1, "2026-03-12")
            self.check()
            again = self.env["saas.exception"].search(
                [("code", "=", "usage.threshold_failed"), ("state", "=", "open")]
            )
            again.with_user(self.csm).action_retry()
            self.assertEqual(again.state, "open")
        again.with_user(self.csm).action_retry()
        self.assertEqual(again.state, "resolved")

    # Rules --------------------------------------------------------------
    def test_rules(self):
        self.create_threshold(notify_customer=True, open_upsell=True)
        self.store(9, "2026-03-10")
        alert = self.check()
        event = self.env["saas.event"].search(
            [("res_model", "=", alert._name), ("res_id", "=", alert.id)]
        )
        self.assertEqual(event.name, "usage.threshold_reached")
        self.assertEqual(event.account_id, self.partner)
        self.assertEqual(alert.activity_ids.user_id, self.csm)
        lead = alert.lead_id
        self.assertEqual(lead.saas_lead_kind, "expansion")
        self.assertEqual(lead.saas_subscription_ids, self.subscription)
        mail = self.env["mail.mail"].search(
            [("res_id", "=", alert.id), ("model", "=", alert._name)]
        )
        self.assertEqual(mail.recipient_ids, self.partner)
        self.assertIn("90% of the 10 included units", mail.body_html)
        # twice is once
        alert.saas_record_alert()
        alert.saas_notify_csm()
        alert.saas_mail_customer()
        alert.saas_open_upsell()
        self.assertEqual(alert.saas_event_count, 1)
        self.assertEqual(len(alert.activity_ids), 1)
        self.assertEqual(alert.lead_id, lead)
        self.assertEqual(
            len(
                self.env["mail.mail"].search(
                    [("res_id", "=", alert.id), ("model", "=", alert._name)]
                )
            ),
            1,
        )

    def test_rules_off(self):
        self.switch_off()
        self.create_threshold(notify_customer=True, open_upsell=True)
        self.store(9, "2026-03-10")
        alert = self.check()
        self.assertEqual(alert.saas_event_count, 0)
        self.assertFalse(alert.activity_ids + alert.lead_id.activity_ids)
        self.assertFalse(
            alert.recorded_at or alert.notified_at or alert.mailed_at or alert.lead_id
        )

    def test_steps_of_the_threshold_only(self):
        self.create_threshold(notify_csm=False)
        self.store(9, "2026-03-10")
        alert = self.check()
        self.assertTrue(alert.recorded_at)
        self.assertFalse(alert.activity_ids or alert.mailed_at or alert.lead_id)

    def test_one_opportunity(self):
        """One that is open is enough; a lost one is not opened again."""
        first = self.create_threshold(50, open_upsell=True)
        second = self.create_threshold(80, open_upsell=True)
        third = self.create_threshold(90, open_upsell=True)
        self.store(5, "2026-03-10")
        lead = self.check().lead_id
        self.store(3, "2026-03-10")
        alerts = self.check()
        self.assertEqual(alerts.threshold_id, first | second)
        self.assertEqual(alerts.lead_id, lead)
        lead.action_set_lost()
        self.store(1, "2026-03-10")
        alert = self.check().filtered(lambda one: one.threshold_id == third)
        self.assertTrue(alert.lead_id)
        self.assertNotEqual(alert.lead_id, lead)

    def test_language_of_the_customer(self):
        self.env["res.lang"]._activate_lang("de_DE")
        self.partner.lang = "de_DE"
        template = self.env.ref("saas_usage_billing.mail_template_usage_threshold")
        template.with_context(lang="de_DE").subject = "Ihre Nutzung"
        self.create_threshold(notify_customer=True)
        self.store(9, "2026-03-10")
        alert = self.check()
        mail = self.env["mail.mail"].search(
            [("res_id", "=", alert.id), ("model", "=", alert._name)]
        )
        self.assertEqual(mail.subject, "Ihre Nutzung")

    # Rights -------------------------------------------------------------
    def test_rights(self):
        threshold = self.create_threshold()
        self.store(9, "2026-03-10")
        alert = self.check()
        reader = self.new_user("alert_reader", "user")
        self.assertTrue(alert.with_user(reader).name)
        self.assertTrue(threshold.with_user(reader).name)
        with self.assertRaises(AccessError):
            alert.with_user(reader).action_done()
        with self.assertRaises(AccessError):
            threshold.with_user(reader).value = 1
        with self.assertRaises(AccessError):
            threshold.with_user(self.csm).value = 1
        alert.with_user(self.csm).action_done()
        self.assertEqual(alert.state, "done")
        operator = self.new_user("alert_operator", "billing_operator")
        threshold.with_user(operator).value = 1
        with self.assertRaises(AccessError):
            self.env["saas.usage.alert"].with_user(operator).create(
                {
                    "kind": "threshold",
                    "subscription_id": self.subscription.id,
                    "period_start": "2026-03-01",
                }
            )
        stranger = self.new_user(
            "alert_stranger", "billing_operator", self.create_company("Elsewhere")
        )
        with self.assertRaises(AccessError):
            alert.with_user(stranger).name  # noqa: B018
        with self.assertRaises(AccessError):
            threshold.with_user(stranger).name  # noqa: B018


@tagged("post_install", "-at_install")
class TestAdoption(AlertCase):
    """An account that uses more, less or nothing any more is told of when it turns."""

    def note(self, day):
        alerts = self.subscription._note_adoption(day)
        return alerts.mapped("trend")

    def test_changes_are_told(self):
        self.subscription = self.create_subscription(
            self.partner, self.calls, date_start=date(2026, 1, 1)
        )
        self.tie("adoption", self.subscription)

        def use(number, day):
            self.store(number, day, subject="adoption")

        use(10, "2026-01-10")
        use(10, "2026-02-10")
        self.assertEqual(self.note(date(2026, 3, 1)), [])
        self.assertEqual(self.subscription.usage_trend, "steady")
        use(2, "2026-03-10")
        self.assertEqual(self.note(date(2026, 3, 29)), ["fallen"])
        # as before: not told again
        self.assertEqual(self.note(date(2026, 3, 30)), [])
        self.assertEqual(self.note(date(2026, 4, 26)), ["stopped"])
        (fallen, stopped) = self.get_alerts()
        self.assertEqual(fallen.change, -80)
        self.assertIn("fell by 80%", fallen._describe())
        self.assertIn("No usage", stopped._describe())
        names = self.env["saas.event"].search(
            [
                ("res_model", "=", fallen._name),
                ("res_id", "in", [fallen.id, stopped.id]),
            ]
        )
        self.assertEqual(
            set(names.mapped("name")), {"adoption.fallen", "adoption.stopped"}
        )
        self.assertEqual(fallen.activity_ids.user_id, self.csm)
        self.assertFalse(fallen.lead_id or fallen.mailed_at)

    def test_one_that_fails_stops_no_other(self):
        subscriptions = self.subscription + self.create_subscription(
            self.create_partner("Other"), self.calls
        )
        broken, other = subscriptions
        Subscription = type(other)
        get_pairs = Subscription._get_usage_pairs

        def fail(records, day):
            if broken in records:
                raise ValueError("broken")
            return get_pairs(records, day)

        today = date.today()
        domain = [("code", "=", "adoption.check_failed"), ("res_id", "=", broken.id)]
        with patch.object(Subscription, "_get_usage_pairs", fail):
            subscriptions._check_adoption(today)
            issue = self.env["saas.exception"].search(domain)
            self.assertIn("broken", issue.name)
            # Neither is looked at for ever.
            self.assertEqual(subscriptions.mapped("usage_trend_date"), [today, today])
            issue.with_user(self.csm).action_retry()
            self.assertEqual(issue.state, "open")
        issue.with_user(self.csm).action_retry()
        self.assertEqual(issue.state, "resolved")

    def test_rules_off(self):
        self.switch_off()
        alert = self.env["saas.usage.alert"]._open(
            {
                "kind": "adoption",
                "subscription_id": self.subscription.id,
                "period_start": date(2026, 3, 1),
                "trend": "risen",
                "change": 40,
            }
        )
        self.assertFalse(alert.activity_ids or alert.recorded_at)
        self.assertIn("grew by 40%", alert._describe())

    def test_job(self):
        self.subscription.usage_trend_date = date.today() - timedelta(days=7)
        with self.enter_registry_test_mode():
            self.env.ref(
                "saas_usage_billing.ir_cron_saas_usage_adoption"
            ).method_direct_trigger()
        self.assertEqual(self.subscription.usage_trend_date, date.today())
