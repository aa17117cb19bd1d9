# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Wallets that run low: told once, and filled up by an order if wanted."""

from datetime import datetime, timedelta, timezone

from odoo import Command, api, fields, models
from odoo.exceptions import ValidationError
from odoo.tools import SQL

from ..exceptions import WalletError

TOPUP_FAILED = "wallet.topup_failed"
CHECK_FAILED = "wallet.check_failed"
#: Looked at once in an hourly job, also where that goes on in several runs.
PAUSE = timedelta(minutes=30)


class SaasWallet(models.Model):
    _inherit = "saas.wallet"

    low_balance = fields.Monetary(
        string="Low Below",
        tracking=True,
        aggregator=None,
        help="When the live balance falls below it, customer success is told once, "
        "and the customer where wanted. 0: nobody is told.",
    )
    is_low = fields.Boolean(
        string="Running Low",
        readonly=True,
        copy=False,
        help="The live balance is below the limit; checked every hour.",
    )
    low_checked_at = fields.Datetime(
        string="Last Check of the Limit",
        readonly=True,
        copy=False,
        help="The job looks first at those that wait longest.",
    )
    topup_mode = fields.Selection(
        [
            ("none", "By hand"),
            ("quotation", "Make a quotation"),
            ("order", "Make and confirm an order"),
        ],
        string="Top-Up",
        required=True,
        default="none",
        tracking=True,
        help="What happens when the wallet runs low.",
    )
    topup_product_id = fields.Many2one(
        "product.product",
        string="Top-Up Product",
        domain="[('saas_wallet_credit', '=', True)]",
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
        tracking=True,
    )
    topup_amount = fields.Monetary(
        string="Top-Up Amount", tracking=True, aggregator=None
    )
    topup_order_id = fields.Many2one(
        "sale.order",
        string="Last Top-Up",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
    )

    _low_not_negative = models.Constraint(
        "CHECK (COALESCE(low_balance, 0) >= 0)",
        "A wallet is low below a limit of zero or more. 0: nobody is told.",
    )

    @api.constrains("topup_mode", "topup_product_id", "topup_amount", "low_balance")
    def _check_topup(self):
        for wallet in self.filtered(lambda wallet: wallet.topup_mode != "none"):
            product = wallet.topup_product_id
            if not product.saas_wallet_credit or wallet.topup_amount <= 0:
                raise ValidationError(
                    self.env._(
                        "%(wallet)s: set a product of prepaid credit and an amount for "
                        "the top-up.",
                        wallet=wallet.name,
                    )
                )
            if not wallet.low_balance:
                raise ValidationError(
                    self.env._(
                        "%(wallet)s: set below which balance the top-up is made.",
                        wallet=wallet.name,
                    )
                )

    def write(self, vals):
        """Forget that wallets are low that are watched no longer, or anew."""
        result = super().write(vals)
        if not vals.get("low_balance", True) or "state" in vals:
            # sudo: the flag is written by the check and by these steps only
            self.sudo().filtered("is_low")._set_not_low()
        return result

    # ------------------------------------------------------------------
    # Low
    # ------------------------------------------------------------------
    @api.model
    def _cron_check_low(self):
        """Look for wallets that run low; commit after each.

        What is left when the time is over comes first in the next run.
        """
        now = datetime.now(timezone.utc)
        wallets = self.search(
            [
                ("state", "=", "open"),
                ("low_balance", ">", 0),
                "|",
                ("low_checked_at", "=", False),
                ("low_checked_at", "<=", now.replace(tzinfo=None) - PAUSE),
            ],
            order="low_checked_at ASC NULLS FIRST, id",
        )
        progress = self.env["ir.cron"]._commit_progress
        if not progress(remaining=len(wallets)):
            return
        for wallet in wallets:
            wallet._note_check(now)
            wallet._saas_attempt(
                lambda one: one._check_low(now),
                CHECK_FAILED,
                "saas_retry_check_low",
                resolves=True,
                queue="finance",
            )
            if not progress(1):
                break

    def _note_check(self, now):
        """Note that the wallet is looked at, unless somebody holds it just now."""
        self.env.cr.execute(
            SQL(
                """
                UPDATE saas_wallet SET low_checked_at = %s
                 WHERE id IN (SELECT id FROM saas_wallet WHERE id = %s
                                 FOR NO KEY UPDATE SKIP LOCKED)
                """,
                now.replace(tzinfo=None, microsecond=0),
                self.id,
            )
        )
        self.invalidate_recordset(["low_checked_at"])

    def saas_retry_check_low(self):
        """Repeat the check from the exception queue.

        :raise UserError: still failing
        """
        self.check_access("write")
        # sudo: what follows of it is not the operator's
        for wallet in self.sudo():
            wallet._check_low(datetime.now(timezone.utc))

    def _check_low(self, now):
        """Tell once that the wallet is low, until it was filled up.

        :param now: aware UTC datetime
        """
        self.ensure_one()
        live = self._get_live_balances(now)[self.id]
        is_low = live < self._to_money(self.low_balance)
        if is_low and not self.is_low:
            # Before the top-up, whose grant has the wallet looked at again.
            self.is_low = True
            self._saas_emit(
                "wallet.threshold_reached",
                {
                    "wallet": self.name,
                    "live_balance": self._to_text(live),
                    "limit": self._to_text(self._to_money(self.low_balance)),
                    "currency": self.currency_id.name,
                },
            )
            self._notify_low(live)
            if self.topup_mode != "none":
                self._saas_attempt(
                    lambda one: one._order_topup(),
                    TOPUP_FAILED,
                    "saas_retry_topup",
                    resolves=True,
                    queue="finance",
                    severity="high",
                )
        elif self.is_low and not is_low:
            self._set_not_low()

    def _set_not_low(self):
        """Note that the wallet is not low, or has to be looked at again."""
        self.is_low = False

    def _grant(self, amount, kind: str, name: str, **terms):
        """Look again at a wallet that was filled up: it may still be low."""
        grant = super()._grant(amount, kind, name, **terms)
        # sudo: the flag is written by the check and by the filling only
        self.sudo()._set_not_low()
        return grant

    def _notify_low(self, live):
        """Put it on the to-do list of the account's success manager."""
        manager = self.partner_id.saas_csm_id
        if manager:
            self.activity_schedule(
                "mail.mail_activity_data_todo",
                user_id=manager.id,
                summary=self.env._("Prepaid credit runs low"),
                note=self.env._(
                    "%(amount)s are left, usage that is not billed yet included.",
                    amount=self._format_money(live),
                ),
            )

    # ------------------------------------------------------------------
    # Filled up
    # ------------------------------------------------------------------
    def saas_retry_topup(self):
        """Make the top-up from the exception queue.

        :raise UserError: still failing
        """
        self.check_access("write")
        # sudo: the order is made by the wallet, not by rights of its operator
        for wallet in self.sudo():
            wallet._order_topup()

    def _order_topup(self):
        """Make the quotation or order that fills the wallet, one at a time.

        :return: ``sale.order``; the one that is open already
        :raise WalletError: no price for it
        """
        self.ensure_one()
        self._lock()
        order = self.topup_order_id
        if self._waits_for(order):
            return order
        orders = order.with_company(self.company_id)
        order = orders.create(self._prepare_topup_vals())
        self.topup_order_id = order
        if self.topup_mode == "order":
            order.action_confirm()
        return order

    def _waits_for(self, order) -> bool:
        """Return whether an earlier top-up is still to come."""
        lines = order.order_line.filtered("product_id.saas_wallet_credit")
        return order.state in ("draft", "sent") or (
            order.state == "sale" and bool(lines) and not lines._saas_get_grants()
        )

    def _prepare_topup_vals(self) -> dict:
        """Prepare the order of a top-up.

        :raise WalletError: no price list in the currency of the wallet
        """
        partner = self.partner_id.with_company(self.company_id)
        pricelist = partner.property_product_pricelist
        if pricelist.currency_id != self.currency_id:
            pricelist = pricelist.search(
                [
                    ("currency_id", "=", self.currency_id.id),
                    ("company_id", "in", (False, self.company_id.id)),
                ],
                limit=1,
            )
        own = self.currency_id == self.company_id.currency_id
        if not pricelist and not own:
            raise WalletError(
                self.env._(
                    "There is no price list in %(currency)s for the top-up of "
                    "%(wallet)s: make one.",
                    currency=self.currency_id.name,
                    wallet=self.name,
                )
            )
        return {
            "partner_id": self.partner_id.id,
            "company_id": self.company_id.id,
            "pricelist_id": pricelist.id,
            "user_id": self.partner_id.user_id.id,
            "origin": self.name,
            "saas_wallet_id": self.id,
            "order_line": [
                Command.create(
                    {
                        "product_id": self.topup_product_id.id,
                        "product_uom_qty": 1,
                        "price_unit": self.topup_amount,
                    }
                )
            ],
        }
