# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from collections import defaultdict
from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from odoo.addons.saas_subscription_ops.row_lock import lock_rows

from ..exceptions import WalletError

#: What the ledger of a wallet is written in; fixed from the first movement on.
FIXED = {"partner_id", "company_id", "currency_id"}


class SaasWallet(models.Model):
    """Prepaid money of an account that pays for usage, in one currency.

    Its ledger is made of grants, transactions and entries, see ``saas.wallet.entry``.
    """

    _name = "saas.wallet"
    _description = "Wallet"
    _inherit = [
        "mail.thread",
        "mail.activity.mixin",
        "saas.mixin",
        "saas.default.guard",
    ]
    _order = "partner_id, priority, id"
    _check_company_auto = True
    _undefaultable = {"state"}

    name = fields.Char(required=True, tracking=True, help="The customer reads it.")
    partner_id = fields.Many2one(
        "res.partner",
        string="Account",
        required=True,
        index=True,
        ondelete="restrict",
        check_company=True,
        tracking=True,
    )
    company_id = fields.Many2one(
        "res.company",
        required=True,
        index=True,
        ondelete="restrict",
        default=lambda self: self.env.company,
    )
    currency_id = fields.Many2one(
        "res.currency",
        required=True,
        ondelete="restrict",
        default=lambda self: self.env.company.currency_id,
        help="Pays for subscriptions in this currency only.",
    )
    priority = fields.Integer(
        required=True,
        default=50,
        tracking=True,
        aggregator=None,
        help="From 1 to 50. Of several wallets the one with the lowest number pays "
        "first.",
    )
    product_ids = fields.Many2many(
        "product.product",
        "saas_wallet_product_rel",
        string="Pays for Products",
        domain="[('saas_charge_kind', '=', 'usage')]",
        check_company=True,
        help="Usage of these products. With neither products nor meters: all usage.",
    )
    meter_ids = fields.Many2many(
        "saas.meter",
        "saas_wallet_meter_rel",
        string="Pays for Meters",
        check_company=True,
        help="Usage counted by these meters, whatever the product.",
    )
    product_id = fields.Many2one(
        "product.product",
        string="Product of the Credit",
        required=True,
        domain="[('saas_wallet_credit', '=', True)]",
        index=True,
        ondelete="restrict",
        check_company=True,
        tracking=True,
        help="On the invoice lines that take the credit off. Its income account is "
        "the deferred revenue the top-up was booked to; the taxes are those of the "
        "usage that is paid for.",
    )
    state = fields.Selection(
        [("open", "Open"), ("closed", "Closed")],
        required=True,
        readonly=True,
        default="open",
        index=True,
        copy=False,
        tracking=True,
    )
    grant_ids = fields.One2many("saas.wallet.grant", "wallet_id")
    transaction_ids = fields.One2many("saas.wallet.transaction", "wallet_id")
    grant_count = fields.Integer(compute="_compute_counts")
    transaction_count = fields.Integer(compute="_compute_counts")
    balance = fields.Monetary(
        compute="_compute_balance",
        help="Granted and neither used nor expired nor taken back.",
    )
    reserved = fields.Monetary(
        compute="_compute_reserved",
        help="Held for invoices that are prepared and not posted yet.",
    )

    _priority_range = models.Constraint(
        "CHECK (priority BETWEEN 1 AND 50)",
        "The priority of a wallet is a number from 1 to 50.",
    )

    @api.depends("grant_ids.remaining")
    def _compute_balance(self):
        totals = dict(
            self.env["saas.wallet.grant"]._read_group(
                [("wallet_id", "in", self.ids)], ["wallet_id"], ["remaining:sum"]
            )
        )
        for wallet in self:
            wallet.balance = totals.get(wallet._origin, 0.0)

    def _compute_reserved(self):
        grants = self._get_reserved()
        owners = self.env["saas.wallet.grant"].browse(grants)
        totals = defaultdict(Decimal)
        for grant in owners:
            totals[grant.wallet_id] += grants[grant.id]
        for wallet in self:
            wallet.reserved = float(totals[wallet._origin])

    @api.depends("grant_ids", "transaction_ids")
    def _compute_counts(self):
        domain = [("wallet_id", "in", self.ids)]
        counts = [
            dict(self.env[model]._read_group(domain, ["wallet_id"], ["__count"]))
            for model in ("saas.wallet.grant", "saas.wallet.transaction")
        ]
        for wallet in self:
            wallet.grant_count = counts[0].get(wallet._origin, 0)
            wallet.transaction_count = counts[1].get(wallet._origin, 0)

    @api.constrains("partner_id")
    def _check_partner(self):
        for wallet in self:
            if wallet.partner_id != wallet.partner_id.commercial_partner_id:
                raise ValidationError(
                    self.env._(
                        "A wallet belongs to an account: choose %(account)s instead "
                        "of %(contact)s.",
                        account=wallet.partner_id.commercial_partner_id.display_name,
                        contact=wallet.partner_id.name,
                    )
                )

    # ------------------------------------------------------------------
    # CRUD
    # ------------------------------------------------------------------
    def write(self, vals):
        if "state" in vals and not self.env.su:
            raise WalletError(self.env._("Use Close and Open Again on the wallet."))
        for wallet in self:
            changed = any(
                name in vals and wallet[name].id != vals[name] for name in FIXED
            )
            if changed and wallet.grant_count:
                raise WalletError(
                    self.env._(
                        "%(wallet)s holds money: its account, company and currency "
                        "can't change. Make another wallet.",
                        wallet=wallet.name,
                    )
                )
        return super().write(vals)

    @api.model_create_multi
    def create(self, vals_list):
        wallets = super().create(vals_list)
        if not self.env.su and any(wallet.state != "open" for wallet in wallets):
            raise WalletError(self.env._("A new wallet is open. Close it afterwards."))
        return wallets

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        # sudo: there is money or not, whoever asks
        used = self.sudo().filtered("grant_ids")
        if used:
            raise WalletError(
                self.env._(
                    "Wallets with movements can't be deleted: %(wallets)s. Close them.",
                    wallets=", ".join(used.mapped("name")),
                )
            )

    # ------------------------------------------------------------------
    # Actions
    # ------------------------------------------------------------------
    def action_close(self) -> bool:
        """Let the wallets pay for nothing new; what they hold stays in them.

        :return: True
        """
        return self._set_wallet_state("closed")

    def action_reopen(self) -> bool:
        """Let the wallets pay again.

        :return: True
        """
        return self._set_wallet_state("open")

    def _set_wallet_state(self, state: str) -> bool:
        self.check_access("write")
        # sudo: the state is written by these steps only
        self.sudo().filtered(lambda wallet: wallet.state != state).state = state
        return True

    def action_grant(self) -> dict:
        """Open the dialog that adds money by hand.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_usage_billing.saas_wallet_grant_wizard_action"
        )
        action["context"] = {"default_wallet_id": self.id}
        return action

    def action_view_grants(self) -> dict:
        """Open the grants of the wallets.

        :return: window action
        """
        return self._view("saas_wallet_grant_action")

    def action_view_transactions(self) -> dict:
        """Open the movements of the wallets.

        :return: window action
        """
        return self._view("saas_wallet_transaction_action")

    def _view(self, name: str) -> dict:
        action = self.env["ir.actions.act_window"]._for_xml_id(
            f"saas_usage_billing.{name}"
        )
        action["domain"] = [("wallet_id", "in", self.ids)]
        action["context"] = {}
        return action

    # ------------------------------------------------------------------
    # Tools
    # ------------------------------------------------------------------
    def _lock(self):
        """Take the row locks until the transaction ends; see ``row_lock.py``."""
        lock_rows(self.sorted("id"))

    def _saas_account(self):
        return self.partner_id
