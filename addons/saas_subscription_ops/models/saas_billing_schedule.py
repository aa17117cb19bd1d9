# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo import Command, api, fields, models
from odoo.exceptions import AccessError, ValidationError

from ..engine.period import Recurrence, next_grid_date
from ..exceptions import BillingError

UNITS = [("day", "Days"), ("week", "Weeks"), ("month", "Months")]
# What people write around a schedule without changing it.
NO_TERMS = ("message_", "activity_", "website_message_", "saas_correlation_id")


class SaasBillingSchedule(models.Model):
    """Runs that prepare themselves, and a standing approval for the plain ones.

    The run of a date is prepared by the system. It is approved by the person who
    approved this schedule, and only when no check fires and no line failed; anything
    else waits for people. Whoever wrote the schedule never approves it, and every
    change takes the approval back.
    """

    _name = "saas.billing.schedule"
    _description = "Billing Schedule"
    _inherit = [
        "mail.thread",
        "mail.activity.mixin",
        "saas.mixin",
        "saas.guard.mixin",
    ]
    _own_fields = (
        "author_ids",
        "changed_by_id",
        "approved_by_id",
        "approved_at",
        "date_done",
        "run_ids",
    )
    _order = "date_next, id"
    _check_company_auto = True

    name = fields.Char(required=True, tracking=True)
    active = fields.Boolean(default=True, tracking=True)
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
    interval_count = fields.Integer(
        string="Every", default=1, required=True, tracking=True
    )
    interval_unit = fields.Selection(
        UNITS, default="month", required=True, tracking=True
    )
    date_start = fields.Date(
        string="First Run",
        required=True,
        tracking=True,
        default=lambda self: fields.Date.start_of(
            fields.Date.add(fields.Date.context_today(self), months=1), "month"
        ),
        help="Later runs are counted from this day; the 31st stays the 31st where a "
        "month has one.",
    )
    date_done = fields.Date(
        string="Last Run",
        readonly=True,
        copy=False,
        help="Date up to which runs were prepared.",
    )
    date_next = fields.Date(
        string="Next Run", compute="_compute_date_next", store=True, index=True
    )
    cutoff_offset = fields.Integer(
        string="Cut-off after (days)",
        default=0,
        tracking=True,
        help="The run bills what is due before its own day, moved by so many days.",
    )
    invoice_offset = fields.Integer(
        string="Invoice date after (days)",
        default=0,
        tracking=True,
        help="The invoice date is the day of the run, moved by so many days. A run "
        "that comes late is dated the day it is made, unless this is negative.",
    )
    variance_tolerance = fields.Float(
        string="Deviation Tolerated (%)", default=50.0, tracking=True
    )
    credit_tolerance = fields.Float(
        string="Credits Tolerated (%)", default=100.0, tracking=True
    )
    first_tolerance = fields.Float(
        string="First Invoice Tolerated (%)", default=400.0, tracking=True
    )
    expect_tax = fields.Boolean(string="Expect Taxes", tracking=True)
    send_invoices = fields.Boolean(tracking=True)
    auto_approve = fields.Boolean(
        string="Standing Approval",
        tracking=True,
        help="Post a run without anybody when no check fires and no line failed. "
        "Works only while the schedule is approved.",
    )
    operator_id = fields.Many2one(
        "res.users",
        required=True,
        default=lambda self: self.env.user,
        tracking=True,
        help="Gets the to-do when a run has to be looked at.",
    )
    author_ids = fields.Many2many(
        "res.users",
        "saas_billing_schedule_author_rel",
        string="Written By",
        readonly=True,
        copy=False,
        help="Everybody who created or changed this schedule; none of them may "
        "approve it.",
    )
    changed_by_id = fields.Many2one("res.users", readonly=True, copy=False)
    approved_by_id = fields.Many2one(
        "res.users", readonly=True, copy=False, tracking=True
    )
    approved_at = fields.Datetime(readonly=True, copy=False)
    can_approve = fields.Boolean(compute="_compute_can_approve")
    run_ids = fields.One2many("saas.billing.run", "schedule_id", copy=False)
    run_count = fields.Integer(compute="_compute_run_count")

    _interval_positive = models.Constraint(
        "CHECK (interval_count > 0)",
        "A schedule repeats after at least one unit: set 'Every' to 1 or more.",
    )
    _approver_not_author = models.Constraint(
        "CHECK (approved_by_id IS NULL OR (approved_by_id IS DISTINCT FROM create_uid"
        " AND approved_by_id IS DISTINCT FROM changed_by_id))",
        "A billing schedule is approved by somebody who did not write it.",
    )

    # ------------------------------------------------------------------
    # Computes and checks
    # ------------------------------------------------------------------
    @api.depends("date_start", "date_done", "interval_count", "interval_unit")
    def _compute_date_next(self):
        for schedule in self:
            schedule.date_next = schedule._get_next_date(schedule.date_done)

    @api.depends("run_ids")
    def _compute_run_count(self):
        counts = dict(
            self.env["saas.billing.run"]._read_group(
                [("schedule_id", "in", self.ids)], ["schedule_id"], ["__count"]
            )
        )
        for schedule in self:
            schedule.run_count = counts.get(schedule, 0)

    @api.depends_context("uid")
    @api.depends("approved_by_id", "author_ids")
    def _compute_can_approve(self):
        is_approver = self.env.user.has_group(
            "saas_core.group_saas_core_billing_approver"
        )
        for schedule in self:
            schedule.can_approve = (
                is_approver
                and not schedule.approved_by_id
                and self.env.user not in schedule.author_ids | schedule.create_uid
            )

    @api.constrains("cutoff_offset", "invoice_offset")
    def _check_offsets(self):
        for schedule in self:
            if max(abs(schedule.cutoff_offset), abs(schedule.invoice_offset)) > 366:
                raise ValidationError(
                    self.env._("Cut-off and invoice date lie within a year of the run.")
                )

    @api.constrains("operator_id", "company_id")
    def _check_operator(self):
        for schedule in self:
            if not schedule.operator_id.has_group(
                "saas_core.group_saas_core_billing_operator"
            ):
                raise ValidationError(
                    self.env._(
                        "%(user)s is no Billing Operator and could not act on a run. "
                        "Choose somebody with that role.",
                        user=schedule.operator_id.name,
                    )
                )

    def _get_next_date(self, done: date | None) -> date | None:
        """Return the first date of the schedule after a day.

        :param date done: last date with a run; None: there was none
        """
        self.ensure_one()
        if not self.date_start or self.interval_count < 1:
            return False
        if not done or done < self.date_start:
            return self.date_start
        recurrence = Recurrence(self.interval_unit, self.interval_count)
        return next_grid_date(self.date_start, done, recurrence)

    # ------------------------------------------------------------------
    # CRUD
    # ------------------------------------------------------------------
    @api.model_create_multi
    def create(self, vals_list):
        schedules = super().create(vals_list)
        # sudo: the authors are protected from themselves
        schedules.sudo()._note_change()
        return schedules

    def write(self, vals):
        changed = {name for name in vals if not name.startswith(NO_TERMS)}
        if self.env.su or not changed:
            return super().write(vals)
        # First: the database refuses an approval by who changes now.
        # sudo: authors and approval are protected from the authors
        self.sudo()._note_change()
        return super().write(vals)

    def _get_own_fields_cure(self):
        return self.env._("use Approve.")

    def _note_change(self):
        """Remember who wrote the schedule, and take its approval back."""
        for schedule in self:
            if schedule.approved_by_id:
                schedule.message_post(
                    body=self.env._(
                        "The approval by %(user)s ended: the schedule was changed.",
                        user=schedule.approved_by_id.name,
                    )
                )
            schedule.write(
                {
                    "author_ids": [Command.link(self.env.uid)],
                    "changed_by_id": self.env.uid,
                    "approved_by_id": False,
                    "approved_at": False,
                }
            )

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        for schedule in self:
            # sudo: runs of the past count, whoever may read them
            if schedule.sudo().run_ids:
                raise BillingError(
                    self.env._(
                        "%(schedule)s has prepared runs and stays as evidence. "
                        "Archive it instead.",
                        schedule=schedule.name,
                    )
                )

    # ------------------------------------------------------------------
    # Steps
    # ------------------------------------------------------------------
    def action_approve(self) -> bool:
        """Approve the schedule, and with it the plain runs it will prepare.

        :return: True
        :raise AccessError: no approver, or one who wrote it
        """
        self.check_access("read")
        self._check_approver_role()
        for schedule in self:
            if self.env.user in schedule.author_ids | schedule.create_uid:
                raise AccessError(
                    self.env._(
                        "You wrote or changed %(schedule)s, so somebody else must "
                        "approve it.",
                        schedule=schedule.name,
                    )
                )
            if schedule.approved_by_id:
                continue
            # sudo: approvers approve schedules, they don't write them
            schedule.sudo().write(
                {
                    "approved_by_id": self.env.uid,
                    "approved_at": fields.Datetime.now(),
                }
            )
            schedule._saas_emit("approval.granted", {"schedule": schedule.name})
        return True

    def action_withdraw(self) -> bool:
        """Take the approval back; runs wait for people again.

        :return: True
        :raise AccessError: no approver
        """
        self.check_access("read")
        self._check_approver_role()
        for schedule in self.filtered("approved_by_id"):
            # sudo: approvers approve schedules, they don't write them
            schedule.sudo().write({"approved_by_id": False, "approved_at": False})
            schedule._saas_emit("approval.refused", {"schedule": schedule.name})
        return True

    def action_view_runs(self) -> dict:
        """Open the runs of the schedule.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_subscription_ops.saas_billing_run_action"
        )
        action["domain"] = [("schedule_id", "=", self.id)]
        action["context"] = {"create": False}
        return action

    def _check_approver_role(self):
        if not self.env.user.has_group("saas_core.group_saas_core_billing_approver"):
            raise AccessError(
                self.env._(
                    "This step needs the role Billing Approver. Ask a SaaS "
                    "administrator."
                )
            )
