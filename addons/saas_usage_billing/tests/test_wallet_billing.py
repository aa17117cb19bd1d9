# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, datetime, timezone

from odoo import Command
from odoo.tests import tagged

from .test_hold import APRIL, MARCH, MAY, HoldCase
from .test_wallet import WalletFixture

JUNE = date(2026, 6, 1)


class WalletBillingCase(HoldCase, WalletFixture):
    """March: 620 calls cost 22.40 and 6,200 bytes 62.00; a wallet pays."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tax = cls.env["account.tax"].create(
            {
                "name": "VAT 20",
                "amount": 20,
                "type_tax_use": "sale",
                "company_id": cls.company.id,
                "country_id": cls.company.account_fiscal_country_id.id,
            }
        )
        cls.deferred = cls.env["account.account"].create(
            {
                "name": "Prepaid by customers",
                "code": "239900",
                "account_type": "liability_current",
                "company_ids": [Command.set(cls.company.ids)],
            }
        )
        cls.credit_product = cls.create_credit_product(
            property_account_income_id=cls.deferred.id
        )
        cls.wallet = cls.create_wallet()

    def use(self, day="2026-03-10", number=620, **data):
        return self.store(number, day, **data)

    def wallet_lines(self, move):
        return move.invoice_line_ids.filtered(
            lambda line: line.product_id == self.credit_product
        )

    def credits(self, subscription=None, cutoff=APRIL):
        """Return what is booked of wallets, by ref of the usage's product."""
        charges = (subscription or self.subscription).charge_ids
        return sum(
            charges.filtered(lambda c: c.ref.startswith("wallet:")).mapped("amount")
        )

    def lower(self, price=0.001):
        """Make traffic cheaper, for March as well."""
        self.env["saas.usage.price"].search(
            [("product_tmpl_id", "=", self.traffic.product_tmpl_id.id)]
        ).with_context(saas_price_reason="Agreed").sudo()._write({"unit_price": price})
        self.env.cr.cache.clear()
        self.env.invalidate_all()

    def usage_booked(self):
        charges = self.subscription.charge_ids.filtered(
            lambda c: c.ref.startswith("usage:")
        )
        return sum(charges.mapped("amount"))


@tagged("post_install", "-at_install")
class TestWalletBilling(WalletBillingCase):
    """Wallets pay newly due usage, on the invoice that charges it."""

    def test_usage_is_paid_as_far_as_the_wallet_goes(self):
        self.grant(self.wallet, 50)
        self.use()
        run = self.bill_usage()
        self.assertEqual(run.line_ids.mapped("state"), ["posted"], run.line_ids.why)
        move = run.line_ids.move_id
        # 22.40 of calls, 62.00 of traffic, 500.00 of the flat fee
        self.assertAlmostEqual(move.amount_untaxed, 84.40 + 500 - 50)
        self.assertEqual(self.wallet.balance, 0)
        self.assertEqual(self.wallet_lines(move).account_id, self.deferred)
        self.assertAlmostEqual(sum(self.wallet_lines(move).mapped("balance")), 50)
        self.assert_in_balance(self.wallet)

        # a second run books nothing, later grants do not reopen what is paid
        self.grant(self.wallet, 500)
        self.assertFalse(self.bill_usage(APRIL, date(2026, 4, 2)).line_ids)
        self.assertEqual(self.wallet.balance, 500)

    def test_movement_knows_charge_and_invoice(self):
        self.grant(self.wallet, 500)
        self.use()
        run = self.bill_usage()
        movements = self.wallet.transaction_ids.filtered("charge_id")
        self.assertEqual(sorted(movements.mapped("amount")), [-62, -22.4])
        self.assertEqual(movements.move_id, run.line_ids.move_id)
        charge = movements.charge_id[:1]
        self.assertEqual((charge.kind, charge.base_kind), ("credit", "usage"))
        self.assertIn("Paid from Credits", charge.move_line_id.name)

    def test_recurring_charges_are_not_paid(self):
        self.grant(self.wallet, 500)
        self.bill_usage()
        self.assertEqual(self.wallet.balance, 500)

    def test_fully_paid_invoice_is_not_held(self):
        self.grant(self.wallet, 5000)
        line = self.subscription.line_ids.filtered(
            lambda line: line.product_id == self.platform
        )
        line.sudo().write({"price_unit": 0.0})
        self.use()
        run = self.create_run(APRIL, date_invoice=APRIL)
        run.with_user(self.operator).action_compute()
        self.assertEqual(run.line_ids.amount, 0)
        self.assertNotIn("ask for nothing", run.line_ids.check_results or "")

    def test_taxes_are_those_of_the_usage(self):
        self.traffic.taxes_id = self.tax
        self.grant(self.wallet, 500)
        self.use()
        move = self.bill_usage().line_ids.move_id
        taxed = self.wallet_lines(move).filtered("tax_ids")
        self.assertEqual(taxed.mapped("price_subtotal"), [-62])
        self.assertEqual(taxed.tax_ids, self.tax)
        self.assertAlmostEqual(move.amount_tax, 0)

    def test_taxes_follow_the_fiscal_position(self):
        free = self.tax.copy({"name": "VAT 0", "amount": 0})
        position = self.env["account.fiscal.position"].create(
            {"name": "Export", "company_id": self.company.id}
        )
        free.write(
            {
                "original_tax_ids": [Command.set(self.tax.ids)],
                "fiscal_position_ids": [Command.set(position.ids)],
            }
        )
        self.traffic.taxes_id = self.tax
        self.subscription.sudo().fiscal_position_id = position
        self.grant(self.wallet, 500)
        self.use()
        move = self.bill_usage().line_ids.move_id
        lines = move.invoice_line_ids
        usage = lines.filtered(lambda line: line.product_id == self.traffic)
        self.assertEqual(usage.tax_ids, free)
        self.assertEqual(self.wallet_lines(move).tax_ids, free)

    # Scope -----------------------------------------------------------
    def test_scope_by_product_and_by_meter(self):
        calls = self.create_wallet(name="Calls", product_ids=self.calls.ids, priority=1)
        self.wallet.meter_ids = self.bytes_meter
        self.grant(calls, 20)
        self.grant(self.wallet, 500)
        self.use()
        self.bill_usage()
        self.assertEqual((calls.balance, self.wallet.balance), (0, 438))

    def test_wallets_pay_in_the_order_of_their_priority(self):
        first = self.create_wallet(name="First", priority=1)
        self.grant(self.wallet, 500)
        self.grant(first, 60)
        self.use()
        self.bill_usage()
        self.assertAlmostEqual(first.balance, 0)
        self.assertAlmostEqual(self.wallet.balance, 500 - 24.40)

    def test_grants_pay_in_the_order_of_their_terms(self):
        paid = self.grant(self.wallet, 30)
        free = self.grant(self.wallet, 30, "promotional")
        urgent = self.grant(self.wallet, 30, priority=1)
        gone = self.grant(self.wallet, 30, date_expiry=MARCH)
        late = self.grant(self.wallet, 30, date_start=APRIL)
        self.use()
        self.bill_usage()
        left = [row.remaining for row in (urgent, free, paid, gone, late)]
        for got, wanted in zip(left, [0, 0, 5.6, 30, 30], strict=True):
            self.assertAlmostEqual(got, wanted)

    def test_other_currencies_companies_and_accounts_do_not_pay(self):
        usd = self.env.ref("base.USD")
        usd.active = True
        other = self.env["res.partner"].create({"name": "B", "is_company": True})
        wallets = self.create_wallet(currency_id=usd.id) | self.create_wallet(
            partner_id=other.id
        )
        for wallet in wallets:
            self.grant(wallet, 500)
        closed = self.create_wallet()
        self.grant(closed, 500)
        closed.action_close()
        self.use()
        self.bill_usage()
        self.assertEqual(self.credits(), 0)
        self.assertEqual((wallets | closed).mapped("balance"), [500, 500, 500])

    # Corrections -----------------------------------------------------
    def test_late_usage_is_paid_for_what_it_adds(self):
        self.grant(self.wallet, 100)
        self.use()
        self.bill_usage()
        self.assertAlmostEqual(self.wallet.balance, 15.60)
        # 1,000 bytes more cost 10.00, 100 calls more 2.00
        self.use("2026-03-20", 100)
        run = self.bill_usage(APRIL, date(2026, 4, 2))
        self.assertAlmostEqual(run.line_ids.amount, 0)
        self.assertAlmostEqual(self.wallet.balance, 3.60)
        self.use("2026-03-21", 100)
        run = self.bill_usage(APRIL, date(2026, 4, 3))
        self.assertAlmostEqual(run.line_ids.amount, 12 - 3.60)
        self.assert_in_balance(self.wallet)

    def test_lowered_usage_gives_back_the_last_used_first(self):
        first = self.grant(self.wallet, 40, priority=1)
        second = self.grant(self.wallet, 500, priority=2)
        self.use()
        self.bill_usage()
        # calls 22.40 and traffic 17.60 from the first, 44.40 from the second
        self.assertAlmostEqual(second.remaining, 455.60)
        self.lower()
        run = self.bill_usage(APRIL, date(2026, 4, 2))
        # 6.20 is due of 62.00, all of it was paid by the wallet
        self.assertAlmostEqual(run.line_ids.amount, 0)
        self.assertAlmostEqual(second.remaining, 500)
        self.assertAlmostEqual(first.remaining, 40 - 22.40 - 6.20)
        self.assert_in_balance(self.wallet)
        self.assertFalse(self.bill_usage(APRIL, date(2026, 4, 3)).line_ids)

    def test_what_was_paid_in_money_comes_back_in_money(self):
        self.wallet.product_ids = self.traffic
        self.grant(self.wallet, 10)
        self.use()
        self.bill_usage()
        self.lower(0.005)
        run = self.bill_usage(APRIL, date(2026, 4, 2))
        # 31.00 less, and the 10.00 of the wallet stay used
        self.assertAlmostEqual(run.line_ids.amount, -31)
        self.assertEqual(run.line_ids.move_id.move_type, "out_refund")
        self.assertEqual(self.wallet.balance, 0)

    def test_given_back_money_of_an_expired_grant_is_there_again(self):
        grant = self.grant(self.wallet, 100, date_expiry=APRIL)
        self.use()
        self.bill_usage()
        grant.sudo().state = "expired"
        self.lower()
        self.bill_usage(APRIL, date(2026, 4, 2))
        self.assertEqual(grant.state, "open")
        self.assertAlmostEqual(grant.remaining, 100 - 22.40 - 6.20)

    def take_over(self, price):
        """Agree a price of traffic with the customer, for March as well."""
        self.create_price(
            self.traffic,
            subscription_id=self.subscription.id,
            model="standard",
            unit_price=price,
            correction_reason="Agreed",
        )

    def test_what_comes_back_pays_the_price_that_takes_over(self):
        self.wallet.product_ids = self.traffic
        grant = self.grant(self.wallet, 50)
        self.use()
        self.bill_usage()
        self.assertEqual(grant.remaining, 0)
        self.take_over(0.02)
        run = self.prepare(day=date(2026, 4, 2))
        # 124.00 instead of 62.00: nothing more than before is there to be used
        self.assertAlmostEqual(run.line_ids.amount, 62)
        self.assertEqual(self.wallet.reserved, 0)
        now = datetime(2026, 4, 2, tzinfo=timezone.utc)
        self.assertEqual(self.wallet._get_live_balances(now), {self.wallet.id: 0})
        self.post(self.approve(run))
        self.assertEqual(run.line_ids.state, "posted", run.line_ids.why)
        self.assertEqual((grant.remaining, self.credits()), (0, -50))
        self.assert_in_balance(self.wallet)

    def test_invoices_that_give_back_and_use_the_same_grant(self):
        other = self.create_subscription(
            [{"product_id": self.traffic.id}], date_start=MARCH, tz="UTC"
        )
        self.tie("client-2", other)
        self.wallet.product_ids = self.traffic
        grant = self.grant(self.wallet, 70)
        self.use()
        self.bill_usage()
        self.assertEqual(grant.remaining, 8)
        self.take_over(0.02)
        self.store(500, "2026-03-10", subject="client-2")
        first = self.prepare(day=date(2026, 4, 2))
        # 62.00 come back and pay again; only what was left before is reserved
        self.assertAlmostEqual(self.wallet.reserved, 8)
        rows = first.line_ids.charge_ids.filtered("wallet_id")
        self.assertAlmostEqual(sum(rows.mapped("amount")), -8)
        self.post(self.approve(first))
        self.assertEqual(set(first.line_ids.mapped("state")), {"posted"})
        self.assertEqual(grant.remaining, 0)
        self.assertAlmostEqual(self.credits() + self.credits(other), -70)
        self.assert_in_balance(self.wallet)

    def test_what_comes_back_to_an_expired_grant_pays_again(self):
        grant = self.grant(self.wallet, 100, date_start=MARCH, date_expiry=APRIL)
        self.use()
        self.bill_usage()
        self.wallet._expire(APRIL)
        self.assertEqual((grant.state, grant.remaining), ("expired", 0))
        self.take_over(0.005)
        run = self.bill_usage(APRIL, date(2026, 4, 2))
        self.assertAlmostEqual(run.line_ids.amount, 0)
        self.assertAlmostEqual(grant.remaining, 31)
        self.wallet._expire(APRIL)
        self.assertEqual((grant.state, grant.remaining), ("expired", 0))
        self.assert_in_balance(self.wallet)

    def test_held_usage_takes_no_credit(self):
        self.grant(self.wallet, 500)
        self.use()
        hold = self.hold(meter_id=self.bytes_meter.id)
        self.bill_usage()
        self.assertAlmostEqual(self.wallet.balance, 500 - 22.40)
        self.release(hold)
        self.bill_usage(APRIL, date(2026, 4, 2))
        self.assertAlmostEqual(self.wallet.balance, 500 - 84.40)

    # Shown -----------------------------------------------------------
    def test_next_invoice_shows_what_will_be_paid(self):
        self.grant(self.wallet, 50)
        self.use()
        preview = self.subscription._get_next_invoice(date(2026, 4, 1))
        self.assertIn(-22.4, [round(row["amount"], 2) for row in preview["rows"]])
        self.assertAlmostEqual(preview["net"], 84.40 + 1000 - 50)
        self.assertEqual(self.wallet.reserved, 0)

    def test_invoiced_usage_is_what_was_used(self):
        self.grant(self.wallet, 50)
        self.use()
        move = self.bill_usage().line_ids.move_id
        [row] = self.env["saas.charge"]._saas_kpi_invoiced_usage(
            None, self.company, move.invoice_date.replace(day=1), JUNE
        )
        self.assertAlmostEqual(float(row["value"]), 84.40)

    def test_a_month_without_usage_and_the_next_one(self):
        self.grant(self.wallet, 50)
        self.bill_usage()
        self.use("2026-04-10", 130)
        self.bill_usage(MAY, date(2026, 5, 1))
        # 30 calls above 100 free ones cost 1.50, 1,300 bytes 13.00
        self.assertAlmostEqual(self.wallet.balance, 50 - 14.50)

    def test_commitments_go_on_and_take_no_credit(self):
        self.env["saas.usage.commitment"].create(
            {
                "name": "At least 100",
                "subscription_id": self.subscription.id,
                "amount": 100,
                "window": "period",
                "date_start": MARCH,
            }
        )
        self.grant(self.wallet, 500)
        self.use()
        run = self.bill_usage()
        # 84.40 of usage from the wallet, 15.60 missing to the commitment in money
        self.assertAlmostEqual(run.line_ids.amount, 500 + 15.60)
        self.assertAlmostEqual(self.wallet.balance, 415.60)
        # 12.00 more of usage are 12.00 less of the true-up
        self.use("2026-03-20", 100)
        run = self.bill_usage(APRIL, date(2026, 4, 2))
        self.assertAlmostEqual(run.line_ids.amount, -12)
        self.assertAlmostEqual(self.wallet.balance, 403.60)
