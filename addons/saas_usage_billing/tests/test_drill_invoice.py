# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo.tests import tagged

from ..exceptions import UsageStoreError
from .common_invoiced import InvoicedUsage


@tagged("post_install", "-at_install")
class TestDrillInvoice(InvoicedUsage):
    """From a proposed charge and an invoice line down to the events."""

    def test_preview_and_invoice_open_the_same(self):
        self.store(620, "2026-03-10")
        run = self.compute_run(date(2026, 4, 1))
        [proposed] = run.line_ids.charge_ids.filtered("has_usage")
        action = proposed.with_user(self.operator).action_drill_usage()
        preview = self.env["saas.usage.drill"].browse(action["res_id"])
        self.assertFalse(preview.charge_id)
        self.assertEqual(
            (preview.quantity_text, preview.amount), ("620 API calls", 22.4)
        )
        events = preview.with_user(self.operator).action_view_events()["domain"]
        self.assertEqual(self.env["saas.usage.event"].search_count(events), 620)

        charge = self.post_run(run)
        move = charge.move_id
        self.assertTrue(move.has_saas_usage)
        for record in (move, charge.move_line_id):
            action = record.with_user(self.operator).action_drill_saas_usage()
            drill = self.env["saas.usage.drill"].browse(action["res_id"])
            self.assertEqual(drill.charge_id, charge)
            self.assertEqual(drill.day_ids.mapped("amount"), [22.4])
        plain = move.invoice_line_ids - charge.move_line_id
        self.assertEqual(plain.mapped("has_saas_usage"), [False])
        with self.assertRaisesRegex(UsageStoreError, "No metered use"):
            plain.action_drill_saas_usage()
