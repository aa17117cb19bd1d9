# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import uuid

from odoo import api, fields, models

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

    def _saas_resolve(self, code, note=None):
        """Resolve the open exception of that code on the records.

        :param str code: code it was raised with
        :param str note: why, for the chatter
        :return: the resolved ``saas.exception`` records
        """
        # The problem is gone whoever cured it.
        exceptions = (
            self.env["saas.exception"]
            .sudo()
            .search(
                [
                    ("res_model", "=", self._name),
                    ("res_id", "in", self.ids),
                    ("code", "=", code),
                    ("state", "in", OPEN_STATES),
                ]
            )
        )
        exceptions._saas_resolve(note)
        return exceptions.sudo(self.env.su)

    def _saas_correlation(self):
        """Return the correlation id of a record, made on first use.

        The context key ``saas_correlation_id`` gives the id of the process that is going
        on; it is stored on a record that has none yet.

        :return: 32 hexadecimal digits
        """
        self.ensure_one()
        # The id is plumbing: no reader of the document needs a right on it.
        record = self.sudo()
        if not record.saas_correlation_id:
            record.saas_correlation_id = (
                self.env.context.get("saas_correlation_id") or uuid.uuid4().hex
            )
        return record.saas_correlation_id

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

    @api.private
    def _get_saas_link_domain(self):
        return [("res_model", "=", self._name), ("res_id", "in", self.ids)]
