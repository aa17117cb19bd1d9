# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What is left of grants when they expire."""

from datetime import date
from decimal import Decimal

from odoo import api, fields, models

from odoo.addons.saas_subscription_ops.models.saas_subscription import LIVE_STATES

from ..engine.commitment import roll_over
from ..engine.wallet import next_expiry
from .saas_wallet_ledger import CANCEL, VOID

EXPIRY_FAILED = "wallet.expiry_failed"


class SaasWallet(models.Model):
    _inherit = "saas.wallet"

    @api.model
    def _cron_expire(self):
        """Take what is left of grants that expired; commit after each wallet."""
        today = fields.Date.context_today(self)
        grants = self.env["saas.wallet.grant"].search(
            [("state", "=", "open"), ("date_expiry", "<=", today)]
        )
        wallets = grants.wallet_id
        progress = self.env["ir.cron"]._commit_progress
        if not progress(remaining=len(wallets)):
            return
        for wallet in wallets:
            wallet._saas_attempt(
                lambda one: one._expire(today),
                EXPIRY_FAILED,
                "saas_retry_expire",
                resolves=True,
                queue="finance",
                severity="high",
            )
            if not progress(1):
                break

    def saas_retry_expire(self):
        """Repeat the expiry from the exception queue.

        :raise UserError: still failing
        """
        self.check_access("write")
        # sudo: the ledger is written by these steps only
        for wallet in self.sudo():
            wallet._expire(fields.Date.context_today(self))

    def _expire(self, today: date):
        """Take what is left of grants that expired and pay for nothing any more.

        A grant waits while usage of its time is not billed yet, or while the preview of
        an invoice holds some of it. Repeating it does nothing.

        :param date today: grants that expire on it or before
        """
        self.ensure_one()
        self._lock()
        reserved = self._get_reserved()
        expired = self.grant_ids.filtered(
            lambda grant: (
                grant.state == "open"
                and grant.date_expiry
                and grant.date_expiry <= today
                and not reserved.get(grant.id)
            )
        )
        for expiry, grants in expired.grouped("date_expiry").items():
            if not any(
                subscription._has_unbilled_usage(expiry, today)
                for subscription in self._get_subscriptions()
            ):
                for grant in grants:
                    self._expire_grant(grant)

    def _expire_grant(self, grant):
        """Book the end of one grant: what is left is lost, or rolls over once.

        :param grant: open ``saas.wallet.grant``
        """
        left = self._to_money(grant.remaining)
        kept = self._get_kept(grant, left)
        if left or kept:
            lost = max(left - kept, Decimal(0))
            entries = [("available", grant.id, -left), ("expired", grant.id, lost)]
            if kept:
                entries += self._roll_over(grant, kept, left)
            self._book_movement(
                "rollover" if kept else "expire",
                f"expire:{grant.id}:{len(grant.entry_ids)}",
                grant.name,
                [entry for entry in entries if entry[2]],
            )
            self._saas_emit(
                "wallet.expired",
                {
                    "wallet": self.name,
                    "amount": self._to_text(lost),
                    "rolled_over": self._to_text(kept),
                    "currency": self.currency_id.name,
                },
            )
        grant.state = "expired"

    def _get_kept(self, grant, left: Decimal) -> Decimal:
        """Return how much goes on of a grant that expires.

        Money that came back after its end adds to what went on then, up to the same
        maximum. Nothing is lifted a second time, nor once the rest was taken back.

        :param grant: open ``saas.wallet.grant``
        :param Decimal left: what is left of it
        """
        if not grant.rollover_max:
            return Decimal(0)
        ended = tuple(f"{one}{grant.id}:" for one in ("expire:", VOID, CANCEL))
        earlier = grant.entry_ids.transaction_id.filtered(
            lambda movement: movement.ref.startswith(ended)
        )
        rolled = sum(
            self._to_money(entry.amount)
            for entry in earlier.entry_ids
            if entry.account == "available" and entry.grant_id != grant
        )
        least = Decimal(0) if earlier else self._to_money(grant.rollover_min)
        most = max(self._to_money(grant.rollover_max) - rolled, Decimal(0))
        return roll_over(left, least, most)

    def _roll_over(self, grant, kept: Decimal, left: Decimal) -> list:
        """Make the grant that goes on, and return its entries.

        :param grant: the one that expires
        :param Decimal kept: what goes on
        :param Decimal left: what was left of the grant; what is lifted above it is new
        :return: (account, grant id, amount)
        """
        after = grant.create(
            {
                "wallet_id": self.id,
                "name": grant.name,
                "kind": "rollover",
                "amount": float(kept),
                "priority": grant.priority,
                "date_start": grant.date_expiry,
                "date_expiry": next_expiry(grant.date_start, grant.date_expiry),
            }
        )
        lifted = max(kept - left, Decimal(0))
        return [("available", after.id, kept), ("source", after.id, -lifted)]

    def _get_subscriptions(self):
        """Return the subscriptions the wallet may pay for, ended ones as well."""
        self.ensure_one()
        return self.env["saas.subscription"].search(
            [
                ("commercial_partner_id", "=", self.partner_id.id),
                ("company_id", "=", self.company_id.id),
                ("currency_id", "=", self.currency_id.id),
                ("state", "in", [*LIVE_STATES, "cancelled", "expired"]),
            ]
        )
