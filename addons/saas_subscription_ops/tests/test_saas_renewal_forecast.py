# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, timedelta
from unittest.mock import patch

from freezegun import freeze_time

from odoo import fields
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..exceptions import RenewalError
from .common_renewal_forecast import END, WINDOW, RenewalForecastCase

LOGGER = "odoo.addons.saas_subscription_ops.models.saas_subscription_signal"


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

    def test_a_forecast_that_fails_stops_no_other(self):
        prepare = type(self.Renewal)._prepare_likelihood_vals

        def fail(renewal, got, day):
            if renewal.subscription_id == self.auto:
                raise ValueError("no idea")
            return prepare(renewal, got, day)

        tomorrow = WINDOW + timedelta(days=1)
        with patch.object(type(self.Renewal), "_prepare_likelihood_vals", fail):
            self.process(tomorrow)
        self.assertEqual(self.renewal().date_forecast, WINDOW)
        self.assertEqual(self.renewal(self.expiring).date_forecast, tomorrow)
        (failure,) = self.exceptions("renewal.forecast_failed")
        self.assertEqual((failure.res_id, failure.name), (self.renewal().id, "no idea"))

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

    def test_the_category_follows_the_decision_and_its_undoing(self):
        renewal = self.renewal()
        renewal.with_user(self.csm).category = "at_risk"
        amendment = self.auto.with_user(self.manager).cancel()
        self.assertEqual((renewal.outcome, renewal.category), ("cancelled", "lost"))
        self.assertEqual(renewal.amount_kept, 6000.0)
        amendment.action_undo()
        self.assertEqual((renewal.outcome, renewal.category), ("open", "commit"))
        self.assertEqual(renewal.amount_forecast, 6000.0)

    def test_an_upsell_is_no_part_of_the_forecast(self):
        self.auto.with_user(self.manager).renew(uplift=10.0)
        renewal = self.renewal()
        self.assertEqual(renewal.amount_pure, 6000.0)
        self.assertEqual(renewal.amount_expansion, 600.0)
        self.assertEqual(renewal.amount_forecast, 6000.0)
