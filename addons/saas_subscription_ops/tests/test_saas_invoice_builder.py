# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from unittest.mock import patch

from odoo import Command
from odoo.tests import tagged

from .common import SubscriptionCase

DAY = date(2026, 3, 31)
# What may differ between two invoices with the same content, and why.
MOVE_EXCLUDED = {
    # keys of the record, who and when
    "id",
    "create_uid",
    "create_date",
    "write_uid",
    "write_date",
    # each invoice has its own number
    "name",
    "sequence_number",
    "payment_reference",
    "made_sequence_gap",
    # the journal items themselves, compared one by one
    "line_ids",
    "journal_line_ids",
    "invoice_line_ids",
    # machine-made documents have one note and no followers
    "message_ids",
    "message_follower_ids",
    "website_message_ids",
    "audit_trail_message_ids",
    # a process id and a token of its own
    "saas_correlation_id",
    "access_token",
}
LINE_EXCLUDED = {
    "id",
    "create_uid",
    "create_date",
    "write_uid",
    "write_date",
    "move_id",
    "move_name",
    # analytic items have keys of their own, compared by account and amount
    "analytic_line_ids",
}


@tagged("post_install", "-at_install")
class TestSaasInvoiceBuilder(SubscriptionCase):
    """Every stored field is as Odoo itself would have made it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.Tax = cls.env["account.tax"]
        cls.tag = cls.env["account.account.tag"].create(
            {"name": "+bench", "applicability": "taxes"}
        )
        cls.services = cls.env["product.product"].create(
            [
                {"name": name, "type": "service", "taxes_id": [Command.clear()]}
                for name in ("One", "Two", "Three")
            ]
        )
        cls.builder = cls.env["saas.invoice.builder"]

    # ------------------------------------------------------------------
    # Factories
    # ------------------------------------------------------------------
    def new_tax(self, **vals):
        return self.Tax.create(
            {
                "name": f"Tax {self.Tax.search_count([])}",
                "amount": 20.0,
                "type_tax_use": "sale",
                "company_id": self.company.id,
                "country_id": self.company.account_fiscal_country_id.id,
                **vals,
            }
        )

    def new_vals(self, prices=(100.0, 33.33, 0.07), **vals):
        lines = vals.pop("lines", None) or [
            {
                "product_id": product.id,
                "name": f"{product.name}\n1 to 31 March",
                "quantity": 3.0,
                "price_unit": price,
                "start_date": date(2026, 3, 1),
                "end_date": DAY,
                "sequence": 10 + index,
            }
            for index, (product, price) in enumerate(
                zip(self.services, prices, strict=False)
            )
        ]
        return {
            "move_type": "out_invoice",
            "partner_id": self.partner.id,
            "company_id": self.company.id,
            "currency_id": self.company.currency_id.id,
            "invoice_date": DAY,
            "invoice_date_due": DAY,
            "ref": "PO-4711",
            "invoice_origin": "SUB0001",
            "invoice_user_id": self.salesperson.id,
            "invoice_line_ids": [Command.create(line) for line in lines],
            **vals,
        }

    # ------------------------------------------------------------------
    # Comparison
    # ------------------------------------------------------------------
    def snapshot(self, record, excluded):
        record.env.flush_all()
        record.invalidate_recordset()
        values = {}
        for name, field in record._fields.items():
            if not field.store or name in excluded or field.type == "one2many":
                continue
            value = record[name]
            values[name] = value.ids if field.relational else value
        return values

    def get_analytic(self, move):
        return sorted(
            (line.auto_account_id.id, line.amount, line.name)
            for line in move.line_ids.analytic_line_ids
        )

    def assertSame(self, vals, complete=True):
        """Build the same invoice both ways, draft and posted, and compare."""
        context = {"tracking_disable": True}
        odoo = self.env["account.move"].with_context(**context).create(_copy(vals))
        with patch.object(
            type(self.builder),
            "_create_complete",
            autospec=True,
            side_effect=type(self.builder)._create_complete,
        ) as made:
            ours = self.builder._create_moves([_copy(vals), _copy(vals)])[1]
            self.assertEqual(bool(made.call_args[0][2]), complete)
        self.compare(odoo, ours, "draft")
        odoo.action_post()
        self.builder._post_moves(ours)
        self.compare(odoo, ours, "posted")
        return odoo, ours

    def compare(self, odoo, ours, when):
        self.assertEqual(
            self.snapshot(odoo, MOVE_EXCLUDED),
            self.snapshot(ours, MOVE_EXCLUDED),
            when,
        )
        self.assertEqual(len(odoo.line_ids), len(ours.line_ids), when)
        names = {odoo.name: "NUMBER", ours.name: "NUMBER"}
        for theirs, mine in zip(
            odoo.line_ids.sorted("id"), ours.line_ids.sorted("id"), strict=True
        ):
            rows = [self.snapshot(line, LINE_EXCLUDED) for line in (theirs, mine)]
            for row in rows:
                # Instalments are named after the number of their invoice.
                for number, text in names.items():
                    if number and row["name"]:
                        row["name"] = row["name"].replace(number, text)
            self.assertEqual(rows[0], rows[1], when)
        self.assertEqual(self.get_analytic(odoo), self.get_analytic(ours))

    def set_taxes(self, *taxes):
        for product, tax in zip(self.services, taxes, strict=False):
            product.taxes_id = [Command.set(tax.ids)]

    # ------------------------------------------------------------------
    # Taxes
    # ------------------------------------------------------------------
    def test_no_taxes(self):
        self.assertSame(self.new_vals())

    def test_taxes_excluded_with_tags(self):
        tax = self.new_tax()
        (
            tax.invoice_repartition_line_ids | tax.refund_repartition_line_ids
        ).tag_ids = self.tag
        self.set_taxes(tax, tax, tax)
        self.assertSame(self.new_vals())
        self.assertSame(self.new_vals(move_type="out_refund"))

    def test_taxes_included(self):
        tax = self.new_tax(price_include_override="tax_included")
        self.set_taxes(tax, tax, self.new_tax(amount=7))
        self.assertSame(self.new_vals())

    def test_tax_group(self):
        parts = self.new_tax(amount=5, include_base_amount=True) | self.new_tax(
            amount=9.975
        )
        group = self.new_tax(
            amount_type="group", children_tax_ids=[Command.set(parts.ids)]
        )
        self.set_taxes(group, group, group)
        self.assertSame(self.new_vals())

    def test_fixed_and_several_per_line(self):
        fixed = self.new_tax(amount_type="fixed", amount=1.5, include_base_amount=True)
        division = self.new_tax(amount_type="division", amount=10, sequence=9)
        self.set_taxes(fixed | self.new_tax(), self.new_tax() | division, fixed)
        self.assertSame(self.new_vals())

    def test_withholding_is_negative(self):
        self.set_taxes(self.new_tax() | self.new_tax(amount=-15))
        self.assertSame(self.new_vals())

    def test_cash_basis(self):
        self.company.tax_exigibility = True
        account = self.env["account.account"].create(
            {
                "name": "Tax in transition",
                "code": "251999",
                "account_type": "liability_current",
                "reconcile": True,
                "company_ids": [Command.set(self.company.ids)],
            }
        )
        tax = self.new_tax(
            tax_exigibility="on_payment", cash_basis_transition_account_id=account.id
        )
        tax.invoice_repartition_line_ids.tag_ids = self.tag
        self.set_taxes(tax, tax, self.new_tax())
        self.assertSame(self.new_vals())

    def test_fiscal_position_reverse_charge(self):
        plain = self.new_tax()
        position = self.env["account.fiscal.position"].create(
            {"name": "Abroad", "company_id": self.company.id}
        )
        reverse = self.new_tax(
            amount=20,
            fiscal_position_ids=[Command.set(position.ids)],
            original_tax_ids=[Command.set(plain.ids)],
            invoice_repartition_line_ids=[
                Command.create({"repartition_type": "base"}),
                Command.create({"repartition_type": "tax", "factor_percent": 100}),
                Command.create({"repartition_type": "tax", "factor_percent": -100}),
            ],
            refund_repartition_line_ids=[
                Command.create({"repartition_type": "base"}),
                Command.create({"repartition_type": "tax", "factor_percent": 100}),
                Command.create({"repartition_type": "tax", "factor_percent": -100}),
            ],
        )
        self.set_taxes(plain, plain, plain)
        odoo, _ours = self.assertSame(self.new_vals(fiscal_position_id=position.id))
        self.assertIn(reverse, odoo.invoice_line_ids.tax_ids)
        # Also when it comes from the partner, and with an account of its own.
        income = odoo.invoice_line_ids.account_id[:1]
        position.account_ids = [
            Command.create(
                {
                    "account_src_id": income.id,
                    "account_dest_id": income.copy().id,
                }
            )
        ]
        self.partner.property_account_position_id = position
        self.assertSame(self.new_vals())

    def test_rounding_methods(self):
        tax = self.new_tax(amount=21)
        self.set_taxes(tax, tax, tax)
        for method in ("round_per_line", "round_globally"):
            with self.subTest(method=method):
                self.company.tax_calculation_rounding_method = method
                self.assertSame(self.new_vals(prices=(1.005, 0.333, 17.77)))

    # ------------------------------------------------------------------
    # Currencies
    # ------------------------------------------------------------------
    def test_currencies(self):
        tax = self.new_tax(amount=19)
        self.set_taxes(tax, tax, tax)
        for name, rate, price in (
            ("USD", 1.0837, 99.99),
            ("JPY", 161.43, 1234.0),
            ("KWD", 0.3311, 12.34),
        ):
            currency = self.env["res.currency"].with_context(active_test=False)
            currency = currency.search([("name", "=", name)])
            currency.active = True
            self.env["res.currency.rate"].create(
                {
                    "name": date(2026, 1, 1),
                    "rate": rate,
                    "currency_id": currency.id,
                    "company_id": self.company.id,
                }
            )
            for move_type in ("out_invoice", "out_refund"):
                with self.subTest(currency=name, move_type=move_type):
                    self.assertSame(
                        self.new_vals(
                            prices=(price, price / 3, 7.0),
                            currency_id=currency.id,
                            move_type=move_type,
                        )
                    )

    # ------------------------------------------------------------------
    # Terms, discounts, mixed signs
    # ------------------------------------------------------------------
    def new_term(self, *parts, **vals):
        return self.env["account.payment.term"].create(
            {
                "name": "Term",
                "company_id": self.company.id,
                "line_ids": [
                    Command.create(
                        {"value": "percent", "value_amount": share, "nb_days": days}
                    )
                    for share, days in parts
                ],
                **vals,
            }
        )

    def test_payment_terms(self):
        tax = self.new_tax()
        self.set_taxes(tax, tax, tax)
        terms = {
            "immediate": self.new_term((100, 0)),
            "30 days": self.new_term((100, 30)),
            "instalments": self.new_term((33.33, 10), (66.67, 40)),
            "same day": self.new_term((50, 10), (50, 10)),
        }
        for name, term in terms.items():
            for move_type in ("out_invoice", "out_refund"):
                with self.subTest(term=name, move_type=move_type):
                    vals = self.new_vals(
                        invoice_payment_term_id=term.id, move_type=move_type
                    )
                    vals.pop("invoice_date_due")
                    self.assertSame(vals)
        self.partner.property_payment_term_id = terms["30 days"]
        vals = self.new_vals()
        vals.pop("invoice_date_due")
        odoo, _ours = self.assertSame(vals)
        self.assertEqual(odoo.invoice_date_due, date(2026, 4, 30))

    def test_early_payment_discount(self):
        self.set_taxes(self.new_tax(), self.new_tax())
        for mode in ("included", "excluded", "mixed"):
            with self.subTest(mode=mode):
                term = self.new_term(
                    (100, 30),
                    early_discount=True,
                    discount_percentage=2,
                    discount_days=10,
                    early_pay_discount_computation=mode,
                )
                vals = self.new_vals(invoice_payment_term_id=term.id)
                vals.pop("invoice_date_due")
                self.assertSame(vals, complete=mode != "mixed")

    def test_discounts_and_negative_lines(self):
        self.set_taxes(self.new_tax())
        vals = self.new_vals(prices=(100.0, -33.33, 19.99))
        vals["invoice_line_ids"][0][2]["discount"] = 12.5
        vals["invoice_line_ids"][2][2]["discount"] = 100
        self.assertSame(vals)

    def test_nothing_to_pay(self):
        self.assertSame(self.new_vals(prices=(0.0, 0.0)))

    def test_sections(self):
        self.set_taxes(self.new_tax())
        vals = self.new_vals()
        section = {"display_type": "line_section", "name": "SUB0001", "sequence": 5}
        vals["invoice_line_ids"].insert(0, Command.create(section))
        self.assertSame(vals)

    # ------------------------------------------------------------------
    # Analytic
    # ------------------------------------------------------------------
    def new_analytic_account(self):
        plan = self.env["account.analytic.plan"].create({"name": "Departments"})
        return self.env["account.analytic.account"].create(
            {"name": "Cloud", "plan_id": plan.id, "company_id": self.company.id}
        )

    def test_analytic_distribution_given(self):
        tax = self.new_tax(analytic=True)
        self.set_taxes(tax, tax, tax)
        account = self.new_analytic_account()
        vals = self.new_vals()
        vals["invoice_line_ids"][0][2]["analytic_distribution"] = {str(account.id): 60}
        odoo, _ours = self.assertSame(vals)
        self.assertTrue(odoo.line_ids.analytic_line_ids)

    def test_analytic_distribution_models(self):
        account = self.new_analytic_account()
        self.env["account.analytic.distribution.model"].create(
            {
                "product_id": self.services[1].id,
                "analytic_distribution": {str(account.id): 100},
                "company_id": self.company.id,
            }
        )
        odoo, _ours = self.assertSame(self.new_vals())
        self.assertEqual(len(odoo.line_ids.analytic_line_ids), 1)

    # ------------------------------------------------------------------
    # When Odoo makes the items
    # ------------------------------------------------------------------
    def test_discount_account_and_storno_are_left_to_odoo(self):
        vals = self.new_vals()
        vals["invoice_line_ids"][0][2]["discount"] = 10
        income = self.assertSame(vals)[0].invoice_line_ids.account_id
        self.company.account_discount_income_allocation_id = income.copy()
        self.assertSame(vals, complete=False)
        self.company.account_discount_income_allocation_id = False
        self.company.account_storno = True
        self.assertSame(self.new_vals(move_type="out_refund"), complete=False)

    def test_cash_rounding_is_left_to_odoo(self):
        account = self.env["account.account"].search(
            [
                ("company_ids", "in", self.company.ids),
                ("account_type", "=", "income_other"),
            ],
            limit=1,
        )
        rounding = self.env["account.cash.rounding"].create(
            {
                "name": "Five cents",
                "rounding": 0.05,
                "strategy": "add_invoice_line",
                "profit_account_id": account.id,
                "loss_account_id": account.id,
            }
        )
        vals = self.new_vals(invoice_cash_rounding_id=rounding.id)
        self.assertSame(vals, complete=False)

    def _override_by_another_addon(self):
        """Let an addon nobody knows here have a say in the taxes of a line."""
        cls = type(self.env["account.move.line"])

        def _get_computed_taxes(line):
            return super(cls, line)._get_computed_taxes()

        _get_computed_taxes.__module__ = (
            "odoo.addons.l10n_elsewhere.models.account_move_line"
        )
        return patch.object(
            cls, "_get_computed_taxes", _get_computed_taxes, create=True
        )

    def test_unknown_addon_is_respected(self):
        with self._override_by_another_addon():
            self.assertTrue(self.builder._has_unknown_addons())
            self.assertSame(self.new_vals(), complete=False)
        self.assertFalse(self.builder._has_unknown_addons())

    # ------------------------------------------------------------------
    # Numbers
    # ------------------------------------------------------------------
    def test_numbers_have_no_gaps(self):
        def numbers(moves):
            return [int(move.name.rsplit("/", 1)[1]) for move in moves]

        first = self.builder._create_moves([self.new_vals() for _n in range(4)])
        self.builder._post_moves(first)
        start = numbers(first)[0]
        self.assertEqual(numbers(first), list(range(start, start + 4)))
        with self.assertRaises(ZeroDivisionError), self.env.cr.savepoint():
            lost = self.builder._create_moves([self.new_vals() for _n in range(3)])
            self.builder._post_moves(lost)
            raise ZeroDivisionError
        mixed = self.builder._create_moves(
            [self.new_vals(), self.new_vals(move_type="out_refund"), self.new_vals()]
        )
        self.builder._post_moves(mixed)
        invoices = mixed.filtered(lambda move: move.move_type == "out_invoice")
        self.assertEqual(numbers(invoices), [start + 4, start + 5])
        self.assertFalse(any((first | mixed).mapped("made_sequence_gap")))

    def test_secured_journal_is_hashed_in_order(self):
        journal = self.env["account.journal"].search(
            [("company_id", "=", self.company.id), ("type", "=", "sale")], limit=1
        )
        journal.restrict_mode_hash_table = True
        moves = self.builder._create_moves([self.new_vals() for _n in range(3)])
        self.builder._post_moves(moves)
        hashes = moves.sorted("sequence_number").mapped("inalterable_hash")
        self.assertTrue(all(hashes))
        self.assertEqual(len(set(hashes)), 3)
        accountant = self.new_user("sub_accountant", "account.group_account_user")
        report = self.company.with_user(accountant)._check_hash_integrity()
        results = [
            row
            for row in report["results"]
            if row["journal_name"].startswith(journal.name)
        ]
        self.assertEqual({row["status"] for row in results}, {"verified"})

    def test_queries_do_not_grow_with_the_number(self):
        def count(number):
            self.env.flush_all()
            self.env.invalidate_all()
            start = self.env.cr.sql_log_count
            vals_list = [self.new_vals() for _n in range(number)]
            moves = self.builder._create_moves(vals_list)
            self.builder._post_moves(moves)
            self.env.flush_all()
            return self.env.cr.sql_log_count - start

        count(2)
        few, many = count(5), count(20)
        self.assertLessEqual(many - few, 15 * 4, (few, many))


def _copy(vals: dict) -> dict:
    """Return the values with dictionaries of their own: create changes them."""
    return {
        name: [Command.create(dict(row[2])) for row in value]
        if name == "invoice_line_ids"
        else value
        for name, value in vals.items()
    }
