# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo import Command
from odoo.tests import tagged

from ..exceptions import RenewalError
from .common_renewal_forecast import END, WINDOW, RenewalForecastCase


@tagged("post_install", "-at_install")
class TestSaasRenewalChoice(RenewalForecastCase):
    """What people choose for a renewal stays theirs, and makes sense."""

    def lead(self):
        renewal = self.renewal()
        renewal.with_user(self.owner).action_open_lead()
        return renewal.lead_id.with_user(self.owner)

    # Given up --------------------------------------------------------
    def test_what_a_person_gave_up_survives_moves_of_the_opportunity(self):
        lead, renewal = self.lead(), self.renewal()
        reason = self.env["crm.lost.reason"].create({"name": "Price"})
        renewal.with_user(self.csm).write(
            {"category": "lost", "lost_reason_id": reason.id}
        )
        lead.probability = 40.0
        lead.stage_id = self.env["crm.stage"].search([("is_won", "=", False)])[-1:]
        self.assertEqual((renewal.category, renewal.lost_reason_id), ("lost", reason))
        self.assertEqual(renewal.category_user_id, self.csm)
        # Also when the opportunity is lost and restored.
        lead.action_set_lost()
        lead.action_restore()
        self.assertEqual((renewal.category, renewal.lost_reason_id), ("lost", reason))

    def test_what_the_opportunity_gave_up_comes_back_with_it(self):
        lead, renewal = self.lead(), self.renewal()
        lead.action_set_lost()
        self.assertTrue(renewal.is_given_up)
        self.assertEqual(
            (renewal.category_user_id, renewal.category_date), (self.owner, WINDOW)
        )
        lead.action_restore()
        self.assertFalse(renewal.is_given_up or renewal.is_manual_category)
        self.assertFalse(renewal.category_user_id or renewal.category_date)
        self.assertEqual(renewal.category, "commit")
        self.assertEqual(renewal.amount_forecast, 6000.0)

    def test_a_later_choice_of_a_person_is_no_longer_that_of_the_opportunity(self):
        lead, renewal = self.lead(), self.renewal()
        lead.action_set_lost()
        renewal.with_user(self.csm).write({"is_manual_category": True})
        self.assertFalse(renewal.is_given_up)
        lead.action_restore()
        self.assertEqual(renewal.category, "lost")

    def test_a_lost_opportunity_leaves_no_forecast(self):
        lead, renewal = self.lead(), self.renewal()
        renewal.with_user(self.csm).amount_forecast = 5000.0
        lead.action_set_lost()
        self.assertEqual(renewal.amount_forecast, 0.0)
        self.assertFalse(renewal.is_manual_forecast)

    def test_a_forecast_entered_with_lost_does_not_outlive_the_opportunity(self):
        lead, renewal = self.lead(), self.renewal()
        renewal.with_user(self.csm).write(
            {"category": "lost", "amount_forecast": 500.0}
        )
        self.assertEqual(renewal.amount_forecast, 500.0)
        lead.action_set_lost()
        self.assertEqual(renewal.amount_forecast, 0.0)
        self.assertEqual(renewal.category_user_id, self.csm)

    # Amounts ---------------------------------------------------------
    def test_a_forecast_lies_between_nothing_and_what_is_available(self):
        renewal = self.renewal().with_user(self.csm)
        for amount in (-1.0, 6000.01):
            with self.assertRaisesRegex(RenewalError, "between zero and"):
                renewal.amount_forecast = amount
        with self.assertRaisesRegex(RenewalError, "target can't be negative"):
            renewal.amount_target = -1.0
        renewal.write({"amount_forecast": 6000.0, "amount_target": 9000.0})
        self.assertEqual(renewal.amount_forecast, 6000.0)
        renewal.amount_forecast = 0.0
        self.assertTrue(renewal.is_manual_forecast)

    def test_a_forecast_follows_what_is_available_down(self):
        renewal = self.renewal()
        renewal.with_user(self.csm).amount_forecast = 5000.0
        self.auto.with_user(self.manager).amend(
            "downgrade",
            lines=[{"line_id": self.auto.line_ids.id, "price_unit": 300.0}],
        )
        self.process(WINDOW)
        self.assertEqual(renewal.amount_available, 3600.0)
        self.assertEqual(renewal.amount_forecast, 3600.0)
        self.assertTrue(renewal.is_manual_forecast)

    def test_keeping_a_category_records_who_and_when(self):
        renewal = self.renewal().with_user(self.csm)
        renewal.write({"is_manual_category": True})
        self.assertEqual(
            (renewal.category, renewal.category_user_id, renewal.category_date),
            ("commit", self.csm, WINDOW),
        )
        renewal.write({"is_manual_category": False})
        self.assertFalse(renewal.category_user_id or renewal.category_date)

    # Quotations ------------------------------------------------------
    def test_quotation_without_a_sales_role_is_refused_in_words(self):
        for user in (self.csm, self.manager):
            with self.assertRaisesRegex(RenewalError, "made by sales"):
                self.renewal().with_user(user).action_make_quote()

    def test_quotation_of_somebody_else_is_refused_in_words(self):
        renewal = self.renewal(self.expiring).with_user(self.owner)
        with self.assertRaisesRegex(RenewalError, self.salesperson.login):
            renewal.action_make_quote()
        everything = self.new_user(
            "renewal_all", "sales_team.group_sale_salesman_all_leads"
        )
        action = renewal.with_user(everything).action_make_quote()
        self.assertEqual(action["res_model"], "sale.order")
        self.assertEqual(renewal.sudo().order_id.user_id, self.salesperson)

    def test_common_end_of_somebody_else_writes_nothing(self):
        second = self.create_subscription(
            date_start=date(2026, 6, 1),
            term_end=date(2027, 6, 1),
            user_id=self.owner.id,
        )
        wizards = self.env["saas.renewal.coterm.wizard"]
        both = [Command.set((self.auto | second).ids)]
        leads = self.env["crm.lead"].search_count([])
        wizard = wizards.with_user(self.salesperson).create({"subscription_ids": both})
        self.assertTrue(wizard.has_problem)
        with self.assertRaisesRegex(RenewalError, self.owner.login):
            wizard.action_quote()
        self.assertEqual(self.env["crm.lead"].search_count([]), leads)
        self.assertFalse(second.renewal_ids)
        wizard = wizards.with_user(self.owner).create({"subscription_ids": both})
        self.assertFalse(wizard.has_problem)
        wizard.action_quote()
        orders = (self.auto | second).quote_ids
        self.assertEqual(orders.user_id, self.owner)
        self.assertEqual(len(orders), 2)

    def test_a_newer_draft_does_not_hide_the_offer_that_was_sent(self):
        quote = self.expiring.with_user(self.salesperson).action_quote_renewal
        sent = self.env["sale.order"].browse(quote()["res_id"])
        sent.action_quotation_sent()
        draft = self.env["sale.order"].browse(quote(uplift=5.0)["res_id"])
        self.assertNotEqual(sent, draft)
        renewal = self.renewal(self.expiring)
        self.assertEqual(renewal._get_sent_quote(), sent)
        self.assertEqual(renewal.term_end, END)
