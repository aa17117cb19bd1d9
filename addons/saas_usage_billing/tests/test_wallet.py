# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from decimal import Decimal

from freezegun import freeze_time
from psycopg2 import IntegrityError, errors

from odoo import Command
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import TransactionCase, tagged
from odoo.tools import mute_logger

from ..exceptions import WalletError
from .common import UsageFixture


class WalletFixture:
    """Factories for wallets; the class has ``company``, ``partner`` and users."""

    @classmethod
    def create_credit_product(cls, **vals):
        return cls.env["product.product"].create(
            {
                "name": "API credits",
                "type": "service",
                "list_price": 1000.0,
                "saas_wallet_credit": True,
                "taxes_id": [Command.clear()],
                **vals,
            }
        )

    @classmethod
    def create_wallet(cls, **vals):
        return cls.env["saas.wallet"].create(
            {
                "name": "Credits",
                "partner_id": cls.partner.id,
                "company_id": cls.company.id,
                "currency_id": cls.company.currency_id.id,
                "product_id": cls.credit_product.id,
                **vals,
            }
        )

    @classmethod
    def grant(cls, wallet, amount, kind="paid", **terms):
        terms.setdefault("date_start", date(2026, 1, 1))
        return wallet._grant(Decimal(str(amount)), kind, "Test", **terms)

    def assert_in_balance(self, wallet):
        """Check that the ledger sums to zero and agrees with what is left."""
        wallet.invalidate_recordset()
        entries = self.env["saas.wallet.entry"].search([("wallet_id", "=", wallet.id)])
        self.assertAlmostEqual(sum(entries.mapped("amount")), 0)
        available = entries.filtered(lambda row: row.account == "available")
        self.assertAlmostEqual(sum(available.mapped("amount")), wallet.balance)
        moved = sum(wallet.transaction_ids.mapped("amount"))
        self.assertAlmostEqual(moved, wallet.balance)
        self.env.flush_all()
        self.env.cr.execute("SET CONSTRAINTS ALL IMMEDIATE")
        self.env.cr.execute("SET CONSTRAINTS ALL DEFERRED")


class WalletCase(TransactionCase, UsageFixture, WalletFixture):
    """A company with a wallet."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company = cls.create_company("Cloud Wallet Ltd")
        cls.env = cls.env(
            context=dict(
                cls.env.context,
                tracking_disable=True,
                no_reset_password=True,
                allowed_company_ids=cls.company.ids,
            )
        )
        cls.company = cls.company.with_env(cls.env)
        cls.partner = cls.create_partner("Acme GmbH")
        cls.credit_product = cls.create_credit_product()
        cls.wallet = cls.create_wallet()


@tagged("post_install", "-at_install")
class TestWalletLedger(WalletCase):
    """The books of a wallet are always in balance, whoever writes them."""

    def insert(self, **vals):
        """Write an entry past the ORM."""
        grant = self.grant(self.wallet, 10)
        row = {
            "transaction_id": self.wallet.transaction_ids[:1].id,
            "account": "available",
            "grant_id": grant.id,
            "amount": -1,
            **vals,
        }
        names = ", ".join(row)
        marks = ", ".join(["%s"] * len(row))
        self.env.cr.execute(
            f"INSERT INTO saas_wallet_entry ({names}) VALUES ({marks})",
            list(row.values()),
        )
        self.env.cr.execute("SET CONSTRAINTS ALL IMMEDIATE")

    def refused(self, error=IntegrityError):
        """Expect the database to refuse what is done, and go on afterwards."""
        self.env.flush_all()
        mute = mute_logger("odoo.sql_db")
        mute.__enter__()
        self.addCleanup(mute.__exit__)
        return self.assertRaises(error)

    def test_grant_is_two_entries_that_sum_to_zero(self):
        grant = self.grant(self.wallet, 100)
        entries = {row.account: row.amount for row in grant.entry_ids}
        self.assertEqual(entries, {"source": -100, "available": 100})
        self.assertEqual((grant.remaining, self.wallet.balance), (100, 100))
        self.assert_in_balance(self.wallet)

    def test_grant_tells(self):
        self.grant(self.wallet, 100)
        event = self.env["saas.event"].search(
            [("name", "=", "wallet.granted"), ("res_id", "=", self.wallet.id)]
        )
        self.assertEqual(event.payload["amount"], "100.00")
        self.assertEqual(event.account_id, self.partner)

    def test_database_refuses_half_a_movement(self):
        with self.refused():
            self.insert()

    def test_database_refuses_a_grant_below_zero(self):
        with self.refused(errors.CheckViolation):
            self.insert(amount=-11)

    def test_database_refuses_a_grant_above_its_amount(self):
        with self.refused(errors.CheckViolation):
            self.insert(amount=1)

    def test_database_refuses_the_grant_of_another_wallet(self):
        other = self.grant(self.create_wallet(), 5)
        with self.refused():
            self.insert(grant_id=other.id)

    def test_database_refuses_changes(self):
        self.grant(self.wallet, 10)
        self.assert_in_balance(self.wallet)
        for statement in (
            "UPDATE saas_wallet_entry SET amount = 0",
            "DELETE FROM saas_wallet_entry",
            "TRUNCATE saas_wallet_entry",
            "UPDATE saas_wallet_transaction SET amount = 0",
            "DELETE FROM saas_wallet_transaction",
            "UPDATE saas_wallet_grant SET remaining = 1000, amount = 1000",
            "UPDATE saas_wallet_grant SET remaining = 0",
            "DELETE FROM saas_wallet_grant",
        ):
            with self.subTest(statement), self.refused(errors.RestrictViolation):
                self.env.cr.execute(statement)

    def test_money_can_only_come_from_a_grant(self):
        self.env.flush_all()
        self.env.cr.execute(
            "INSERT INTO saas_wallet_grant (wallet_id, name, kind, amount, remaining,"
            " date_start, priority, state, rollover_min, rollover_max)"
            " VALUES (%s, 'Mine', 'paid', 10, 10, '2026-01-01', 1, 'open', 0, 0)"
            " RETURNING remaining",
            [self.wallet.id],
        )
        self.assertEqual(self.env.cr.fetchone(), (0,))

    def test_orm_refuses_changes(self):
        grant = self.grant(self.wallet, 10)
        movement = self.wallet.transaction_ids
        for step in (
            lambda: grant.write({"amount": 20}),
            lambda: grant.unlink(),
            lambda: movement.write({"amount": 20}),
            lambda: movement.unlink(),
            lambda: movement.entry_ids.write({"amount": 20}),
            lambda: movement.entry_ids.unlink(),
            lambda: self.wallet.unlink(),
            lambda: self.wallet.write({"partner_id": self.create_partner("B").id}),
        ):
            with self.assertRaises(UserError):
                step()

    def test_same_movement_is_booked_once(self):
        grant = self.grant(self.wallet, 10)
        entries = [("available", grant.id, Decimal(-1)), ("used", grant.id, Decimal(1))]
        self.wallet._book_movement("use", "charge:1", "Once", entries)
        with self.refused(errors.UniqueViolation):
            self.wallet._book_movement("use", "charge:1", "Twice", entries)

    def test_what_is_no_money_is_refused(self):
        for amount in ("0", "-1", "0.001"):
            with self.assertRaises(WalletError):
                self.grant(self.wallet, amount)
        self.wallet.action_close()
        with self.assertRaises(WalletError):
            self.grant(self.wallet, 1)
        self.wallet.action_reopen()
        self.assertTrue(self.grant(self.wallet, 1))

    def test_amount_is_rounded_to_the_currency(self):
        self.assertEqual(
            self.grant(self.wallet, "17.9699999999999988631316").amount, 17.97
        )

    def test_terms_that_contradict_each_other_are_refused(self):
        for terms in (
            {"priority": 0},
            {"priority": 51},
            {"date_expiry": date(2026, 1, 1)},
            {"rollover_min": 5, "rollover_max": 1},
        ):
            with self.subTest(terms), self.refused(errors.CheckViolation):
                self.grant(self.wallet, 1, **terms)

    def test_wallet_belongs_to_an_account(self):
        contact = self.create_partner(
            "Ann", parent_id=self.partner.id, is_company=False
        )
        with self.assertRaises(ValidationError):
            self.create_wallet(partner_id=contact.id)

    # Taken back ------------------------------------------------------
    def test_void_takes_what_is_left_and_never_more(self):
        grant = self.grant(self.wallet, 100)
        entries = [
            ("available", grant.id, Decimal(-30)),
            ("used", grant.id, Decimal(30)),
        ]
        self.wallet._book_movement("use", "charge:1", "Used", entries)
        self.wallet._void(grant, "Refunded")
        self.assertEqual((grant.remaining, grant.state), (0, "voided"))
        self.assertEqual(self.wallet.transaction_ids[:1].amount, -70)
        self.assert_in_balance(self.wallet)
        with self.assertRaises(WalletError):
            self.wallet._void(grant, "Again")


@tagged("post_install", "-at_install")
class TestWalletRights(WalletCase):
    """Operators grant and void, the others read, nobody writes the ledger."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.operator = cls.new_user("wallet_operator", "billing_operator")
        cls.auditor = cls.new_user("wallet_auditor", "auditor")
        cls.user = cls.new_user("wallet_user", "user")

    def wizard(self, user, **vals):
        return (
            self.env["saas.wallet.grant.wizard"]
            .with_user(user)
            .create(
                {
                    "wallet_id": self.wallet.id,
                    "amount": 50,
                    "reason": "Goodwill",
                    **vals,
                }
            )
        )

    def test_operator_grants_and_voids(self):
        self.wizard(self.operator).action_confirm()
        grant = self.wallet.grant_ids
        self.assertEqual((grant.kind, grant.remaining), ("promotional", 50))
        wizard = self.env["saas.wallet.void.wizard"].with_user(self.operator)
        wizard.create({"grant_id": grant.id, "reason": "Mistake"}).action_confirm()
        self.assertEqual(self.wallet.balance, 0)
        self.assert_in_balance(self.wallet)

    def test_others_do_not(self):
        for user in (self.auditor, self.user):
            with self.assertRaises(AccessError):
                self.wizard(user)
            with self.assertRaises(AccessError):
                self.wallet.with_user(user).write({"name": "Mine"})
            with self.assertRaises(AccessError):
                self.wallet.with_user(user).action_close()

    def test_everybody_of_the_suite_reads(self):
        self.grant(self.wallet, 10)
        for user in (self.auditor, self.user, self.operator):
            wallet = self.wallet.with_user(user)
            self.assertEqual(wallet.balance, 10)
            self.assertEqual(wallet.grant_ids.entry_ids.mapped("wallet_id"), wallet)
            self.assertTrue(wallet.transaction_ids.mapped("name"))

    def test_nobody_writes_the_ledger(self):
        grant = self.grant(self.wallet, 10)
        env = self.env(user=self.operator)
        for model, vals in (
            ("saas.wallet.grant", {"name": "X", "kind": "paid", "amount": 1}),
            ("saas.wallet.transaction", {"name": "X", "kind": "grant", "ref": "x"}),
            ("saas.wallet.entry", {"account": "available", "grant_id": grant.id}),
        ):
            with self.assertRaises(UserError):
                env[model].create({"wallet_id": self.wallet.id, **vals})

    def test_state_is_not_written_by_hand(self):
        with self.assertRaises(WalletError):
            self.wallet.with_user(self.operator).write({"state": "closed"})

    def test_another_company_sees_nothing(self):
        other = self.create_company("Other Ltd")
        stranger = self.new_user("wallet_stranger", "billing_operator", other)
        self.grant(self.wallet, 10)
        env = self.env(user=stranger, context={"allowed_company_ids": other.ids})
        for model in (
            "saas.wallet",
            "saas.wallet.grant",
            "saas.wallet.transaction",
            "saas.wallet.entry",
        ):
            self.assertFalse(env[model].search_count([]), model)
        with self.assertRaises(AccessError):
            self.wizard(stranger)


@tagged("post_install", "-at_install")
class TestTopUp(WalletCase):
    """Orders of prepaid credit fill the wallet, each line once."""

    def order(self, confirm=True, **line):
        order = self.env["sale.order"].create(
            {
                "partner_id": self.partner.id,
                "company_id": self.company.id,
                "order_line": [
                    Command.create(
                        {
                            "product_id": self.credit_product.id,
                            "product_uom_qty": 2,
                            "price_unit": 500,
                            **line,
                        }
                    )
                ],
            }
        )
        if confirm:
            order.action_confirm()
        return order

    def test_confirmation_grants_once(self):
        order = self.order()
        self.assertEqual(self.wallet.balance, 1000)
        self.assertEqual(self.wallet.grant_ids.order_line_id, order.order_line)
        order.saas_grant_credits()
        order.saas_retry_grant_credits()
        self.assertEqual(len(self.wallet.grant_ids), 1)

    def test_draft_grants_nothing(self):
        self.order(confirm=False).saas_grant_credits()
        self.assertFalse(self.wallet.grant_ids)

    def test_discount_is_promotion(self):
        self.order(discount=10)
        kinds = {row.kind: row.amount for row in self.wallet.grant_ids}
        self.assertEqual(kinds, {"paid": 900, "promotional": 100})

    def test_months_make_an_expiry(self):
        self.credit_product.saas_wallet_months = 12
        self.order()
        grant = self.wallet.grant_ids
        months = (grant.date_expiry.year - grant.date_start.year) * 12
        self.assertEqual(months + grant.date_expiry.month - grant.date_start.month, 12)

    def test_wallet_is_made_if_there_is_none(self):
        self.wallet.action_close()
        self.order()
        wallet = self.env["saas.wallet"].search([("partner_id", "=", self.partner.id)])
        made = wallet - self.wallet
        self.assertEqual((made.balance, made.product_id), (1000, self.credit_product))

    def test_cancelled_order_takes_the_rest_back(self):
        order = self.order()
        entries = [
            ("available", self.wallet.grant_ids.id, Decimal(-300)),
            ("used", self.wallet.grant_ids.id, Decimal(300)),
        ]
        self.wallet._book_movement("use", "charge:1", "Used", entries)
        order._action_cancel()
        self.assertEqual(self.wallet.balance, 0)
        self.assertEqual(self.wallet.grant_ids.state, "voided")
        order.saas_void_credits()
        self.assert_in_balance(self.wallet)

        # confirmed again: what was used of it stays used, the rest is there again
        for _again in range(2):
            order.action_draft()
            order.action_confirm()
            order.saas_grant_credits()
            self.assertEqual(self.wallet.balance, 700)
            order._action_cancel()
            self.assertEqual(self.wallet.balance, 0)
        self.assert_in_balance(self.wallet)

    def test_cancelled_order_is_not_granted_by_a_retry(self):
        order = self.order()
        order._action_cancel()
        order.saas_retry_grant_credits()
        self.assertEqual(self.wallet.balance, 0)

    def test_what_was_taken_back_by_hand_does_not_come_again(self):
        order = self.order()
        self.wallet._void(self.wallet.grant_ids, "Money given back")
        order.saas_grant_credits()
        order._action_cancel()
        order.action_draft()
        order.action_confirm()
        self.assertEqual(self.wallet.balance, 0)

    def test_credit_confirmed_again_has_new_terms(self):
        self.credit_product.saas_wallet_months = 1
        with freeze_time("2026-03-01"):
            order = self.order(discount=10)
            order._action_cancel()
            order.action_draft()
        with freeze_time("2026-06-01"):
            order.action_confirm()
        after = self.wallet.grant_ids.filtered(lambda one: one.state == "open")
        self.assertEqual(
            {row.kind: row.amount for row in after}, {"paid": 900, "promotional": 100}
        )
        self.assertEqual(set(after.mapped("date_expiry")), {date(2026, 7, 1)})

    def test_taxes_in_the_price_are_no_credit(self):
        country = self.env.ref("base.de").id
        own = {"company_id": self.company.id, "country_id": country}
        group = self.env["account.tax.group"].create({"name": "VAT", **own})
        tax = self.env["account.tax"].create(
            {
                "name": "VAT 25 included",
                "amount": 25,
                "price_include_override": "tax_included",
                "type_tax_use": "sale",
                "tax_group_id": group.id,
                **own,
            }
        )
        self.order(tax_ids=[Command.set(tax.ids)])
        self.assertEqual(self.wallet.balance, 800)

    def test_failure_is_an_exception_with_a_retry(self):
        self.wallet.action_close()
        order = self.order(confirm=False)
        order.saas_wallet_id = self.wallet
        order.action_confirm()
        self.assertEqual(order.state, "sale")
        found = self.env["saas.exception"].search([("res_id", "=", order.id)])
        self.assertEqual(found.code, "wallet.grant_failed")
        self.wallet.action_reopen()
        order.saas_retry_grant_credits()
        self.assertEqual(self.wallet.balance, 1000)

    def test_product_is_no_charge_of_a_subscription_as_well(self):
        with self.assertRaises(ValidationError):
            self.credit_product.saas_charge_kind = "usage"

    def test_order_does_not_fill_the_wallet_of_somebody_else(self):
        other = self.create_wallet(partner_id=self.create_partner("B").id)
        order = self.order(confirm=False)
        with self.assertRaises(ValidationError):
            order.saas_wallet_id = other
