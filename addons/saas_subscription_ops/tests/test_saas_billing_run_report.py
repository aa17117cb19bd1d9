# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import io
from datetime import date

from openpyxl import load_workbook

from odoo import Command
from odoo.exceptions import AccessError
from odoo.tests import HttpCase, tagged
from odoo.tools import mute_logger

from .common import SubscriptionCase

REPORT = "saas_subscription_ops.report_saas_billing_run"


@tagged("post_install", "-at_install")
class TestSaasBillingRunReport(SubscriptionCase, HttpCase):
    """The run report: figures that add up, for those who may read the run."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        tax = cls.env["account.tax"].create(
            {"name": "VAT 20", "amount": 20, "company_id": cls.company.id}
        )
        taxed = cls.create_product("Taxed", 100.0, taxes_id=[Command.set(tax.ids)])
        cls.posted = cls.create_subscription(
            [
                {"product_id": cls.platform.id, "price_unit": 500},
                {"product_id": taxed.id, "price_unit": 100},
            ]
        )
        cls.evil = cls.env["res.partner"].create(
            {"name": "=HYPERLINK(1)", "is_company": True}
        )
        cls.held = cls.create_subscription(partner_id=cls.evil.id)
        cls.billing_run = cls.create_run(date(2026, 4, 1))
        cls.billing_run.action_compute()
        line = cls.billing_run.line_ids.filtered(
            lambda line: line.subscription_id == cls.held
        ).with_user(cls.operator)
        line.comment = "disputed"
        line.action_hold()
        cls.post(cls.approve(cls.billing_run))

    def get_figures(self, user):
        run = self.billing_run.with_user(user)
        return self.env[f"report.{REPORT}"].with_user(user)._get_figures(run)

    def test_figures_equal_the_invoices(self):
        move = self.posted.charge_ids.move_id
        for user in (self.operator, self.approver, self.auditor):
            with self.subTest(user=user.login):
                figures = self.get_figures(user)
                [total] = figures["totals"]
                self.assertEqual(figures["moves"], move)
                self.assertEqual((total["count"], total["total"]), (1, 620))
                self.assertEqual((total["untaxed"], total["tax"]), (600, 20))
                taxes = {
                    row["tax"]: (row["base"], row["amount"]) for row in figures["taxes"]
                }
                self.assertEqual(taxes["VAT 20"], (100, 20))
                self.assertEqual(taxes["No tax"], (500, 0))
                open_lines = dict(figures["open"])
                self.assertEqual(open_lines["Held"].subscription_id, self.held)
                people = {row[0]: row[1] for row in figures["people"]}
                self.assertEqual(people["Approved"], self.approver.name)
                self.assertEqual(people["Reviewed"], self.operator.name)

    def test_credit_notes_count_negative(self):
        self.posted.line_ids.date_end = date(2026, 3, 12)
        run = self.create_run(date(2026, 4, 1))
        run.action_compute()
        run.line_ids.filtered(
            lambda line: line.subscription_id == self.posted
        )._set_line_state("ok")
        self.post(self.approve(run))
        figures = self.env[f"report.{REPORT}"]._get_figures(run)
        credit = [row for row in figures["totals"] if row["total"] < 0]
        self.assertEqual(len(credit), 1)
        self.assertEqual(credit[0]["type"], "Customer Credit Note")

    def test_others_get_no_figures(self):
        for user in (self.salesperson, self.csm):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                self.get_figures(user)

    def test_page(self):
        html, _kind = self.env["ir.actions.report"]._render_qweb_html(
            REPORT, self.billing_run.ids
        )
        text = html.decode()
        self.assertIn(self.billing_run.name, text)
        self.assertIn(self.posted.charge_ids.move_id.name, text)
        self.assertIn("disputed", text)
        self.assertIn("VAT 20", text)

    def test_workbook(self):
        self.authenticate("sub_auditor", "sub_auditor")
        answer = self.url_open(f"/saas/billing-run/{self.billing_run.id}/report.xlsx")
        self.assertEqual(answer.status_code, 200)
        book = load_workbook(io.BytesIO(answer.content))
        self.assertEqual(
            book.sheetnames, ["Summary", "Amounts", "Taxes", "Invoices", "Not Posted"]
        )
        amounts = [row.value for row in book["Amounts"][2]]
        self.assertEqual(amounts[-3:], [600, 20, 620])
        held = [cell for cell in book["Not Posted"][2]]
        self.assertIn("=HYPERLINK(1)", [cell.value for cell in held])
        self.assertEqual({cell.data_type for cell in held} & {"f"}, set())

    @mute_logger("odoo.http")
    def test_workbook_is_refused_to_others(self):
        url = f"/saas/billing-run/{self.billing_run.id}/report.xlsx"
        self.authenticate("sub_sales", "sub_sales")
        self.assertEqual(self.url_open(url).status_code, 403)
        self.authenticate("sub_auditor", "sub_auditor")
        missing = url.replace(str(self.billing_run.id), "999999999")
        self.assertEqual(self.url_open(missing).status_code, 404)

    def test_buttons(self):
        run = self.billing_run.with_user(self.operator)
        self.assertEqual(run.action_print_report()["report_name"], REPORT)
        self.assertIn(str(run.id), run.action_download_report()["url"])
