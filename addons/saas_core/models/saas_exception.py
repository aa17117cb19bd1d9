# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.tools import SQL

from ..exceptions import RetryMethodError

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
RETRY_PREFIX = "saas_retry_"


class SaasException(models.Model):
    """Something a person must look at."""

    _name = "saas.exception"
    _description = "Exception"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "severity_rank desc, due_at, id desc"
    _check_company_auto = True

    name = fields.Char(string="Message", required=True, readonly=True)
    code = fields.Char(required=True, readonly=True, index=True)
    queue = fields.Selection(
        QUEUES, required=True, default="integration", tracking=True
    )
    severity = fields.Selection(
        SEVERITIES, required=True, default="medium", tracking=True
    )
    severity_rank = fields.Integer(
        compute="_compute_severity_rank", store=True, precompute=True, aggregator=None
    )
    state = fields.Selection(
        [
            ("open", "Open"),
            ("retrying", "Retrying"),
            ("resolved", "Resolved"),
            ("ignored", "Ignored"),
        ],
        required=True,
        readonly=True,
        default="open",
        tracking=True,
    )
    owner_id = fields.Many2one(
        "res.users", index="btree_not_null", tracking=True, ondelete="set null"
    )
    account_id = fields.Many2one(
        "res.partner", readonly=True, index="btree_not_null", ondelete="set null"
    )
    res_model = fields.Char(string="Model", readonly=True)
    res_id = fields.Many2oneReference(
        string="Record", model_field="res_model", readonly=True
    )
    dedup_key = fields.Char(readonly=True)
    retry_method = fields.Char(readonly=True)
    occurrences = fields.Integer(default=1, readonly=True, required=True)
    first_seen_at = fields.Datetime(readonly=True, default=fields.Datetime.now)
    last_seen_at = fields.Datetime(readonly=True, default=fields.Datetime.now)
    due_at = fields.Datetime(string="Due", tracking=True)
    reminder_at = fields.Datetime()
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True, ondelete="restrict"
    )

    _open_unique = models.UniqueIndex(
        "(company_id, code, COALESCE(res_model, ''), COALESCE(res_id, 0),"
        " COALESCE(dedup_key, '')) WHERE state IN ('open', 'retrying')",
        "There is an open exception with this code for this record already.",
    )
    _record_idx = models.Index("(res_model, res_id)")

    @api.depends("severity")
    def _compute_severity_rank(self):
        ranks = {key: rank for rank, (key, _label) in enumerate(SEVERITIES)}
        for exception in self:
            exception.severity_rank = ranks.get(exception.severity, 0)

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
        :return: the open ``saas.exception``
        :raise RetryMethodError: the retry method does not exist or is no retry method
        """
        self._check_retry_method(record, retry_method)
        now = fields.Datetime.now()
        # Whoever hits the problem may lack rights on the queue.
        Exceptions = self.sudo()
        existing = Exceptions.search(
            [
                ("company_id", "=", company.id),
                ("code", "=", code),
                ("res_model", "=", record._name if record else False),
                ("res_id", "in", record.ids if record else (0, False)),
                ("dedup_key", "=", key or False),
                ("state", "in", ("open", "retrying")),
            ],
            limit=1,
        )
        if existing:
            existing.write(
                {
                    "name": message,
                    "occurrences": existing.occurrences + 1,
                    "last_seen_at": now,
                }
            )
            return existing.sudo(self.env.su)
        return Exceptions.create(
            {
                "company_id": company.id,
                "code": code,
                "name": message,
                "queue": queue,
                "severity": severity,
                "retry_method": retry_method,
                "due_at": due_at,
                "account_id": account.id if account else False,
                "res_model": record._name if record else False,
                "res_id": record.id if record else 0,
                "dedup_key": key or False,
            }
        ).sudo(self.env.su)

    @api.model
    def _check_retry_method(self, record, retry_method):
        if not retry_method:
            return
        model = record if record is not None else None
        if (
            model is None
            or not retry_method.startswith(RETRY_PREFIX)
            or not callable(getattr(model, retry_method, None))
        ):
            raise RetryMethodError(
                self.env._(
                    "“%(method)s” is not a retry method of %(model)s. A retry method is"
                    " a public method saas_retry_<what> of the record's model.",
                    method=retry_method,
                    model=record._name if record is not None else "-",
                )
            )

    def _saas_resolve(self, note=None):
        """Resolve open exceptions.

        :param str note: why, for the chatter
        """
        for exception in self.filtered(lambda e: e.state in ("open", "retrying")):
            exception.state = "resolved"
            if note:
                exception.message_post(body=note)

    # ------------------------------------------------------------------
    # KPI
    # ------------------------------------------------------------------
    @api.model
    def _saas_kpi_open_exceptions(self, kpi, company, date_start, date_end):
        """Count the exceptions that were open at the end of a period.

        :param kpi: ``saas.kpi``
        :param company: ``res.company``
        :param date_start: first day, date
        :param date_end: day after the last, date
        :return: rows for the KPI store
        """
        domain = [("company_id", "=", company.id), ("state", "in", ("open", "retrying"))]
        return [
            {
                "value": self.search_count(domain),
                "currency_id": False,
                "dimension": "",
                "res_model": self._name,
                "domain": domain,
                "inputs": {},
            }
        ]
