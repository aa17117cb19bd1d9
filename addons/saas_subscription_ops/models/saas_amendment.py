# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models

from ..exceptions import AmendmentError

KINDS = [
    ("upgrade", "Upgrade"),
    ("downgrade", "Downgrade"),
    ("quantity", "Change of Quantity"),
    ("add", "Add Products"),
    ("remove", "Remove Products"),
    ("ramp", "Ramp Step"),
    ("pause", "Pause"),
    ("resume", "Resume"),
    ("cancel", "Cancellation"),
    ("renewal", "Renewal"),
    ("trial", "Change of Trial"),
]
STATES = [
    ("draft", "Draft"),
    ("to_approve", "To Approve"),
    ("scheduled", "Scheduled"),
    ("applied", "Applied"),
    ("undone", "Undone"),
    ("refused", "Refused"),
]
LINE_KINDS = ("upgrade", "downgrade", "quantity", "add", "remove", "ramp", "renewal")
CHANGE_KINDS = ("upgrade", "downgrade", "quantity", "add", "remove", "ramp")


class SaasAmendment(models.Model):
    """One dated change of a subscription: agreed, previewed, confirmed, undoable.

    Confirmed amendments are part of the terms from then on, also for bills in advance;
    on the effective day the amendment is applied: the state changes and the event is
    written.
    """

    _name = "saas.amendment"
    _description = "Amendment"
    _inherit = [
        "mail.thread",
        "mail.activity.mixin",
        "saas.mixin",
        "saas.state.mixin",
        "saas.guard.mixin",
    ]
    _own_fields = (
        "source",
        "order_id",
        "is_early",
        "state",
        "requested_by_id",
        "approved_by_id",
        "approved_at",
        "confirmed_at",
        "applied_on",
        "mrr_before",
        "mrr_after",
    )
    _order = "date_effective desc, id desc"
    _check_company_auto = True

    name = fields.Char(
        string="Number", required=True, readonly=True, copy=False, default="/"
    )
    subscription_id = fields.Many2one(
        "saas.subscription", required=True, index=True, ondelete="restrict"
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
    user_id = fields.Many2one(related="subscription_id.user_id", store=True)
    currency_id = fields.Many2one(related="subscription_id.currency_id")
    kind = fields.Selection(KINDS, required=True, default="quantity", index=True)
    state = fields.Selection(
        STATES,
        default="draft",
        required=True,
        readonly=True,
        copy=False,
        index=True,
        tracking=True,
    )
    effective = fields.Selection(
        [
            ("now", "Now"),
            ("next_period", "With the next billing period"),
            ("term_end", "At the end of the term"),
            ("date", "On a date"),
        ],
        compute="_compute_effective",
        store=True,
        readonly=False,
        precompute=True,
        required=True,
    )
    date_requested = fields.Date(
        required=True,
        default=lambda self: fields.Date.context_today(self),
        copy=False,
        help="Day on which the change was asked for.",
    )
    date_effective = fields.Date(
        string="Effective On",
        compute="_compute_date_effective",
        store=True,
        readonly=False,
        precompute=True,
        index=True,
        tracking=True,
        help="First day on which the change counts. It may lie in the past: the next "
        "billing run then corrects the periods that were billed.",
    )
    line_ids = fields.One2many("saas.amendment.line", "amendment_id", copy=True)
    reason = fields.Text(tracking=True)
    reason_id = fields.Many2one(
        "saas.cancel.reason",
        string="Cancellation Reason",
        ondelete="restrict",
        index="btree_not_null",
    )
    source = fields.Selection(
        [
            ("staff", "Staff"),
            ("portal", "Customer Portal"),
            ("quote", "Signed Quotation"),
            ("schedule", "Automatic"),
        ],
        default="staff",
        required=True,
        readonly=True,
    )
    order_id = fields.Many2one(
        "sale.order",
        string="Quotation",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
    )
    pause_mode = fields.Selection(
        [
            ("credit", "Credit the paused days"),
            ("extend", "Extend the period and the term"),
        ],
        compute="_compute_defaults",
        store=True,
        readonly=False,
        precompute=True,
    )
    date_resume = fields.Date(
        string="Resumes On", help="First day served again. Empty: until resumed."
    )
    credit = fields.Boolean(
        string="Credit Unused Time",
        compute="_compute_defaults",
        store=True,
        readonly=False,
        precompute=True,
        help="Give back what was charged in advance for days that are not served.",
    )
    waive_minimum_term = fields.Boolean(
        help="Let the cancellation take effect before the minimum term is over. "
        "Somebody else has to approve it."
    )
    term_months = fields.Integer(
        string="New Term (months)",
        compute="_compute_defaults",
        store=True,
        readonly=False,
        precompute=True,
    )
    uplift = fields.Float(
        string="Uplift (%)", help="Raises the price of every recurring line."
    )
    approval_reasons = fields.Text(
        readonly=True, copy=False, help="Why somebody else has to approve."
    )
    requested_by_id = fields.Many2one(
        "res.users", string="Confirmed By", readonly=True, copy=False
    )
    approved_by_id = fields.Many2one(
        "res.users", readonly=True, copy=False, tracking=True
    )
    approved_at = fields.Datetime(readonly=True, copy=False)
    confirmed_at = fields.Datetime(
        readonly=True, copy=False, help="When it became part of the terms."
    )
    applied_on = fields.Date(readonly=True, copy=False)
    mrr_before = fields.Monetary(string="MRR Before", readonly=True, copy=False)
    mrr_after = fields.Monetary(string="MRR After", readonly=True, copy=False)
    mrr_delta = fields.Monetary(
        string="MRR Change", compute="_compute_mrr_delta", store=True
    )

    _name_company_uniq = models.Constraint(
        "UNIQUE (name, company_id)", "Amendment numbers are unique per company."
    )
    _order_uniq = models.UniqueIndex(
        "(order_id) WHERE order_id IS NOT NULL AND kind != 'ramp'"
        " AND state NOT IN ('refused', 'undone')",
        "This quotation has its amendment already.",
    )
    _approver_not_requester = models.Constraint(
        "CHECK (approved_by_id IS NULL"
        " OR approved_by_id IS DISTINCT FROM requested_by_id)",
        "An amendment is approved by somebody who did not ask for it.",
    )
    _resume_after_pause = models.Constraint(
        "CHECK (date_resume IS NULL OR kind != 'pause'"
        " OR date_resume > date_effective)",
        "A pause ends after it began: choose a later day to resume.",
    )
    _term_not_negative = models.Constraint(
        "CHECK (term_months >= 0)", "A term can't be negative."
    )
    _uplift_range = models.Constraint(
        "CHECK (uplift IS NULL OR uplift >= -100)",
        "Uplift (%): a price can't fall by more than 100 percent. Enter -100 or more.",
    )
    _state_date_idx = models.Index("(state, date_effective)")

    # ------------------------------------------------------------------
    # Computes
    # ------------------------------------------------------------------
    @api.depends("kind")
    def _compute_effective(self):
        for amendment in self:
            amendment.effective = amendment.effective or (
                "term_end" if amendment.kind in ("renewal", "cancel") else "now"
            )

    @api.depends("effective", "date_requested", "subscription_id", "kind")
    def _compute_date_effective(self):
        for amendment in self:
            day = amendment.date_requested
            subscription = amendment.subscription_id
            if amendment.effective == "now":
                amendment.date_effective = day
            elif amendment.effective == "next_period" and subscription and day:
                amendment.date_effective = subscription._get_next_boundary(day)
            elif amendment.effective == "term_end" and subscription and day:
                amendment.date_effective = subscription._get_term_end_for(
                    amendment.kind, day
                )

    @api.depends("kind", "subscription_id")
    def _compute_defaults(self):
        for amendment in self:
            plan = amendment.subscription_id.plan_id
            if amendment.kind == "pause":
                amendment.pause_mode = amendment.pause_mode or plan.pause_mode
            if amendment.kind in ("cancel", "remove"):
                amendment.credit = plan.cancel_credit
            if amendment.kind == "renewal":
                amendment.term_months = amendment.term_months or plan.term_months

    @api.depends("mrr_before", "mrr_after")
    def _compute_mrr_delta(self):
        for amendment in self:
            amendment.mrr_delta = amendment.mrr_after - amendment.mrr_before

    @api.depends("name", "kind", "date_effective")
    def _compute_display_name(self):
        kinds = dict(self._fields["kind"]._description_selection(self.env))
        for amendment in self:
            kind = kinds.get(amendment.kind, "")
            amendment.display_name = f"{amendment.name} {kind}"

    # ------------------------------------------------------------------
    # CRUD
    # ------------------------------------------------------------------
    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._check_uplift(vals.get("uplift"))
            self._saas_draw_number(vals)
        return super().create(vals_list)

    def write(self, vals):
        self._check_uplift(vals.get("uplift"))
        if not self.env.su and vals.keys() - {"reason", "message_ids", "activity_ids"}:
            self._check_editable()
        return super().write(vals)

    def _get_own_fields_cure(self):
        return self.env._("use Confirm, Approve, Refuse and Undo.")

    def _check_uplift(self, uplift: float | None):
        """Refuse a reduction that makes prices negative.

        :param float uplift: percent
        :raise AmendmentError: below minus 100
        """
        if (uplift or 0.0) < -100:
            raise AmendmentError(
                self.env._(
                    "Uplift (%%): a price can't fall by more than 100 percent. Enter "
                    "-100 or more instead of %(uplift)s.",
                    uplift=f"{uplift:g}",
                )
            )

    def _check_editable(self):
        """Refuse to edit what was confirmed.

        :raise AmendmentError: not a draft
        """
        for amendment in self:
            if amendment.state != "draft":
                raise AmendmentError(
                    self.env._(
                        "%(name)s was confirmed already. Undo it and make another "
                        "one, or amend the subscription again.",
                        name=amendment.name,
                    )
                )

    @api.ondelete(at_uninstall=False)
    def _unlink_except_confirmed(self):
        self._check_editable()

    # ------------------------------------------------------------------
    # Tools
    # ------------------------------------------------------------------
    def _set_state(self, allowed: set, target: str, **stamp) -> bool:
        """Move the amendment to another state; the only place that does.

        :param set allowed: states the step may start from
        :param str target: state to reach
        :param stamp: who and when, written with the state
        :return: False when it is there already
        :raise TransitionError: the present state is not in ``allowed``
        """
        self.ensure_one()
        if self.state == target:
            return False
        self._check_state(allowed)
        # sudo: the funnel is the one writer of the state, access was checked above it
        self.sudo().write({"state": target, **stamp})
        return True

    def _by_date(self):
        """Return the amendments by effective date, those of a day as they came."""
        return self.sorted(lambda a: (a.date_effective, a._get_sequence()))

    def _get_sequence(self) -> int:
        # What is not saved yet comes last on its day.
        return self._origin.id or 2**62

    def _saas_account(self):
        return self.partner_id
