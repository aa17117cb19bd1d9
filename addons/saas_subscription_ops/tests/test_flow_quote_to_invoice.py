# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo.tests import freeze_time, tagged

from .common import SubscriptionCase


@tagged("post_install", "-at_install")
class TestFlowQuoteToInvoice(SubscriptionCase):
    """The main line: quotation, subscription, onboarding, three months of invoices."""

    @freeze_time("2026-03-02")
    def test_monthly_in_advance(self):
        # given a quotation of 500.00 a month, metered calls and a package
        order = self.create_order()
        self.assertFalse(order.saas_quote_problem)

        # when it is confirmed
        order.with_user(self.salesperson).action_confirm()
        subscription = order.saas_subscription_ids
        project = order.saas_onboarding_project_ids

        # then the customer is onboarded
        self.assertEqual(self.partner.saas_lifecycle, "onboarding")
        self.assertEqual(project.task_ids.user_ids, self.salesperson | self.csm)

        # when finance bills March, April and May
        invoices = []
        for month in (3, 4, 5):
            with freeze_time(date(2026, month, 28)):
                self.bill(date(2026, month + 1, 1), date_invoice=date(2026, month, 28))
            invoices.append(
                subscription.charge_ids.move_id.filtered(
                    lambda move, month=month: move.invoice_date.month == month
                )
            )

        # then the package is on the first one only, every month once
        self.assertEqual(
            [invoice.amount_untaxed for invoice in invoices], [1700, 500, 500]
        )
        periods = subscription.charge_ids.filtered(
            lambda charge: charge.kind == "recurring"
        ).sorted("service_start")
        self.assertEqual(
            [(row.service_start, row.service_end) for row in periods],
            [
                (date(2026, 3, 2), date(2026, 4, 2)),
                (date(2026, 4, 2), date(2026, 5, 2)),
                (date(2026, 5, 2), date(2026, 6, 2)),
            ],
        )

        # when the milestones are reached and the first invoice is paid
        project.milestone_ids.is_reached = True
        self.env["account.payment.register"].with_context(
            active_model="account.move", active_ids=invoices[0].ids
        ).create({})._create_payments()

        # then the account is live and the ledger of events tells it all
        self.assertEqual(self.partner.saas_lifecycle, "live")
        self.assertIn(invoices[0].payment_state, ("paid", "in_payment"))
        self.assertEqual(len(self.events(invoices[0], "invoice.paid")), 1)
        story = self.env["saas.event"].search(
            [("correlation_id", "=", order._saas_correlation())]
        )
        self.assertGreaterEqual(
            set(story.mapped("name")),
            {
                "subscription.created",
                "subscription.activated",
                "onboarding.started",
                "onboarding.milestone_reached",
                "onboarding.live",
            },
        )

    @freeze_time("2026-01-31")
    def test_yearly_plan_in_arrears_anchored_on_the_31st(self):
        # given a monthly plan in arrears
        self.plan.timing = "arrears"
        order = self.create_order([(self.platform, 2)], start=date(2026, 1, 31))
        order.action_confirm()
        subscription = order.saas_subscription_ids

        # when nothing has ended yet
        self.bill(date(2026, 2, 27), date_invoice=date(2026, 2, 27))
        # then nothing is charged
        self.assertFalse(subscription.charge_ids)

        # when two periods ended
        self.bill(date(2026, 3, 31), date_invoice=date(2026, 3, 31))
        # then the anchor's day is kept
        self.assertEqual(
            subscription.charge_ids.sorted("service_start").mapped("service_end"),
            [date(2026, 2, 28), date(2026, 3, 31)],
        )
        self.assertEqual(subscription.charge_ids.mapped("amount"), [1000, 1000])
