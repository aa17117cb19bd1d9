# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields
from odoo.tests import TransactionCase, tagged

from odoo.addons.saas_demo.models.saas_demo_contracts import CONTRACTS


@tagged("post_install", "-at_install")
class TestSaasDemoWork(TransactionCase):
    """Earlier customers are in every state a renewal or an onboarding can be in.

    What the scheduler does in the days after the installation is not looked at.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.accounts = cls.env["res.partner"].search(
            [("ref", "in", [contract.account for contract in CONTRACTS])]
        )
        cls.renewals = cls.env["saas.renewal"].search(
            [("partner_id", "in", cls.accounts.ids)]
        )

    def renewal(self, account):
        return self.renewals.filtered(lambda one: one.partner_id.ref == account)

    def project(self, name):
        partner = self.env.ref(f"saas_demo.partner_{name}")
        return self.env["project.project"].search([("partner_id", "=", partner.id)])

    def states(self, project):
        return sorted(project.saas_document_ids.mapped("state"))

    def test_every_contract_has_one_renewal_with_an_owner(self):
        self.assertEqual(len(self.accounts), len(CONTRACTS))
        self.assertEqual(len(self.renewals.partner_id), len(CONTRACTS))
        sales = self.env.ref("saas_demo.user_sales")
        self.assertEqual(self.renewals.user_id, sales)
        self.assertEqual(len(self.renewals.lead_id), len(CONTRACTS))

    def test_every_outcome_and_category_is_there(self):
        outcomes = set(self.renewals.mapped("outcome"))
        self.assertLessEqual({"open", "renewed", "expired"}, outcomes)
        still_open = self.renewals.filtered(lambda one: one.outcome == "open")
        self.assertEqual(
            set(still_open.mapped("category")),
            {"commit", "best_case", "at_risk", "lost"},
        )
        self.assertTrue(all(still_open.mapped("amount_available")))

    def test_signed_renewal_has_its_uplift_apart(self):
        signed = self.renewal("N08")
        self.assertEqual((signed.outcome, signed.decided_by), ("renewed", "signature"))
        self.assertEqual((signed.amount_pure, signed.amount_expansion), (9600.0, 384.0))
        subscription = signed.subscription_id
        self.assertEqual(
            subscription.term_end, fields.Date.add(signed.term_end, months=12)
        )

    def test_automatic_and_expired(self):
        automatic = self.renewal("N10").sorted("term_end")[0]
        self.assertEqual(automatic.decided_by, "automatic")
        self.assertEqual(automatic.amount_expansion, 0.0)
        expired = self.renewal("N09")
        self.assertEqual(expired.outcome, "expired")
        self.assertEqual(expired.amount_lost, 3600.0)
        self.assertEqual(expired.subscription_id.state, "expired")

    def test_past_its_notice_lost_and_doubted(self):
        passed = self.renewal("N05")
        self.assertTrue(passed.notice_passed_on and passed.is_expiring)
        lost = self.renewal("N07")
        self.assertEqual(lost.category, "lost")
        self.assertTrue(lost.lost_reason_id)
        doubted = self.renewal("N06")
        self.assertEqual(doubted.category_user_id, self.env.ref("saas_demo.user_csm"))

    def test_forecasts_were_kept_before_the_decision(self):
        kept = self.env["saas.renewal.snapshot"].search(
            [("renewal_id", "in", self.renewals.ids), ("kind", "=", "window")]
        )
        self.assertLessEqual(self.renewal("N08") | self.renewal("N09"), kept.renewal_id)

    def test_nothing_is_billed_twice(self):
        """What the former system billed is booked: no run of today charges it."""
        contracts = self.renewals.subscription_id.filtered(
            lambda one: one.state == "active"
        )
        today = fields.Date.context_today(self.env["saas.plan"])
        for contract in contracts:
            started = contract.create_date.date()
            self.assertFalse(contract._get_unbooked_charges(min(started, today)))

    def test_one_customer_waits(self):
        project = self.project("sable")
        documents = project.saas_document_ids
        self.assertEqual(set(self.states(project)), {"requested"})
        self.assertTrue(documents.filtered("is_overdue"))
        self.assertEqual(project.saas_waiting_on, "customer")

    def test_one_is_being_checked(self):
        project = self.project("redwood")
        self.assertEqual(
            self.states(project), ["accepted", "received", "refused", "requested"]
        )
        refused = project.saas_document_ids.filtered(lambda d: d.state == "refused")
        self.assertTrue(refused.refuse_reason)
        self.assertEqual(project.saas_waiting_on, "both")
        request = self.env["saas.change.request"].search(
            [("project_id", "=", project.id)]
        )
        self.assertEqual((request.state, request.price), ("quoted", 720.0))

    def test_one_is_live_with_milestones_to_bill(self):
        project = self.project("polaris")
        self.assertTrue(project.saas_live_on)
        self.assertGreater(project.saas_hypercare_until, project.saas_live_on)
        milestones = project.milestone_ids
        self.assertEqual(set(milestones.mapped("saas_billing_state")), {"to_bill"})
        self.assertEqual(sum(milestones.mapped("saas_amount")), 2400.0)
        self.assertEqual(
            self.states(project), ["accepted", "accepted", "accepted", "waived"]
        )
