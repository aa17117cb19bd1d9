# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from unittest.mock import patch

from odoo import Command
from odoo.exceptions import UserError
from odoo.tests import HttpCase, new_test_user, tagged

from .common import SubscriptionCase

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
    "awAAAABJRU5ErkJggg=="
)


@tagged("post_install", "-at_install")
class TestPortal(SubscriptionCase, HttpCase):
    """The customer's side: own subscriptions, and signing that always works."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        contact = cls.env["res.partner"].create(
            {"name": "Buyer", "parent_id": cls.partner.id, "email": "b@example.com"}
        )
        for login, partner in (
            ("portal_buyer", contact),
            ("portal_other", cls.env["res.partner"].create({"name": "Other"})),
        ):
            new_test_user(
                cls.env,
                login=login,
                groups="base.group_portal",
                partner_id=partner.id,
                company_id=cls.company.id,
                company_ids=[Command.set(cls.company.ids)],
            )

    def _sign(self, order):
        order.write({"require_signature": True, "state": "sent"})
        token = order._portal_ensure_token()
        return self.make_jsonrpc_request(
            f"/my/orders/{order.id}/accept",
            {"access_token": token, "name": "Jane Buyer", "signature": PIXEL},
        )

    def test_list_and_detail(self):
        subscription = self.create_subscription()
        self.authenticate("portal_buyer", "portal_buyer")
        home = self.url_open("/my/subscriptions")
        self.assertIn(subscription.name, home.text)
        page = self.url_open(f"/my/subscriptions/{subscription.id}")
        self.assertIn("What you pay for", page.text)
        self.assertIn("Platform", page.text)
        self.authenticate("portal_other", "portal_other")
        self.assertNotIn(subscription.name, self.url_open("/my/subscriptions").text)
        page = self.url_open(f"/my/subscriptions/{subscription.id}")
        self.assertNotIn(subscription.name, page.text)

    def test_visitor_who_signs_starts_the_whole_workflow(self):
        order = self.create_order()
        result = self._sign(order)
        self.assertTrue(result.get("force_refresh"), result)
        order.invalidate_recordset()
        self.assertEqual(order.state, "sale")
        self.assertEqual(order.saas_subscription_ids.state, "active")
        project = order.saas_onboarding_project_ids
        self.assertEqual(len(project), 1)
        self.assertEqual(project.user_id, self.csm)
        job = self.env["queue.job"].search(
            [("identity_key", "=", f"saas_signed_pdf:{order.id}")]
        )
        self.assertEqual(len(job), 1)
        self.assertEqual(job.user_id, self.env.ref("base.user_root"))
        self.assertFalse(
            self.env["saas.exception"].search(
                [("res_model", "=", "sale.order"), ("res_id", "=", order.id)]
            )
        )

    def test_signing_works_without_a_pdf_engine(self):
        order = self.create_order()
        report = type(self.env["ir.actions.report"])
        origin = report._pre_render_qweb_pdf

        def no_engine(self, *args, **kwargs):
            raise UserError("Unable to find Wkhtmltopdf on this system.")

        with patch.object(report, "_pre_render_qweb_pdf", no_engine):
            result = self._sign(order)
        self.assertTrue(origin)
        self.assertTrue(result.get("force_refresh"), result)
        order.invalidate_recordset()
        self.assertEqual(order.state, "sale")
        self.assertEqual(order.saas_subscription_ids.state, "active")
        names = (
            self.env["ir.attachment"]
            .search([("res_model", "=", "sale.order"), ("res_id", "=", order.id)])
            .mapped("name")
        )
        self.assertIn(f"{order.name}.html", names)

    def test_failing_workflow_never_refuses_the_signature(self):
        order = self.create_order()
        cls = type(order)
        with patch.object(
            cls, "_saas_do_create_subscription", side_effect=ValueError("broken")
        ):
            result = self._sign(order)
        self.assertTrue(result.get("force_refresh"), result)
        order.invalidate_recordset()
        self.assertEqual(order.state, "sale")
        self.assertTrue(self.exceptions("order.subscription_failed"))
