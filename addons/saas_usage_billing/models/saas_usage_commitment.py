# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..exceptions import UsagePriceError

WINDOWS = [
    ("period", "Period of the plan"),
    ("quarter", "Quarter"),
    ("year", "Year"),
]

#: What a plan's minimum leaves to the defaults of the code.
DEFAULTED = {
    "company_id",
    "partner_id",
    "product_ids",
    "window",
    "date_end",
    "is_true_up",
    "overage_factor",
    "is_prorated",
    "is_plan_minimum",
}


class SaasUsageCommitment(models.Model):
    """What a customer promised to spend in each window of time.

    At the end of a window what is missing is charged, and what was used above the
    promise at its factor. Late usage lowers what was missing, by an adjustment.
    """

    _name = "saas.usage.commitment"
    _description = "Usage Commitment"
    _inherit = ["mail.thread", "saas.default.guard"]
    _order = "subscription_id, date_start, id"
    _check_company_auto = True
    _undefaultable = DEFAULTED

    name = fields.Char(
        required=True, tracking=True, help="Shown to the customer on the invoice."
    )
    subscription_id = fields.Many2one(
        "saas.subscription",
        required=True,
        index=True,
        ondelete="cascade",
        check_company=True,
        tracking=True,
    )
    company_id = fields.Many2one(
        related="subscription_id.company_id", store=True, index=True, precompute=True
    )
    partner_id = fields.Many2one(
        related="subscription_id.commercial_partner_id", string="Account", store=True
    )
    currency_id = fields.Many2one(related="subscription_id.currency_id")
    product_ids = fields.Many2many(
        "product.product",
        string="Products",
        check_company=True,
        domain="[('saas_charge_kind', '=', 'usage')]",
        help="Usage that counts. Empty: all usage of the subscription.",
    )
    includes_recurring = fields.Boolean(
        tracking=True,
        help="Recurring charges count, too: a minimum for all that is spent. One for a"
        " year counts by days in each window.",
    )
    amount = fields.Monetary(
        string="Committed Amount",
        required=True,
        aggregator=None,
        tracking=True,
        help="Untaxed, for a whole window.",
    )
    window = fields.Selection(
        WINDOWS,
        required=True,
        default="period",
        tracking=True,
        help="Quarters and years are counted from the first day of the commitment.",
    )
    date_start = fields.Date(required=True, tracking=True, help="First day.")
    date_end = fields.Date(tracking=True, help="First day it no longer applies.")
    is_true_up = fields.Boolean(
        string="Charge What Is Missing",
        default=True,
        tracking=True,
        help="At the end of a window what is missing to the amount is charged.",
    )
    overage_factor = fields.Float(
        digits=(12, 4),
        default=1.0,
        aggregator=None,
        tracking=True,
        help="What is spent above the amount is multiplied with it: 1.2 for 20 percent"
        " more. 1: overage costs what it costs.",
    )
    is_prorated = fields.Boolean(
        string="Prorate",
        default=True,
        tracking=True,
        help="A window that is cut by the first or last day, or by a pause, has its"
        " part of the amount by days. Else it has all of it.",
    )
    is_plan_minimum = fields.Boolean(
        string="From the Plan",
        readonly=True,
        copy=False,
        help="Made by the minimum of the plan when the subscription was activated.",
    )
    charge_count = fields.Integer(compute="_compute_charge_count")

    _amount_positive = models.Constraint(
        "CHECK (amount > 0)", "A commitment needs an amount above 0."
    )
    _factor_valid = models.Constraint(
        "CHECK (overage_factor >= 1)",
        "The overage factor is 1 or more: a price below the list belongs into a price.",
    )
    _interval_valid = models.Constraint(
        "CHECK (date_end IS NULL OR date_end > date_start)",
        "A commitment must apply on at least one day.",
    )

    @api.onchange("subscription_id")
    def _onchange_subscription_id(self):
        if self.subscription_id and not self.date_start:
            self.date_start = self.subscription_id.date_start

    def _compute_charge_count(self):
        for commitment in self:
            commitment.charge_count = self.env["saas.charge"].search_count(
                commitment._get_charge_domain()
            )

    @api.constrains("subscription_id", "product_ids", "includes_recurring")
    def _check_line(self):
        for commitment in self:
            if not commitment._get_line():
                raise ValidationError(
                    self.env._(
                        "%(subscription)s has no line the commitment “%(name)s” could"
                        " be charged with. Choose products the subscription has, or"
                        " count recurring charges.",
                        subscription=commitment.subscription_id.name,
                        name=commitment.name,
                    )
                )

    @api.constrains("subscription_id", "date_start")
    def _check_start(self):
        for commitment in self:
            subscription = commitment.subscription_id
            if commitment.date_start < subscription.date_start:
                raise ValidationError(
                    self.env._(
                        "“%(name)s” begins before %(subscription)s does. Let it begin"
                        " on %(start)s or later.",
                        name=commitment.name,
                        subscription=subscription.name,
                        start=subscription.date_start,
                    )
                )

    @api.ondelete(at_uninstall=False)
    def _unlink_except_charged(self):
        for commitment in self:
            if commitment.charge_count:
                raise UsagePriceError(
                    self.env._(
                        "“%(name)s” was charged. End it instead: enter the first day it"
                        " no longer applies.",
                        name=commitment.name,
                    )
                )

    def _get_line(self):
        """Return the subscription line the commitment is invoiced with."""
        self.ensure_one()
        lines = self.subscription_id.line_ids.sorted(
            lambda line: (line.kind != "usage", line.date_start, line._origin.id or 0)
        )
        return lines.filtered(self._counts_line)[:1]

    def _counts_line(self, line) -> bool:
        """Return whether what a line costs counts for the commitment.

        :param line: ``saas.subscription.line``
        """
        self.ensure_one()
        if line.kind == "usage":
            return not self.product_ids or line.product_id in self.product_ids
        return self.includes_recurring and line.kind == "recurring"

    def _get_charge_domain(self) -> list:
        self.ensure_one()
        return [
            ("subscription_id", "=", self.subscription_id.id),
            ("ref", "=like", f"commit:{self.id}:%"),
        ]

    def action_view_charges(self) -> dict:
        """Open what was charged for the commitment.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_subscription_ops.saas_charge_action"
        )
        action["domain"] = self._get_charge_domain()
        action["context"] = {}
        return action
