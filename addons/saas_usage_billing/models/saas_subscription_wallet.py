# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Prepaid credit as charges: what wallets pay of newly due usage."""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from odoo import models

from odoo.addons.saas_subscription_ops.engine.ledger import ProposedCharge, base_kind
from odoo.addons.saas_subscription_ops.models.saas_subscription_billing import (
    to_decimal,
)

from ..engine.wallet import give_back

ZERO = Decimal(0)
#: Charges of wallets: ``wallet:<wallet>:<ref of the usage>``.
PREFIX = "wallet:"
#: Context key: the taxes that are known already while invoices are made.
TAXES = "saas_wallet_taxes"


class CreditTaxes(dict):
    """Taxes by bill-to address, company, fiscal position and product.

    Nobody can send its type over RPC.
    """


@dataclass(frozen=True, slots=True)
class WalletBook:
    """What may be used of the wallets of some subscriptions.

    :param wallets: open ``saas.wallet``, in the order they pay
    :param reserved: grant id to what previews of other invoices hold of it
    :param taken: what those priced in the same batch took of the balance, per owner and
        grant
    """

    wallets: object
    reserved: dict
    taken: dict = field(default_factory=dict)

    def held(self, owner) -> dict:
        """Return what is not there for an owner, by grant id.

        :param owner: key in ``taken``; what it took before does not count
        """
        result = defaultdict(Decimal, self.reserved)
        for other, uses in self.taken.items():
            if other != owner:
                for grant_id, amount in uses.items():
                    result[grant_id] += amount
        return result


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    # ------------------------------------------------------------------
    # Not part of the proposal
    # ------------------------------------------------------------------
    def _get_held_refs(self, proposed, booked, date_cutoff) -> set[str]:
        """Leave what wallets paid out of the comparison.

        It follows from what is newly due, see ``_get_wallet_credits``: a later grant
        never reopens a paid invoice.
        """
        held = super()._get_held_refs(proposed, booked, date_cutoff)
        return held | {row.ref for row in booked if row.ref.startswith(PREFIX)}

    def _preview_charges(self, date_cutoff) -> list[ProposedCharge]:
        """Show what wallets will pay; nothing is reserved."""
        charges = super()._preview_charges(date_cutoff)
        # sudo: what is reserved for this subscription, whoever looks at its page
        book = self._get_wallet_book(self.sudo().run_line_ids)
        return charges + self._get_wallet_credits(charges, book, self.id)

    # ------------------------------------------------------------------
    # What wallets pay
    # ------------------------------------------------------------------
    def _get_wallet_book(self, run_lines) -> WalletBook:
        """Return what may be used of the wallets of these subscriptions.

        :param run_lines: ``saas.billing.run.line`` whose reservations do not count
        """
        # sudo: what is due is the same, whoever computes it
        wallets = self.env["saas.wallet"].sudo()
        if self:
            wallets = wallets.search(
                [
                    ("partner_id", "in", self.commercial_partner_id.ids),
                    ("company_id", "in", self.company_id.ids),
                    ("state", "=", "open"),
                ],
                order="priority, id",
            )
        return WalletBook(wallets, wallets._get_reserved(run_lines))

    def _get_wallet_credits(self, due, book: WalletBook, owner) -> list[ProposedCharge]:
        """Return what wallets pay of newly due usage, and give back of lowered usage.

        What was paid before stays paid: a charge that grows is covered for what it
        grows by, one that shrinks keeps at most its new amount.

        :param list due: engine rows still to book
        :param WalletBook book: what may be used
        :param owner: key of who asks in ``book.taken``, where it is written down
        :return: engine rows, credits below zero
        """
        self.ensure_one()
        usage = [row for row in due if is_usage(row)]
        if not usage:
            return []
        booked = self._get_booked_credits()
        back = [
            (wallet, row, uses)
            for row in usage
            for wallet, uses in self._get_uses_back(row, booked)
        ]
        # What comes back pays again in the same run, see ``_book``.
        taken = defaultdict(Decimal)
        for _wallet, _row, uses in back:
            for grant_id, amount in uses:
                taken[grant_id] += amount
        credits = [self._make_wallet_credit(*one, booked) for one in back]
        rests = {row.ref: row.amount for row in usage if row.amount > 0}
        for wallet in book.wallets.filtered(self._is_own_wallet):
            for row in usage:
                if not rests.get(row.ref) or not wallet._pays_for(row.line_id):
                    continue
                held = book.held(owner)
                for grant_id, amount in taken.items():
                    held[grant_id] += amount
                service = row.service_start, row.service_end
                uses = wallet._allocate(rests[row.ref], service, held)
                for grant_id, amount in uses:
                    taken[grant_id] += amount
                    rests[row.ref] -= amount
                if uses:
                    credits.append(self._make_wallet_credit(wallet, row, uses, booked))
        book.taken[owner] = {one: max(amount, ZERO) for one, amount in taken.items()}
        return credits

    def _is_own_wallet(self, wallet) -> bool:
        return (
            wallet.partner_id == self.commercial_partner_id
            and wallet.company_id == self.company_id
            and wallet.currency_id == self.currency_id
        )

    def _get_booked_credits(self) -> dict:
        """Return what wallets paid before, by wallet and ref of the usage.

        :return: dict of usage ref to dict of ``saas.wallet`` to ``saas.charge``, both
            in the order they were booked
        """
        result = defaultdict(dict)
        # sudo: the difference must see the whole ledger, whoever computes it
        charges = self.sudo().charge_ids.filtered(
            lambda charge: charge.ref.startswith(PREFIX)
        )
        for charge in charges.sorted("id"):
            wallet_id, ref = split_ref(charge.ref)
            wallet = charges.env["saas.wallet"].browse(wallet_id)
            known = result[ref].setdefault(wallet, charges.browse())
            result[ref][wallet] = known | charge
        return result

    def _get_uses_back(self, row, booked: dict) -> list:
        """Return what is given back because a charge shrinks, the last used first.

        :param ProposedCharge row: usage still to book
        :param dict booked: see ``_get_booked_credits``
        :return: list of (wallet, [(grant id, Decimal below zero)])
        """
        paid = booked.get(row.ref)
        if row.amount >= 0 or not paid:
            return []
        uses, owner = [], {}
        charges = [(c.id, w, c) for w, own in paid.items() for c in own]
        for _id, wallet, charge in sorted(charges, key=lambda one: one[0]):
            for grant_id, amount in read_uses(charge.details):
                uses.append((grant_id, amount))
                owner[grant_id] = wallet
        credited = sum((amount for _grant, amount in uses), ZERO)
        left = max(Decimal(row.details["amount_after"]), ZERO)
        result = defaultdict(list)
        for grant_id, amount in give_back(uses, max(credited - left, ZERO)):
            result[owner[grant_id]].append((grant_id, -amount))
        return list(result.items())

    def _make_wallet_credit(self, wallet, row, uses, booked) -> ProposedCharge:
        """Return the engine row of what a wallet pays of a charge, or gives back.

        :param wallet: ``saas.wallet``
        :param ProposedCharge row: usage it is about
        :param list uses: (grant id, amount), below zero: given back
        :param dict booked: see ``_get_booked_credits``
        """
        before = booked.get(row.ref, {}).get(wallet, self.env["saas.charge"])
        decimals = self.currency_id.decimal_places
        booked_amount = sum(
            (to_decimal(charge.amount, decimals) for charge in before), ZERO
        )
        amount = -sum((amount for _grant, amount in uses), ZERO)
        details = {
            "adjusts": "usage",
            "wallet": wallet.id,
            "uses": [[grant_id, amount] for grant_id, amount in uses],
        }
        if before:
            details["amount_before"] = str(booked_amount)
            details["amount_after"] = str(booked_amount + amount)
        return ProposedCharge(
            ref=f"{PREFIX}{wallet.id}:{row.ref}",
            kind="adjustment" if before else "credit",
            line_id=row.line_id,
            service_start=row.service_start,
            service_end=row.service_end,
            quantity=ZERO,
            amount=amount,
            timing="arrears",
            description=row.description,
            revision=max(before.mapped("revision"), default=-1) + 1,
            details=details,
        )

    # ------------------------------------------------------------------
    # In words and values
    # ------------------------------------------------------------------
    def _get_charge_product(self, charge):
        if not charge.ref.startswith(PREFIX):
            return super()._get_charge_product(charge)
        # sudo: the product of the invoice line, for whoever may see the line
        wallet = self.env["saas.wallet"].sudo().browse(split_ref(charge.ref)[0])
        return wallet.product_id.sudo(self.env.su)

    def _get_tax_product(self, charge):
        """Tax what a wallet pays like the usage it is paid for."""
        if not charge.ref.startswith(PREFIX):
            return super()._get_tax_product(charge)
        line = self.env["saas.subscription.line"].browse(charge.line_id or [])
        return line.product_id

    def _get_proration_label(self, charge) -> str:
        if not charge.ref.startswith(PREFIX):
            return super()._get_proration_label(charge)
        # sudo: the customer reads the name of their own wallet
        wallet = self.env["saas.wallet"].sudo().browse(split_ref(charge.ref)[0])
        if charge.amount > 0:
            return self.env._("Given back to %(wallet)s", wallet=wallet.name)
        return self.env._("Paid from %(wallet)s", wallet=wallet.name)

    def _get_credit_label(self, charge) -> str:
        if charge.ref.startswith(PREFIX):
            return self._get_proration_label(charge)
        return super()._get_credit_label(charge)

    def _is_agreed_credit(self, charge) -> bool:
        return self._is_prepaid(charge) or super()._is_agreed_credit(charge)

    def _is_prepaid(self, charge) -> bool:
        return charge.ref.startswith(PREFIX) or super()._is_prepaid(charge)

    def _prepare_invoice_line_vals(self, charge, sign: int) -> dict:
        vals = super()._prepare_invoice_line_vals(charge, sign)
        if charge.ref.startswith(PREFIX):
            # Income and cost belong to the usage, not to how it is paid.
            vals.pop("analytic_distribution", None)
            vals["tax_ids"] = self._get_credit_taxes(charge)
        return vals

    def _get_credit_taxes(self, charge) -> list:
        """Return the taxes of the usage a credit pays for, as its line has them.

        :param ProposedCharge charge: engine row of a wallet
        :return: command for ``account.move.line.tax_ids``
        """
        product = self._get_tax_product(charge)
        known = self.env.context.get(TAXES)
        if not isinstance(known, CreditTaxes):
            return self._find_credit_taxes(product)
        key = self.bill_to_id, self.company_id, self.fiscal_position_id, product
        if key not in known:
            known[key] = self._find_credit_taxes(product)
        return known[key]

    def _find_credit_taxes(self, product) -> list:
        vals = {
            "move_type": "out_invoice",
            "partner_id": self.bill_to_id.id,
            "company_id": self.company_id.id,
            "currency_id": self.currency_id.id,
        }
        if self.fiscal_position_id:
            vals["fiscal_position_id"] = self.fiscal_position_id.id
        move = self.env["account.move"].new(vals)
        builder = self.env["saas.invoice.builder"].with_company(self.company_id)
        return builder._get_product_defaults(move, product)["tax_ids"]


def is_usage(row) -> bool:
    """Return whether an engine row is rated usage, which wallets pay for."""
    return base_kind(row.kind, row.details) == "usage" and row.ref.startswith("usage:")


def split_ref(ref: str) -> tuple[int, str]:
    """Return the wallet's id and the ref of the usage from the ref of a credit.

    :param str ref: ``wallet:<wallet>:<usage ref>``
    """
    _prefix, wallet_id, usage_ref = ref.split(":", 2)
    return int(wallet_id), usage_ref


def read_uses(details) -> list:
    """Return (grant id, Decimal) from the stored details of a credit.

    :param details: of a ``saas.charge`` or ``saas.billing.run.charge``
    """
    return [(grant_id, Decimal(amount)) for grant_id, amount in details["uses"]]
