# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from unittest.mock import patch

from odoo.exceptions import UserError
from odoo.tests import tagged

from ..cron_point import CronPoint
from ..exceptions import AmendmentError, QuoteError
from .common_renewal import RenewalCase

END = date(2027, 3, 1)
WINDOW = date(2026, 11, 1)


@tagged("post_install", "-at_install")
class TestRenewalGoesOn(RenewalCase):
    """Renewals that were moved, signed and taken back, or wait for somebody."""

    # Moved -----------------------------------------------------------
    def test_moved_renewal_takes_its_steps(self):
        subscription = self.ending()
        self.run_day(WINDOW)
        old = subscription.renewal_ids
        subscription.pause(
            date_effective=date(2026, 11, 10),
            date_resume=date(2026, 11, 20),
            pause_mode="extend",
        )
        new = subscription.renewal_ids - old
        self.assertEqual(new.date_next_step, new.date_window)
        for day in (
            date(2026, 11, 20),
            date(2026, 12, 11),
            date(2027, 1, 10),
            date(2027, 2, 9),
        ):
            self.run_day(day)
        results = self.results(new)
        self.assertEqual(set(results.values()), {"done"})
        for step in (("quote", 90), ("remind", 60), ("remind", 30)):
            self.assertIn(step, results)
        self.assertEqual(new.order_id.saas_start_date, date(2027, 3, 11))
        mails = self.env["mail.mail"].search_count(
            [("model", "=", "saas.renewal"), ("res_id", "=", new.id)]
        )
        self.assertEqual(mails, 2)
        # A window opens once, whatever record stands for it.
        self.assertEqual(
            len(self.events(subscription.renewal_ids, "renewal.opened")), 1
        )

    # Failures --------------------------------------------------------
    def test_a_failing_settlement_stops_no_signature_and_is_repeated(self):
        subscription = self.contract()
        self.run_day(WINDOW)
        renewal = self.renewal(subscription)
        broken = patch.object(
            type(subscription), "_prepare_renewal_amounts", side_effect=UserError("no")
        )
        with broken:
            amendment = subscription.renew()
            self.assertEqual(amendment.state, "scheduled")
            self.assertEqual(renewal.outcome, "open")
            self.env["saas.renewal"]._settle_ended(END, CronPoint(self.env, END, False))
        failed = self.exceptions("renewal.settle_failed")
        self.assertEqual(failed.state, "open")
        self.assertFalse(renewal.is_final)
        failed.with_user(self.manager).action_retry()
        self.assertEqual(failed.state, "resolved")
        self.assertEqual(renewal.outcome, "renewed")

    def test_a_failing_forecast_is_repeated_as_such(self):
        subscription = self.contract()
        self.run_day(WINDOW)
        renewal = self.renewal(subscription)
        with patch.object(
            type(renewal), "_refresh_forecast", side_effect=UserError("no")
        ):
            self.env["saas.renewal"]._process_renewals(date(2026, 11, 2))
        failed = self.exceptions("renewal.forecast_failed")
        self.assertEqual(failed.state, "open")
        self.env["saas.renewal"]._process_renewals(date(2026, 11, 3))
        self.assertEqual(failed.state, "resolved")

    # Windows ---------------------------------------------------------
    def test_what_is_undone_before_its_window_waits_for_it(self):
        subscription = self.contract()
        amendment = subscription.renew()
        renewal = self.renewal(subscription)
        self.assertEqual(renewal.outcome, "renewed")
        amendment.action_undo()
        self.assertEqual(renewal.outcome, "open")
        self.run_day(date(2026, 6, 1))
        self.assertFalse(renewal.snapshot_ids)
        self.run_day(WINDOW, WINDOW)
        self.assertEqual(len(self.events(renewal, "renewal.opened")), 1)
        self.assertEqual(renewal.opened_on, WINDOW)
        self.assertEqual(renewal.snapshot_ids.mapped("kind"), ["window"])
        self.assertTrue(renewal.lead_id)
        self.run_day(date(2026, 12, 1))
        self.assertEqual(len(renewal.snapshot_ids), 2)

    def test_nobody_is_blamed_on_the_day_itself(self):
        subscription = self.contract()
        self.run_day(WINDOW)
        self.at("2027-03-01 03:00:00")
        self.env["saas.renewal"]._process_renewals(END)
        self.assertFalse(self.exceptions("renewal.undecided"))
        self.env["saas.subscription"]._process_lifecycle(END)
        self.assertEqual(self.renewal(subscription).outcome, "renewed")

    # Signed ----------------------------------------------------------
    def sign(self, subscription, waits=False, **kwargs):
        """Quote, sign; return the order and its amendment."""
        if waits:
            self.patch(
                type(self.env["saas.amendment"]),
                "_get_approval_reasons",
                lambda amendment: ["Unusual"] if amendment.kind == "renewal" else [],
            )
        seller = subscription.with_user(self.salesperson)
        order = self.env["sale.order"].browse(
            seller.action_quote_renewal(**kwargs)["res_id"]
        )
        order.with_user(self.salesperson).action_confirm()
        amendment = order._saas_get_amendments()
        self.assertEqual(amendment.state, "to_approve" if waits else "scheduled")
        return order, amendment

    def test_cancelled_order_takes_its_amendment_along(self):
        for waits in (False, True):
            with self.subTest(waits=waits):
                subscription = self.ending()
                order, amendment = self.sign(subscription, waits)
                order._action_cancel()
                self.assertEqual((order.state, amendment.state), ("cancel", "undone"))
                self.assertEqual(subscription.term_end, END)
                self.assertFalse(self.exceptions("order.amendment_refused"))

    def test_order_that_is_carried_out_is_not_cancelled(self):
        subscription = self.ending()
        order, amendment = self.sign(subscription)
        self.run_day(END)
        self.assertEqual(amendment.state, "applied")
        with self.assertRaisesRegex(QuoteError, "Amend or cancel"):
            order._action_cancel()
        self.assertEqual(order.state, "sale")

    def test_undone_signature_lets_the_offer_be_made(self):
        for waits, drop in ((False, "action_undo"), (True, "action_refuse")):
            with self.subTest(drop=drop):
                subscription = self.ending()
                self.at("2026-10-01 10:00:00")
                order, amendment = self.sign(subscription, waits)
                if waits:
                    self.run_day(WINDOW, date(2026, 12, 1), date(2026, 12, 31))
                    renewal = self.renewal(subscription)
                    self.assertEqual(self.results(renewal)["quote", 90], "skipped")
                    self.assertEqual(self.results(renewal)["remind", 60], "skipped")
                self.at("2027-01-02 10:00:00")
                getattr(amendment.with_user(self.manager), drop)()
                renewal = self.renewal(subscription)
                self.assertEqual((renewal.outcome, order.state), ("open", "sale"))
                self.assertFalse(renewal.order_id)
                raised = self.exceptions("order.amendment_refused").filtered(
                    lambda e, order=order: e.res_id == order.id
                )
                self.assertEqual(raised.state, "open")
                # The contact of both contracts gets one mail a day.
                self.run_day(date(2027, 1, 3), date(2027, 1, 4))
                self.assertEqual(self.results(renewal)["quote", 90], "done")
                self.assertEqual(self.results(renewal)["remind", 60], "done")
                self.assertTrue(renewal.order_id)
                self.assertNotEqual(renewal.order_id, order)

    # Waiting for approval --------------------------------------------
    def test_waiting_renewal_is_told_once_and_can_be_approved_late(self):
        subscription = self.ending()
        _order, amendment = self.sign(subscription, True, uplift=10.0)
        self.run_day(WINDOW)
        self.assertFalse(self.exceptions("renewal.approval_late"))
        self.run_day(date(2027, 1, 30), date(2027, 1, 31))
        late = self.exceptions("renewal.approval_late")
        self.assertEqual((late.res_id, late.occurrences), (amendment.id, 1))
        self.assertEqual((late.severity, late.queue), ("high", "sales_ops"))
        self.assertIn(self.salesperson.name, late.name)
        self.run_day(END, date(2027, 3, 2))
        self.assertEqual(subscription.state, "active")
        failed = self.exceptions("subscription.lifecycle_failed")
        self.assertIn("approve or refuse it", failed.name)
        self.assertFalse(self.exceptions("renewal.undecided"))
        self.at("2027-03-03 10:00:00")
        amendment.with_user(self.manager).action_approve()
        self.assertEqual(amendment.state, "applied")
        self.assertEqual(subscription.term_end, date(2028, 3, 1))
        self.assertEqual(subscription._get_mrr_on(END), 550.0)
        self.assertEqual(self.renewal(subscription).outcome, "renewed")
        self.assertEqual({late.state, failed.state}, {"resolved"})

    def test_refused_renewal_lets_the_contract_expire(self):
        subscription = self.ending()
        _order, amendment = self.sign(subscription, True)
        self.run_day(WINDOW, END)
        self.assertEqual(subscription.state, "active")
        self.at("2027-03-02 01:00:00")
        amendment.with_user(self.manager).action_refuse()
        self.run_day(date(2027, 3, 2))
        self.assertEqual(subscription.state, "expired")
        self.assertEqual(self.renewal(subscription).outcome, "expired")
        failed = self.exceptions("subscription.lifecycle_failed")
        self.assertEqual(failed.state, "resolved")

    # What customers and owners are told ------------------------------
    def get_mail(self, renewal):
        return self.env["mail.mail"].search(
            [("model", "=", "saas.renewal"), ("res_id", "=", renewal.id)],
            order="id desc",
            limit=1,
        )

    def test_passed_notice_is_no_day_to_cancel_by(self):
        subscription = self.contract()
        self.run_day(WINDOW, date(2026, 12, 31))
        renewal = self.renewal(subscription)
        self.assertIn("unless you cancel by", self.get_mail(renewal).body_html)
        # After an outage the reminder and the to-do come when notice is over.
        # A contact gets one mail a day: this contract has another one.
        late = self.contract(partner_id=self.partner.copy({"name": "Late Ltd"}).id)
        self.run_day(date(2027, 2, 10))
        renewal = self.renewal(late)
        body = " ".join(self.get_mail(renewal).body_html.split())
        self.assertNotIn("cancel by", body)
        self.assertIn("It renews by itself on 03/01/2027", body)
        notes = renewal.lead_id.activity_ids.mapped("note")
        self.assertIn("has passed", "".join(map(str, notes)))

    def test_reason_of_the_customer_is_the_lost_reason(self):
        reason = self.env.ref("saas_subscription_ops.saas_cancel_reason_competitor")
        self.assertEqual(reason.lost_reason_id.name, reason.name)
        subscription = self.contract()
        self.run_day(WINDOW)
        renewal = self.renewal(subscription)
        amendment = subscription.cancel(reason_id=reason.id)
        self.assertEqual(renewal.outcome, "cancelled")
        self.assertEqual(renewal.lost_reason_id, reason.lost_reason_id)
        self.assertEqual(renewal.lead_id.lost_reason_id, reason.lost_reason_id)
        amendment.action_undo()
        self.assertEqual(renewal.outcome, "open")
        self.assertFalse(renewal.lost_reason_id)
        # What a person entered stays.
        own = self.env["crm.lost.reason"].create({"name": "Merger"})
        renewal.lost_reason_id = own
        subscription.cancel(reason_id=reason.id)
        self.assertEqual(renewal.lost_reason_id, own)

    def test_settings_name_the_renewal_owner(self):
        settings = self.env["res.config.settings"].create({})
        view = settings.get_view(
            self.env.ref("saas_subscription_ops.res_config_settings_view_form").id
        )
        self.assertIn('name="saas_renewal_user_id"', view["arch"])
        settings.saas_renewal_user_id = self.csm
        settings.execute()
        self.assertEqual(self.env.company.saas_renewal_user_id, self.csm)

    # Whole periods ---------------------------------------------------
    def test_term_of_whole_periods_ends_with_one(self):
        whole = self.create_plan(name="Whole", proration_policy="none")
        product = self.create_product("Whole", 500.0, saas_plan_id=whole.id)
        subscription = self.contract(
            plan_id=whole.id,
            lines=[{"product_id": product.id, "price_unit": 500.0}],
        )
        day = date(2029, 3, 16)
        with self.assertRaisesRegex(AmendmentError, "04/01/2029"):
            subscription.renew(date_term_end=day)
        subscription.amendment_ids.filtered(lambda a: a.state == "draft").unlink()
        seller = subscription.with_user(self.salesperson)
        with self.assertRaisesRegex(QuoteError, "04/01/2029"):
            seller.action_quote_renewal(date_term_end=day)
        action = seller.action_quote_renewal(date_term_end=date(2029, 4, 1))
        order = self.env["sale.order"].browse(action["res_id"])
        self.assertFalse(order.saas_quote_problem)
        order.saas_date_term_end = day
        self.assertIn("04/01/2029", order.saas_quote_problem)
        order.saas_date_term_end = date(2029, 4, 1)
        order.with_user(self.salesperson).action_confirm()
        self.assertEqual(subscription.term_end, date(2029, 4, 1))
