# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, timedelta
from unittest.mock import patch

import psycopg2
from freezegun import freeze_time

from odoo import Command, fields
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from ..exceptions import LedgerError, RenewalError
from .common import SubscriptionCase

START, END = date(2026, 3, 1), date(2027, 3, 1)
WINDOW = date(2026, 11, 1)
LOGGER = "odoo.addons.saas_subscription_ops.models.saas_subscription_signal"


class RenewalForecastCase(SubscriptionCase):
    """One contract that renews by itself and one that expires, window open."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        freezer = freeze_time("2026-11-01 08:00:00")
        freezer.start()
        cls.addClassCleanup(freezer.stop)
        cls.Renewal = cls.env["saas.renewal"]
        cls.owner = cls.new_user("renewal_owner", "sales_team.group_sale_salesman")
        cls.admin = cls.new_role_user("administrator")
        cls.auto = cls.create_subscription(
            date_start=START, term_end=END, user_id=cls.owner.id
        )
        cls.other_partner = cls.env["res.partner"].create(
            {"name": "Beta AG", "is_company": True, "email": "beta@example.com"}
        )
        cls.expiring = cls.create_subscription(
            partner_id=cls.other_partner.id,
            date_start=START,
            term_end=END,
            date_end=END,
            user_id=cls.salesperson.id,
        )
        cls.process(WINDOW)

    @classmethod
    def process(cls, day):
        cls.Renewal._process_renewals(day)

    @classmethod
    def renewal(cls, subscription=None):
        return (subscription or cls.auto).renewal_ids.filtered(
            lambda renewal: renewal.term_end == END
        )

    @classmethod
    def codes(cls, subscription=None, day=WINDOW):
        signals = (subscription or cls.auto)._get_renewal_signals(day)
        return {code: points for code, points, _words in signals}

    @classmethod
    def create_invoice(cls, due, partner=None, paid=None):
        move = cls.env["account.move"].create(
            {
                "move_type": "out_invoice",
                "partner_id": (partner or cls.partner).id,
                "invoice_date": due - timedelta(days=10),
                "invoice_date_due": due,
                "invoice_line_ids": [
                    Command.create({"name": "Work", "price_unit": 100.0})
                ],
            }
        )
        move.action_post()
        if paid:
            cls.env["account.payment.register"].with_context(
                active_model="account.move", active_ids=move.ids
            ).create({"payment_date": paid})._create_payments()
        return move


@tagged("post_install", "-at_install")
class TestSaasRenewalForecast(RenewalForecastCase):
    """Likelihood with reasons, category by engine or person, forecast."""

    def test_a_contract_that_renews_by_itself_is_committed(self):
        renewal = self.renewal()
        self.assertEqual(renewal.amount_available, 6000.0)
        self.assertEqual((renewal.likelihood, renewal.category), (85, "commit"))
        self.assertEqual(renewal.amount_forecast, 6000.0)
        self.assertEqual(renewal.amount_target, 6000.0)
        self.assertEqual(renewal.likelihood_reasons, "+15 Renews by itself")
        self.assertIn("+15", renewal.signal_html)
        self.assertEqual(renewal.date_forecast, WINDOW)

    def test_a_contract_that_expires_counts_by_its_likelihood(self):
        renewal = self.renewal(self.expiring)
        self.assertEqual((renewal.likelihood, renewal.category), (70, "best_case"))
        self.assertEqual(renewal.amount_forecast, 4200.0)

    # Signals ---------------------------------------------------------
    def test_overdue_invoices_count_up_to_their_limit(self):
        for month in (5, 6, 7, 8):
            self.create_invoice(date(2026, month, 1))
        self.assertEqual(self.codes()["overdue_invoice"], -30)
        self.assertNotIn("overdue_invoice", self.codes(self.expiring))
        self.process(WINDOW + timedelta(days=1))
        renewal = self.renewal()
        self.assertEqual((renewal.likelihood, renewal.category), (55, "best_case"))
        self.assertEqual(renewal.amount_forecast, 3300.0)
        self.assertTrue(renewal.likelihood_reasons.startswith("-30 4 overdue"))

    def test_payments_of_the_last_year(self):
        for month in (5, 6, 7):
            due = date(2026, month, 1)
            self.create_invoice(due, paid=due + timedelta(days=30))
            self.create_invoice(due, self.other_partner, paid=due + timedelta(days=5))
        self.assertEqual(self.codes()["late_payments"], -10)
        self.assertEqual(self.codes(self.expiring)["paid_in_time"], 5)

    def test_escalations_of_the_last_90_days(self):
        for day in ("2026-07-01", "2026-09-01", "2026-10-31"):
            with freeze_time(day):
                # The ledger of any module: tickets are no matter of this one.
                self.auto._saas_emit("ticket.escalated")
        self.assertEqual(self.codes()["escalation"], -10)
        with freeze_time("2026-10-20"):
            self.platform.product_tmpl_id.env["saas.event"].sudo().create(
                {
                    "name": "ticket.escalated",
                    "correlation_id": "x",
                    "account_id": self.partner.id,
                    "res_model": "saas.subscription",
                    "res_id": self.expiring.id,
                    "actor_id": self.env.uid,
                    "company_id": self.company.id,
                    "occurred_at": fields.Datetime.now(),
                }
            )
        self.assertEqual(self.codes()["escalation"], -20)
        self.assertNotIn("escalation", self.codes(day=date(2027, 2, 20)))

    def test_standing_and_life_cycle_of_the_account(self):
        self.partner.sudo().write({"saas_standing": "hold"})
        self.other_partner.sudo().write({"saas_lifecycle": "at_risk"})
        self.assertEqual(self.codes()["standing_hold"], -30)
        self.assertEqual(self.codes(self.expiring)["at_risk"], -20)

    def test_onboarding_that_is_not_finished(self):
        project = self.env["project.project"].create(
            {
                "name": "Onboarding",
                "company_id": self.company.id,
                "partner_id": self.partner.id,
                "saas_subscription_id": self.auto.id,
            }
        )
        self.assertEqual(self.codes()["onboarding_open"], -15)
        project.saas_live_on = date(2026, 10, 1)
        self.assertNotIn("onboarding_open", self.codes())

    def test_quotation_pause_and_cancellation(self):
        order = self.env["sale.order"].browse(
            self.expiring.action_quote_renewal()["res_id"]
        )
        self.assertNotIn("quote_sent", self.codes(self.expiring))
        order.action_quotation_sent()
        self.assertEqual(self.codes(self.expiring)["quote_sent"], 10)
        self.auto.with_user(self.manager).cancel()
        self.assertEqual(self.codes()["cancelled"], -100)
        self.expiring.with_user(self.manager).pause(date_effective=WINDOW)
        self.assertEqual(self.codes(self.expiring)["paused"], -20)

    def test_a_failing_signal_is_left_out(self):
        self.partner.sudo().write({"saas_standing": "hold"})

        def fail(subscriptions, _day):
            subscriptions.env.cr.execute("SELECT 1 / 0")

        name = "_renewal_signal_overdue"
        with (
            patch.object(type(self.auto), name, fail),
            mute_logger("odoo.sql_db"),
            self.assertLogs(LOGGER, level="WARNING") as logs,
        ):
            found = (self.auto + self.expiring)._collect_renewal_signals(WINDOW)
        self.assertEqual(len([line for line in logs.output if name in line]), 2)
        codes = [code for code, _points, _words in found[self.auto.id]]
        self.assertEqual(codes, ["auto_renew", "standing_hold"])

    def test_a_signal_that_fails_for_one_is_known_of_the_others(self):
        def fail(subscriptions, _day):
            return {
                s.id: [("at_risk", 1, s.date_end.isoformat())] for s in subscriptions
            }

        with (
            patch.object(type(self.auto), "_renewal_signal_overdue", fail),
            self.assertLogs(LOGGER, level="WARNING"),
        ):
            found = (self.auto + self.expiring)._collect_renewal_signals(WINDOW)
        self.assertEqual(found[self.expiring.id], [("at_risk", -20, "2027-03-01")])
        self.assertEqual([row[0] for row in found[self.auto.id]], ["auto_renew"])

    def test_after_its_notice_day_a_contract_is_committed_whatever_else(self):
        self.partner.sudo().write({"saas_standing": "closed"})
        self.process(END - timedelta(days=31))
        self.assertEqual(
            (self.renewal().likelihood, self.renewal().category), (5, "at_risk")
        )
        self.process(END - timedelta(days=29))
        self.assertEqual(self.renewal().category, "commit")
        self.assertEqual(self.renewal().amount_forecast, 6000.0)
        self.assertEqual(self.renewal(self.expiring).likelihood, 50)

    # Weights ---------------------------------------------------------
    def test_weights_are_data(self):
        signal = self.env.ref("saas_subscription_ops.saas_renewal_signal_auto_renew")
        signal.with_user(self.admin).points = 5
        self.assertEqual(self.codes()["auto_renew"], 5)
        signal.with_user(self.admin).active = False
        self.assertNotIn("auto_renew", self.codes())
        base = self.env.ref("saas_subscription_ops.saas_renewal_signal_base")
        base.with_user(self.admin).points = 40
        self.process(WINDOW + timedelta(days=1))
        self.assertEqual(self.renewal().likelihood, 40)
        self.assertEqual(self.renewal().category, "at_risk")
        with self.assertRaises(AccessError):
            base.with_user(self.manager).points = 50

    def test_categories_begin_in_order(self):
        commit = self.env.ref(
            "saas_subscription_ops.saas_renewal_signal_threshold_commit"
        )
        with self.assertRaises(ValidationError):
            commit.points = 40
        commit.points = 90
        self.process(WINDOW + timedelta(days=1))
        self.assertEqual(self.renewal().category, "best_case")

    # By hand ---------------------------------------------------------
    def test_a_category_set_by_a_person_stays(self):
        renewal = self.renewal().with_user(self.csm)
        renewal.category = "at_risk"
        self.assertTrue(renewal.is_manual_category)
        self.assertEqual(renewal.category_user_id, self.csm)
        self.assertEqual(renewal.category_date, WINDOW)
        self.assertEqual(renewal.amount_forecast, 3000.0)
        self.process(WINDOW + timedelta(days=1))
        self.assertEqual(renewal.category, "at_risk")
        renewal.action_follow_likelihood()
        self.assertEqual(renewal.category, "commit")
        self.assertFalse(renewal.is_manual_category)
        self.assertFalse(renewal.category_user_id)

    def test_a_forecast_entered_by_a_person_stays_until_the_next_choice(self):
        renewal = self.renewal().with_user(self.manager)
        renewal.amount_forecast = 5000.0
        self.process(WINDOW + timedelta(days=1))
        self.assertEqual(renewal.amount_forecast, 5000.0)
        self.assertTrue(renewal.is_manual_forecast)
        renewal.category = "lost"
        self.assertEqual(renewal.amount_forecast, 0.0)
        self.assertFalse(renewal.is_manual_forecast)

    def test_the_chatter_tells_of_categories_only(self):
        renewal = self.renewal()
        renewal = renewal.with_context(tracking_disable=False)
        self.flush_tracking()
        renewal.with_user(self.csm).with_context(tracking_disable=False).write(
            {"category": "at_risk"}
        )
        self.flush_tracking()
        tracked = renewal.message_ids.sudo().tracking_value_ids
        self.assertIn("category", tracked.field_id.mapped("name"))
        self.assertEqual(renewal.message_ids[0].author_id, self.csm.partner_id)

    def flush_tracking(self):
        self.env.flush_all()
        self.cr.flush()

    def test_a_decided_renewal_keeps_its_forecast(self):
        self.auto.with_user(self.manager).renew()
        renewal = self.renewal()
        self.assertEqual(renewal.outcome, "renewed")
        for vals in ({"category": "lost"}, {"amount_target": 1.0}):
            with self.assertRaises(RenewalError):
                renewal.with_user(self.manager).write(vals)
        self.assertEqual(renewal.amount_deviation, 0.0)
        self.assertEqual(renewal.amount_pure, 6000.0)

    def test_an_upsell_is_no_part_of_the_forecast(self):
        self.auto.with_user(self.manager).renew(uplift=10.0)
        renewal = self.renewal()
        self.assertEqual(renewal.amount_pure, 6000.0)
        self.assertEqual(renewal.amount_expansion, 600.0)
        self.assertEqual(renewal.amount_forecast, 6000.0)


@tagged("post_install", "-at_install")
class TestSaasRenewalSnapshot(RenewalForecastCase):
    """Forecasts that are kept and never change."""

    def kinds(self, subscription=None):
        snapshots = self.renewal(subscription).snapshot_ids.sorted("date")
        return [(snapshot.kind, snapshot.date) for snapshot in snapshots]

    def test_window_then_monthly_each_once(self):
        self.assertEqual(self.kinds(), [("window", WINDOW)])
        for day in (WINDOW, date(2026, 11, 20), date(2026, 12, 4), date(2026, 12, 4)):
            self.process(day)
        # The job was down until the 9th.
        self.process(date(2027, 1, 9))
        self.process(date(2027, 1, 10))
        self.assertEqual(
            self.kinds(),
            [
                ("window", WINDOW),
                ("month", date(2026, 12, 4)),
                ("month", date(2027, 1, 9)),
            ],
        )

    def test_what_was_forecast_stays_when_the_forecast_moves(self):
        snapshot = self.renewal().snapshot_ids
        self.renewal().with_user(self.csm).category = "lost"
        self.assertEqual(snapshot.category, "commit")
        self.assertEqual(snapshot.amount_forecast, 6000.0)
        self.assertEqual(snapshot.user_id, self.owner)
        self.assertEqual(self.renewal().amount_kept, 6000.0)
        self.assertTrue(self.renewal().is_forecast_kept)

    def test_nobody_changes_a_snapshot(self):
        snapshot = self.renewal().snapshot_ids
        for user in (self.manager, self.admin):
            own = snapshot.with_user(user)
            with self.assertRaises(LedgerError):
                own.write({"amount_forecast": 1.0})
            with self.assertRaises(AccessError):
                own.unlink()
            with self.assertRaises(LedgerError):
                own.create(self.renewal()._prepare_snapshot_vals("month", WINDOW))
        with self.assertRaises(LedgerError):
            snapshot.sudo().write({"amount_forecast": 1.0})
        with self.assertRaises(LedgerError):
            snapshot.sudo().unlink()

    def test_the_database_refuses_as_well(self):
        snapshot = self.renewal().snapshot_ids
        for query in (
            "UPDATE saas_renewal_snapshot SET amount_forecast = 1 WHERE id = %s",
            "DELETE FROM saas_renewal_snapshot WHERE id = %s",
        ):
            with (
                self.assertRaises(psycopg2.errors.RestrictViolation),
                mute_logger("odoo.sql_db"),
                self.cr.savepoint(),
            ):
                self.cr.execute(query, [snapshot.id])

    def test_a_window_is_kept_once(self):
        renewal = self.renewal()
        self.assertFalse(renewal._take_snapshots("window", date(2026, 11, 5)))
        with (
            self.assertRaises(psycopg2.errors.UniqueViolation),
            mute_logger("odoo.sql_db"),
            self.cr.savepoint(),
        ):
            self.env["saas.renewal.snapshot"].sudo().create(
                renewal._prepare_snapshot_vals("window", date(2026, 11, 5))
            )

    def test_forecast_against_actual_by_reason(self):
        reason = self.env["crm.lost.reason"].create({"name": "Budget"})
        self.auto.with_user(self.manager).cancel()
        self.renewal().with_user(self.manager).lost_reason_id = reason
        self.expiring.with_user(self.manager).renew()
        rows = self.env["saas.renewal.snapshot"]._read_group(
            [
                (
                    "renewal_id",
                    "in",
                    (self.renewal() | self.renewal(self.expiring)).ids,
                ),
                ("kind", "=", "window"),
            ],
            ["outcome", "lost_reason_id"],
            ["amount_forecast:sum", "amount_pure:sum", "amount_deviation:sum"],
        )
        empty = self.env["crm.lost.reason"]
        self.assertCountEqual(
            rows,
            [
                ("renewed", empty, 4200.0, 6000.0, 1800.0),
                ("cancelled", reason, 6000.0, 0.0, 6000.0),
            ],
        )


@tagged("post_install", "-at_install")
class TestSaasRenewalKpi(RenewalForecastCase):
    """Key figures of the month in which the terms end."""

    def compute(self, code, start=date(2027, 3, 1)):
        kpi = self.env.ref(f"saas_subscription_ops.saas_kpi_{code}")
        values = kpi._compute_period(
            self.company, start, fields.Date.add(start, months=1)
        )
        return {value.dimension or "": value for value in values}

    def test_available_in_company_currency(self):
        usd = self.env.ref("base.USD")
        usd.active = True
        self.env["res.currency.rate"].create(
            {
                "currency_id": usd.id,
                "company_id": self.company.id,
                "name": date(2026, 1, 1),
                "rate": 2.0,
            }
        )
        subscription = self.create_subscription(
            date_start=START, term_end=END, currency_id=usd.id
        )
        self.process(WINDOW)
        self.assertEqual(self.renewal(subscription).amount_available, 6000.0)
        value = self.compute("renewal_available")[""]
        self.assertEqual(value.value, 15000.0)
        self.assertEqual(value.currency_id, self.company.currency_id)
        action = value.action_drill_down()
        found = self.Renewal.search(action["domain"])
        self.assertEqual(
            found, self.renewal() | self.renewal(self.expiring) | found[-1]
        )
        self.assertEqual(len(found), 3)
        self.assertEqual(
            self.compute("renewal_available", date(2027, 4, 1))[""].value, 0
        )

    def test_rates(self):
        self.auto.with_user(self.manager).renew(
            lines=[{"line_id": self.auto.line_ids.id, "price_unit": 400.0}]
        )
        self.assertEqual(self.renewal().amount_contraction, 1200.0)
        self.assertFalse(self.compute("renewal_gross_rate", date(2027, 5, 1)))
        self.assertEqual(self.compute("renewal_gross_rate")[""].value, 80.0)
        self.assertEqual(self.compute("renewal_on_time_rate")[""].value, 100.0)
        self.assertEqual(self.compute("renewal_forecast_coverage")[""].value, 100.0)
        # Nobody decides about the other one: it expires late.
        with freeze_time("2027-03-02 08:00:00"):
            self.env["saas.subscription"]._process_lifecycle(date(2027, 3, 2))
            self.process(date(2027, 3, 2))
        self.assertEqual(self.renewal(self.expiring).outcome, "expired")
        self.assertEqual(self.compute("renewal_on_time_rate")[""].value, 50.0)
        self.assertEqual(self.compute("renewal_gross_rate")[""].value, 40.0)

    def test_coverage_misses_terms_that_were_never_forecast(self):
        # Renewed before its window: nobody had a forecast.
        early = self.create_subscription(date_start=START, term_end=END)
        early.with_user(self.manager).renew()
        self.assertFalse(early.renewal_ids.is_forecast_kept)
        self.assertEqual(self.compute("renewal_forecast_coverage")[""].value, 66.67)

    def test_accuracy_per_owner(self):
        self.auto.with_user(self.manager).renew()
        self.expiring.with_user(self.manager).renew()
        values = self.compute("renewal_forecast_accuracy")
        # 1 - |10200 - 12000| / 12000, and 1 - |4200 - 6000| / 6000
        self.assertEqual(values[""].value, 85.0)
        self.assertEqual(values[self.owner.name].value, 100.0)
        self.assertEqual(values[self.salesperson.name].value, 70.0)
        action = values[self.salesperson.name].action_drill_down()
        found = self.Renewal.search(action["domain"])
        self.assertEqual(found, self.renewal(self.expiring))

    def test_accuracy_counts_for_the_owner_of_the_window(self):
        self.salesperson.name = self.owner.name
        self.renewal().sudo().user_id = self.csm
        self.auto.with_user(self.manager).renew()
        self.expiring.with_user(self.manager).renew()
        values = self.compute("renewal_forecast_accuracy")
        names = {
            f"{user.name} ({user.login})" for user in (self.owner, self.salesperson)
        }
        self.assertEqual(set(values), {"", *names})

    def test_nothing_decided_has_no_rate(self):
        for code in ("forecast_accuracy", "on_time_rate", "gross_rate"):
            self.assertFalse(self.compute(f"renewal_{code}"))


@tagged("post_install", "-at_install")
class TestSaasRenewalAccess(RenewalForecastCase):
    """Who may set what, in pairs."""

    def test_category_and_target(self):
        renewal = self.renewal()
        for user in (self.manager, self.csm, self.owner):
            own = renewal.with_user(user)
            own.write({"category": "at_risk", "amount_target": 7000.0})
            self.assertEqual(own.category_user_id, user)
        for user in (self.salesperson, self.auditor, self.operator):
            with self.assertRaises(AccessError):
                renewal.with_user(user).write({"category": "commit"})
            with self.assertRaises(AccessError):
                renewal.with_user(user).write({"amount_target": 1.0})

    def test_facts_are_not_entered(self):
        for vals in (
            {"amount_available": 1.0},
            {"outcome": "renewed"},
            {"likelihood": 100},
            {"category_user_id": self.env.uid},
            {"is_manual_forecast": True},
        ):
            with self.assertRaises(AccessError):
                self.renewal().with_user(self.manager).write(vals)

    def test_steps_of_the_forecast(self):
        renewal = self.renewal()
        renewal.with_user(self.owner).action_refresh_forecast()
        for call in ("action_refresh_forecast", "action_follow_likelihood"):
            with self.assertRaises(AccessError):
                getattr(renewal.with_user(self.auditor), call)()

    def test_reading(self):
        for user in (self.auditor, self.salesperson):
            renewal = self.renewal().with_user(user)
            self.assertEqual(renewal.amount_available, 6000.0)
            self.assertTrue(renewal.snapshot_ids.read(["amount_forecast"]))
            self.assertEqual(self.auto.with_user(user).renewal_count, 1)

    def test_portal_users_see_nothing(self):
        contact = self.env["res.partner"].create(
            {"name": "Jane", "parent_id": self.partner.id}
        )
        buyer = new_test_user(
            self.env,
            login="renewal_buyer",
            groups="base.group_portal",
            partner_id=contact.id,
            company_id=self.company.id,
            company_ids=[Command.set(self.company.ids)],
        )
        for record in (self.renewal(), self.renewal().snapshot_ids):
            with self.assertRaises(AccessError):
                record.with_user(buyer).read(["category"])
        with self.assertRaises(AccessError):
            self.env["saas.renewal.signal"].with_user(buyer).search([])
        with self.assertRaises(AccessError):
            self.auto.with_user(buyer).read(["renewal_count"])

    def test_other_companies_see_nothing(self):
        company = self.env["res.company"].create({"name": "Elsewhere Inc"})
        stranger = self.new_user(
            "renewal_stranger",
            "saas_core.group_saas_core_subscription_manager",
            company,
        )
        own = self.env(user=stranger, context={"allowed_company_ids": company.ids})
        for record in (self.renewal(), self.renewal().snapshot_ids):
            self.assertFalse(own[record._name].search([]))
            with self.assertRaises(AccessError):
                record.with_env(own).read(["category"])

    def test_lost_is_told_by_the_native_dialog(self):
        renewal = self.renewal().with_user(self.owner)
        renewal.action_open_lead()
        self.assertEqual(renewal.lead_id.saas_renewal_count, 1)
        reason = self.env["crm.lost.reason"].create({"name": "Price"})
        action = renewal.action_mark_lost()
        wizard = (
            self.env["crm.lead.lost"]
            .with_user(self.owner)
            .with_context(**action["context"])
            .create({"lost_reason_id": reason.id})
        )
        wizard.action_lost_reason_apply()
        self.assertEqual(renewal.category, "lost")
        self.assertEqual(renewal.lost_reason_id, reason)
        self.assertEqual(renewal.amount_forecast, 0.0)
        self.assertEqual(renewal.outcome, "open")
        self.assertEqual(self.auto.state, "active")
