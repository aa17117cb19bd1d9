# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What people do with exceptions, and who is told of them."""

import logging

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from .saas_exception import ACTIVITY_TYPE, OPEN_STATES

_logger = logging.getLogger(__name__)


class SaasException(models.Model):
    _inherit = "saas.exception"

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
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
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
