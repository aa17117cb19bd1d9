# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import Command
from odoo.exceptions import AccessError
from odoo.tests import Form, tagged

from ..exceptions import TransitionError
from .common import SubscriptionCase


@tagged("post_install", "-at_install")
class TestSaasBillingRunChecks(SubscriptionCase):
    """Checks hold lines; people decide on one or many of them, with a comment."""

    def compute(self, **vals):
        run = self.create_run(**vals)
        run.action_compute()
        return run

    def wizard(self, lines, decision, comment="seen", user=None):
        wizard = self.env["saas.billing.run.decide.wizard"].with_user(
            user or self.operator
        )
        return wizard.create(
            {
                "line_ids": [Command.set(lines.ids)],
                "decision": decision,
                "comment": comment,
            }
        )

    # Checks ----------------------------------------------------------
    def test_tax_is_missed_where_the_run_expects_it(self):
        self.create_subscription()
        self.partner.country_id = self.env.ref("base.de")
        self.assertEqual(self.compute().line_ids.state, "ok")
        line = self.compute(expect_tax=True).line_ids
        self.assertEqual(line.state, "held")
        self.assertIn("no sales tax", line.check_results)
        self.platform.taxes_id = self.env["account.tax"].create(
            {"name": "VAT 0", "amount": 0, "company_id": self.company.id}
        )
        self.assertEqual(self.compute(expect_tax=True).line_ids.state, "ok")

    def test_sending_needs_address_and_country(self):
        self.create_subscription()
        line = self.compute(send_invoices=True).line_ids
        self.assertIn("no country", line.check_results)
        self.partner.write({"country_id": self.env.ref("base.de").id, "email": False})
        line = self.compute(send_invoices=True).line_ids
        self.assertIn("no e-mail", line.check_results)
        self.partner.email = "ap@example.com"
        self.assertEqual(self.compute(send_invoices=True).line_ids.state, "ok")

    def test_archived_customer_is_held(self):
        self.create_subscription()
        self.partner.active = False
        line = self.compute().line_ids
        self.assertEqual(line.state, "held")
        self.assertIn("archived", line.check_results)

    def test_missing_income_account_is_held(self):
        self.create_subscription()
        self.platform.categ_id.with_company(
            self.company
        ).property_account_income_categ_id = False
        self.company.income_account_id = False
        line = self.compute().line_ids
        self.assertEqual(line.state, "held")
        self.assertIn("no income account", line.check_results)

    def test_first_invoice_far_above_its_peers_is_held(self):
        for _number in range(5):
            self.create_subscription()
        self.bill()
        dear = self.create_subscription(
            [{"product_id": self.platform.id, "price_unit": 50000}]
        )
        usual = self.create_subscription()
        run = self.compute()
        states = {line.subscription_id: line for line in run.line_ids}
        self.assertEqual(states[usual].state, "ok")
        self.assertEqual(states[dear].state, "held")
        self.assertIn("first invoice", states[dear].check_results)
        tolerant = self.compute(first_tolerance=20000)
        self.assertEqual(set(tolerant.line_ids.mapped("state")), {"ok"})

    # Decisions -------------------------------------------------------
    def test_one_comment_for_many_lines(self):
        for _number in range(3):
            self.create_subscription()
        run = self.compute()
        self.wizard(run.line_ids, "held", "  wait for legal ").action_confirm()
        self.assertEqual(set(run.line_ids.mapped("state")), {"held"})
        self.assertEqual(set(run.line_ids.mapped("comment")), {"wait for legal"})
        self.assertEqual(run.line_ids.decided_by_id, self.operator)
        self.wizard(run.line_ids, "ok", "cleared").action_confirm()
        self.assertEqual(run.held_count, 0)
        self.wizard(run.line_ids[0], "excluded", "next month").action_confirm()
        self.assertEqual(run.excluded_count, 1)
        self.assertIn("next month", "".join(run.message_ids.mapped("body")))

    def test_decision_opens_with_the_selection(self):
        self.create_subscription()
        run = self.compute()
        lines = run.line_ids.with_user(self.operator)
        action = lines.with_context(default_decision="excluded").action_decide()
        form = Form(
            self.env[action["res_model"]]
            .with_user(self.operator)
            .with_context(**action["context"])
        )
        form.comment = "double contract"
        form.save().action_confirm()
        self.assertEqual(lines.state, "excluded")

    def test_nothing_is_decided_after_the_review(self):
        self.create_subscription()
        run = self.compute()
        run.with_user(self.operator).action_review()
        with self.assertRaises(TransitionError):
            self.wizard(run.line_ids, "held").action_confirm()

    def test_only_operators_decide(self):
        self.create_subscription()
        run = self.compute()
        for user in (self.approver, self.auditor, self.manager):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                self.wizard(run.line_ids, "held", user=user)
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                run.line_ids.with_user(user).action_decide()

    # Several companies -----------------------------------------------
    def test_runs_of_several_companies_in_one_go(self):
        other = self.env["res.company"].create({"name": "Other Ltd"})
        self.operator.company_ids = self.company | other
        self.create_subscription()
        wizard = (
            self.env["saas.billing.run.prepare.wizard"]
            .with_user(self.operator)
            .with_context(allowed_company_ids=(self.company | other).ids)
            .create({"date_cutoff": "2026-04-01", "date_invoice": "2026-03-31"})
        )
        action = wizard.action_confirm()
        runs = self.env["saas.billing.run"].search(action["domain"])
        runs |= (
            self.env["saas.billing.run"]
            .with_context(allowed_company_ids=(self.company | other).ids)
            .search(action["domain"])
        )
        self.assertEqual(set(runs.mapped("state")), {"computed"})
        lines = {run.company_id: len(run.line_ids) for run in runs}
        self.assertEqual(lines, {self.company: 1, other: 0})
        with self.assertRaises(AccessError):
            wizard.with_user(self.auditor).create({})
