# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What a wallet really has left: usage counts before it is billed."""

from collections import defaultdict
from datetime import datetime, timezone
from decimal import Decimal

from odoo import fields, models
from odoo.tools.misc import format_date

from odoo.addons.saas_subscription_ops.exceptions import BillingError

from ..engine.wallet import live_balance
from ..exceptions import UsageError
from .saas_subscription_wallet import split_ref

ZERO = Decimal(0)


class SaasWallet(models.Model):
    _inherit = "saas.wallet"

    live_balance = fields.Monetary(
        compute="_compute_live_balance",
        help="The balance less what is reserved and less usage that is not billed yet. "
        "Below zero: more was used than is there, the rest will be invoiced.",
    )

    def _compute_live_balance(self):
        now = datetime.now(timezone.utc)
        # sudo: a figure of the wallet, whoever may read it
        live = self._origin.sudo()._get_live_balances(now)
        for wallet in self:
            wallet.live_balance = float(live.get(wallet._origin.id, ZERO))

    def _get_live_balances(self, now) -> dict:
        """Return the live balance of each wallet.

        :param now: aware UTC datetime
        :return: dict of wallet id to Decimal
        """
        result = {}
        for wallet in self:
            if wallet.id not in result:
                result.update(wallet._get_live_balances_of_account(now))
        return result

    def _get_live_balances_of_account(self, now) -> dict:
        """Return the live balances of all wallets that pay for the same usage.

        What is used is taken from their grants in the order they pay. What none of
        them covers will be invoiced; while its period is running a top-up could still
        pay for it, so the last wallet in scope bears it, below zero if need be.
        """
        self.ensure_one()
        wallets = self._get_sisters()
        reserved = wallets._get_reserved_amounts()
        held = defaultdict(Decimal, wallets._get_reserved())
        # What an invoice gives back and takes again is not reserved of the balance.
        taken = {
            one: sum((held.get(grant.id, ZERO) for grant in one.grant_ids), ZERO)
            for one in wallets
        }
        unbilled = defaultdict(Decimal)
        open_wallets = wallets.filtered(lambda one: one.state == "open")
        for row in self._get_unreserved_usage(now, reserved):
            scope = open_wallets.filtered(
                lambda one, row=row: one._pays_for(row.line_id)
            )
            rest = row.amount
            for one in scope:
                for grant_id, amount in one._allocate(rest, row.service, held):
                    held[grant_id] += amount
                    unbilled[one] += amount
                    rest -= amount
            if rest and not row.ref:
                unbilled[scope[-1:]] += rest
        return {
            one.id: live_balance(
                one._to_money(one.balance),
                taken[one],
                unbilled[one],
            )
            for one in wallets
        }

    def _get_sisters(self):
        """Return the wallets of the same account, company and currency, in order."""
        return self.search(
            [
                ("partner_id", "=", self.partner_id.id),
                ("company_id", "=", self.company_id.id),
                ("currency_id", "=", self.currency_id.id),
            ],
            order="priority, id",
        )

    def _get_reserved_amounts(self) -> dict:
        """Return what previews of invoices hold, by the usage it is for.

        :return: dict of wallet to dict of (subscription id, usage ref) to Decimal
        """
        result = defaultdict(lambda: defaultdict(Decimal))
        # sudo: what is reserved, whoever may read the wallet
        rows = self.env["saas.billing.run.charge"].sudo()
        for row in rows.search(
            [
                ("wallet_id", "in", self.ids),
                ("amount", "<", 0),
                ("run_line_id.state", "!=", "posted"),
                ("run_id.state", "!=", "done"),
            ]
        ):
            key = row.subscription_id.id, split_ref(row.ref)[1]
            result[row.wallet_id][key] += self[:1]._to_money(-row.amount)
        return result

    def _get_unreserved_usage(self, now, reserved: dict) -> list:
        """Return unbilled usage of the account that no preview has reserved for.

        :param now: aware UTC datetime
        :param dict reserved: see ``_get_reserved_amounts``
        :return: list of ``Unbilled`` with amounts above zero
        """
        result = []
        for subscription in self._get_subscriptions():
            try:
                rows = subscription._get_unbilled_usage(now)
            except (BillingError, UsageError):
                # It is an exception of finance already, once it is due.
                continue
            for row in rows:
                key = subscription.id, row.ref
                held = sum((own.get(key, ZERO) for own in reserved.values()), ZERO)
                if row.amount > held:
                    result.append(row._replace(amount=row.amount - held))
        return result

    # ------------------------------------------------------------------
    # Shown
    # ------------------------------------------------------------------
    def _describe(self) -> str:
        """Return the balances of the wallets, one sum per currency."""
        return " + ".join(
            currency.format(sum(wallets.mapped("balance")))
            for currency, wallets in self.grouped("currency_id").items()
        )

    def _prepare_answer(self, now) -> list:
        """Return what the API tells about wallets; amounts are text.

        :param now: aware UTC datetime
        :return: list of dicts of plain values, in the order they pay
        """
        live = self._get_live_balances(now)
        result = []
        for wallet in self:
            expiring = wallet._get_expiring_grants()[:1]
            result.append(
                {
                    "name": wallet.name,
                    "currency": wallet.currency_id.name,
                    "balance": wallet._to_text(wallet._to_money(wallet.balance)),
                    "live_balance": wallet._to_text(live[wallet.id]),
                    "expires_on": expiring.date_expiry.isoformat()
                    if expiring
                    else None,
                    "expiring": wallet._to_text(wallet._to_money(expiring.remaining))
                    if expiring
                    else None,
                }
            )
        return result

    def _get_expiring_grants(self):
        """Return the grants with something left that expire, the next one first."""
        return self.grant_ids.filtered(
            lambda grant: (
                grant.state == "open" and grant.remaining and grant.date_expiry
            )
        ).sorted("date_expiry")

    def _prepare_portal_vals(self, limit: int) -> dict:
        """Return what the customer sees of the wallet.

        :param int limit: number of movements, the latest first
        """
        self.ensure_one()
        kinds = dict(
            self.transaction_ids._fields["kind"]._description_selection(self.env)
        )
        movements = self.transaction_ids.search(
            [("wallet_id", "=", self.id)], limit=limit
        )
        return {
            "name": self.name,
            "balance": self._format_money(self.balance),
            "live": self._format_money(self.live_balance),
            "movements": [
                {
                    "date": format_date(self.env, row.date),
                    "kind": kinds[row.kind],
                    "invoice": row.move_id.name or "",
                    "amount": self._format_money(row.amount),
                }
                for row in movements
            ],
            "expiring": [
                {
                    "day": format_date(self.env, grant.date_expiry),
                    "amount": self._format_money(grant.remaining),
                }
                for grant in self._get_expiring_grants()
            ],
        }
