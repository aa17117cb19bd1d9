# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import models


class AccountMoveLine(models.Model):
    _inherit = "account.move.line"

    def _add_precomputed_values(self, vals_list):
        """Take the values of complete items as they are, see ``saas.invoice.builder``.

        The framework makes a virtual record of every item to compute what follows
        from its move and its balance. Items that lack anything else are left to it.
        """
        if self.env.context.get("saas_complete_items"):
            names = {name for name, field in self._fields.items() if field.precompute}
            for vals in vals_list:
                derived = self._get_saas_derived_values(vals)
                if names <= vals.keys() | derived.keys():
                    vals.update(derived)
                    vals["__precomputed__"] = {self._fields[name] for name in derived}
        return super()._add_precomputed_values(vals_list)

    def _get_saas_derived_values(self, vals: dict) -> dict:
        """Return what follows from the move, the balance and the tax of an item."""
        move = self.env["account.move"].browse(vals["move_id"])
        balance = vals.get("balance") or 0.0
        derived = {
            "journal_id": move.journal_id.id,
            "company_id": move.company_id.id,
            "company_currency_id": move.company_currency_id.id,
            "debit": max(balance, 0.0),
            "credit": max(-balance, 0.0),
            "tax_line_id": False,
            "tax_group_id": False,
            # Companies that book this way are left to Odoo.
            "is_storno": False,
        }
        if vals.get("tax_repartition_line_id"):
            repartition = self.env["account.tax.repartition.line"].browse(
                vals["tax_repartition_line_id"]
            )
            tax = repartition.tax_id
            derived.update(tax_line_id=tax.id, tax_group_id=tax.tax_group_id.id)
        return derived
