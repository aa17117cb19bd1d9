# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The movements of a wallet: nothing else writes its ledger."""

from decimal import Decimal

from odoo import api, fields, models
from odoo.tools import SQL

from odoo.addons.saas_subscription_ops.models.saas_subscription_billing import (
    to_decimal,
)

from ..engine.errors import EngineError
from ..engine.wallet import allocate
from ..exceptions import WalletError

#: References of what is taken back: by hand for good, and until the order is confirmed
#: again. Both go on with the grant's id.
VOID = "void:"
CANCEL = "cancel:"


class SaasWallet(models.Model):
    _inherit = "saas.wallet"

    def _to_money(self, amount: float) -> Decimal:
        """Return an amount of the wallet's currency as an exact number."""
        return to_decimal(amount, self.currency_id.decimal_places)

    def _to_text(self, amount: Decimal) -> str:
        """Return an amount as events tell it: plain, with all its places."""
        return format(amount, f".{self.currency_id.decimal_places}f")

    # ------------------------------------------------------------------
    # In
    # ------------------------------------------------------------------
    def _grant(self, amount, kind: str, name: str, **terms):
        """Put money into an open wallet.

        :param Decimal amount: more than nothing, rounded to the wallet's currency
        :param str kind: of ``saas.wallet.grant``
        :param str name: why, for people
        :param terms: other values of the grant; without ``date_start`` from today on
        :return: ``saas.wallet.grant``
        :raise WalletError: the wallet is closed, or the amount is no money
        """
        self.ensure_one()
        amount = self._to_money(float(amount))
        if self.state != "open":
            raise WalletError(
                self.env._(
                    "%(wallet)s is closed. Open it again, then grant.", wallet=self.name
                )
            )
        if amount <= 0:
            raise WalletError(self.env._("Grant an amount above zero."))
        terms.setdefault("date_start", fields.Date.context_today(self))
        # sudo: the ledger is written by these steps only
        grant = (
            self.env["saas.wallet.grant"]
            .sudo()
            .create(
                {
                    "wallet_id": self.id,
                    "name": name,
                    "kind": kind,
                    "amount": float(amount),
                    **terms,
                }
            )
        )
        self._book_movement(
            "grant",
            f"grant:{grant.id}",
            name,
            [("source", grant.id, -amount), ("available", grant.id, amount)],
        )
        self._saas_emit(
            "wallet.granted",
            {
                "wallet": self.name,
                "kind": kind,
                "amount": self._to_text(amount),
                "currency": self.currency_id.name,
                "expires": grant.date_expiry and grant.date_expiry.isoformat(),
            },
        )
        return grant.sudo(self.env.su)

    # ------------------------------------------------------------------
    # Out and back
    # ------------------------------------------------------------------
    @api.model
    def _use(self, rows):
        """Book what charges took from grants, or gave back to them, all at once.

        :param list rows: (wallet, booked ``saas.charge``, uses) in the order they are
            booked; uses are (grant id, amount), above zero where it was taken, below
            where it is given back
        :return: ``saas.wallet.transaction``, in their order
        """
        movements, back = [], set()
        for wallet, charge, uses in rows:
            entries = []
            for grant_id, amount in uses:
                entries.append(("available", grant_id, -amount))
                entries.append(("used", grant_id, amount))
                if amount < 0:
                    back.add(grant_id)
            taken = sum((amount for _grant, amount in uses), Decimal(0))
            movements.append(
                (
                    wallet,
                    {
                        "kind": "use" if taken > 0 else "return",
                        "ref": f"charge:{charge.id}",
                        "name": charge.name,
                        "charge_id": charge.id,
                    },
                    entries,
                )
            )
        result = self._book_movements(movements)
        # What was closed holds money again: it is used, or expires once more.
        # sudo: the state is written by these steps only
        closed = self.env["saas.wallet.grant"].sudo().browse(back)
        closed.filtered(lambda grant: grant.state != "open").state = "open"
        return result

    def _void(self, grants, reason: str):
        """Take back what is left of grants, see ``_void_free``.

        :raise WalletError: nothing of it is free
        """
        if not self._void_free(grants, reason):
            raise WalletError(
                self.env._(
                    "Nothing of it can be taken back: it is used, or reserved by an "
                    "invoice in preparation. Post or reset that billing run first."
                )
            )

    def _void_free(self, grants, reason: str, prefix: str = VOID) -> Decimal:
        """Take back what is left of grants, less what previews of invoices reserved.

        :param grants: ``saas.wallet.grant`` of the wallet
        :param str reason: why, for people
        :param str prefix: ``VOID``, or ``CANCEL`` for what a cancelled order takes back
        :return: what was taken back
        """
        self.ensure_one()
        self._lock()
        grants.invalidate_recordset(["remaining"])
        reserved = self._get_reserved()
        free = [
            (grant, grant._to_engine(reserved)[0].remaining)
            for grant in grants.filtered(lambda grant: grant.state == "open")
        ]
        voided = sum((left for _grant, left in free), Decimal(0))
        if not voided:
            return voided
        for grant, left in free:
            if not left:
                continue
            self._book_movement(
                "void",
                f"{prefix}{grant.id}:{len(grant.entry_ids)}",
                reason,
                [("available", grant.id, -left), ("source", grant.id, left)],
            )
            if not reserved.get(grant.id):
                # sudo: the state is written by these steps only
                grant.sudo().state = "voided"
        self._message_log(
            body=self.env._(
                "Taken back: %(amount)s. %(reason)s",
                amount=self._format_money(voided),
                reason=reason,
            )
        )
        return voided

    # ------------------------------------------------------------------
    # Tools
    # ------------------------------------------------------------------
    def _book_movement(self, kind: str, ref: str, name: str, entries, **vals):
        """Write one transaction with its entries.

        :param str kind: of ``saas.wallet.transaction``
        :param str ref: unique in the wallet
        :param str name: for people
        :param list entries: (account, grant id, amount) that sum to zero
        :param vals: other values of the transaction
        :return: ``saas.wallet.transaction``
        """
        self.ensure_one()
        given = {"kind": kind, "ref": ref, "name": name, **vals}
        return self._book_movements([(self, given, entries)])

    @api.model
    def _book_movements(self, rows):
        """Write transactions with their entries, all at once.

        :param list rows: (wallet, values of the transaction, entries), see
            ``_book_movement``
        :return: ``saas.wallet.transaction``, in their order
        """
        today = fields.Date.context_today(self)
        # sudo: the ledger is written by these steps only
        ledger = self.env["saas.wallet.transaction"].sudo()
        transactions = ledger.create(
            [
                {
                    "wallet_id": wallet.id,
                    "date": today,
                    "amount": float(_get_change(entries)),
                    "correlation": wallet.sudo()._saas_correlation(),
                    **vals,
                }
                for wallet, vals, entries in rows
            ]
        )
        ledger.env["saas.wallet.entry"].create(
            [
                {
                    "transaction_id": transaction.id,
                    "account": account,
                    "grant_id": grant_id,
                    "amount": float(amount),
                }
                for transaction, (_wallet, _vals, entries) in zip(
                    transactions, rows, strict=True
                )
                for account, grant_id, amount in entries
            ]
        )
        # The database keeps what is left of the grants.
        self.env.flush_all()
        self.env["saas.wallet.grant"].browse(
            {grant_id for row in rows for _account, grant_id, _amount in row[2]}
        ).invalidate_recordset(["remaining"])
        self.browse({row[0].id for row in rows}).invalidate_recordset(["balance"])
        return transactions

    def _allocate(self, amount: Decimal, service, reserved: dict) -> list:
        """Return which grants pay for a service, as far as they go.

        :param Decimal amount: what is due
        :param tuple service: half-open dates
        :param dict reserved: grant id to what others hold of it, below zero: to what
            comes back to it first, which also a closed grant pays again
        :return: list of (grant id, Decimal)
        :raise WalletError: the ledger does not hold together
        """
        self.ensure_one()
        # sudo: what the ledger says, whoever computes
        grants = self.sudo().grant_ids.filtered(
            lambda grant: grant.state == "open" or reserved.get(grant.id, 0) < 0
        )
        try:
            return allocate(amount, grants._to_engine(reserved), service)
        except EngineError as error:
            raise WalletError(str(error)) from error

    def _pays_for(self, line_id) -> bool:
        """Return whether usage of a subscription's line is in the wallet's scope.

        :param int line_id: of ``saas.subscription.line``
        """
        self.ensure_one()
        if not self.product_ids and not self.meter_ids:
            return True
        line = self.env["saas.subscription.line"].sudo().browse(line_id or [])
        # sudo: whoever may see a charge need not be allowed to see the meter
        return (
            line.product_id in self.product_ids
            or line.product_id.saas_meter_id in self.meter_ids
        )

    def _get_reserved(self, run_lines=()) -> dict:
        """Return what previews of invoices hold of the grants.

        What an invoice gives back to a grant pays its own charges first.

        :param run_lines: ``saas.billing.run.line`` that do not count
        :return: dict of grant id to Decimal
        """
        if not self:
            return {}
        for model in ("charge", "line"):
            self.env[f"saas.billing.run.{model}"].flush_model()
        self.env["saas.billing.run"].flush_model(["state"])
        rows = self.env.execute_query(
            SQL(
                """
                WITH by_line AS (
                    SELECT (used->>0)::integer AS grant_id,
                           SUM((used->>1)::numeric) AS amount
                      FROM saas_billing_run_charge charge
                      JOIN saas_billing_run_line line ON line.id = charge.run_line_id
                      JOIN saas_billing_run run ON run.id = line.run_id
                CROSS JOIN LATERAL jsonb_array_elements(charge.details->'uses') AS used
                     WHERE charge.wallet_id = ANY(%(wallets)s)
                       AND line.id != ALL(%(lines)s)
                       AND line.state != 'posted' AND run.state != 'done'
                     GROUP BY grant_id, line.id
                )
                SELECT grant_id, SUM(amount)::text
                  FROM by_line
                 WHERE amount > 0
                 GROUP BY grant_id
                """,
                wallets=self.ids,
                lines=[line.id for line in run_lines],
            )
        )
        return {grant_id: Decimal(amount) for grant_id, amount in rows}

    def _format_money(self, amount) -> str:
        return self.currency_id.format(float(amount))


def _get_change(entries) -> Decimal:
    """Return what entries change of the balance."""
    return sum(
        (amount for account, _grant, amount in entries if account == "available"),
        Decimal(0),
    )
