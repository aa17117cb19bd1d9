# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from unittest.mock import patch

from odoo import Command
from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, tagged

from ..exceptions import BillingError, LedgerError, QuoteError
from .common import SubscriptionCase

APRIL, MAY = date(2026, 4, 1), date(2026, 5, 1)


class InvoiceCase(SubscriptionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.accountant = cls.new_user("sub_invoicing", "account.group_account_invoice")
        cls.plan.invoicing_policy = "subscription"
        # Whole months only, so that amounts are easy to read.
        cls.plan.alignment = "anniversary"

    @classmethod
    def subscribe(cls, price=500.0, **vals):
        return cls.create_subscription(
            [{"product_id": cls.platform.id, "price_unit": price, "quantity": 2}],
            **{"date_start": date(2026, 3, 1), **vals},
        )

    def invoice_of(self, subscription):
        return subscription.sudo().charge_ids.move_id.sorted("id")

    @classmethod
    def release(cls, run):
        held = run.line_ids.filtered(lambda line: line.state == "held")
        held.comment = "seen"
        held.with_user(cls.operator).action_release()

    @classmethod
    def bill_all(cls, cutoff=APRIL, **vals):
        """Bill everything, also what a check holds."""
        run = cls.create_run(cutoff, **vals)
        run.with_context(queue_job__no_delay=True).action_compute()
        run.invalidate_recordset()
        cls.release(run)
        return cls.post(cls.approve(run))


@tagged("post_install", "-at_install")
class TestSaasInvoice(InvoiceCase):
    # ------------------------------------------------------------------
    # Head of the invoice
    # ------------------------------------------------------------------
    def test_terms_position_and_reference_of_the_subscription(self):
        term = self.env["account.payment.term"].create(
            {
                "name": "45 days",
                "line_ids": [
                    Command.create(
                        {"value": "percent", "value_amount": 100, "nb_days": 45}
                    )
                ],
            }
        )
        position = self.env["account.fiscal.position"].create(
            {"name": "Abroad", "company_id": self.company.id}
        )
        subscription = self.subscribe(
            payment_term_id=term.id,
            fiscal_position_id=position.id,
            client_order_ref="PO-4711",
        )
        self.bill_all()
        move = self.invoice_of(subscription)
        self.assertEqual(move.invoice_payment_term_id, term)
        self.assertEqual(move.fiscal_position_id, position)
        self.assertEqual(move.ref, "PO-4711")
        self.assertEqual(move.invoice_date_due, date(2026, 5, 15))

    def test_without_a_term_the_invoice_is_due_on_its_date(self):
        subscription = self.subscribe()
        self.bill_all()
        move = self.invoice_of(subscription)
        self.assertEqual(move.invoice_date_due, date(2026, 3, 31))

    def test_term_of_the_bill_to(self):
        term = self.env["account.payment.term"].create(
            {
                "name": "10 days",
                "line_ids": [
                    Command.create(
                        {"value": "percent", "value_amount": 100, "nb_days": 10}
                    )
                ],
            }
        )
        self.partner.with_company(self.company).property_payment_term_id = term
        subscription = self.subscribe()
        self.bill_all()
        move = self.invoice_of(subscription)
        self.assertEqual(move.invoice_payment_term_id, term)
        self.assertEqual(move.invoice_date_due, date(2026, 4, 10))

    def test_rate_of_the_invoice_date(self):
        usd = self.env.ref("base.USD")
        usd.active = True
        for day, rate in ((date(2026, 1, 1), 1.10), (date(2026, 3, 31), 1.25)):
            self.env["res.currency.rate"].create(
                {
                    "name": day,
                    "rate": rate,
                    "currency_id": usd.id,
                    "company_id": self.company.id,
                }
            )
        subscription = self.subscribe(currency_id=usd.id)
        self.bill_all()
        move = self.invoice_of(subscription)
        self.assertEqual(move.currency_id, usd)
        self.assertAlmostEqual(move.invoice_currency_rate, 1.25)
        self.assertAlmostEqual(move.amount_untaxed_signed, 800.0)

    def test_service_dates_words_and_chatter(self):
        subscription = self.subscribe()
        run = self.bill_all()
        move = self.invoice_of(subscription)
        line = move.invoice_line_ids
        self.assertEqual(line.start_date, date(2026, 3, 1))
        self.assertEqual(line.end_date, date(2026, 3, 31))
        self.assertEqual(
            move._get_saas_service_period(), (line.start_date, line.end_date)
        )
        self.assertEqual((line.quantity, line.price_unit), (2, 500.0))
        self.assertIn("Platform", line.name)
        self.assertIn(f"{self.plan.name} ({subscription.name}), 03/01/2026", line.name)
        self.assertIn(run.name, move.message_ids.mapped("body")[0])

    def test_analytic_distribution_of_the_line(self):
        plan = self.env["account.analytic.plan"].create({"name": "Departments"})
        cloud, other = self.env["account.analytic.account"].create(
            [
                {"name": name, "plan_id": plan.id, "company_id": self.company.id}
                for name in ("Cloud", "Other")
            ]
        )
        self.env["account.analytic.distribution.model"].create(
            {
                "partner_id": self.partner.id,
                "analytic_distribution": {str(other.id): 100},
                "company_id": self.company.id,
            }
        )
        given, modelled = self.subscribe(), self.subscribe()
        given.line_ids.analytic_distribution = {str(cloud.id): 100}
        modelled.line_ids.analytic_distribution = False
        self.bill_all()
        for subscription, account in ((given, cloud), (modelled, other)):
            line = self.invoice_of(subscription).invoice_line_ids
            self.assertEqual(line.analytic_distribution, {str(account.id): 100})
            self.assertEqual(line.analytic_line_ids.mapped("amount"), [1000.0])

    def test_words_in_the_language_of_the_bill_to(self):
        self.env["res.lang"]._activate_lang("fr_FR")
        self.partner.lang = "fr_FR"
        self.platform.with_context(lang="fr_FR").name = "Plateforme"
        subscription = self.subscribe()
        self.bill_all()
        name = self.invoice_of(subscription).invoice_line_ids.name
        self.assertIn("01/03/2026", name)

    def test_one_invoice_for_several_has_a_section_each(self):
        self.plan.invoicing_policy = "account"
        first = self.subscribe(client_order_ref="PO-1")
        second = self.subscribe(client_order_ref="PO-2")
        other_term = self.env["account.payment.term"].create({"name": "Other"})
        apart = self.subscribe(payment_term_id=other_term.id)
        self.bill_all()
        move = self.invoice_of(first)
        self.assertEqual(move, self.invoice_of(second))
        self.assertNotEqual(move, self.invoice_of(apart))
        sections = move.invoice_line_ids.filtered(
            lambda line: line.display_type == "line_section"
        )
        self.assertEqual(len(sections), 2)
        self.assertIn(first.name, sections[0].name)
        self.assertIn("PO-2", sections[1].name)
        self.assertEqual(move.ref, "PO-1, PO-2")
        for charge in first.charge_ids | second.charge_ids:
            self.assertEqual(charge.move_line_id.price_subtotal, charge.amount)

    def test_pdf_shows_period_and_corrected_invoice(self):
        subscription = self.subscribe()
        self.bill_all()
        subscription.sudo().line_ids.date_end = date(2026, 3, 16)
        self.bill_all()
        credit = self.invoice_of(subscription)[-1]
        html = self.env["ir.actions.report"].with_user(self.accountant)
        html, _kind = html._render_qweb_html("account.account_invoices", credit.ids)
        text = html.decode()
        self.assertIn("Service Period", text)
        self.assertIn("Corrects", text)
        self.assertIn(self.invoice_of(subscription)[0].name, text)

    # ------------------------------------------------------------------
    # Corrections
    # ------------------------------------------------------------------
    def test_credit_note_is_linked_to_its_invoice(self):
        subscription = self.subscribe()
        self.bill_all()
        invoice = self.invoice_of(subscription)
        subscription.sudo().line_ids.date_end = date(2026, 3, 16)
        self.bill_all()
        credit = self.invoice_of(subscription) - invoice
        self.assertEqual(credit.move_type, "out_refund")
        self.assertEqual(credit.saas_corrected_move_ids, invoice)
        self.assertEqual(credit.reversed_entry_id, invoice)
        self.assertFalse(credit.is_manually_modified)
        self.assertEqual(invoice.saas_correction_move_ids, credit)
        self.assertEqual(
            (credit.saas_corrected_count, invoice.saas_correction_count), (1, 1)
        )
        # Settled with each other by Odoo.
        self.assertEqual(
            invoice.amount_residual, invoice.amount_total - credit.amount_total
        )
        event = self.events(invoice, "invoice.credited")
        self.assertEqual(len(event), 1)
        self.assertEqual(event.payload["by"], credit.name)
        self.assertEqual(float(event.payload["amount"]), credit.amount_untaxed)
        action = invoice.with_user(self.accountant).action_view_saas_correction_moves()
        self.assertEqual(action["res_id"], credit.id)
        action = credit.with_user(self.accountant).action_view_saas_corrected_moves()
        self.assertEqual(action["res_id"], invoice.id)

    def test_credit_note_of_two_invoices_is_the_reversal_of_none(self):
        subscription = self.subscribe()
        self.bill_all()
        self.bill_all(MAY)
        invoices = self.invoice_of(subscription)
        self.assertEqual(len(invoices), 2)
        subscription.sudo().line_ids.date_end = date(2026, 3, 16)
        self.bill_all(MAY)
        credit = self.invoice_of(subscription) - invoices
        self.assertEqual(credit.saas_corrected_move_ids, invoices)
        self.assertFalse(credit.reversed_entry_id)
        self.assertEqual(len(self.events(invoices, "invoice.credited")), 2)

    def test_mixed_signs_stay_one_invoice(self):
        self.plan.invoicing_policy = "account"
        subscription = self.subscribe()
        self.bill_all()
        invoice = self.invoice_of(subscription)
        subscription.sudo().line_ids.date_end = date(2026, 3, 16)
        other = self.subscribe(price=900.0)
        self.bill_all()
        move = self.invoice_of(other)
        self.assertEqual(move, self.invoice_of(subscription) - invoice)
        self.assertEqual(move.move_type, "out_invoice")
        self.assertEqual(move.saas_corrected_move_ids, invoice)
        self.assertFalse(move.reversed_entry_id)
        self.assertTrue(self.events(invoice, "invoice.credited"))

    # ------------------------------------------------------------------
    # By hand
    # ------------------------------------------------------------------
    def test_manual_credit_note_leaves_the_ledger_alone(self):
        subscription = self.subscribe()
        self.bill_all()
        invoice = self.invoice_of(subscription)
        before = subscription.charge_ids
        wizard = (
            self.env["account.move.reversal"]
            .with_user(self.accountant)
            .with_context(active_model="account.move", active_ids=invoice.ids)
            .create({"journal_id": invoice.journal_id.id, "reason": "Goodwill"})
        )
        wizard.refund_moves()
        credit = wizard.new_move_ids.with_user(self.accountant)
        self.assertFalse(credit.saas_charge_count)
        credit.invoice_date = date(2026, 4, 2)
        credit.action_post()
        self.assertEqual(subscription.charge_ids, before)
        event = self.events(invoice, "invoice.credited")
        self.assertTrue(event.payload["manual"])
        self.assertIn("by hand", subscription.sudo().message_ids[0].body)
        self.assertFalse(subscription.sudo()._get_unbooked_charges(APRIL))

    def test_invoice_with_charges_stays(self):
        subscription = self.subscribe()
        self.bill_all()
        move = self.invoice_of(subscription).with_user(self.accountant)
        self.assertFalse(move.show_reset_to_draft_button)
        for method in ("button_draft", "button_cancel"):
            with self.subTest(method=method), self.assertRaises(LedgerError):
                getattr(move, method)()

    def test_no_invoice_from_an_order_that_runs_invoice(self):
        order = self.create_order([(self.platform, 1), (self.package, 1)])
        order.action_confirm()
        self.assertTrue(order.saas_is_billed_by_subscription)
        form = Form(order.with_user(self.salesperson))
        view = self.env["sale.order"].get_view(view_type="form")["arch"]
        self.assertIn("saas_is_billed_by_subscription", view)
        self.assertTrue(form.saas_is_billed_by_subscription)
        wizard = self.env["sale.advance.payment.inv"].create(
            {"sale_order_ids": [Command.set(order.ids)]}
        )
        with self.assertRaises(QuoteError):
            wizard.create_invoices()
        other = self.create_product("Hardware", 100.0)
        mixed = self.create_order([(self.platform, 1), (other, 1)])
        self.assertFalse(mixed.saas_is_billed_by_subscription)

    # ------------------------------------------------------------------
    # Locks
    # ------------------------------------------------------------------
    def test_every_lock_refuses_instead_of_moving_the_date(self):
        tax = self.env["account.tax"].create(
            {"name": "VAT", "amount": 20, "company_id": self.company.id}
        )
        self.platform.taxes_id = [Command.set(tax.ids)]
        for field in (
            "tax_lock_date",
            "sale_lock_date",
            "fiscalyear_lock_date",
            "hard_lock_date",
        ):
            with self.subTest(lock=field), self.env.cr.savepoint() as savepoint:
                subscription = self.subscribe()
                run = self.create_run()
                run.with_context(queue_job__no_delay=True).action_compute()
                run.invalidate_recordset()
                self.release(run)
                self.approve(run)
                self.company.sudo()[field] = date(2026, 3, 31)
                self.post(run)
                line = run.line_ids.filtered(
                    lambda line, found=subscription: line.subscription_id == found
                )
                self.assertEqual(line.state, "failed")
                self.assertIn("locked", line.reason)
                self.assertFalse(subscription.charge_ids)
                if field != "hard_lock_date":
                    # The cure, then the retry of the exception.
                    self.company.sudo()[field] = False
                    line.with_user(self.operator).saas_retry_post()
                    move = self.invoice_of(subscription)
                    self.assertEqual(move.date, date(2026, 3, 31))
                savepoint.rollback()

    # ------------------------------------------------------------------
    # One failing among many
    # ------------------------------------------------------------------
    def test_archived_customer_fails_alone_and_retries(self):
        subscriptions = self.env["saas.subscription"]
        for name in ("A", "B", "C", "D", "E"):
            partner = self.partner.copy({"name": name})
            subscriptions |= self.subscribe(partner_id=partner.id)
        run = self.create_run()
        run.with_context(queue_job__no_delay=True).action_compute()
        run.invalidate_recordset()
        self.release(run)
        self.approve(run)
        gone = subscriptions[2]
        gone.bill_to_id.active = False
        self.post(run)
        self.assertEqual(len(self.invoice_of(subscriptions)), 4)
        line = run.line_ids.filtered(lambda line: line.subscription_id == gone)
        self.assertEqual(line.state, "failed")
        with self.assertRaises(BillingError):
            line.with_user(self.operator).saas_retry_post()
        gone.bill_to_id.active = True
        line.with_user(self.operator).saas_retry_post()
        self.assertTrue(self.invoice_of(gone))
        numbers = sorted(self.invoice_of(subscriptions).mapped("sequence_number"))
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + 5)))


@tagged("post_install", "-at_install")
class TestSaasInvoiceSending(InvoiceCase):
    def bill_and_send(self):
        return self.bill_all(send_invoices=True)

    def no_pdf(self):
        """Leave out the report engine: it is Odoo's, and not on every machine."""
        cls = type(self.env["ir.actions.report"])
        return patch.object(
            cls, "_render_qweb_pdf", lambda *args, **kwargs: (b"%PDF-1.4", "pdf")
        )

    def test_invoices_are_sent_after_posting(self):
        subscription = self.subscribe()
        with self.no_pdf():
            self.bill_and_send()
        move = self.invoice_of(subscription)
        self.assertEqual(move.state, "posted")
        self.assertTrue(move.is_move_sent)
        self.assertIn(self.partner, move.message_ids.partner_ids)
        self.assertFalse(self.exceptions("billing.send_failed"))

    def test_nothing_is_sent_unless_asked_for(self):
        subscription = self.subscribe()
        self.bill_all()
        self.assertFalse(self.invoice_of(subscription).is_move_sent)

    def test_failing_send_keeps_the_invoice_and_retries(self):
        self.partner.email = False
        subscription = self.subscribe()
        with self.no_pdf():
            self.bill_and_send()
            move = self.invoice_of(subscription)
            self.assertEqual(move.state, "posted")
            self.assertFalse(move.is_move_sent)
            exception = self.exceptions("billing.send_failed")
            line = self.env[exception.res_model].browse(exception.res_id)
            self.assertEqual(line.move_id, move)
            with self.assertRaises(AccessError):
                line.with_user(self.auditor).saas_retry_send()
            with self.assertRaises(AccessError):
                move.with_user(self.auditor).saas_retry_send()
            with self.assertRaises(UserError):
                line.with_user(self.operator).saas_retry_send()
            self.partner.email = "acme@example.com"
            exception.with_user(self.operator).action_retry()
        self.assertEqual(exception.state, "resolved", exception.last_error)
        self.assertTrue(move.is_move_sent)

    def test_broken_report_is_an_exception(self):
        subscription = self.subscribe()
        cls = type(self.env["account.move.send"])
        with patch.object(
            cls, "_generate_invoice_documents", side_effect=ValueError("no engine")
        ):
            self.bill_and_send()
        self.assertEqual(self.invoice_of(subscription).state, "posted")
        self.assertIn("no engine", self.exceptions("billing.send_failed").name)
