# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).

from odoo.tests import tagged

from ..exceptions import WalletError
from .test_hold import MARCH
from .test_wallet_billing import WalletBillingCase


@tagged("post_install", "-at_install")
class TestWalletReserved(WalletBillingCase):
    """What previews hold is held once, and posted as it was approved."""

    def test_two_subscriptions_of_a_run_share_a_wallet(self):
        other = self.create_subscription(
            [{"product_id": self.traffic.id}], date_start=MARCH, tz="UTC"
        )
        self.tie("client-2", other)
        self.grant(self.wallet, 100)
        self.use()
        self.store(500, "2026-03-10", subject="client-2")
        run = self.prepare()
        self.assertAlmostEqual(self.wallet.reserved, 100)
        self.post(self.approve(run))
        paid = self.credits() + self.credits(other)
        self.assertAlmostEqual(paid, -100)
        self.wallet.invalidate_recordset()
        self.assertEqual((self.wallet.balance, self.wallet.reserved), (0, 0))
        self.assert_in_balance(self.wallet)

    def test_credits_of_a_run_are_booked_at_once(self):
        self.traffic.taxes_id = self.tax
        other = self.create_subscription(
            [{"product_id": self.traffic.id}], date_start=MARCH, tz="UTC"
        )
        self.tie("client-2", other)
        second = self.create_wallet(name="More")
        self.grant(self.wallet, 30)
        self.grant(second, 500)
        self.use()
        self.store(500, "2026-03-10", subject="client-2")
        wallets, subscriptions = type(self.wallet), type(self.subscription)
        booked, taxed = [], []
        book, find = wallets._book_movements, subscriptions._find_credit_taxes
        self.patch(
            wallets,
            "_book_movements",
            lambda own, rows: booked.append(len(rows)) or book(own, rows),
        )
        self.patch(
            subscriptions,
            "_find_credit_taxes",
            lambda own, product: taxed.append(product) or find(own, product),
        )
        self.post(self.approve(self.prepare()))
        # calls and traffic of the one, traffic of the other, from two wallets
        self.assertEqual(booked, [4])
        self.assertEqual(len(taxed), 2)
        self.assert_in_balance(self.wallet)
        self.assert_in_balance(second)

    def test_two_runs_never_reserve_the_same_money(self):
        self.grant(self.wallet, 60)
        self.use()
        first = self.prepare()
        self.assertAlmostEqual(self.wallet.reserved, 60)
        second = self.prepare()
        self.assertAlmostEqual(self.wallet.reserved, 60)
        rows = second.line_ids.charge_ids
        self.assertFalse(rows.filtered("wallet_id"))
        # computed again without the first, the money is free
        first.line_ids.sudo().unlink()
        second.line_ids.with_user(self.operator).action_recompute()
        rows = second.line_ids.charge_ids.filtered("wallet_id")
        self.assertAlmostEqual(sum(rows.mapped("amount")), -60)

    def test_what_is_approved_is_posted(self):
        self.grant(self.wallet, 60)
        self.use()
        run = self.approve(self.prepare())
        amount = run.line_ids.amount
        self.grant(self.wallet, 1000, "promotional", priority=1)
        self.use("2026-03-20", 100)
        self.post(run)
        self.assertEqual(run.line_ids.state, "posted", run.line_ids.why)
        self.assertAlmostEqual(run.line_ids.move_id.amount_untaxed, amount)
        self.assertEqual(self.wallet.balance, 1000)

    def test_reserved_money_can_not_be_taken_back(self):
        grant = self.grant(self.wallet, 60)
        self.use()
        run = self.approve(self.prepare())
        with self.assertRaises(WalletError):
            self.wallet._void(grant, "Refund")
        self.post(run)
        self.assertEqual(run.line_ids.state, "posted")

    def test_money_that_is_gone_stops_the_line(self):
        grant = self.grant(self.wallet, 60)
        self.use()
        run = self.approve(self.prepare())
        self.patch(type(self.wallet), "_get_reserved", lambda *_args: {})
        self.wallet._void(grant, "Refund")
        self.post(run)
        self.assertEqual(run.line_ids.state, "held")
        self.assertIn("no longer holds", run.line_ids.reason)
        self.assertEqual((self.credits(), self.usage_booked()), (0, 0))
        self.assert_in_balance(self.wallet)

    def test_failed_posting_leaves_the_wallet_alone(self):
        self.grant(self.wallet, 60)
        self.use()
        run = self.approve(self.prepare())

        def fail(*_args):
            raise ValueError("killed")

        line = type(run.line_ids)
        with self.subTest("killed after the ledger"):
            self.patch(line, "_number", fail)
            self.post(run)
            self.assertEqual(run.line_ids.state, "failed")
            self.assertEqual((self.wallet.balance, self.credits()), (60, 0))
        self.assert_in_balance(self.wallet)

    def test_wallets_are_locked_before_anything_is_reserved(self):
        self.grant(self.wallet, 60)
        self.use()
        locked = []
        self.patch(
            type(self.wallet),
            "_lock",
            lambda wallets: locked.append(wallets and wallets._get_reserved()),
        )
        run = self.prepare()
        self.assertEqual(locked, [{}])
        self.post(self.approve(run))
        self.assertEqual(len(locked), 2)
