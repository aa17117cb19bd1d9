# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""A preview reserves the prepaid credit it uses; posting takes exactly that."""

from collections import defaultdict

from odoo import models

from odoo.addons.saas_subscription_ops.exceptions import PreviewChangedError

from .saas_subscription_wallet import (
    PREFIX,
    TAXES,
    CreditTaxes,
    read_uses,
    split_ref,
)

#: Context key: what may be used of the wallets of a batch that is computed.
BOOK = "saas_wallet_book"


class SaasBillingRunLine(models.Model):
    _inherit = "saas.billing.run.line"

    # ------------------------------------------------------------------
    # Reserved
    # ------------------------------------------------------------------
    def _compute_batch(self):
        """Lock the wallets, so that no two runs reserve the same money."""
        metered = self.subscription_id.filtered(lambda one: one._get_usage_lines())
        book = metered._get_wallet_book(self)
        book.wallets._lock()
        lines = self.with_context(**{BOOK: book})
        return super(SaasBillingRunLine, lines)._compute_batch()

    def _get_due_charges(self, subscription) -> list:
        """Add what wallets pay: what the line has reserved, else what is free."""
        due = super()._get_due_charges(subscription)
        if self.charge_ids:
            return due + self._get_reserved_credits(due)
        book = self.env.context.get(BOOK)
        if book is None:
            book = subscription._get_wallet_book(self)
        return due + subscription._get_wallet_credits(due, book, self.id)

    def _get_reserved_credits(self, due) -> list:
        """Return the credits of the preview, as rows that can be booked.

        :param list due: engine rows without them; a credit whose usage is not among
            them is left out, so that the line is not posted as it is
        """
        rows = self.charge_ids.filtered("wallet_id")
        if not rows:
            return []
        usage = {row.ref: row for row in due}
        subscription = self.subscription_id
        booked = subscription._get_booked_credits()
        return [
            subscription._make_wallet_credit(
                row.wallet_id, usage[ref], read_uses(row.details), booked
            )
            for row in rows
            for ref in [split_ref(row.ref)[1]]
            if ref in usage
        ]

    # ------------------------------------------------------------------
    # Posted
    # ------------------------------------------------------------------
    def _create_moves(self, groups: list, charges: dict):
        """Find the taxes of usage that wallets pay once per customer and product."""
        known = CreditTaxes()
        groups = [group.with_context(**{TAXES: known}) for group in groups]
        return super()._create_moves(groups, charges)

    def _book(self, groups, charges, moves):
        """Write the movements of the wallets together with the charges.

        What comes back first: it may pay other charges of the invoice.
        """
        rows = sorted(
            (
                (line, charge)
                for line in self
                for charge in charges[line]
                if charge.ref.startswith(PREFIX)
            ),
            key=lambda row: row[1].amount < 0,
        )
        if rows:
            self._check_reserved(rows)
        result = super()._book(groups, charges, moves)
        if rows:
            self._use_credits(rows)
        return result

    def _check_reserved(self, rows):
        """Lock the wallets and make sure that what is taken is still there.

        :param list rows: (run line, engine row of a wallet)
        :raise PreviewChangedError: a grant has less than was reserved
        """
        wallets = self.env["saas.wallet"].browse(
            {split_ref(charge.ref)[0] for _line, charge in rows}
        )
        wallets._lock()
        needed = defaultdict(int)
        for _line, charge in rows:
            for grant_id, amount in charge.details["uses"]:
                needed[grant_id] += amount
        grants = self.env["saas.wallet.grant"].browse(needed)
        grants.invalidate_recordset(["remaining"])
        for grant in grants:
            if grant.wallet_id._to_money(grant.remaining) < needed[grant.id]:
                raise PreviewChangedError(
                    self.env._(
                        "%(wallet)s no longer holds the %(amount)s that were reserved. "
                        "Bill it with a new run.",
                        wallet=grant.wallet_id.name,
                        amount=grant.wallet_id._format_money(needed[grant.id]),
                    )
                )

    def _use_credits(self, rows):
        """Write one movement per charge of a wallet, all of them at once.

        :param list rows: (run line, engine row of a wallet)
        """
        booked = self.env["saas.charge"].search(
            [
                ("subscription_id", "in", self.subscription_id.ids),
                ("ref", "in", [charge.ref for _line, charge in rows]),
            ]
        )
        by_key = {(c.subscription_id.id, c.ref, c.revision): c for c in booked}
        wallets = self.env["saas.wallet"]
        wallets._use(
            [
                (
                    wallets.browse(split_ref(row.ref)[0]),
                    charge,
                    read_uses(charge.details),
                )
                for line, row in rows
                for charge in [by_key[line.subscription_id.id, row.ref, row.revision]]
            ]
        )
