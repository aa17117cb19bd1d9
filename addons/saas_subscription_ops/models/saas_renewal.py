# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.tools.misc import format_date

OUTCOMES = [
    ("open", "Open"),
    ("renewed", "Renewed"),
    ("expired", "Expired"),
    ("cancelled", "Cancelled"),
    ("moved", "Moved"),
]
STEP_FAILED = "renewal.step_failed"
UNDECIDED = "renewal.undecided"
DECIDED = ("renewed", "expired", "cancelled")
CATEGORIES = [
    ("commit", "Commit"),
    ("best_case", "Best Case"),
    ("at_risk", "At Risk"),
    ("lost", "Lost"),
]
#: What people may write; all else follows from the contract.
EDITABLE_FIELDS = {
    "amount_target",
    "amount_forecast",
    "category",
    "is_manual_category",
    "lost_reason_id",
}


class SaasRenewal(models.Model):
    """One term of a subscription that ends: what it is worth and what becomes of it.

    There is one record per subscription and term end, whoever makes it first. The
    outcome is read from the confirmed amendments, never entered.
    """

    _name = "saas.renewal"
    _description = "Renewal"
    _inherit = [
        "mail.thread",
        "mail.activity.mixin",
        "saas.mixin",
        "saas.default.guard",
    ]
    _order = "term_end, id"
    _check_company_auto = True

    subscription_id = fields.Many2one(
        "saas.subscription",
        required=True,
        readonly=True,
        index=True,
        ondelete="restrict",
        check_company=True,
    )
    company_id = fields.Many2one(
        related="subscription_id.company_id", store=True, index=True, precompute=True
    )
    partner_id = fields.Many2one(
        related="subscription_id.commercial_partner_id",
        string="Account",
        store=True,
        index=True,
        precompute=True,
    )
    plan_id = fields.Many2one(
        related="subscription_id.plan_id", store=True, index=True, precompute=True
    )
    currency_id = fields.Many2one(
        related="subscription_id.currency_id", store=True, precompute=True
    )
    user_id = fields.Many2one(
        "res.users",
        string="Owner",
        readonly=True,
        index=True,
        tracking=True,
        help="Who looks after the renewal: the salesperson of the subscription, else "
        "the customer success manager, else as the plan or the company says.",
    )
    term_start = fields.Date(readonly=True, help="First day of the term that ends.")
    term_end = fields.Date(
        required=True,
        readonly=True,
        index=True,
        help="First day after the term: the next one begins, or nothing does.",
    )
    date_window = fields.Date(
        string="Window Opens", readonly=True, help="Day of the first renewal step."
    )
    date_notice = fields.Date(
        string="Notice By",
        readonly=True,
        index=True,
        help="Last day on which a cancellation is in time.",
    )
    notice_passed_on = fields.Date(
        string="Notice Passed",
        readonly=True,
        copy=False,
        help="When it was recorded that the notice day passed undecided.",
    )
    is_expiring = fields.Boolean(
        string="Expires Unless Renewed",
        readonly=True,
        help="The contract does not renew by itself: without a signature it ends.",
    )
    problem = fields.Char(
        readonly=True, copy=False, help="Why no quotation can be made at present."
    )
    # Worth ------------------------------------------------------------
    amount_available = fields.Monetary(
        string="Available to Renew",
        readonly=True,
        help="Yearly worth of the last day of the term as agreed: ramps count with "
        "their last step, a pause does not lower it.",
    )
    amount_target = fields.Monetary(string="Target", tracking=True)
    amount_forecast = fields.Monetary(string="Forecast", tracking=True)
    category = fields.Selection(
        CATEGORIES, default="best_case", required=True, index=True, tracking=True
    )
    is_manual_category = fields.Boolean(
        string="Set by a Person",
        help="The category was chosen by a person and does not follow the likelihood.",
    )
    likelihood = fields.Integer(
        string="Likelihood (%)", readonly=True, aggregator="avg"
    )
    likelihood_reasons = fields.Text(string="Why", readonly=True)
    # Decision ---------------------------------------------------------
    lead_id = fields.Many2one(
        "crm.lead",
        string="Opportunity",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        copy=False,
        check_company=True,
    )
    order_id = fields.Many2one(
        "sale.order",
        string="Quotation",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        copy=False,
        check_company=True,
    )
    quote_activity_id = fields.Many2one(
        "mail.activity",
        string="To-Do of the Quotation",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        copy=False,
        help="Check and send it: done when it is sent.",
    )
    outcome = fields.Selection(
        OUTCOMES,
        default="open",
        required=True,
        readonly=True,
        index=True,
        tracking=True,
        copy=False,
        help="Moved: the term end was changed before it came, another record took its "
        "place.",
    )
    amount_renewed = fields.Monetary(
        string="Renewed",
        readonly=True,
        help="Yearly worth of the next term's first day.",
    )
    amount_pure = fields.Monetary(
        string="Pure Renewal",
        readonly=True,
        help="The smaller one of available and renewed.",
    )
    amount_expansion = fields.Monetary(string="Expansion", readonly=True)
    amount_contraction = fields.Monetary(string="Contraction", readonly=True)
    amount_lost = fields.Monetary(string="Lost Amount", readonly=True)
    date_decided = fields.Date(string="Decided On", readonly=True, copy=False)
    is_on_time = fields.Boolean(
        string="On Time",
        readonly=True,
        copy=False,
        help="Decided by the end of the term. A contract that expires is on time only "
        "when its loss was recorded before.",
    )
    decided_by = fields.Selection(
        [
            ("signature", "Signature"),
            ("staff", "Agreed with Staff"),
            ("automatic", "Automatic Renewal"),
            ("cancellation", "Cancellation"),
            ("expiry", "Expiry"),
        ],
        readonly=True,
        copy=False,
    )
    lost_reason_id = fields.Many2one(
        "crm.lost.reason",
        ondelete="restrict",
        index="btree_not_null",
        tracking=True,
    )
    step_log_ids = fields.One2many(
        "saas.renewal.step.log", "renewal_id", string="Steps", readonly=True
    )

    _subscription_term_uniq = models.Constraint(
        "UNIQUE (subscription_id, term_end)",
        "This term end has its renewal already.",
    )
    _term_valid = models.Constraint(
        "CHECK (term_start IS NULL OR term_start <= term_end)",
        "A term can't end before it starts.",
    )
    _outcome_end_idx = models.Index("(outcome, term_end)")

    @api.depends("subscription_id.name", "term_end")
    def _compute_display_name(self):
        for renewal in self:
            renewal.display_name = self.env._(
                "%(subscription)s, %(day)s",
                # sudo: the name of what the reader may read anyway
                subscription=renewal.sudo().subscription_id.name or "",
                day=format_date(self.env, renewal.term_end),
            )

    # ------------------------------------------------------------------
    # CRUD
    # ------------------------------------------------------------------
    def write(self, vals):
        plumbing = {"message_ids", "activity_ids", "message_follower_ids"}
        locked = vals.keys() - EDITABLE_FIELDS - plumbing
        if locked and not self.env.su:
            raise AccessError(
                self.env._(
                    "A renewal follows from the contract. Only target, forecast, "
                    "category and reason can be changed by hand."
                )
            )
        return super().write(vals)

    def _saas_account(self):
        return self.partner_id
