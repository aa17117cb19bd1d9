# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from psycopg2.errors import RestrictViolation, UniqueViolation

from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import SQL, mute_logger

from ..exceptions import LedgerError
from .common import SubscriptionCase


@tagged("post_install", "-at_install")
class TestSaasCharge(SubscriptionCase):
    """The ledger: nobody but a run writes it, nobody at all changes it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.subscription = cls.create_subscription()
        cls.bill()
        cls.charge = cls.subscription.charge_ids

    def _vals(self):
        return self.charge.copy_data({"revision": 7})[0] | {"ref": self.charge.ref}

    def test_row_says_what_was_booked(self):
        charge = self.charge
        self.assertEqual(len(charge), 1)
        self.assertEqual((charge.kind, charge.amount), ("recurring", 500))
        self.assertEqual(charge.move_line_id.move_id, charge.move_id)
        self.assertEqual(str(charge.service_end), "2026-04-02")

    def test_nobody_writes_the_ledger_through_the_orm(self):
        users = (self.manager, self.operator, self.approver, self.auditor)
        for user in (*users, self.env.ref("base.user_admin")):
            charge = self.charge.with_user(user)
            with self.subTest(user=user.login):
                with self.assertRaises(UserError):
                    charge.write({"amount": 1})
                with self.assertRaises(UserError):
                    charge.unlink()
                with self.assertRaises(UserError):
                    charge.create(self._vals())

    def test_not_even_the_superuser_changes_a_row(self):
        with self.assertRaises(LedgerError):
            self.charge.sudo().write({"amount": 1})
        with self.assertRaises(LedgerError):
            self.charge.sudo().unlink()

    @mute_logger("odoo.sql_db")
    def test_the_database_refuses_too(self):
        for query in (
            "UPDATE saas_charge SET amount = 1 WHERE id = %s",
            "DELETE FROM saas_charge WHERE id = %s",
        ):
            with self.subTest(query=query), self.assertRaises(RestrictViolation):
                with self.env.cr.savepoint():
                    self.env.cr.execute(SQL(query, self.charge.id))

    @mute_logger("odoo.sql_db")
    def test_one_row_per_reference_and_revision(self):
        with self.assertRaises(UniqueViolation), self.env.cr.savepoint():
            self.charge.sudo().create(self._vals() | {"revision": 0})

    def test_invoice_with_charges_is_not_taken_back(self):
        move = self.charge.move_id
        for step in ("button_draft", "button_cancel"):
            with (
                self.subTest(step=step),
                self.assertRaisesRegex(LedgerError, "credit note"),
            ):
                getattr(move, step)()

    def test_kpi_invoiced_recurring(self):
        Move = self.env["account.move"]
        row = Move._saas_kpi_invoiced_recurring(
            None, self.company, date(2026, 3, 1), date(2026, 4, 1)
        )[0]
        self.assertEqual(row["value"], 500)
        self.assertEqual(self.env["saas.charge"].search(row["domain"]), self.charge)
        row = Move._saas_kpi_invoiced_recurring(
            None, self.company, date(2026, 4, 1), date(2026, 5, 1)
        )[0]
        self.assertEqual(row["value"], 0)
