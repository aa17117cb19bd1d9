# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import Command, api, models

from ..exceptions import BillingError

# Machine-made documents: one note says where they come from, nobody is subscribed and
# no field is tracked.
MACHINE_CONTEXT = {
    "tracking_disable": True,
    "mail_notrack": True,
    "mail_create_nolog": True,
    "mail_create_nosubscribe": True,
}
# Nothing is left to synchronise when all journal items are there already.
COMPLETE_CONTEXT = {"skip_invoice_sync": True, "skip_invoice_line_sync": True}
# New items have no analytic lines that would have to follow.
CREATE_CONTEXT = {
    **COMPLETE_CONTEXT,
    "skip_analytic_sync": True,
    "saas_complete_items": True,
}
# What decides on the journal items of an invoice. Its versions in these addons are
# known here; when another addon changes one of them, Odoo makes the items.
KNOWN_ADDONS = {
    "account",
    "account_edi_ubl_cii",
    "account_invoice_start_end_dates",
    "account_payment",
    "analytic",
    "base_automation",
    "mail",
    "portal",
    "project_account",
    "sale",
    "sale_project",
    "sale_timesheet",
    "sequence",
}
DECISIVE = {
    "account.move": {
        "_compute_currency_id",
        "_compute_invoice_currency_rate",
        "_compute_needed_terms",
        "_get_discount_allocation_account",
        "_get_product_base_line_currency_rate",
        "_get_rounded_base_and_tax_lines",
        "_get_sync_stack",
        "_prepare_product_base_line_for_taxes_computation",
        "_recompute_cash_rounding_lines",
        "_sync_dynamic_line",
        "_sync_dynamic_lines",
        "_sync_invoice",
        "_sync_non_deductible_base_lines",
        "_sync_rounding_lines",
        "_sync_tax_lines",
        "_sync_unbalanced_lines",
        "create",
    },
    "account.move.line": {
        "_compute_account_id",
        "_compute_amount_currency",
        "_compute_balance",
        "_compute_currency_id",
        "_compute_currency_rate",
        "_compute_discount_allocation_needed",
        "_compute_epd_needed",
        "_compute_partner_id",
        "_compute_product_uom_id",
        "_compute_tax_ids",
        "_get_computed_taxes",
        "_prepare_create_values",
        "_related_analytic_distribution",
        "_sync_invoice",
        "create",
    },
}
SECTIONS = ("line_section", "line_subsection", "line_note")


class SaasInvoiceBuilder(models.AbstractModel):
    """Makes many invoices at once, with the journal items Odoo would make itself.

    Odoo computes what heads an invoice (journal, fiscal position, rate, bank ...) and
    its tax engine computes the amounts. The items are then created complete, for all
    invoices in one go, instead of one invoice at a time, item after item. A test
    compares every stored field with Odoo's own way.
    """

    _name = "saas.invoice.builder"
    _description = "Invoice Builder"

    # ------------------------------------------------------------------
    # Draft
    # ------------------------------------------------------------------
    @api.model
    def _create_moves(self, vals_list: list[dict]):
        """Create draft customer invoices and credit notes.

        Odoo's own way is taken for all of them when an addon outside ``KNOWN_ADDONS``
        has a say in journal items, and for single ones for which
        ``_needs_synchronisation`` says so.

        :param list vals_list: values of ``account.move`` as for its ``create``, with
            ``invoice_line_ids`` as create commands; one company for all
        :return: ``account.move``, in the order of the values
        """
        Move = self.env["account.move"].with_context(**MACHINE_CONTEXT)
        slow = self._has_unknown_addons()
        partner_ids = [vals["partner_id"] for vals in vals_list]
        plain = [
            slow or self._needs_synchronisation(vals, partner_ids) for vals in vals_list
        ]
        made = iter(
            self._create_complete(
                Move,
                [vals for vals, odoo in zip(vals_list, plain, strict=True) if not odoo],
            )
        )
        synced = iter(
            Move.create(
                [vals for vals, odoo in zip(vals_list, plain, strict=True) if odoo]
            )
        )
        moves = [next(synced if odoo else made) for odoo in plain]
        return self.env["account.move"].concat(*moves).with_env(self.env)

    @api.model
    def _has_unknown_addons(self) -> bool:
        """Whether an addon not known here changes how journal items come about."""
        return any(
            _get_addon(cls.__dict__[name]) not in KNOWN_ADDONS
            for model, names in DECISIVE.items()
            for cls in type(self.env[model]).__mro__
            for name in names & cls.__dict__.keys()
        )

    @api.model
    def _needs_synchronisation(self, vals: dict, partner_ids: list) -> bool:
        """Whether Odoo makes items for the invoice that are not built here.

        These are early payment discounts that reduce the tax, cash rounding, discounts
        booked to an account of their own, and negative bookings (storno).

        :param dict vals: values of ``account.move``
        :param list partner_ids: all partners of the batch, to read them together
        """
        company = self.env["res.company"].browse(vals["company_id"])
        Partner = self.env["res.partner"]
        if "invoice_payment_term_id" in vals:
            term_id = vals["invoice_payment_term_id"]
            term = self.env["account.payment.term"].browse(term_id or [])
        else:
            partner = Partner.browse(vals["partner_id"]).with_prefetch(partner_ids)
            term = partner.with_company(company).property_payment_term_id
        return bool(
            (term.early_discount and term.early_pay_discount_computation == "mixed")
            or vals.get("invoice_cash_rounding_id")
            or company.account_storno
            or company.account_discount_income_allocation_id
            or vals.get("move_type") not in ("out_invoice", "out_refund")
        )

    @api.model
    def _create_complete(self, Move, vals_list: list[dict]):
        if not vals_list:
            return Move
        heads, commands = [], []
        memo = {}
        for vals in vals_list:
            head = {k: v for k, v in vals.items() if k != "invoice_line_ids"}
            heads.append({"journal_id": self._get_journal(head, memo).id, **head})
            commands.append(vals.get("invoice_line_ids") or [])
        moves = Move.with_context(**CREATE_CONTEXT).create(heads)
        moves.company_id.ensure_one()
        items = []
        for move, rows in zip(moves, commands, strict=True):
            shown = [row[2] for row in rows]
            items += self._prepare_items(move, shown, memo)
        # The balance of each is checked by create, in one query.
        moves.env["account.move.line"].create(items)
        moves.invalidate_recordset(["invoice_line_ids"], flush=False)
        return moves

    @api.model
    def _get_journal(self, vals: dict, memo: dict):
        """Return the journal Odoo would choose, looked up once per kind of invoice."""
        key = (vals["move_type"], vals.get("currency_id"))
        if key not in memo:
            move = self.env["account.move"].new(
                {
                    name: vals[name]
                    for name in ("move_type", "company_id", "currency_id")
                    if name in vals
                }
            )
            memo[key] = move._search_default_journal()
        return memo[key]

    # ------------------------------------------------------------------
    # Journal items
    # ------------------------------------------------------------------
    def _prepare_items(self, move, shown: list[dict], memo: dict) -> list[dict]:
        """Prepare all journal items of a stored invoice that has none.

        :param move: draft ``account.move`` without items
        :param list shown: values of its invoice lines
        :param dict memo: what is known already, shared by the invoices of one batch
        :return: values of ``account.move.line``
        """
        common = {
            "move_id": move.id,
            "company_id": move.company_id.id,
            "company_currency_id": move.company_currency_id.id,
            "currency_id": move.currency_id.id,
            "journal_id": move.journal_id.id,
            "partner_id": move.commercial_partner_id.id,
            "analytic_distribution": False,
        }
        rows = [
            {**common, **vals}
            if vals.get("display_type") in SECTIONS
            else self._prepare_product_item(move, {**common, **vals}, memo)
            for vals in shown
        ]
        products = [row for row in rows if row["display_type"] == "product"]
        taxes = self._compute_taxes(move, products)
        items = rows + [
            {
                **common,
                "sequence": 10000,
                "product_uom_id": False,
                "quantity": False,
                "price_unit": 0.0,
                "is_storno": False,
                **tax,
                "display_type": "tax",
            }
            for tax in taxes
        ]
        items += self._prepare_term_items(move, common, products, taxes, memo)
        return items

    def _prepare_product_item(self, move, vals: dict, memo: dict) -> dict:
        """Complete the values of an invoice line with what Odoo would compute."""
        product = self.env["product.product"].browse(vals.get("product_id") or [])
        key = (product, move.fiscal_position_id, move.journal_id)
        if key not in memo:
            memo[key] = self._get_product_defaults(move, product)
        given = vals.get("analytic_distribution")
        vals = {
            "quantity": 1.0,
            "discount": 0.0,
            "sequence": 100,
            "is_storno": False,
            **memo[key],
            **vals,
            "display_type": "product",
        }
        Line = self.env["account.move.line"]
        for name in ("quantity", "price_unit", "discount"):
            # As the record would hold it: rounded to the field's digits.
            vals[name] = Line._fields[name].convert_to_cache(vals[name], Line)
        if not given and self._has_analytic_models(memo):
            vals["analytic_distribution"] = self._get_distribution(move, vals)
        return vals

    def _get_product_defaults(self, move, product) -> dict:
        """Return account, taxes and unit of a product, see ``account.move.line``."""
        company = move.company_id
        fiscal_position = move.fiscal_position_id
        accounts = product.with_company(company).product_tmpl_id.get_product_accounts(
            fiscal_pos=fiscal_position
        )
        account = accounts["income"] or move.journal_id.default_account_id
        if not account:
            raise BillingError(
                self.env._(
                    "%(product)s has no income account: set one on the product or its "
                    "category, then retry.",
                    product=product.display_name or self.env._("A line"),
                )
            )
        domain = self.env["account.tax"]._check_company_domain(company)
        taxes = product.taxes_id.filtered_domain(domain) or account.tax_ids.filtered(
            lambda tax: tax.type_tax_use == "sale"
        )
        taxes = taxes._filter_taxes_by_company(company)
        if fiscal_position:
            taxes = fiscal_position.map_tax(taxes)
        return {
            "account_id": account.id,
            "tax_ids": [Command.set(taxes.ids)],
            "product_uom_id": product.uom_id.id,
        }

    def _has_analytic_models(self, memo: dict) -> bool:
        if "analytic" not in memo:
            Model = self.env["account.analytic.distribution.model"]
            memo["analytic"] = bool(Model.search_count([], limit=1))
        return memo["analytic"]

    def _get_distribution(self, move, vals: dict):
        """Return what the analytic distribution models say about a line."""
        names = ("product_id", "account_id", "partner_id", "company_id")
        line = self.env["account.move.line"].new(
            {name: vals[name] for name in names} | {"display_type": "product"}
        )
        arguments = line._get_analytic_distribution_arguments(
            self.env["account.analytic.plan"]
        )
        Model = self.env["account.analytic.distribution.model"]
        return Model._get_distribution(arguments) or False

    def _compute_taxes(self, move, products: list[dict]) -> list[dict]:
        """Let Odoo's tax engine compute an invoice.

        Balances and tax tags are added to the values of the invoice lines.

        :return: values of the tax items
        """
        Tax = self.env["account.tax"]
        base_lines = [self._prepare_base_line(move, vals) for vals in products]
        company = move.company_id
        Tax._add_tax_details_in_base_lines(base_lines, company)
        Tax._round_base_lines_tax_details(base_lines, company)
        Tax._add_accounting_data_in_base_lines_tax_details(
            base_lines, company, include_caba_tags=move.always_tax_exigible
        )
        results = Tax._prepare_tax_lines(base_lines, company)
        for vals, (_base_line, amounts) in zip(
            products, results["base_lines_to_update"], strict=True
        ):
            vals.update(amounts)
        return results["tax_lines_to_add"]

    def _prepare_base_line(self, move, vals: dict) -> dict:
        browse = {
            "product_id": "product.product",
            "product_uom_id": "uom.uom",
            "account_id": "account.account",
            "partner_id": "res.partner",
        }
        records = {
            name: self.env[model].browse(vals.get(name) or [])
            for name, model in browse.items()
        }
        return self.env["account.tax"]._prepare_base_line_for_taxes_computation(
            None,
            **records,
            tax_ids=self.env["account.tax"].browse(vals["tax_ids"][0][2]),
            price_unit=vals["price_unit"],
            quantity=vals["quantity"],
            discount=vals["discount"],
            currency_id=move.currency_id,
            rate=move.invoice_currency_rate,
            sign=move.direction_sign,
            is_refund=move.move_type == "out_refund",
            special_mode=False,
            name=vals["name"],
            analytic_distribution=vals.get("analytic_distribution") or False,
        )

    # ------------------------------------------------------------------
    # Receivable
    # ------------------------------------------------------------------
    def _prepare_term_items(
        self, move, common: dict, products: list, taxes: list, memo: dict
    ) -> list[dict]:
        """Prepare the receivable items, one per instalment."""
        account = self._get_receivable_account(move, memo)
        rows = {}
        for key, values in self._get_instalments(move, products, taxes):
            row = rows.setdefault(key, {"balance": 0.0, "amount_currency": 0.0})
            row["balance"] += values.pop("balance")
            row["amount_currency"] += values.pop("amount_currency")
            row.update(values)
        items = []
        many = len(move.invoice_payment_term_id.line_ids) > 1
        for (date_maturity, _discount_date), values in rows.items():
            item = {
                **common,
                "sequence": 12000,
                "product_uom_id": False,
                "quantity": False,
                "price_unit": 0.0,
                "is_storno": False,
                "tax_ids": [],
                "account_id": account.id,
                "date_maturity": date_maturity,
                **values,
                "display_type": "payment_term",
            }
            if not many:
                # Odoo names instalments by their number.
                item["name"] = False
            items.append(item)
        return items

    def _get_instalments(self, move, products: list, taxes: list):
        """Yield (due date, discount date) and values for each part to be paid."""
        currency, company_currency = move.currency_id, move.company_currency_id
        untaxed = company_currency.round(sum(row["balance"] for row in products))
        untaxed_currency = currency.round(
            sum(row["amount_currency"] for row in products)
        )
        tax = company_currency.round(sum(row["balance"] for row in taxes))
        tax_currency = currency.round(sum(row["amount_currency"] for row in taxes))
        term = move.invoice_payment_term_id
        if not term:
            yield (
                (move.invoice_date_due, False),
                {
                    "balance": company_currency.round(-untaxed - tax),
                    "amount_currency": currency.round(-untaxed_currency - tax_currency),
                },
            )
            return
        terms = term._compute_terms(
            date_ref=move.invoice_date,
            currency=currency,
            company=move.company_id,
            tax_amount=-tax,
            tax_amount_currency=-tax_currency,
            untaxed_amount=-untaxed,
            untaxed_amount_currency=-untaxed_currency,
            sign=-move.direction_sign,
        )
        discount_date = terms.get("discount_date")
        for row in terms["line_ids"]:
            yield (
                (row["date"], discount_date),
                {
                    "balance": row["company_amount"],
                    "amount_currency": row["foreign_amount"],
                    "discount_date": discount_date,
                    "discount_balance": terms.get("discount_balance") or 0.0,
                    "discount_amount_currency": terms.get("discount_amount_currency")
                    or 0.0,
                },
            )

    def _get_receivable_account(self, move, memo: dict):
        company = move.company_id
        name = "property_account_receivable_id"
        account = move.commercial_partner_id.with_company(company)[name]
        if not account:
            if "receivable" not in memo:
                memo["receivable"] = company.partner_id.with_company(company)[
                    name
                ] or self.env["account.account"].search(
                    [
                        ("company_ids", "in", company.ids),
                        ("account_type", "=", "asset_receivable"),
                    ],
                    order="id",
                    limit=1,
                )
            account = memo["receivable"]
        fiscal_position = move.fiscal_position_id
        return fiscal_position.map_account(account) if fiscal_position else account

    # ------------------------------------------------------------------
    # Posted
    # ------------------------------------------------------------------
    @api.model
    def _post_moves(self, moves, done: dict | None = None):
        """Post drafts of ``_create_moves`` as one batch, with numbers without gaps.

        :param moves: draft ``account.move`` of one company
        :param dict done: records per ``base.automation`` rule that need it no more
        """
        context = {**MACHINE_CONTEXT, "saas_last_sequences": {}}
        if not self._has_unknown_addons():
            context.update(COMPLETE_CONTEXT)
        if done:
            context["__action_done"] = done
        ranks = context["saas_ranks"] = {}
        moves.with_context(**context).action_post()
        self.env["res.partner"]._saas_apply_ranks(ranks)


def _get_addon(method) -> str:
    """Return the addon a method is defined in, "account" for the framework."""
    parts = getattr(method, "__module__", "").split(".")
    if parts[:2] != ["odoo", "addons"]:
        return "account"
    return "account" if parts[2].startswith("saas_") else parts[2]
