# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models

from ..exceptions import WalletError


class SaasWalletTransaction(models.Model):
    """One movement of a wallet: entries that sum to zero. Never changed."""

    _name = "saas.wallet.transaction"
    _description = "Wallet Movement"
    _inherit = ["saas.default.guard"]
    _order = "date desc, id desc"
    _check_company_auto = True

    name = fields.Char(string="Description", required=True, readonly=True)
    wallet_id = fields.Many2one(
        "saas.wallet", required=True, readonly=True, index=True, ondelete="restrict"
    )
    company_id = fields.Many2one(
        related="wallet_id.company_id", store=True, index=True, precompute=True
    )
    # Not stored: contacts are merged, a movement never changes.
    partner_id = fields.Many2one(related="wallet_id.partner_id")
    currency_id = fields.Many2one(related="wallet_id.currency_id")
    kind = fields.Selection(
        [
            ("grant", "Granted"),
            ("use", "Used"),
            ("return", "Given Back"),
            ("expire", "Expired"),
            ("rollover", "Rolled Over"),
            ("void", "Voided"),
        ],
        required=True,
        readonly=True,
        index=True,
    )
    ref = fields.Char(
        string="Reference",
        required=True,
        readonly=True,
        help="The same movement always has the same reference.",
    )
    date = fields.Date(required=True, readonly=True)
    amount = fields.Monetary(
        string="Change of the Balance",
        readonly=True,
        help="What the movement added to the balance, or took from it.",
    )
    charge_id = fields.Many2one(
        "saas.charge", readonly=True, index="btree_not_null", ondelete="restrict"
    )
    move_id = fields.Many2one(
        related="charge_id.move_id", string="Invoice", store=False
    )
    correlation = fields.Char(readonly=True, index="btree_not_null")
    entry_ids = fields.One2many("saas.wallet.entry", "transaction_id")

    _ref_uniq = models.Constraint(
        "UNIQUE (wallet_id, ref)", "This movement of the wallet is booked already."
    )

    @api.model_create_multi
    def create(self, vals_list):
        self.env["saas.wallet.entry"]._check_by_code()
        return super().create(vals_list)

    def write(self, vals):  # pylint: disable=method-required-super
        raise WalletError(
            self.env._(
                "A movement can't be changed. Grant or void to correct the balance."
            )
        )

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise WalletError(
            self.env._(
                "A movement can't be deleted. Grant or void to correct the balance."
            )
        )
