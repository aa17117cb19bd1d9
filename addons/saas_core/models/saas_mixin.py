# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import logging
import uuid
from collections.abc import Callable

from lxml import etree

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY
from odoo.tools import SQL

_logger = logging.getLogger(__name__)

OPEN_STATES = ("open", "retrying")
USER_GROUP = "saas_core.group_saas_core_user"


class SaasMixin(models.AbstractModel):
    """Give a document events, exceptions and a correlation id in one line each."""

    _name = "saas.mixin"
    _description = "SaaS Document"

    saas_correlation_id = fields.Char(
        string="Correlation",
        copy=False,
        readonly=True,
        index="btree_not_null",
        groups="base.group_user",
    )
    saas_exception_count = fields.Integer(
        string="Open Exceptions",
        compute="_compute_saas_exception_count",
        groups=USER_GROUP,
    )
    saas_event_count = fields.Integer(
        string="Events", compute="_compute_saas_event_count", groups=USER_GROUP
    )

    def _compute_saas_exception_count(self):
        self._compute_saas_count(
            "saas.exception", "saas_exception_count", [("state", "in", OPEN_STATES)]
        )

    def _compute_saas_event_count(self):
        self._compute_saas_count("saas.event", "saas_event_count", [])

    def _compute_saas_count(self, model, field_name, domain):
        """Count what the user may read, in one query."""
        counts = dict(
            self.env[model]._read_group(
                [("res_model", "=", self._name), ("res_id", "in", self.ids), *domain],
                ["res_id"],
                ["__count"],
            )
        )
        for record in self:
            record[field_name] = counts.get(record.id, 0)

    # ------------------------------------------------------------------
    # One-liners
    # ------------------------------------------------------------------
    def _saas_emit(self, name, payload=None, account=None, causation=None):
        """Write one event per record to the ledger.

        :param str name: ``<noun>.<past participle>``, for example ``invoice.paid``
        :param dict payload: facts of the event; no personal data, Decimals welcome
        :param account: ``res.partner``; default the record's account
        :param causation: ``saas.event`` that caused this one
        :return: the ``saas.event`` records, in the order of ``self``
        :raise EventNameError: bad name
        """
        vals_list = [
            record._prepare_saas_event_vals(name, payload, account, causation)
            for record in self
        ]
        # Nobody has the right to write to the ledger; the caller's act is the right.
        events = self.env["saas.event"].sudo().create(vals_list)
        return events.sudo(self.env.su)

    def _prepare_saas_event_vals(self, name, payload, account, causation):
        self.ensure_one()
        if account is None:
            account = self._saas_account()
        account = account.commercial_partner_id if account else account
        return {
            "name": name,
            "correlation_id": self._saas_correlation(),
            "causation_id": causation.id if causation else False,
            "account_id": account.id if account else False,
            "res_model": self._name,
            "res_id": self.id,
            "actor_id": self.env.uid,
            "company_id": self._saas_company().id,
            "occurred_at": fields.Datetime.now(),
            "payload": payload or {},
        }

    def _saas_raise(
        self,
        code,
        message,
        queue="integration",
        severity="medium",
        retry_method=None,
        due_at=None,
        account=None,
    ):
        """Open, or count up, the one open exception of this record and code.

        See ``saas.exception._saas_raise_for`` for the parameters. An exception lives in
        the caller's transaction: raise it after the savepoint that failed was rolled
        back, never inside it.

        :return: the open ``saas.exception``, one per record of ``self``
        """
        Exceptions = self.env["saas.exception"]
        result = Exceptions
        for record in self:
            result |= Exceptions._saas_raise_for(
                record._saas_company(),
                code,
                message,
                queue=queue,
                severity=severity,
                retry_method=retry_method,
                due_at=due_at,
                account=record._saas_account() if account is None else account,
                record=record,
            )
        return result

    def _saas_resolve(self, code, note=None, company=None):
        """Resolve the open exception of that code on the records.

        :param str code: code it was raised with
        :param str note: why, for the chatter
        :param company: ``res.company``; default every company
        :return: the resolved ``saas.exception`` records
        """
        exceptions = self._saas_get_open_exceptions(code, company)
        exceptions._resolve(note)
        return exceptions.sudo(self.env.su)

    @api.model
    def _saas_find_told(self, code):
        """Return the records that have an open exception of a code.

        :param str code: code it was raised with
        :return: records of this model, in the caller's rights
        """
        # sudo: a problem is there whoever looks
        exceptions = self.env["saas.exception"].sudo()
        domain = [
            ("res_model", "=", self._name),
            ("code", "=", code),
            ("state", "in", OPEN_STATES),
        ]
        return self.browse(exceptions.search(domain).mapped("res_id")).exists()

    def _saas_get_open_exceptions(self, code, company=None):
        """Return the exceptions of that code which are open on the records.

        :param str code: code they were raised with
        :param company: ``res.company``; default every company
        :return: ``saas.exception`` records in superuser mode
        """
        domain = [
            ("res_model", "=", self._name),
            ("res_id", "in", self.ids),
            ("code", "=", code),
            ("state", "in", OPEN_STATES),
        ]
        if company:
            domain.append(("company_id", "=", company.id))
        # sudo: a problem is there, or gone, whoever asks
        return self.env["saas.exception"].sudo().search(domain)

    def _saas_raise_on_rollback(self, code, message, **kwargs):
        """Raise an exception that survives the rollback of this whole transaction.

        For ``except`` blocks that pass the error on. See
        ``saas.exception._saas_raise_on_rollback``.

        :param str code: code of the exception
        :param str message: what happened and what to do next
        """
        for record in self:
            record.env["saas.exception"]._saas_raise_on_rollback(
                record._saas_company(),
                code,
                message,
                record=record,
                **{"account": record._saas_account(), **kwargs},
            )

    def _saas_try(self, step: Callable) -> Exception | None:
        """Run a step in a savepoint and return what went wrong, if anything.

        For whatever must not stop because one document is faulty. Losing a race is no
        failure of the document: that error passes, the caller's transaction is repeated
        on fresh data.

        :param Callable step: gets the records
        :return: the error, the step is undone; None: it worked
        :raise psycopg2.OperationalError: a concurrent transaction was faster
        """
        try:
            with self.env.cr.savepoint():
                step(self)
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except Exception as error:  # noqa: BLE001 - the caller says what becomes of it
            _logger.info("%s: %s", self, error, exc_info=True)
            return error
        return None

    def _saas_attempt(
        self, step: Callable, code: str, retry_method: str, resolves=False, **kwargs
    ) -> bool:
        """Run a step in a savepoint; a failure is queued with a retry.

        :param Callable step: gets the record
        :param str code: code of the exception
        :param str retry_method: public ``saas_retry_*`` method that repeats the step
        :param bool resolves: success resolves the exception of an earlier failure
        :param kwargs: queue, severity and so on, see :meth:`_saas_raise`
        :return: whether it worked
        :raise psycopg2.OperationalError: a concurrent transaction was faster
        """
        self.ensure_one()
        error = self._saas_try(step)
        if error:
            text = str(error) or repr(error)
            self._saas_raise(code, text, retry_method=retry_method, **kwargs)
            return False
        if resolves:
            self._saas_resolve(code)
        return True

    def _saas_correlation(self):
        """Return the correlation id of a record, made on first use.

        The context key ``saas_correlation_id`` gives the id of the process that is
        going on; it is stored on a record that has none yet. It is stored without
        ``write``: a locked document may still have a history, and no automation rule is
        woken.

        :return: 32 hexadecimal digits
        """
        self.ensure_one()
        # The id is plumbing: no reader of the document needs a right on it.
        record = self.sudo()
        if record.saas_correlation_id:
            return record.saas_correlation_id
        value = self.env.context.get("saas_correlation_id") or uuid.uuid4().hex
        if record.id:
            self.env.cr.execute(
                SQL(
                    "UPDATE %s SET saas_correlation_id = %s WHERE id = %s",
                    SQL.identifier(self._table),
                    value,
                    record.id,
                )
            )
            record.invalidate_recordset(["saas_correlation_id"], flush=False)
        return value

    def _saas_with_correlation(self):
        """Return the record with its correlation id in the context.

        Everything it creates from there on belongs to the same process.
        """
        return self.with_context(saas_correlation_id=self._saas_correlation())

    @api.model
    def _saas_draw_number(self, vals: dict):
        """Give a new document the next number of its company, unless it has a name.

        The code of the sequence is the name of the model.

        :param dict vals: values of ``create``, changed in place
        """
        if vals.get("name", "/") != "/":
            return
        company = self.env["res.company"].browse(
            vals.get("company_id") or self.env.company.id
        )
        # sudo: salespeople, and portal users who sign, have no right on sequences
        sequences = self.env["ir.sequence"].sudo().with_company(company)
        vals["name"] = sequences.next_by_code(self._name)

    # ------------------------------------------------------------------
    # Hooks
    # ------------------------------------------------------------------
    def _saas_account(self):
        """Return the account of a document, or an empty ``res.partner``."""
        self.ensure_one()
        Partner = self.env["res.partner"]
        if "partner_id" not in self._fields:
            return Partner
        return self.partner_id.commercial_partner_id

    def _saas_company(self):
        """Return the company the document's events and exceptions belong to."""
        self.ensure_one()
        company = self.company_id if "company_id" in self._fields else None
        return company or self.env.company

    # ------------------------------------------------------------------
    # Actions
    # ------------------------------------------------------------------
    def action_view_saas_exceptions(self):
        """Open the exceptions of the records, open ones first.

        :return: window action
        """
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_core.saas_exception_action"
        )
        action["domain"] = self._get_saas_link_domain()
        action["context"] = {"search_default_open": 1, "create": False}
        return action

    def action_view_saas_events(self):
        """Open the events of the records.

        :return: window action
        """
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_core.saas_event_action"
        )
        action["domain"] = self._get_saas_link_domain()
        action["context"] = {"create": False}
        return action

    def _get_saas_link_domain(self):
        """Hook: what the smart buttons count and open."""
        return [("res_model", "=", self._name), ("res_id", "in", self.ids)]

    @api.model
    def _get_saas_record_action(self, res_model, res_id):
        """Return the action that opens a record under the user's own rights.

        :param str res_model: model name
        :param int res_id: record id
        :return: window action
        :raise UserError: there is no record, or it is gone
        :raise AccessError: the user may not read it
        """
        if not res_id or res_model not in self.env:
            raise UserError(self.env._("This row points to no record."))
        record = self.env[res_model].browse(res_id)
        if not record.exists():
            raise UserError(self.env._("The record was deleted in the meantime."))
        record.check_access("read")
        return {
            "type": "ir.actions.act_window",
            "res_model": res_model,
            "res_id": res_id,
            "views": [(False, "form")],
            "target": "current",
        }

    # ------------------------------------------------------------------
    # Smart buttons
    # ------------------------------------------------------------------
    @api.model
    def _get_view(self, view_id=None, view_type="form", **options):
        arch, view = super()._get_view(view_id, view_type, **options)
        if view_type == "form":
            self._add_saas_buttons(arch)
        return arch, view

    @api.model
    def _add_saas_buttons(self, arch):
        """Put the smart buttons into the button box of a form that has none of them."""
        if arch.tag != "form" or self._name == "saas.exception":
            return
        boxes = arch.xpath("//div[@name='button_box']")
        sheets = arch.xpath("./sheet")
        if not boxes and not sheets:
            return
        if not boxes:
            box = etree.Element("div", name="button_box", **{"class": "oe_button_box"})
            sheets[0].insert(0, box)
            boxes = [box]
        for name, count, icon, hidden in (
            (
                "action_view_saas_exceptions",
                "saas_exception_count",
                "fa-exclamation-triangle",
                "not saas_exception_count",
            ),
            ("action_view_saas_events", "saas_event_count", "fa-history", "not id"),
        ):
            if arch.xpath(f"//button[@name='{name}']"):
                continue
            label = self._fields[count]._description_string(self.env)
            button = etree.SubElement(
                boxes[0],
                "button",
                name=name,
                type="object",
                icon=icon,
                groups=USER_GROUP,
                invisible=hidden,
                **{"class": "oe_stat_button"},
            )
            etree.SubElement(
                button, "field", name=count, widget="statinfo", string=label
            )
