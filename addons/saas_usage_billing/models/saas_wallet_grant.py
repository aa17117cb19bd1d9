# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from decimal import Decimal

from odoo import api, fields, models

from ..engine.wallet import Grant
from ..exceptions import WalletError
from .saas_wallet_ledger import CANCEL

KINDS = [
    ("paid", "Paid"),
    ("promotional", "Promotional"),
    ("rollover", "Rolled Over"),
]


class SaasWalletGrant(models.Model):
    """Money put into a wallet at once, with terms of its own.

    Grants are made by code, never changed and never deleted. ``remaining`` is kept by
    the database from the entries; it can't fall below zero nor rise above the amount.
    """

    _name = "saas.wallet.grant"
    _description = "Wallet Grant"
    _inherit = ["saas.default.guard"]
    _order = "wallet_id, priority, date_start desc, id desc"
    _check_company_auto = True

    name = fields.Char(string="Description", required=True, readonly=True)
    wallet_id = fields.Many2one(
        "saas.wallet", required=True, readonly=True, index=True, ondelete="restrict"
    )
    company_id = fields.Many2one(
        related="wallet_id.company_id", store=True, index=True, precompute=True
    )
    partner_id = fields.Many2one(
        related="wallet_id.partner_id", store=True, index=True, precompute=True
    )
    currency_id = fields.Many2one(related="wallet_id.currency_id")
    kind = fields.Selection(KINDS, required=True, readonly=True)
    amount = fields.Monetary(required=True, readonly=True)
    remaining = fields.Monetary(readonly=True, copy=False)
    date_start = fields.Date(
        string="Valid From",
        required=True,
        readonly=True,
        help="Pays for services that last longer than this day's beginning.",
    )
    date_expiry = fields.Date(
        string="Expires On",
        readonly=True,
        help="First day whose service it does not pay for any more. Empty: never.",
    )
    priority = fields.Integer(
        required=True,
        readonly=True,
        default=50,
        aggregator=None,
        help="From 1 to 50, the lowest number is used first. Then promotional before "
        "paid money, then what expires first, then the oldest.",
    )
    rollover_min = fields.Monetary(
        string="Roll Over at Least",
        readonly=True,
        aggregator=None,
        help="What is left when it expires is lifted to this amount.",
    )
    rollover_max = fields.Monetary(
        string="Roll Over at Most",
        readonly=True,
        aggregator=None,
        help="As much as this goes on once when it expires, for as long again.",
    )
    state = fields.Selection(
        [("open", "Open"), ("expired", "Expired"), ("voided", "Voided")],
        required=True,
        readonly=True,
        default="open",
        index=True,
        copy=False,
    )
    order_line_id = fields.Many2one(
        "sale.order.line",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="restrict",
    )
    entry_ids = fields.One2many("saas.wallet.entry", "grant_id")

    _order_line_uniq = models.UniqueIndex(
        "(order_line_id, kind) WHERE state != 'voided'",
        "This order line has been credited already.",
    )
    _remaining_range = models.Constraint(
        "CHECK (remaining >= 0 AND remaining <= amount)",
        "A grant can't be used for more than is left of it.",
    )
    _amount_positive = models.Constraint(
        "CHECK (amount > 0)", "A grant puts more than nothing into the wallet."
    )
    _priority_range = models.Constraint(
        "CHECK (priority BETWEEN 1 AND 50)",
        "The priority of a grant is a number from 1 to 50.",
    )
    _dates_ordered = models.Constraint(
        "CHECK (date_expiry IS NULL OR date_expiry > date_start)",
        "A grant expires after the day it begins: correct its dates.",
    )
    _rollover_ordered = models.Constraint(
        "CHECK (rollover_min >= 0 AND rollover_max >= rollover_min)",
        "What rolls over at least can't be more than what rolls over at most.",
    )

    def action_void(self) -> dict:
        """Open the dialog that takes back what is left of the grant.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_usage_billing.saas_wallet_void_wizard_action"
        )
        action["context"] = {"default_grant_id": self.id}
        return action

    def write(self, vals):
        if set(vals) - {"state"} or not self.env.su:
            raise WalletError(
                self.env._(
                    "A grant can't be changed. Void what is left of it and make "
                    "another one."
                )
            )
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise WalletError(
            self.env._("A grant can't be deleted. Void what is left of it.")
        )

    def _get_taken_by_cancellation(self):
        """Return what was taken back because the order was cancelled.

        :return: Decimal
        """
        self.ensure_one()
        entries = self.entry_ids.filtered(
            lambda entry: (
                entry.account == "available"
                and entry.transaction_id.ref.startswith(f"{CANCEL}{self.id}:")
            )
        )
        return sum(
            (self.wallet_id._to_money(-entry.amount) for entry in entries), Decimal(0)
        )

    def _to_engine(self, reserved: dict) -> list[Grant]:
        """Return the grants as the engine knows them, less what others reserved.

        :param dict reserved: grant id to Decimal
        """
        return [
            Grant(
                id=grant.id,
                remaining=max(
                    grant.wallet_id._to_money(grant.remaining)
                    - reserved.get(grant.id, 0),
                    grant.wallet_id._to_money(0),
                ),
                priority=grant.priority,
                paid=grant.kind != "promotional",
                start=grant.date_start,
                expiry=grant.date_expiry or None,
            )
            for grant in self
        ]
