# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import logging
import time

import psycopg2

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.modules.registry import Registry
from odoo.tools import mute_logger

from ..exceptions import RetryMethodError

_logger = logging.getLogger(__name__)

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
RETRY_PREFIX = "saas_retry_"
ACTIVITY_TYPE = "saas_core.mail_activity_type_saas_exception"

#: Another transaction has the same exception in its hands; a fresh one will see it.
RACE_ERRORS = (
    psycopg2.errors.UniqueViolation,
    psycopg2.errors.SerializationFailure,
    psycopg2.errors.DeadlockDetected,
)
RACE_ATTEMPTS = 5


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
    # Raise
    # ------------------------------------------------------------------
    @api.model
    def _saas_raise_for(
        self,
        company,
        code,
        message,
        queue="integration",
        severity="medium",
        retry_method=None,
        due_at=None,
        account=None,
        record=None,
        key=None,
    ):
        """Open, or count up, the one open exception of a company, code and record.

        It is written in the caller's transaction and goes with it. When another
        transaction raises the same exception at the same moment, the database lets one
        win; this one is counted right after its own commit, and the result is empty.

        :param company: ``res.company`` the exception belongs to
        :param str code: ``<noun>.<what went wrong>``, the key for de-duplication
        :param str message: what happened and what to do next
        :param str queue: finance, sales_ops, customer_success or integration
        :param str severity: low, medium, high or critical
        :param str retry_method: public ``saas_retry_*`` method of the record's model
        :param due_at: naive UTC datetime; default by the queue's settings
        :param account: ``res.partner`` concerned
        :param record: the record concerned; none for a model-level exception
        :param str key: sets apart exceptions of one code that have no record
        :return: the open ``saas.exception``; empty when it is counted after the commit
        :raise RetryMethodError: the retry method does not exist or is no retry method
        """
        vals = self._prepare_raise_vals(
            company, code, message, queue, severity, record, account, key
        )
        if retry_method:
            self._check_retry_method(vals["res_model"], retry_method)
            vals["retry_method"] = retry_method
        if due_at:
            vals["due_at"] = due_at
        try:
            with mute_logger("odoo.sql_db"), self.env.cr.savepoint():
                exception = self._open_or_count(vals)
                exception.flush_recordset()
        except RACE_ERRORS:
            _logger.info("Exception %s is being raised elsewhere, counting later", code)
            self._raise_after(self.env.cr.postcommit, vals)
            return self.browse()
        return exception.sudo(self.env.su)

    @api.model
    def _saas_raise_on_rollback(self, company, code, message, **kwargs):
        """Raise an exception that outlives the caller's failing transaction.

        For a handler that notes a failure and lets the error go on: nothing happens if
        the transaction commits after all; when it is rolled back, the exception is
        raised in a transaction of its own. A record or account that was made in the
        failed transaction is gone then, and left out.

        :param company: ``res.company``
        :param str code: see :meth:`_saas_raise_for`, as all other parameters
        :param str message: what happened and what to do next
        """
        names = ("queue", "severity", "record", "account", "key")
        defaults = {"queue": "integration", "severity": "medium"}
        given = {name: kwargs.get(name, defaults.get(name)) for name in names}
        vals = self._prepare_raise_vals(company, code, message, **given)
        if kwargs.get("retry_method"):
            self._check_retry_method(vals["res_model"], kwargs["retry_method"])
            vals["retry_method"] = kwargs["retry_method"]
        if kwargs.get("due_at"):
            vals["due_at"] = kwargs["due_at"]
        self._raise_after(self.env.cr.postrollback, vals)

    @api.model
    def _prepare_raise_vals(
        self, company, code, message, queue, severity, record, account, key
    ):
        if queue not in dict(QUEUES) or severity not in dict(SEVERITIES):
            raise UserError(
                self.env._(
                    "Unknown queue “%(queue)s” or severity “%(severity)s”.",
                    queue=queue,
                    severity=severity,
                )
            )
        return {
            "company_id": company.id,
            "code": code,
            "name": str(message),
            "queue": queue,
            "severity": severity,
            "account_id": account.commercial_partner_id.id if account else False,
            "res_model": record._name if record is not None else False,
            "res_id": record.id if record else 0,
            "dedup_key": key or False,
        }

    @api.model
    def _open_or_count(self, vals):
        """Create the exception, or count up the open one with the same key."""
        # Whoever hits the problem may lack rights on the queue.
        Exceptions = self.sudo().with_context(
            mail_create_nosubscribe=True, mail_auto_subscribe_no_notify=True
        )
        existing = Exceptions.search(self._get_key_domain(vals), limit=1)
        if not existing:
            return Exceptions.create([dict(vals)])
        update = {
            "name": vals["name"],
            "occurrences": existing.occurrences + 1,
            "last_seen_at": fields.Datetime.now(),
        }
        ranks = [key for key, _label in SEVERITIES]
        if ranks.index(vals["severity"]) > existing.severity_rank:
            update["severity"] = vals["severity"]
            update["due_at"] = self._get_tighter_due(existing, vals["severity"])
        if vals.get("retry_method"):
            update["retry_method"] = vals["retry_method"]
        existing.write(update)
        return existing

    @api.model
    def _get_tighter_due(self, existing, severity):
        """A graver problem is due sooner, never later."""
        settings = self.env["saas.exception.queue"]._get_for(
            existing.company_id, existing.queue
        )
        due_at = settings._get_due_at(severity, fields.Datetime.now())
        return min(existing.due_at or due_at, due_at)

    @api.model
    def _get_key_domain(self, vals):
        return [
            ("company_id", "=", vals["company_id"]),
            ("code", "=", vals["code"]),
            ("res_model", "=", vals["res_model"]),
            ("res_id", "=", vals["res_id"])
            if vals["res_id"]
            else ("res_id", "in", (0, False)),
            ("dedup_key", "=", vals["dedup_key"]),
            ("state", "in", OPEN_STATES),
        ]

    def _get_own_key_domain(self):
        names = ("company_id", "code", "res_model", "res_id", "dedup_key")
        vals = {name: self[name] for name in names}
        return self._get_key_domain(dict(vals, company_id=self.company_id.id))

    @api.model
    def _raise_after(self, callbacks, vals):
        """Raise in a transaction of its own when the callbacks of the cursor run."""
        dbname, uid = self.env.cr.dbname, self.env.uid
        context = dict(self.env.context)

        @callbacks.add
        def raise_in_new_transaction():
            for attempt in range(1, RACE_ATTEMPTS + 1):
                try:
                    with Registry(dbname).cursor() as cr:
                        env = api.Environment(cr, uid, context)
                        Exceptions = env["saas.exception"]
                        Exceptions._open_or_count(Exceptions._drop_lost_links(vals))
                        return
                except RACE_ERRORS:
                    if attempt == RACE_ATTEMPTS:
                        _logger.exception("Exception not stored: %s", vals)
                    time.sleep(0.05 * attempt)
                except psycopg2.Error:
                    # Never hide the first error behind this one.
                    _logger.exception("Exception not stored: %s", vals)
                    return

    @api.model
    def _drop_lost_links(self, vals):
        """Leave out records that went with the transaction that failed."""
        vals = dict(vals)
        model = vals["res_model"]
        # Existence is no secret worth a right here: the caller had the record.
        if model and not self.env[model].sudo().browse(vals["res_id"]).exists():
            vals["res_id"] = 0
            vals.pop("retry_method", None)
        account = self.env["res.partner"].sudo().browse(vals["account_id"] or [])
        vals["account_id"] = account.exists().id
        return vals

    @api.model
    def _check_retry_method(self, res_model, retry_method):
        model = self.env.get(res_model) if res_model else None
        if (
            model is None
            or not retry_method.startswith(RETRY_PREFIX)
            or not callable(getattr(model, retry_method, None))
        ):
            raise RetryMethodError(
                self.env._(
                    "“%(method)s” is not a retry method of %(model)s. A retry method"
                    " is a public method saas_retry_<what> of the record's model.",
                    method=retry_method,
                    model=res_model or self.env._("no model"),
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
    # Actions
    # ------------------------------------------------------------------
    def action_retry(self):
        """Run the retry method of each exception, under the user's own rights.

        :return: notification telling what is solved and what still fails
        """
        self.check_access("write")
        retryable = self.filtered(lambda e: e.retry_method and e.state == "open")
        if not retryable:
            raise UserError(
                self.env._(
                    "None of these exceptions can be retried. Cure the cause by hand"
                    " and press Resolve, or ignore it with a reason."
                )
            )
        failed = retryable.filtered(lambda e: not e._retry_one())
        solved = len(retryable) - len(failed)
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "title": self.env._("Retried"),
                "message": self.env._(
                    "%(solved)s resolved, %(failed)s still failing. %(error)s",
                    solved=solved,
                    failed=len(failed),
                    error=failed[:1].last_error or "",
                ),
                "type": "warning" if failed else "success",
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    def _retry_one(self):
        """Retry one exception in a savepoint.

        :return: whether it is resolved
        """
        self.ensure_one()
        self.lock_for_update()
        self._set_state(("open",), "retrying")
        try:
            with self.env.cr.savepoint():
                self._run_retry_method()
        except RACE_ERRORS:
            raise  # the framework runs the whole request again
        except Exception as error:  # noqa: BLE001 whatever fails is logged on the row
            self._log_failed_retry(error)
            return False
        # The method itself may have resolved it.
        self.sudo().retry_count += 1
        self._resolve(self.env._("Retry succeeded."))
        return True

    def _run_retry_method(self):
        self._check_retry_method(self.res_model, self.retry_method)
        record = self._get_record()
        if record is None or not record.exists():
            raise UserError(
                self.env._("The record is gone. Ignore the exception with a reason.")
            )
        record.check_access("read")
        getattr(record.with_company(self.company_id), self.retry_method)()
        self.env.flush_all()

    def _log_failed_retry(self, error):
        message = str(error) or type(error).__name__
        _logger.info("Retry of %s failed: %s", self, message)
        # Facts of the exception are written by the system only.
        exception = self.sudo()
        exception._set_state(("retrying",), "open")
        exception.write(
            {"retry_count": exception.retry_count + 1, "last_error": message}
        )
        exception.message_post(
            body=self.env._("Retry failed: %(error)s", error=message)
        )

    def action_resolve(self):
        """Mark exceptions as resolved by hand.

        :return: True
        """
        self.check_access("write")
        self._resolve(
            self.env._("Resolved by hand by %(user)s.", user=self.env.user.name)
        )
        return True

    def action_ignore(self):
        """Ask for the reason to ignore the exceptions.

        :return: window action of the wizard
        """
        self.check_access("write")
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Ignore"),
            "res_model": "saas.exception.ignore.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_exception_ids": self.ids},
        }

    @api.private
    def _ignore(self, reason):
        """Ignore open exceptions.

        :param str reason: why, required
        """
        self.check_access("write")
        moved = self._set_state(OPEN_STATES, "ignored", reason)
        moved._saas_emit_each("exception.ignored")

    def action_reopen(self):
        """Open resolved or ignored exceptions again.

        :return: True
        :raise UserError: the same problem is open under another number already
        """
        self.check_access("write")
        for exception in self:
            # The twin may be in somebody else's hands.
            twin = self.sudo().search(exception._get_own_key_domain(), limit=1)
            if twin and exception.state not in OPEN_STATES:
                raise UserError(
                    self.env._(
                        "The same problem is open already as exception %(id)s. Work on"
                        " that one.",
                        id=twin.id,
                    )
                )
        moved = self._set_state(("resolved", "ignored"), "open")
        moved._saas_emit_each("exception.reopened")
        return True

    def action_assign_to_me(self):
        """Take the exceptions.

        :return: True
        """
        self.write({"owner_id": self.env.uid})
        return True

    def action_open_record(self):
        """Open the record under the user's own rights.

        :return: window action
        :raise UserError: there is none, or it is gone
        :raise AccessError: the user may not read it
        """
        self.ensure_one()
        return self._get_saas_record_action(self.res_model, self.res_id)

    def action_view_correlation(self):
        """Open the events of the process the exception belongs to.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_core.saas_event_action"
        )
        action["domain"] = [("correlation_id", "=", self._saas_correlation())]
        action["context"] = {"create": False}
        return action

    # ------------------------------------------------------------------
    # Reminders and notification
    # ------------------------------------------------------------------
    @api.model
    def _cron_remind(self, limit=500):
        """Remind the owners of exceptions that are nearly due or overdue, once each."""
        now = fields.Datetime.now()
        domain = [
            ("state", "in", OPEN_STATES),
            ("owner_id", "!=", False),
            ("reminder_at", "<=", now),
        ]
        todo = self.search(domain, limit=limit).try_lock_for_update()
        self.env["ir.cron"]._commit_progress(remaining=len(todo))
        for exception in todo:
            exception._remind(now)
            if not self.env["ir.cron"]._commit_progress(1):
                break

    def _remind(self, now):
        """Make the reminder activity that is due and set the next one.

        :param datetime now: naive UTC
        """
        self.ensure_one()
        overdue = not self.due_at or self.due_at <= now
        summary = (
            self.env._("Overdue: %(code)s", code=self.code)
            if overdue
            else self.env._("Due soon: %(code)s", code=self.code)
        )
        self._schedule_for(self.owner_id, summary, self.due_at or now)
        self.reminder_at = False if overdue else self.due_at

    def _schedule_for(self, user, summary, deadline):
        """Give a user an activity on the exception, unless there is the same one.

        :return: the activity, empty when it exists or the user may not have it
        """
        self.ensure_one()
        Activity = self.env["mail.activity"]
        same = self.activity_ids.filtered(
            lambda a: a.user_id == user and a.summary == summary
        )
        if same:
            return Activity
        try:
            with self.env.cr.savepoint():
                return self.activity_schedule(
                    ACTIVITY_TYPE,
                    date_deadline=fields.Datetime.context_timestamp(
                        self.with_context(tz=user.tz or "UTC"), deadline
                    ).date(),
                    summary=summary,
                    note=self.name,
                    user_id=user.id,
                )
        except UserError as error:
            # An owner without access: the note is there for whoever looks.
            self.message_post(body=str(error))
            return Activity

    def saas_notify_critical(self):
        """Give the owner, else the queue's default owner, an activity.

        Called by the shipped automation rule for critical exceptions; calling it again
        makes no second activity.

        :return: True
        """
        self.check_access("write")
        # Activities of others are not readable by everybody who may call this.
        for exception in self.sudo().filtered(lambda e: e.state in OPEN_STATES):
            settings = self.env["saas.exception.queue"]._get_for(
                exception.company_id, exception.queue
            )
            user = exception.owner_id or settings.owner_id
            if user:
                exception._schedule_for(
                    user,
                    self.env._("Critical: %(code)s", code=exception.code),
                    exception.due_at or fields.Datetime.now(),
                )
        return True

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
                "currency_id": False,
                "dimension": "",
                "res_model": self._name,
                "domain": domain,
                "inputs": {"by_severity": counts, "moment": moment},
            }
        ]
