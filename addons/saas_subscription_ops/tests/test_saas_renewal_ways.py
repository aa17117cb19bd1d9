# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo import Command
from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, tagged

from ..exceptions import AmendmentError, QuoteError, RenewalError
from .common_renewal import RenewalCase

END = date(2027, 3, 1)
WINDOW = date(2026, 11, 1)


@tagged("post_install", "-at_install")
class TestWaysToTheNextTerm(RenewalCase):
    """Quotations, early renewals, common ends, and terms that move."""

    def quote(self, subscription, **kwargs):
        action = subscription.with_user(self.salesperson).action_quote_renewal(**kwargs)
        return self.env["sale.order"].browse(action["res_id"])

    # Quotation -------------------------------------------------------
    def test_signature_renews_and_wins(self):
        subscription = self.ending()
        self.run_day(WINDOW, date(2026, 12, 1))
        renewal = subscription.renewal_ids
        order = renewal.order_id
        self.assertEqual(order, self.quote(subscription))
        order.action_quotation_sent()
        order.with_user(self.salesperson).action_confirm()
        self.assertEqual(
            (renewal.outcome, renewal.decided_by), ("renewed", "signature")
        )
        self.assertEqual(subscription.term_end, date(2028, 3, 1))
        self.assertEqual(renewal.lead_id.won_status, "won")
        # Nothing more is sent for what is signed.
        self.run_day(date(2026, 12, 31), date(2027, 1, 30), END)
        self.assertNotIn("remind", renewal.step_log_ids.step_id.mapped("action"))
        self.assertEqual(subscription.state, "active")

    def test_uplift_of_the_plan_and_of_the_step(self):
        self.plan.renewal_uplift = 4.0
        subscription = self.contract()
        self.assertEqual(self.quote(subscription).order_line.price_unit, 520.0)
        again = self.quote(subscription, uplift=0.0)
        self.assertEqual(again.order_line.price_unit, 500.0)
        self.expiring.renewal_step_ids = [
            Command.create({"days_before": 90, "action": "quote", "uplift": 10.0})
        ]
        other = self.ending()
        self.run_day(date(2026, 12, 1))
        self.assertEqual(other.renewal_ids.order_id.order_line.price_unit, 550.0)

    def test_prices_of_another_list(self):
        pricelist = self.env["product.pricelist"].create(
            {
                "name": "2027",
                "currency_id": self.company.currency_id.id,
                "item_ids": [
                    Command.create(
                        {
                            "applied_on": "3_global",
                            "compute_price": "fixed",
                            "fixed_price": 480.0,
                        }
                    )
                ],
            }
        )
        subscription = self.contract()
        order = self.quote(subscription, pricelist_id=pricelist.id)
        self.assertEqual(order.order_line.price_unit, 480.0)
        self.assertEqual(order.pricelist_id, pricelist)
        dollars = pricelist.copy({"currency_id": self.env.ref("base.USD").id})
        with self.assertRaisesRegex(QuoteError, "choose a price list in EUR"):
            self.quote(subscription, pricelist_id=dollars.id)

    def test_existing_quotation_is_not_doubled(self):
        subscription = self.ending()
        order = self.quote(subscription)
        self.run_day(WINDOW, date(2026, 12, 1))
        renewal = subscription.renewal_ids
        self.assertEqual(renewal.order_id, order)
        self.assertEqual(order.opportunity_id, renewal.lead_id)
        self.assertEqual(subscription.quote_ids, order)

    def test_ramp_over_several_years(self):
        subscription = self.ending()
        order = self.quote(subscription, term_months=36)
        order.saas_ramp_ids = [
            Command.create({"from_month": 12, "percent": 110.0}),
            Command.create({"from_month": 24, "percent": 120.0}),
        ]
        order.with_user(self.salesperson).action_confirm()
        self.assertEqual(subscription.term_end, date(2030, 3, 1))
        self.assertEqual(subscription._get_mrr_on(date(2028, 3, 1)), 550.0)
        self.assertEqual(subscription._get_mrr_on(date(2029, 3, 1)), 600.0)
        self.assertEqual(self.renewal(subscription).amount_renewed, 6000.0)

    # Early -----------------------------------------------------------
    def test_early_renewal_ends_the_term_on_its_day(self):
        subscription = self.contract()
        self.run_day(WINDOW)
        old = subscription.renewal_ids
        lead = old.lead_id
        day = date(2026, 12, 1)
        amendment = subscription.renew(date_effective=day, uplift=10)
        self.assertTrue(amendment.is_early)
        self.assertEqual(subscription.term_end, date(2027, 12, 1))
        self.assertEqual(subscription._get_mrr_on(day), 550.0)
        self.assertEqual(old.outcome, "moved")
        new = self.renewal(subscription, day)
        self.assertEqual((new.outcome, new.lead_id), ("renewed", lead))
        self.assertEqual((new.amount_available, new.amount_renewed), (6000, 6600))
        self.assertEqual(lead.won_status, "won")
        self.assertEqual(len(subscription.renewal_ids), 2)
        # And back.
        amendment.action_undo()
        self.assertEqual(subscription.term_end, END)
        self.assertEqual((old.outcome, new.outcome), ("open", "moved"))
        self.assertEqual((old.lead_id, lead.won_status), (lead, "pending"))

    def test_early_renewal_on_a_quotation(self):
        subscription = self.ending()
        order = self.quote(subscription, date_effective=date(2026, 9, 1))
        order.with_user(self.salesperson).action_confirm()
        self.assertEqual(subscription.term_end, date(2027, 9, 1))
        self.assertEqual(subscription.date_end, date(2027, 9, 1))
        self.assertFalse(self.exceptions("order.subscription_failed"))

    def test_early_renewal_that_does_not_fit_is_refused(self):
        subscription = self.contract()
        for day, reason in (
            (date(2026, 9, 15), "within a billing period"),
            (date(2026, 3, 1), "runs from"),
            (date(2027, 6, 1), "or before it"),
        ):
            with (
                self.subTest(day=day),
                self.assertRaisesRegex(AmendmentError, reason),
                self.env.cr.savepoint(),
            ):
                subscription.renew(date_effective=day)
        with self.assertRaisesRegex(QuoteError, "within a billing period"):
            self.quote(subscription, date_effective=date(2026, 9, 15))

    def test_preview_tells_the_new_end(self):
        subscription = self.contract()
        amendment = subscription.renew(
            date_effective=date(2026, 9, 1),
            date_term_end=date(2028, 1, 1),
            confirm=False,
        )
        preview = amendment._preview()
        self.assertEqual(preview["problem"], "")
        self.assertEqual(preview["term_end_after"], date(2028, 1, 1))
        self.assertEqual(subscription.term_end, END)

    # Common end ------------------------------------------------------
    def coterm(self, subscriptions, **vals):
        return (
            self.env["saas.renewal.coterm.wizard"]
            .with_user(self.salesperson)
            .with_context(
                active_model="saas.subscription", active_ids=subscriptions.ids
            )
            .create(vals)
        )

    def test_common_end_of_several(self):
        first = self.contract()
        second = self.contract(date_start=date(2026, 6, 15), term_end=date(2027, 6, 15))
        wizard = self.coterm(first | second)
        self.assertEqual(wizard.date_end, date(2028, 6, 15))
        self.assertFalse(wizard.has_problem)
        orders = self.env["sale.order"].search(wizard.action_quote()["domain"])
        self.assertEqual(len(orders), 2)
        self.assertEqual(
            self.env["sale.order"].search(wizard.action_quote()["domain"]), orders
        )
        renewals = (first | second).sudo().renewal_ids
        self.assertEqual(len(renewals.lead_id), 1)
        lead = renewals.lead_id
        self.assertEqual(lead.expected_revenue, 12000.0)
        self.assertEqual(orders.opportunity_id, lead)
        orders[0].with_user(self.salesperson).action_confirm()
        self.assertEqual(lead.won_status, "pending")
        orders[1].with_user(self.salesperson).action_confirm()
        self.assertEqual(lead.won_status, "won")
        self.assertEqual((first | second).mapped("term_end"), [date(2028, 6, 15)] * 2)
        # The next time they are one opportunity from the beginning.
        self.run_day(date(2028, 3, 1))
        again = (first | second).renewal_ids.filtered(lambda r: r.outcome == "open")
        self.assertEqual((len(again), len(again.lead_id)), (2, 1))
        self.assertEqual(again.lead_id.expected_revenue, 12000.0)

    def test_what_can_not_end_together_says_why(self):
        first = self.contract()
        stranger = self.env["res.partner"].create({"name": "Stranger"})
        whole = self.create_plan(name="Whole", proration_policy="none")
        paused = self.contract()
        paused.pause(date_resume=date(2026, 5, 1))
        cases = (
            (self.contract(currency_id=self.env.ref("base.USD").id), "charged in USD"),
            (self.contract(partner_id=stranger.id), "one account"),
            (paused, "resumes on 05/01/2026"),
            (self.contract(term_end=False), "open ended"),
            (self.contract(plan_id=whole.id, date_start=date(2026, 3, 15)), "periods"),
        )
        for other, reason in cases:
            with self.subTest(reason=reason):
                wizard = self.coterm(first | other)
                self.assertTrue(wizard.has_problem)
                with self.assertRaisesRegex(RenewalError, reason):
                    wizard.action_quote()
        with self.assertRaisesRegex(RenewalError, "at least two"):
            self.coterm(first).action_quote()
        self.assertFalse(first.renewal_ids)
        with self.assertRaises(AccessError):
            self.env["saas.renewal.coterm.wizard"].with_user(self.auditor).create(
                {"subscription_ids": first.ids}
            )

    def test_wizard_as_people_use_it(self):
        first, second = self.contract(), self.contract()
        wizard = self.env["saas.renewal.coterm.wizard"].with_context(
            active_model="saas.subscription", active_ids=(first | second).ids
        )
        with Form(wizard) as form:
            self.assertEqual(form.date_end, date(2028, 3, 1))
            form.date_end = date(2027, 2, 1)
            self.assertTrue(form.has_problem)
            form.date_end = date(2027, 12, 1)
            self.assertFalse(form.has_problem)

    # Terms that move -------------------------------------------------
    def test_pause_after_renewal_moves_the_day_of_the_uplift(self):
        pause = {
            "date_effective": date(2026, 6, 1),
            "date_resume": date(2026, 6, 11),
            "pause_mode": "extend",
        }
        before, after = self.contract(), self.contract()
        before.pause(**pause)
        before.renew(uplift=10)
        renewal = after.renew(uplift=10)
        self.assertEqual(renewal.date_effective, END)
        made = after.pause(**pause)
        moved = date(2027, 3, 11)
        for subscription in (before, after):
            self.assertEqual(subscription.term_end, date(2028, 3, 11))
            self.assertEqual(subscription._get_mrr_on(date(2027, 3, 10)), 500.0)
            self.assertEqual(subscription._get_mrr_on(moved), 550.0)
            self.assertEqual(self.renewal(subscription, moved).outcome, "renewed")
        self.assertEqual(renewal.date_effective, moved)
        self.assertEqual(self.renewal(after).outcome, "moved")
        # Taken back, everything is where it was.
        made.action_undo()
        self.assertEqual(renewal.date_effective, END)
        self.assertEqual(after._get_mrr_on(END), 550.0)
        self.assertEqual(self.renewal(after).outcome, "renewed")
        self.assertEqual(self.renewal(after, moved).outcome, "moved")

    def test_moved_renewal_takes_products_and_ramps_along(self):
        subscription = self.contract()
        order = self.quote(subscription, term_months=24)
        order.order_line = [
            Command.create({"product_id": self.platform.id, "product_uom_qty": 1})
        ]
        order.saas_ramp_ids = [Command.create({"from_month": 12, "percent": 120.0})]
        order.with_user(self.salesperson).action_confirm()
        subscription.pause(
            date_effective=date(2026, 6, 1),
            date_resume=date(2026, 6, 11),
            pause_mode="extend",
        )
        self.assertEqual(subscription.term_end, date(2029, 3, 11))
        self.assertEqual(subscription._get_mrr_on(date(2027, 3, 10)), 500.0)
        self.assertEqual(subscription._get_mrr_on(date(2027, 3, 11)), 1000.0)
        self.assertEqual(subscription._get_mrr_on(date(2028, 3, 10)), 1000.0)
        self.assertEqual(subscription._get_mrr_on(date(2028, 3, 11)), 1200.0)

    def test_offer_for_the_old_end_is_refused(self):
        subscription = self.contract()
        order = self.quote(subscription)
        subscription.pause(
            date_effective=date(2026, 6, 1),
            date_resume=date(2026, 7, 1),
            pause_mode="extend",
        )
        self.assertIn("make a new quotation", order.saas_quote_problem)
        with self.assertRaisesRegex(UserError, "make a new quotation"):
            order.action_confirm()
        self.assertNotEqual(self.quote(subscription), order)

    def test_extending_pause_moves_the_open_renewal(self):
        subscription = self.contract()
        self.run_day(WINDOW)
        old = subscription.renewal_ids
        lead = old.lead_id
        old.with_user(self.manager).amount_target = 9000.0
        subscription.pause(
            date_effective=date(2026, 11, 10),
            date_resume=date(2026, 11, 20),
            pause_mode="extend",
        )
        new = subscription.renewal_ids - old
        self.assertEqual((old.outcome, new.outcome), ("moved", "open"))
        self.assertEqual(new.term_end, date(2027, 3, 11))
        self.assertEqual((new.lead_id, new.amount_target), (lead, 9000.0))
        self.assertEqual(lead.date_deadline, date(2027, 3, 11))
        leads = self.env["crm.lead"].search_count([])
        self.run_day(date(2026, 11, 21), date(2026, 12, 1))
        self.assertEqual(self.env["crm.lead"].search_count([]), leads)
