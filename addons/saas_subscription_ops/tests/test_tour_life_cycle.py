# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import timedelta

from odoo import Command, fields
from odoo.tests import HttpCase, new_test_user, tagged

from .common import ROLE, SubscriptionCase


@tagged("post_install", "-at_install")
class TestTourLifeCycle(SubscriptionCase, HttpCase):
    """The life of a subscription as people see it, dates relative to today."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.today = fields.Date.context_today(cls.env["saas.plan"])
        # Ten days into a period, whatever the length of the month.
        cls.start = cls.today - timedelta(days=10)
        cls.plan.write({"portal_change": "direct", "portal_cancel": "direct"})
        cls.pro = cls.create_product("Platform Pro", 900.0, saas_plan_id=cls.plan.id)
        cls.new_user(
            "life_manager",
            f"{ROLE}subscription_manager,sales_team.group_sale_salesman_all_leads",
        )
        cls.new_user("life_operator", f"{ROLE}billing_operator")
        cls.new_user("life_approver", f"{ROLE}billing_approver")
        contact = cls.env["res.partner"].create(
            {"name": "Jane", "parent_id": cls.partner.id, "email": "j@example.com"}
        )
        new_test_user(
            cls.env,
            login="life_buyer",
            groups="base.group_portal",
            partner_id=contact.id,
            company_id=cls.company.id,
            company_ids=[Command.set(cls.company.ids)],
        )

    def tour(self, subscription, name, login="life_manager"):
        self.start_tour(
            f"/odoo/saas-subscriptions/{subscription.id}", name, login=login
        )
        self.env.invalidate_all()

    def bill_until_today(self):
        return self.bill(cutoff=self.today + timedelta(days=1), date_invoice=self.today)

    def create_running(self):
        subscription = self.create_subscription(
            date_start=self.start, term_end=fields.Date.add(self.start, months=12)
        )
        self.bill_until_today()
        return subscription

    def test_quote_to_credit(self):
        # Quote, signed on the portal by the customer
        order = self.create_order([(self.platform, 1)], start=self.start)
        order.write({"require_signature": True, "require_payment": False})
        order.action_quotation_sent()
        self.start_tour(order.get_portal_url(), "saas_portal_sign", login="life_buyer")
        self.env.invalidate_all()
        subscription = order.saas_subscription_ids
        self.assertEqual(subscription.state, "active")
        self.bill_until_today()
        self.assertEqual(sum(subscription.charge_ids.mapped("amount")), 500.0)
        # Upgrade in mid-period, seen before it is confirmed
        self.tour(subscription, "saas_subscription_upgrade")
        amendment = subscription.amendment_ids
        self.assertEqual((amendment.kind, amendment.state), ("upgrade", "applied"))
        self.assertEqual(subscription.mrr, 900.0)
        # Run, approved by somebody else, posted
        self.start_tour(
            "/odoo/saas-billing-runs", "saas_billing_run_prepare", login="life_operator"
        )
        run = self.env["saas.billing.run"].search(
            [("company_id", "=", self.company.id), ("state", "=", "reviewed")]
        )
        self.start_tour(
            f"/odoo/saas-billing-runs/{run.id}",
            "saas_billing_run_approve",
            login="life_approver",
        )
        self.env.invalidate_all()
        self.post(run)
        self.assertEqual(run.state, "done")
        self.assertGreater(sum(subscription.charge_ids.mapped("amount")), 500.0)
        # Cancelled at once: what was not served comes back as a credit note
        self.tour(subscription, "saas_subscription_cancel")
        self.assertEqual(subscription.state, "cancelled")
        before = subscription.charge_ids.move_id
        self.bill_until_today()
        credit = subscription.charge_ids.move_id - before
        self.assertEqual(credit.move_type, "out_refund")
        self.assertEqual(credit.state, "posted")
        due = subscription._get_unbooked_charges(self.today + timedelta(days=400))
        self.assertFalse(due)

    def test_pause_and_resume(self):
        subscription = self.create_running()
        self.tour(subscription, "saas_subscription_pause")
        self.assertEqual(subscription.state, "paused")
        states = subscription.amendment_ids.sorted("id").mapped("state")
        self.assertEqual(states, ["applied", "undone"])
        subscription.with_user(self.manager).resume(
            date_effective=self.today + timedelta(days=2)
        )
        self.env["saas.subscription"]._process_lifecycle(self.today + timedelta(days=2))
        self.assertEqual(subscription.state, "active")

    def test_cancel_with_credit(self):
        subscription = self.create_running()
        self.tour(subscription, "saas_subscription_cancel")
        self.assertEqual(subscription.amendment_ids.reason_id.code, "price")
        self.bill_until_today()
        self.assertLess(min(subscription.charge_ids.mapped("amount")), 0)

    def test_portal_self_service(self):
        subscription = self.create_running()
        self.start_tour(
            "/my/subscriptions", "saas_portal_self_service", login="life_buyer"
        )
        self.env.invalidate_all()
        self.assertEqual(subscription.mrr, 2500.0)
        self.assertFalse(subscription.date_end)
        self.assertEqual(
            sorted(subscription.amendment_ids.mapped(lambda a: (a.kind, a.state))),
            [("cancel", "undone"), ("quantity", "applied")],
        )
