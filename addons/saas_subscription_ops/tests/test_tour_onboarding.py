# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import Command, fields
from odoo.exceptions import UserError
from odoo.tests import HttpCase, new_test_user, tagged

from .common import ROLE, SubscriptionCase


@tagged("post_install", "-at_install")
class TestTourOnboarding(SubscriptionCase, HttpCase):
    """From what sales promised to the customer being live, as people do it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.today = fields.Date.context_today(cls.env["project.project"])
        cls.new_user("onb_sales", "sales_team.group_sale_salesman_all_leads")
        cls.new_user("onb_finance", "account.group_account_invoice")
        cls.new_user("onb_staff", f"project.group_project_manager,{ROLE}user")
        cls.delivery = cls.new_user(
            "onb_delivery", f"project.group_project_user,{ROLE}customer_success"
        )
        cls.partner.saas_csm_id = cls.delivery
        cls.contact = cls.env["res.partner"].create(
            {"name": "Jane", "parent_id": cls.partner.id, "email": "j@example.com"}
        )
        new_test_user(
            cls.env,
            login="onb_buyer",
            groups="base.group_portal",
            partner_id=cls.contact.id,
            company_id=cls.company.id,
            company_ids=[Command.set(cls.company.ids)],
        )
        cls.prepare_template()
        cls.move = cls.create_product(
            "Moving in", 2000.0, saas_onboarding_template_id=cls.template.id
        )
        cls.move.product_tmpl_id.service_policy = "delivered_milestones"

    @classmethod
    def prepare_template(cls):
        kickoff, go_live = cls.template.milestone_ids.sorted("sequence")
        kickoff.saas_billing_percent = 40
        go_live.write({"saas_billing_percent": 60, "saas_is_go_live": True})
        cls.env["saas.onboarding.document"].create(
            {
                "project_id": cls.template.id,
                "name": "Data agreement",
                "milestone_id": kickoff.id,
            }
        )
        cls.env["project.task"].create(
            {
                "name": "Invite your people",
                "project_id": cls.template.id,
                "saas_is_customer_task": True,
            }
        )

    def tour(self, url, name, login):
        self.start_tour(url, name, login=login)
        self.env.invalidate_all()

    def test_handover_to_live(self):
        lead = self.env["crm.lead"].create(
            {
                "name": "Acme wants the platform",
                "type": "opportunity",
                "partner_id": self.partner.id,
                "user_id": self.salesperson.id,
                "company_id": self.company.id,
            }
        )
        order = self.create_order(
            [(self.platform, 1), (self.move, 1)],
            start=self.today,
            opportunity_id=lead.id,
            require_signature=True,
            require_payment=False,
        )
        # Nothing is sent before sales has written down what was promised
        with self.assertRaisesRegex(UserError, "(?i)handover"):
            order.action_quotation_sent()
        lead.action_open_saas_handover()
        lead.saas_handover_id.write(
            {
                "date_go_live": fields.Date.add(self.today, days=20),
                "contact_ids": [
                    Command.create({"partner_id": self.contact.id}),
                ],
            }
        )
        self.tour(f"/odoo/crm/{lead.id}", "saas_handover_ready", "onb_sales")
        self.assertEqual(lead.saas_handover_id.state, "ready")

        # The customer signs: the project is there
        order.action_quotation_sent()
        self.tour(order.get_portal_url(), "saas_portal_sign", "onb_buyer")
        project = order.saas_onboarding_project_ids
        self.assertEqual(lead.saas_handover_id.project_id, project)
        self.assertEqual(self.partner.saas_lifecycle, "onboarding")

        # The customer hands in the document, delivery accepts it
        document = project.saas_document_ids
        document.with_user(self.delivery).action_request()
        kickoff, go_live = project.milestone_ids.sorted("sequence")
        with self.assertRaisesRegex(UserError, "Data agreement"):
            kickoff.with_user(self.delivery).is_reached = True
        self.tour("/my/onboarding", "saas_onboarding_portal_upload", "onb_buyer")
        self.tour(
            f"/odoo/saas-onboarding-documents/{document.id}",
            "saas_onboarding_document_accept",
            "onb_staff",
        )
        self.assertEqual(document.state, "accepted")

        # The milestone is reached and billed by finance
        kickoff.with_user(self.delivery).is_reached = True
        self.tour("/odoo/saas-milestones-to-bill", "saas_milestone_bill", "onb_finance")
        invoice = order.invoice_ids
        self.assertEqual((invoice.state, invoice.amount_untaxed), ("draft", 800.0))
        self.assertEqual(kickoff.saas_billing_state, "billed")

        # Live
        self.tour(
            f"/odoo/saas-onboarding/{project.id}",
            "saas_onboarding_go_live",
            "onb_staff",
        )
        self.assertTrue(go_live.is_reached)
        self.assertEqual(project.saas_live_on, self.today)
        self.assertEqual(self.partner.saas_lifecycle, "live")
        self.assertEqual(len(self.events(project, "onboarding.live")), 1)
