# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Opening an exception, or counting the one that is open."""

import logging
import time

import psycopg2

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.modules.registry import Registry
from odoo.tools import mute_logger

from ..exceptions import RetryMethodError
from .saas_exception import OPEN_STATES, QUEUES, SEVERITIES

_logger = logging.getLogger(__name__)

RETRY_PREFIX = "saas_retry_"
#: Another transaction has the same exception in its hands; a fresh one will see it.
RACE_ERRORS = (
    psycopg2.errors.UniqueViolation,
    psycopg2.errors.SerializationFailure,
    psycopg2.errors.DeadlockDetected,
)
RACE_ATTEMPTS = 5


class SaasException(models.Model):
    _inherit = "saas.exception"

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
