# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import Command, api, fields, models
from odoo.exceptions import AccessError, ValidationError

from ..exceptions import BillingError

STATES = [
    ("draft", "Draft"),
    ("computing", "Computing"),
    ("computed", "Computed"),
    ("reviewed", "Reviewed"),
    ("approved", "Approved"),
    ("posting", "Posting"),
    ("done", "Done"),
]
SCOPE_FIELDS = {
    "company_id",
    "plan_ids",
    "partner_ids",
    "date_cutoff",
    "date_invoice",
    "variance_tolerance",
    "credit_tolerance",
    "first_tolerance",
    "expect_tax",
    "send_invoices",
}
NOT_APPROVED = {
    "approved_by_id": False,
    "approved_at": False,
    "is_standing_approval": False,
    "reviewed_by_id": False,
    "reviewed_at": False,
}


class SaasBillingRun(models.Model):
    """A finance batch: scope, preview, checks, approval by another user, posting."""

    _name = "saas.billing.run"
    _description = "Billing Run"
    _inherit = [
        "mail.thread",
        "mail.activity.mixin",
        "saas.mixin",
        "saas.state.mixin",
        "saas.guard.mixin",
    ]
    _own_fields = (
        "state",
        "is_paused",
        "job_round",
        "compute_total",
        "schedule_id",
        "date_scheduled",
        "is_standing_approval",
        "refused_by_id",
        "refused_at",
        "refuse_reason",
        "preparer_ids",
        "computed_by_id",
        "computed_at",
        "reviewed_by_id",
        "reviewed_at",
        "approved_by_id",
        "approved_at",
        "line_ids",
    )
    _order = "id desc"
    _check_company_auto = True

    name = fields.Char(required=True, readonly=True, copy=False, default="/")
    state = fields.Selection(
        STATES,
        default="draft",
        required=True,
        readonly=True,
        copy=False,
        index=True,
        tracking=True,
    )
    company_id = fields.Many2one(
        "res.company",
        required=True,
        default=lambda self: self.env.company,
        index=True,
    )
    plan_ids = fields.Many2many(
        "saas.plan", string="Plans", check_company=True, help="Empty: all plans."
    )
    partner_ids = fields.Many2many(
        "res.partner",
        string="Accounts",
        domain="[('is_company', '=', True)]",
        help="Empty: all accounts.",
    )
    date_cutoff = fields.Date(
        string="Bill What Is Due Before",
        required=True,
        tracking=True,
        default=lambda self: fields.Date.start_of(
            fields.Date.add(fields.Date.context_today(self), months=1), "month"
        ),
        help="Exclusive. Charges in advance are due when their period starts before "
        "this day, charges in arrears and usage when their period ends by this day.",
    )
    date_invoice = fields.Date(
        string="Invoice Date",
        required=True,
        tracking=True,
        default=lambda self: fields.Date.context_today(self),
    )
    variance_tolerance = fields.Float(
        default=50.0,
        help="A line is held when its amount is further than this many percent from "
        "the median of the subscription's last billing runs.",
    )
    credit_tolerance = fields.Float(
        default=100.0,
        help="A line is held when its credits exceed this many percent of what was "
        "booked for the subscription before.",
    )
    first_tolerance = fields.Float(
        string="First Invoice Tolerated (%)",
        default=400.0,
        help="The first invoice of a subscription is held when it exceeds the median "
        "of what the plan's subscriptions were invoiced lately by more than this many "
        "percent.",
    )
    expect_tax = fields.Boolean(
        string="Expect Taxes",
        help="Hold lines with a product without sales tax, and customers without a "
        "country, from which the tax follows.",
    )
    send_invoices = fields.Boolean(
        help="Invoices are sent when they are posted; customers without an e-mail "
        "address or country are held for a person.",
    )
    line_ids = fields.One2many("saas.billing.run.line", "run_id", copy=False)
    preparer_ids = fields.Many2many(
        "res.users",
        "saas_billing_run_preparer_rel",
        string="Prepared By",
        readonly=True,
        copy=False,
        help="Everybody who created, computed, decided on or reviewed this run; none "
        "of them may approve it.",
    )
    computed_by_id = fields.Many2one("res.users", readonly=True, copy=False)
    computed_at = fields.Datetime(readonly=True, copy=False)
    reviewed_by_id = fields.Many2one("res.users", readonly=True, copy=False)
    reviewed_at = fields.Datetime(readonly=True, copy=False)
    approved_by_id = fields.Many2one(
        "res.users", readonly=True, copy=False, tracking=True
    )
    approved_at = fields.Datetime(readonly=True, copy=False)
    is_standing_approval = fields.Boolean(
        string="Standing Approval",
        readonly=True,
        copy=False,
        help="Approved by the rule the approver approved with the schedule: no check "
        "fired and no line failed.",
    )
    refused_by_id = fields.Many2one("res.users", readonly=True, copy=False)
    refused_at = fields.Datetime(readonly=True, copy=False)
    refuse_reason = fields.Text(readonly=True, copy=False)
    is_paused = fields.Boolean(
        string="Paused",
        readonly=True,
        copy=False,
        tracking=True,
        help="Workers stop after the invoices at hand; Resume goes on from there.",
    )
    job_round = fields.Integer(
        readonly=True,
        copy=False,
        help="Counts the hand-overs to the job queue; jobs of an earlier one do "
        "nothing any more.",
    )
    compute_total = fields.Integer(readonly=True, copy=False)
    schedule_id = fields.Many2one(
        "saas.billing.schedule",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="restrict",
    )
    date_scheduled = fields.Date(readonly=True, copy=False)
    currency_id = fields.Many2one(related="company_id.currency_id")
    amount_company = fields.Monetary(
        string="Proposed (Company Currency)", compute="_compute_progress"
    )
    line_count = fields.Integer(string="Subscriptions", compute="_compute_progress")
    held_count = fields.Integer(string="Held", compute="_compute_progress")
    excluded_count = fields.Integer(string="Excluded", compute="_compute_progress")
    total_count = fields.Integer(string="To Post", compute="_compute_progress")
    done_count = fields.Integer(string="Posted", compute="_compute_progress")
    failed_count = fields.Integer(string="Failed", compute="_compute_progress")
    pending_count = fields.Integer(string="To Compute", compute="_compute_progress")
    left_count = fields.Integer(string="Left to Post", compute="_compute_progress")
    progress = fields.Float(
        compute="_compute_progress", help="Percent computed, then percent posted."
    )
    invoice_count = fields.Integer(compute="_compute_invoice_count")
    charge_count = fields.Integer(compute="_compute_invoice_count")
    can_approve = fields.Boolean(compute="_compute_can_approve")

    # The database refuses what code paths might forget: an approval by somebody who
    # prepared the run, or a run posted without one.
    _approver_not_preparer = models.Constraint(
        "CHECK (approved_by_id IS NULL OR (approved_by_id IS DISTINCT FROM create_uid"
        " AND approved_by_id IS DISTINCT FROM computed_by_id"
        " AND approved_by_id IS DISTINCT FROM reviewed_by_id))",
        "A billing run is approved by somebody who did not prepare it.",
    )
    _approved_before_posting = models.Constraint(
        "CHECK (state NOT IN ('approved', 'posting', 'done')"
        " OR approved_by_id IS NOT NULL)",
        "A billing run needs an approval before it is posted.",
    )
    # However often the scheduled action runs, and however many of them at once.
    _schedule_date_uniq = models.UniqueIndex(
        "(schedule_id, date_scheduled) WHERE schedule_id IS NOT NULL",
        "This schedule has a run for that date already.",
    )

    @api.depends("line_ids.state", "line_ids.amount_company")
    def _compute_progress(self):
        groups = self.env["saas.billing.run.line"]._read_group(
            [("run_id", "in", self.ids)],
            ["run_id", "state"],
            ["__count", "amount_company:sum"],
        )
        figures = {}
        for run, state, count, amount in groups:
            figures.setdefault(run.id, {})[state] = (count, amount)
        for run in self:
            by_state = figures.get(run.id, {})

            def count(*states, by_state=by_state):
                return sum(by_state.get(state, (0, 0))[0] for state in states)

            run.line_count = count("ok", "held", "excluded", "posted", "failed")
            run.held_count = count("held")
            run.excluded_count = count("excluded")
            run.total_count = count("ok", "posted", "failed")
            run.done_count = count("posted")
            run.failed_count = count("failed")
            run.pending_count = count("pending")
            run.left_count = count("ok")
            run.progress = run._get_percent()
            run.amount_company = sum(
                amount
                for state, (_n, amount) in by_state.items()
                if state != "excluded"
            )

    def _get_percent(self) -> float:
        """Return how much of the present work is done, in percent."""
        if self.state == "computing":
            done, whole = self.compute_total - self.pending_count, self.compute_total
        else:
            done, whole = self.done_count, self.total_count
        return 100.0 * done / whole if whole else 0.0

    @api.depends("state")
    def _compute_invoice_count(self):
        groups = self.env["saas.charge"]._read_group(
            [("run_id", "in", self.ids)],
            ["run_id"],
            ["__count", "move_id:count_distinct"],
        )
        figures = {run.id: (count, moves) for run, count, moves in groups}
        for run in self:
            run.charge_count, run.invoice_count = figures.get(run.id, (0, 0))

    @api.depends_context("uid")
    @api.depends("state", "preparer_ids")
    def _compute_can_approve(self):
        is_approver = self.env.user.has_group(
            "saas_core.group_saas_core_billing_approver"
        )
        for run in self:
            run.can_approve = (
                is_approver
                and run.state == "reviewed"
                and self.env.user not in run._get_preparers()
            )

    @api.constrains("date_cutoff", "date_invoice")
    def _check_dates(self):
        for run in self:
            if (
                run.date_invoice
                and run.date_cutoff
                and (run.date_cutoff > fields.Date.add(run.date_invoice, years=1))
            ):
                raise ValidationError(
                    self.env._(
                        "The cut-off %(cutoff)s lies more than a year after the "
                        "invoice date %(date)s. Correct one of them.",
                        cutoff=run.date_cutoff,
                        date=run.date_invoice,
                    )
                )

    # ------------------------------------------------------------------
    # CRUD
    # ------------------------------------------------------------------
    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._saas_draw_number(vals)
        runs = super().create(vals_list)
        runs._add_preparer()
        for run in runs:
            # Now, so that no worker has to write it into the run later.
            run._saas_correlation()
        return runs

    def write(self, vals):
        in_scope = bool(self._get_scope_fields() & vals.keys())
        if in_scope and any(run.state != "draft" for run in self):
            raise BillingError(
                self.env._(
                    "The scope of a billing run is fixed once it was computed. Reset "
                    "it to draft first."
                )
            )
        result = super().write(vals)
        if in_scope and not self.env.su:
            # What is billed, and what is held, was decided by whoever set it.
            self._add_preparer()
        return result

    @api.model
    def _get_scope_fields(self) -> set[str]:
        """Hook: return the fields that are fixed once the run was computed."""
        return SCOPE_FIELDS

    def _get_own_fields_cure(self):
        return self.env._("use Compute, Review, Approve and Post.")

    @api.ondelete(at_uninstall=False)
    def _unlink_except_posted(self):
        for run in self:
            if run.state not in ("draft", "computed"):
                raise BillingError(
                    self.env._(
                        "%(run)s was reviewed already and stays as evidence. Reset it "
                        "to draft before you delete it.",
                        run=run.name,
                    )
                )

    # ------------------------------------------------------------------
    # Steps
    # ------------------------------------------------------------------
    def action_reset(self) -> bool:
        """Go back to draft and drop the preview; only before approval is used.

        :return: True
        :raise TransitionError: posting has begun
        """
        self._check_role("operator", "approver")
        for run in self:
            run._check_state({"draft", "computing", "computed", "reviewed", "approved"})
            # sudo: the preview belongs to the run, lines have no delete right
            run.sudo().line_ids.unlink()
            run._set_state(
                {"computing", "computed", "reviewed", "approved"},
                "draft",
                **NOT_APPROVED,
                is_paused=False,
                job_round=run.job_round + 1,
                compute_total=0,
            )
        return True

    # ------------------------------------------------------------------
    # Guards
    # ------------------------------------------------------------------
    def _check_role(self, *roles):
        """Refuse users without one of the billing roles.

        :param str roles: ``operator`` and/or ``approver``
        :raise AccessError: none of them held
        """
        self.check_access("write")
        groups = [f"saas_core.group_saas_core_billing_{role}" for role in roles]
        if not any(self.env.user.has_group(group) for group in groups):
            raise AccessError(
                self.env._(
                    "This step needs the role Billing %(role)s. Ask a SaaS "
                    "administrator.",
                    role=" / ".join(roles),
                )
            )

    def _get_preparers(self):
        """Return everybody who took part in preparing the run."""
        self.ensure_one()
        return (
            self.preparer_ids
            | self.create_uid
            | self.computed_by_id
            | self.reviewed_by_id
        )

    def _add_preparer(self):
        # sudo: the list of preparers is protected from its own writers
        self.sudo().write({"preparer_ids": [Command.link(self.env.uid)]})

    def _set_state(self, allowed: set, target: str, **stamp) -> bool:
        """Move the run to another state; the only place that does.

        :param set allowed: states the step may start from
        :param str target: state to reach
        :param stamp: who and when, written with the state
        :return: False when it is there already and nothing is stamped
        :raise TransitionError: the present state is not in ``allowed``
        """
        self.ensure_one()
        if self.state == target and not stamp:
            return False
        if self.state != target or target not in allowed:
            self._check_state(allowed)
        if target in ("computing", "reviewed"):
            self._add_preparer()
        # sudo: the funnel is the one writer of these fields, roles were checked
        self.sudo().write({"state": target, **stamp})
        return True
