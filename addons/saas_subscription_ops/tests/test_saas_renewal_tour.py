# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import timedelta

from odoo import Command, fields
from odoo.tests import HttpCase, new_test_user, tagged

from .common import ROLE, SubscriptionCase


@tagged("post_install", "-at_install")
class TestSaasRenewalTour(SubscriptionCase, HttpCase):
    """From the board to the customer's signature, dates relative to today."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.today = fields.Date.context_today(cls.env["saas.plan"])
        cls.company.write(
            {"portal_confirmation_sign": True, "portal_confirmation_pay": False}
        )
        cls.raised = cls.create_plan(name="Raised", renewal_uplift=10.0)
        cls.seller = cls.new_user(
            "renewal_manager",
            f"{ROLE}subscription_manager,sales_team.group_sale_salesman_all_leads",
        )
        contact = cls.env["res.partner"].create(
            {"name": "Jane", "parent_id": cls.partner.id, "email": "j@example.com"}
        )
        new_test_user(
            cls.env,
            login="renewal_customer",
            groups="base.group_portal",
            partner_id=contact.id,
            company_id=cls.company.id,
            company_ids=[Command.set(cls.company.ids)],
        )

    def create_ending(self, name, **vals):
        """Create a contract of a year that ends in about two months."""
        start = self.today - timedelta(days=300)
        return self.create_subscription(
            name=name,
            date_start=start,
            term_end=fields.Date.add(start, months=12),
            user_id=self.seller.id,
            **vals,
        )

    def sign(self, order):
        self.start_tour(
            order.get_portal_url(), "saas_portal_sign", login="renewal_customer"
        )
        self.env.invalidate_all()
        self.assertEqual(order.state, "sale")

    def test_board_to_signature(self):
        end = fields.Date.add(self.today - timedelta(days=300), months=12)
        same = self.create_ending("RENEW-A", date_end=end)
        raised = self.create_ending("RENEW-B", plan_id=self.raised.id)
        self.env["saas.renewal"]._process_renewals(self.today)
        self.assertEqual((same.mrr, raised.mrr), (500.0, 500.0))
        self.assertTrue(same.renewal_ids.lead_id)
        self.start_tour(
            "/odoo/saas-renewals", "saas_renewal_quotes", login="renewal_manager"
        )
        self.env.invalidate_all()
        for subscription in (same, raised):
            renewal = subscription.renewal_ids
            self.assertEqual(renewal.order_id.state, "sent")
            self.sign(renewal.order_id)
            self.assertEqual(renewal.outcome, "renewed")
            self.assertEqual(renewal.decided_by, "signature")
            self.assertTrue(renewal.is_on_time)
            self.assertEqual(renewal.lead_id.won_status or "won", "won")
            self.assertEqual(subscription.term_end, fields.Date.add(end, months=12))
            self.assertEqual(subscription.mrr, 500.0)
        # The next term: the same, and moved by the uplift.
        self.env["saas.subscription"]._process_lifecycle(end)
        self.assertEqual((same.mrr, raised.mrr), (500.0, 550.0))
        self.assertEqual(same.renewal_ids.amount_expansion, 0.0)
        self.assertEqual(raised.renewal_ids.amount_expansion, 600.0)
        self.start_tour(
            f"/odoo/saas-renewals/{raised.renewal_ids.id}",
            "saas_renewal_decided",
            login="renewal_manager",
        )
