# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from lxml import html

from odoo import Command
from odoo.tests import tagged

from .common_invoiced import InvoicedUsage

REPORT = "account.account_invoices"


@tagged("post_install", "-at_install")
class TestUsageAppendix(InvoicedUsage):
    """Pages after the invoice say how the usage came about."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["res.lang"]._activate_lang("de_DE")
        cls.calls_meter.dimension_ids = [
            Command.create({"key": "client", "name": "Client"})
        ]
        cls.plan = cls.subscription.plan_id

    def invoice(self, clients=2):
        for number in range(clients):
            self.store(10, "2026-03-10", client=f"c{number:02}")
        self.store(100, "2026-03-11", client="large")
        return self.post_run(self.compute_run(date(2026, 4, 1))).move_id

    def render(self, move):
        content, _kind = self.env["ir.actions.report"]._render_qweb_html(
            REPORT, move.ids
        )
        return html.fromstring(content)

    def read_tables(self, move):
        """Return the rows of the appendix' tables as lists of texts."""
        tables = self.render(move).xpath(
            "//div[contains(@class, 'o_saas_usage_appendix')]//table"
        )
        return [
            [
                [" ".join(cell.text_content().split()) for cell in row]
                for row in table.xpath(".//tr")
            ]
            for table in tables
        ]

    def test_none_by_default(self):
        self.assertEqual(self.plan.usage_appendix, "none")
        self.assertEqual(self.read_tables(self.invoice()), [])

    def test_summary_has_tiers_and_dimensions(self):
        self.plan.usage_appendix = "summary"
        tiers, groups = self.read_tables(self.invoice())
        self.assertEqual(tiers[0][1], "Quantity (API calls)")
        self.assertEqual([row[1] for row in tiers[1:3]], ["100", "20"])
        self.assertIn("1.00", tiers[2][3])
        self.assertEqual(
            [row[0] for row in groups[1:3]], ["Client large", "Client c00"]
        )
        self.assertIn("1.00", groups[-1][3])

    def test_daily_has_days_too_and_they_sum_up(self):
        self.plan.usage_appendix = "daily"
        move = self.invoice()
        _tiers, _groups, days = self.read_tables(move)
        self.assertEqual([row[1:3] for row in days[1:3]], [["20", "20"], ["100"] * 2])
        [appendix] = move._get_saas_usage_appendix()
        for rows in ("tiers", "groups", "days"):
            total = sum(row.amount for row in getattr(appendix.breakdown, rows))
            self.assertEqual(total, appendix.breakdown.amount, rows)

    def test_at_most_twenty_groups_and_the_others(self):
        self.plan.usage_appendix = "summary"
        _tiers, groups = self.read_tables(self.invoice(23))
        self.assertEqual(len(groups), 1 + 20 + 1 + 1)
        self.assertEqual(groups[21][:3], ["4 others", "40", "40"])

    def test_in_the_language_of_the_customer(self):
        self.plan.usage_appendix = "daily"
        self.subscription.partner_id.lang = "de_DE"
        move = self.invoice()
        _tiers, _groups, days = self.read_tables(move)
        self.assertEqual(days[1][0], "10.03.2026")

    def test_a_correction_shows_all_of_its_period(self):
        self.plan.usage_appendix = "daily"
        first = self.invoice()
        self.store(100, "2026-03-20", client="large")
        second = self.post_run(self.compute_run(date(2026, 4, 2))).move_id
        self.assertNotEqual(first, second)
        text = self.render(second).text_content()
        self.assertIn("A correction", text)
        self.assertIn("c00", text)
        _tiers, _groups, days = self.read_tables(second)
        self.assertEqual([row[1] for row in days[1:-1]], ["20", "100", "100"])

    def test_pdf(self):
        self.plan.usage_appendix = "daily"
        move = self.invoice()
        content, kind = (
            self.env["ir.actions.report"]
            .with_context(force_report_rendering=True)
            ._render_qweb_pdf(REPORT, move.ids)
        )
        self.assertEqual((kind, content[:4]), ("pdf", b"%PDF"))
