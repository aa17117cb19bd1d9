# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).


from odoo import api, fields, models
from odoo.exceptions import AccessError

QUEUES = [
    ("finance", "Finance"),
    ("sales_ops", "Sales Operations"),
    ("customer_success", "Customer Success"),
    ("integration", "Integration"),
]
SEVERITIES = [
    ("low", "Low"),
    ("medium", "Medium"),
    ("high", "High"),
    ("critical", "Critical"),
]
STATES = [
    ("open", "Open"),
    ("retrying", "Retrying"),
    ("resolved", "Resolved"),
    ("ignored", "Ignored"),
]
OPEN_STATES = ("open", "retrying")
ACTIVITY_TYPE = "saas_core.mail_activity_type_saas_exception"


class SaasException(models.Model):
    """Something a person must look at."""

    _name = "saas.exception"
    _description = "Exception"
    _inherit = [
        "mail.thread",
        "mail.activity.mixin",
        "saas.mixin",
        "saas.default.guard",
    ]
    _order = "severity_rank desc, due_at, id desc"

    name = fields.Char(string="Message", required=True, readonly=True)
    code = fields.Char(required=True, readonly=True, index=True)
    queue = fields.Selection(
        QUEUES, required=True, default="integration", tracking=True, index=True
    )
    severity = fields.Selection(
        SEVERITIES, required=True, default="medium", tracking=True
    )
    severity_rank = fields.Integer(
        compute="_compute_severity_rank", store=True, precompute=True, aggregator=None
    )
    state = fields.Selection(
        STATES,
        required=True,
        readonly=True,
        default="open",
        tracking=True,
        index=True,
        group_expand=True,
    )
    owner_id = fields.Many2one(
        "res.users",
        index="btree_not_null",
        tracking=True,
        ondelete="set null",
        domain="[('share', '=', False), ('company_ids', 'in', company_id)]",
    )
    account_id = fields.Many2one(
        "res.partner",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
    )
    res_model = fields.Char(string="Model", readonly=True)
    res_id = fields.Many2oneReference(
        string="Record ID", model_field="res_model", readonly=True
    )
    res_name = fields.Char(string="Record", compute="_compute_res_name")
    dedup_key = fields.Char(string="Key", readonly=True)
    retry_method = fields.Char(readonly=True)
    retry_count = fields.Integer(string="Retries", readonly=True)
    last_error = fields.Text(readonly=True)
    close_reason = fields.Text(readonly=True)
    occurrences = fields.Integer(default=1, readonly=True, required=True)
    first_seen_at = fields.Datetime(
        string="First Seen", readonly=True, default=fields.Datetime.now
    )
    last_seen_at = fields.Datetime(
        string="Last Seen", readonly=True, default=fields.Datetime.now
    )
    closed_at = fields.Datetime(string="Closed", readonly=True)
    due_at = fields.Datetime(string="Due", tracking=True)
    reminder_at = fields.Datetime(string="Next Reminder")
    is_overdue = fields.Boolean(compute="_compute_is_overdue")
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True, ondelete="restrict"
    )

    _open_unique = models.UniqueIndex(
        "(company_id, code, COALESCE(res_model, ''), COALESCE(res_id, 0),"
        " COALESCE(dedup_key, '')) WHERE state IN ('open', 'retrying')",
        "There is an open exception with this code for this record already.",
    )
    _record_idx = models.Index("(res_model, res_id)")
    _reminder_idx = models.Index(
        "(reminder_at) WHERE state IN ('open', 'retrying') AND reminder_at IS NOT NULL"
    )

    # ------------------------------------------------------------------
    # Compute
    # ------------------------------------------------------------------
    @api.depends("severity")
    def _compute_severity_rank(self):
        ranks = {key: rank for rank, (key, _label) in enumerate(SEVERITIES)}
        for exception in self:
            exception.severity_rank = ranks.get(exception.severity, 0)

    @api.depends("due_at", "state")
    def _compute_is_overdue(self):
        now = fields.Datetime.now()
        for exception in self:
            exception.is_overdue = bool(
                exception.state in OPEN_STATES
                and exception.due_at
                and exception.due_at < now
            )

    @api.depends("res_model", "res_id")
    def _compute_res_name(self):
        """Name the record only to those who may read it."""
        for exception in self:
            record = exception._get_record()
            if record is None:
                exception.res_name = False
            elif not record.exists():
                exception.res_name = self.env._("Deleted record")
            elif not record.has_access("read"):
                exception.res_name = self.env._("No access")
            else:
                exception.res_name = record.display_name

    @api.depends("code", "name")
    def _compute_display_name(self):
        for exception in self:
            exception.display_name = f"[{exception.code}] {exception.name}"

    # ------------------------------------------------------------------
    # CRUD
    # ------------------------------------------------------------------
    @api.model_create_multi
    def create(self, vals_list):
        now = fields.Datetime.now()
        for vals in vals_list:
            self._complete_vals(vals, now)
        exceptions = super().create(vals_list)
        exceptions._saas_emit_each("exception.opened")
        return exceptions

    def _complete_vals(self, vals, now):
        company = self.env["res.company"].browse(vals.get("company_id"))
        queue = vals.setdefault("queue", "integration")
        settings = self.env["saas.exception.queue"]._get_for(
            company or self.env.company, queue
        )
        vals.setdefault("company_id", self.env.company.id)
        if not vals.get("due_at"):
            severity = vals.get("severity") or "medium"
            vals["due_at"] = settings._get_due_at(severity, now)
        if not vals.get("reminder_at"):
            due_at = fields.Datetime.to_datetime(vals["due_at"])
            vals["reminder_at"] = settings._get_reminder_at(due_at, now)
        if not vals.get("owner_id") and settings.owner_id.active:
            vals["owner_id"] = settings.owner_id.id

    def write(self, vals):
        self._check_write(vals)
        if "due_at" in vals and "reminder_at" not in vals:
            vals = dict(vals, reminder_at=self._get_new_reminder(vals["due_at"]))
        return super().write(vals)

    def _get_new_reminder(self, due_at):
        due_at = fields.Datetime.to_datetime(due_at)
        if not due_at:
            return False
        exception = self[:1]
        settings = self.env["saas.exception.queue"]._get_for(
            exception.company_id, exception.queue
        )
        return settings._get_reminder_at(due_at, fields.Datetime.now())

    @api.model
    def _get_protected_fields(self):
        """Return the fields only the code of the queue writes."""
        return {
            "name",
            "code",
            "state",
            "account_id",
            "res_model",
            "res_id",
            "dedup_key",
            "retry_method",
            "retry_count",
            "last_error",
            "close_reason",
            "occurrences",
            "first_seen_at",
            "last_seen_at",
            "closed_at",
            "company_id",
        }

    def _check_write(self, vals):
        protected = self._get_protected_fields() & vals.keys()
        if protected and not self.env.su:
            raise AccessError(
                self.env._(
                    "These facts of an exception are written by the system: %(names)s."
                    " Use the buttons Retry, Ignore or Reopen.",
                    names=", ".join(sorted(protected)),
                )
            )

    # ------------------------------------------------------------------
    # State
    # ------------------------------------------------------------------
    def _set_state(self, allowed, target, reason=None):
        """Move exceptions to a state; those already there are left alone.

        :param allowed: states to come from
        :param str target: state to go to
        :param str reason: why, kept on the exception and in the chatter
        :return: the exceptions that moved
        """
        moved = self.filtered(lambda e: e.state in allowed and e.state != target)
        # The funnel is the only writer of the state; callers have checked the right.
        moved = moved.sudo()
        vals = {"state": target}
        if target in OPEN_STATES:
            vals.update(closed_at=False, close_reason=False)
        else:
            vals.update(closed_at=fields.Datetime.now(), close_reason=reason)
        moved.write(vals)
        if target not in OPEN_STATES:
            moved.activity_feedback([ACTIVITY_TYPE], feedback=reason)
        if reason:
            for exception in moved:
                exception.message_post(body=reason)
        return moved

    def _resolve(self, note=None):
        """Resolve open exceptions.

        :param str note: why, for the chatter
        :return: the exceptions that were open
        """
        moved = self._set_state(OPEN_STATES, "resolved", note)
        moved._saas_emit_each("exception.resolved")
        return moved

    def _saas_emit_each(self, name):
        for exception in self:
            exception._saas_emit(
                name,
                {
                    "code": exception.code,
                    "severity": exception.severity,
                    "queue": exception.queue,
                    "record": f"{exception.res_model},{exception.res_id}"
                    if exception.res_id
                    else "",
                },
            )

    # ------------------------------------------------------------------
    # Hooks of saas.mixin
    # ------------------------------------------------------------------
    def _get_record(self):
        """Return the record an exception points to, or None."""
        self.ensure_one()
        if not self.res_id or self.res_model not in self.env:
            return None
        return self.env[self.res_model].browse(self.res_id)

    def _saas_account(self):
        return self.account_id

    def _saas_correlation(self):
        """An exception belongs to the process of its record."""
        # Plumbing: the id says nothing about the record.
        record = self.sudo()._get_record()
        if (
            not self.sudo().saas_correlation_id
            and record is not None
            and "saas_correlation_id" in record._fields
            and record.exists()
        ):
            context_id = record._saas_correlation()
            return super(
                SaasException, self.with_context(saas_correlation_id=context_id)
            )._saas_correlation()
        return super()._saas_correlation()

    # ------------------------------------------------------------------
    # KPI
    # ------------------------------------------------------------------
    @api.model
    def _saas_kpi_open_exceptions(self, kpi, company, date_start, date_end):
        """Count the exceptions open at the end of a period, or now while it runs.

        :param kpi: ``saas.kpi``
        :param company: ``res.company``
        :param date_start: first day, date
        :param date_end: day after the last, date; midnight is UTC
        :return: rows for the KPI store
        """
        end = fields.Datetime.to_datetime(date_end)
        moment = fields.Datetime.to_string(min(end, fields.Datetime.now()))
        domain = [
            ("company_id", "=", company.id),
            ("first_seen_at", "<=", moment),
            "|",
            ("closed_at", "=", False),
            ("closed_at", ">", moment),
        ]
        groups = self._read_group(domain, ["severity"], ["__count"])
        counts = dict(groups)
        return [
            {
                "value": sum(counts.values()),
                "domain": domain,
                "inputs": {"by_severity": counts, "moment": moment},
            }
        ]
