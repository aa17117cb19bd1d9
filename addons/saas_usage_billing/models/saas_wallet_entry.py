# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models

from ..exceptions import WalletError
from .wallet_schema import create_guards


class SaasWalletEntry(models.Model):
    """Double entries of wallets: money goes from one account to another.

    ``source`` is where grants come from and voided money goes to, ``available`` the
    balance, ``used`` what paid for usage, ``expired`` what was lost. The entries of a
    transaction sum to zero and each belongs to a grant: the database refuses anything
    else, and every change.
    """

    _name = "saas.wallet.entry"
    _description = "Wallet Entry"
    _inherit = ["saas.default.guard"]
    _order = "id desc"
    _rec_name = "transaction_id"
    _check_company_auto = True

    transaction_id = fields.Many2one(
        "saas.wallet.transaction",
        required=True,
        readonly=True,
        index=True,
        ondelete="restrict",
    )
    wallet_id = fields.Many2one(
        related="transaction_id.wallet_id", store=True, index=True, precompute=True
    )
    company_id = fields.Many2one(
        related="transaction_id.company_id", store=True, index=True, precompute=True
    )
    date = fields.Date(related="transaction_id.date", store=True, precompute=True)
    currency_id = fields.Many2one(related="wallet_id.currency_id")
    account = fields.Selection(
        [
            ("source", "Source"),
            ("available", "Available"),
            ("used", "Used"),
            ("expired", "Expired"),
        ],
        required=True,
        readonly=True,
    )
    grant_id = fields.Many2one(
        "saas.wallet.grant",
        required=True,
        readonly=True,
        index=True,
        ondelete="restrict",
    )
    amount = fields.Monetary(required=True, readonly=True)

    def init(self):
        """Let the database keep the books, also against SQL and superusers."""
        result = super().init()
        create_guards(self.env.cr)
        return result

    @api.model_create_multi
    def create(self, vals_list):
        self._check_by_code()
        return super().create(vals_list)

    @api.model
    def _check_by_code(self):
        """Refuse rows of the ledger made by a person.

        :raise WalletError: not in superuser mode
        """
        if not self.env.su:
            raise WalletError(
                self.env._(
                    "The ledger of a wallet is written by its own steps only. Use "
                    "Grant Credit or Void on the wallet."
                )
            )

    def write(self, vals):  # pylint: disable=method-required-super
        raise WalletError(self.env._("An entry of a wallet can't be changed."))

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise WalletError(self.env._("An entry of a wallet can't be deleted."))
