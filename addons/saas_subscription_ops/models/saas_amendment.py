# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import AccessError

from ..exceptions import AmendmentError, TransitionError

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
PROTECTED_FIELDS = {
    "state",
    "requested_by_id",
    "approved_by_id",
    "approved_at",
    "confirmed_at",
    "applied_on",
    "mrr_before",
    "mrr_after",
}


class SaasAmendment(models.Model):
    """One dated change of a subscription: agreed, previewed, confirmed, undoable.

    Confirmed amendments are part of the terms from then on, also for bills in advance;
    on the effective day the amendment is applied: the state changes and the event is
    written.
    """

    _name = "saas.amendment"
    _description = "Amendment"
    _inherit = ["mail.thread", "mail.activity.mixin", "saas.mixin"]
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
        "res.users", string="Approved By", readonly=True, copy=False, tracking=True
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
        "(order_id) WHERE order_id IS NOT NULL AND kind != 'ramp'",
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
            self._check_protected(vals)
            if vals.get("name", "/") == "/":
                # sudo: drawing a number needs no right on sequences
                vals["name"] = (
                    self.env["ir.sequence"].sudo().next_by_code("saas.amendment")
                )
        return super().create(vals_list)

    def write(self, vals):
        self._check_protected(vals)
        if not self.env.su and vals.keys() - {"reason", "message_ids", "activity_ids"}:
            self._check_editable()
        return super().write(vals)

    def _check_protected(self, vals):
        if not self.env.su and PROTECTED_FIELDS & {
            name for name, value in vals.items() if value not in (False, "draft")
        }:
            raise AccessError(
                self.env._(
                    "State and approval of an amendment can't be set by hand: use "
                    "Confirm, Approve, Refuse and Undo."
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
    # Steps
    # ------------------------------------------------------------------
    def action_confirm(self) -> bool:
        """Make the change part of the terms, or ask for the approval it needs.

        :return: True
        :raise AmendmentError: it can't be made
        """
        self.check_access("write")
        for amendment in self:
            if amendment.state in ("scheduled", "applied"):
                continue
            amendment._check_state({"draft"})
            amendment._check_possible()
            reasons = amendment._get_approval_reasons()
            if reasons:
                amendment._ask_approval(reasons)
            else:
                amendment._do_confirm(requested_by_id=self.env.uid)
        return True

    def action_approve(self) -> bool:
        """Approve a change somebody else asked for.

        :return: True
        :raise AccessError: no subscription manager, or who asked for it
        """
        for amendment in self:
            amendment._check_state({"to_approve"})
            amendment._check_approver()
            amendment._check_possible()
            amendment._do_confirm(
                approved_by_id=self.env.uid, approved_at=fields.Datetime.now()
            )
            amendment._saas_emit("approval.granted", {"number": amendment.name})
        return True

    def action_refuse(self) -> bool:
        """Refuse a request or a change that waits for approval.

        :return: True
        """
        self.check_access("write")
        for amendment in self:
            amendment._set_state({"draft", "to_approve"}, "refused")
            amendment._saas_emit(
                "approval.refused",
                {"number": amendment.name, "reason": amendment.reason or ""},
            )
            amendment._close_activities()
        return True

    def action_undo(self) -> bool:
        """Take a scheduled change back, as long as it has not taken effect.

        :return: True
        :raise TransitionError: it was applied already
        :raise AmendmentError: a later change builds on it
        """
        self.check_access("write")
        for amendment in self:
            subscription = amendment.subscription_id
            subscription._saas_lock()
            amendment._check_not_built_on()
            before = amendment.state
            if amendment._set_state({"scheduled", "to_approve"}, "undone"):
                if before == "scheduled":
                    subscription._sync_terms()
                amendment._saas_emit("amendment.undone", amendment._get_payload())
                amendment._close_activities()
        return True

    def _check_not_built_on(self):
        """Refuse to undo what adds a product that a later change is about.

        :raise AmendmentError: names the later change
        """
        self.ensure_one()
        later = (
            self.env["saas.amendment.line"]
            # sudo: the terms are the same whoever asks for them
            .sudo()
            .search(
                [
                    ("line_id.amendment_id", "=", self.id),
                    ("line_id", "!=", False),
                    ("amendment_id", "!=", self.id),
                    ("amendment_id.state", "in", ("scheduled", "applied")),
                ],
                limit=1,
            )
        )
        if later:
            raise AmendmentError(
                self.env._(
                    "%(later)s changes what %(name)s adds: undo that first.",
                    later=later.amendment_id.name,
                    name=self.name,
                )
            )

    def action_view_subscription(self) -> dict:
        """Open the subscription.

        :return: window action
        """
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "saas.subscription",
            "res_id": self.subscription_id.id,
            "view_mode": "form",
        }

    # ------------------------------------------------------------------
    # Confirming and taking effect
    # ------------------------------------------------------------------
    def _do_confirm(self, **stamp):
        self.ensure_one()
        # sudo: the steps are the one writer of these fields, access was checked
        amendment = self.sudo()
        subscription = amendment.subscription_id
        subscription._saas_lock()
        before = subscription._get_mrr_on(amendment.date_effective)
        amendment._add_uplift()
        amendment._create_new_lines()
        stamp.setdefault("confirmed_at", fields.Datetime.now())
        amendment._set_state({"draft", "to_approve"}, "scheduled", **stamp)
        if amendment.kind == "trial":
            subscription._set_trial_end(amendment.date_effective)
        subscription._sync_terms()
        amendment.write(
            {
                "mrr_before": before,
                "mrr_after": subscription._get_mrr_on(amendment.date_effective),
            }
        )
        amendment._saas_emit("amendment.scheduled", amendment._get_payload())
        amendment._close_activities()
        today = fields.Date.context_today(amendment)
        if amendment.date_effective <= today or amendment.kind == "trial":
            amendment._take_effect(max(today, amendment.date_effective))
            subscription._do_advance_to(today)

    def _add_uplift(self):
        """Turn the uplift of a renewal into new prices of its recurring lines."""
        if self.kind != "renewal" or not self.uplift or self.line_ids:
            return
        factor = 1 + self.uplift / 100
        day = fields.Date.subtract(self.date_effective, days=1)
        digits = self.env["decimal.precision"].precision_get("Product Price")
        for line in self.subscription_id.line_ids.filtered(
            lambda line: line.kind == "recurring" and line._is_in_force(day)
        ):
            self.line_ids.create(
                {
                    "amendment_id": self.id,
                    "action": "set",
                    "line_id": line.id,
                    "quantity": line.quantity,
                    "has_quantity": False,
                    "has_discount": False,
                    "price_unit": round(line.price_unit * factor, digits),
                    "discount": line.discount,
                }
            )

    def _create_new_lines(self):
        """Make the first line of every new product."""
        for line in self.line_ids.filtered(
            lambda line: line.action == "start" and not line.line_id
        ):
            line.line_id = self.env["saas.subscription.line"].create(
                line._prepare_line_vals()
            )

    def _take_effect(self, day):
        """Apply a scheduled amendment whose day has come: state and event, once.

        :param date day: the day it is applied
        """
        self.ensure_one()
        if self.state != "scheduled":
            return
        # sudo: the daily job and the portal apply what was confirmed
        amendment = self.sudo()
        amendment._set_state({"scheduled"}, "applied", applied_on=day)
        amendment._apply_plan()
        subscription = amendment.subscription_id
        name = amendment._get_event_name()
        if name:
            subscription._saas_emit(name, amendment._get_payload())
        if amendment.kind == "pause" and amendment._is_over(day):
            # Made known after it was over: the state never shows it.
            subscription._saas_emit("subscription.paused", amendment._get_payload())
            subscription._saas_emit("subscription.resumed", amendment._get_payload())
        subscription._message_log(
            body=self.env._(
                "%(amendment)s took effect on %(day)s. %(reason)s",
                amendment=amendment.display_name,
                day=amendment.date_effective,
                reason=amendment.reason or "",
            )
        )

    def _is_over(self, day) -> bool:
        """Return whether a pause has ended on a day already."""
        return bool(self.date_resume and self.date_resume <= day)

    def _apply_plan(self):
        """Follow an upgrade to a product of another plan."""
        plans = self.line_ids.filtered(
            lambda line: line.action in ("set", "start")
        ).product_id.saas_plan_id
        if len(plans) == 1 and plans != self.subscription_id.plan_id:
            self.subscription_id._change_plan(plans)

    def _get_event_name(self) -> str | None:
        if self.kind in CHANGE_KINDS:
            change = self.currency_id.compare_amounts(self.mrr_after, self.mrr_before)
            return {
                1: "subscription.upgraded",
                -1: "subscription.downgraded",
                0: "subscription.amended",
            }[change]
        # The state itself tells about pauses, trials and ends, when it changes.
        return "subscription.renewed" if self.kind == "renewal" else None

    def _get_payload(self) -> dict:
        """Return what the events of the amendment say."""
        self.ensure_one()
        return {
            "amendment": self.name,
            "kind": self.kind,
            "effective": str(self.date_effective),
            "mrr_before": str(self.mrr_before),
            "mrr_after": str(self.mrr_after),
            "currency": self.currency_id.name,
            "source": self.source,
            "reason": self.reason_id.name or self.reason or "",
            "term_end": str(self.subscription_id.term_end or ""),
        }

    # ------------------------------------------------------------------
    # Approval
    # ------------------------------------------------------------------
    def _get_approval_reasons(self) -> list[str]:
        """Return why somebody else has to approve; nobody has to when empty.

        Extend it to add a rule: call ``super()`` and append a sentence.
        """
        self.ensure_one()
        reasons = []
        if self.waive_minimum_term:
            reasons.append(self.env._("The minimum term is waived."))
        limit = self.plan_id.approval_credit_limit
        if limit:
            credit = -self._get_ledger_effect()["credit"]
            company = self.company_id
            amount = self.currency_id._convert(
                float(credit), company.currency_id, company, self.date_requested
            )
            if amount > limit:
                reasons.append(
                    self.env._(
                        "It credits %(amount)s, more than %(limit)s.",
                        amount=company.currency_id.format(amount),
                        limit=company.currency_id.format(limit),
                    )
                )
        return reasons

    def _ask_approval(self, reasons: list[str]):
        # sudo: the step is the one writer of these fields
        self.sudo()._set_state(
            {"draft"},
            "to_approve",
            requested_by_id=self.env.uid,
            approval_reasons="\n".join(reasons),
        )
        self._saas_emit("approval.requested", {"number": self.name, "reasons": reasons})
        self._plan_activity(
            self.env._("Approve %(name)s", name=self.display_name), reasons
        )

    def _plan_activity(self, summary: str, notes: list[str]):
        """Give the account's owner a to-do about the amendment."""
        todo = self.env.ref("mail.mail_activity_data_todo", raise_if_not_found=False)
        user = self._get_responsible()
        if todo and user:
            self.sudo().activity_schedule(
                activity_type_id=todo.id,
                summary=summary,
                note="\n".join(notes),
                user_id=user.id,
            )

    def _get_responsible(self):
        """Return who looks after requests: salesperson, success manager or a manager."""
        # sudo: a customer who asks has no rights on users
        amendment = self.sudo()
        user = amendment.user_id or amendment.partner_id.saas_csm_id
        if user or self.env.user._is_internal():
            return user or self.env.user
        group = self.env.ref("saas_core.group_saas_core_subscription_manager").sudo()
        return group.all_user_ids.filtered(
            lambda user: amendment.company_id in user.company_ids
        )[:1]

    def _close_activities(self):
        # sudo: the to-do is done, whoever it was given to
        self.sudo().activity_ids.action_done()

    def _check_approver(self):
        self.check_access("write")
        group = "saas_core.group_saas_core_subscription_manager"
        if not self.env.user.has_group(group):
            raise AccessError(
                self.env._(
                    "Approving an amendment needs the role Subscription Manager."
                )
            )
        if self.env.user == self.requested_by_id:
            raise AccessError(
                self.env._(
                    "You asked for %(name)s, so somebody else must approve it.",
                    name=self.name,
                )
            )

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

    def _check_state(self, allowed: set):
        self.ensure_one()
        if self.state not in allowed:
            labels = dict(self._fields["state"]._description_selection(self.env))
            raise TransitionError(
                self.env._(
                    "%(name)s is %(state)s; this step needs one that is %(allowed)s.",
                    name=self.name,
                    state=labels[self.state],
                    allowed=", ".join(
                        label for key, label in labels.items() if key in allowed
                    ),
                )
            )

    def _by_date(self):
        """Return the amendments by effective date, those of a day as they came."""
        return self.sorted(lambda a: (a.date_effective, a._get_sequence()))

    def _get_sequence(self) -> int:
        # What is not saved yet comes last on its day.
        return self._origin.id or 2**62

    def _saas_account(self):
        return self.partner_id
