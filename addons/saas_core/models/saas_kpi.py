# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import datetime
import logging
import re
from decimal import Decimal, InvalidOperation

import psycopg2

from odoo import api, fields, models
from odoo.exceptions import AccessError, ValidationError

from ..engine import kpi as engine
from ..exceptions import KpiError

_logger = logging.getLogger(__name__)

RETRY_ERRORS = (
    psycopg2.errors.SerializationFailure,
    psycopg2.errors.DeadlockDetected,
)
METHOD_NAME = re.compile(r"_saas_kpi_[a-z0-9_]+")
COMPUTE_FAILED = "kpi.compute_failed"
#: A change of these means that old and new values are not the same figure.
DEFINITION_FIELDS = ("compute_model", "compute_method", "unit", "period", "formula")
#: Days of a new month on which the daily run computes the month before once more.
GRACE_DAYS = 5


class SaasKpi(models.Model):
    """Definition of a key figure: who computes it, what is aimed at."""

    _name = "saas.kpi"
    _description = "KPI"
    _inherit = ["mail.thread", "saas.mixin"]
    _order = "sequence, code"

    code = fields.Char(required=True, copy=False)
    name = fields.Char(required=True, translate=True)
    sequence = fields.Integer(default=10)
    description = fields.Text(translate=True, help="What it tells and who uses it.")
    formula = fields.Text(
        string="Definition",
        tracking=True,
        help="How it is computed, in words. A change makes a new definition version.",
    )
    active = fields.Boolean(default=True)
    compute_model = fields.Char(required=True, tracking=True)
    compute_method = fields.Char(
        required=True, tracking=True, help="_saas_kpi_<code with underscores>"
    )
    definition_version = fields.Integer(
        string="Version", default=1, readonly=True, copy=False, tracking=True
    )
    unit = fields.Selection(
        [
            ("money", "Money"),
            ("percent", "Percent"),
            ("count", "Count"),
            ("days", "Days"),
        ],
        required=True,
        default="count",
        tracking=True,
    )
    direction = fields.Selection(
        [("up", "Higher is better"), ("down", "Lower is better")],
        required=True,
        default="up",
        tracking=True,
    )
    period = fields.Selection(
        [("day", "Day"), ("month", "Month")],
        required=True,
        default="day",
        tracking=True,
    )
    has_target = fields.Boolean(
        compute="_compute_has_target",
        store=True,
        readonly=False,
        help="Without a target the values have no status.",
    )
    target = fields.Float(digits=(16, 4), tracking=True)
    warning_threshold = fields.Float(
        digits=(16, 4),
        tracking=True,
        help="Values that miss it are a warning. 0: the target is the threshold.",
    )
    critical_threshold = fields.Float(
        digits=(16, 4),
        tracking=True,
        help="Values that miss it are critical. 0: no value is critical.",
    )
    value_ids = fields.One2many("saas.kpi.value", "kpi_id")
    value_count = fields.Integer(compute="_compute_value_count")

    _code_unique = models.Constraint("UNIQUE (code)", "A KPI with this code exists.")

    # ------------------------------------------------------------------
    # Compute, constraints, CRUD
    # ------------------------------------------------------------------
    @api.depends("target", "warning_threshold", "critical_threshold")
    def _compute_has_target(self):
        for kpi in self:
            limits = (kpi.target, kpi.warning_threshold, kpi.critical_threshold)
            kpi.has_target = any(limits)

    def _compute_value_count(self):
        groups = self.env["saas.kpi.value"]._read_group(
            [("kpi_id", "in", self.ids)], ["kpi_id"], ["__count"]
        )
        counts = dict(groups)
        for kpi in self:
            kpi.value_count = counts.get(kpi, 0)

    @api.constrains("code")
    def _check_code(self):
        for kpi in self:
            if not re.fullmatch(r"[a-z][a-z0-9_]*", kpi.code or ""):
                raise ValidationError(
                    self.env._(
                        "“%(code)s” is no KPI code. Use small letters, digits and _.",
                        code=kpi.code,
                    )
                )

    @api.constrains("compute_model", "compute_method")
    def _check_compute(self):
        for kpi in self:
            if not METHOD_NAME.fullmatch(kpi.compute_method or ""):
                raise ValidationError(
                    self.env._(
                        "%(method)s cannot compute a KPI. The method's name must be"
                        " _saas_kpi_<code>.",
                        method=kpi.compute_method,
                    )
                )
            model = self.env.get(kpi.compute_model)
            if model is None or not hasattr(model, kpi.compute_method):
                raise ValidationError(
                    self.env._(
                        "There is no method %(method)s on %(model)s. Install the module"
                        " that computes this KPI first.",
                        method=kpi.compute_method,
                        model=kpi.compute_model,
                    )
                )

    @api.constrains("direction", "warning_threshold", "critical_threshold")
    def _check_thresholds(self):
        for kpi in self:
            warning, critical = kpi.warning_threshold, kpi.critical_threshold
            if not warning or not critical:
                continue
            wrong = critical > warning if kpi.direction == "up" else critical < warning
            if wrong:
                raise ValidationError(
                    self.env._(
                        "The critical threshold of %(kpi)s must be worse than the"
                        " warning threshold.",
                        kpi=kpi.name,
                    )
                )

    def write(self, vals):
        if "definition_version" not in vals:
            for kpi in self.filtered(lambda k: k._is_redefined(vals)):
                super(SaasKpi, kpi).write(
                    {"definition_version": kpi.definition_version + 1}
                )
        return super().write(vals)

    def _is_redefined(self, vals):
        """Whether values change what the figure means."""
        return any(
            (self[name] or "") != (vals[name] or "")
            for name in DEFINITION_FIELDS
            if name in vals
        )

    # ------------------------------------------------------------------
    # Compute values
    # ------------------------------------------------------------------
    @api.model
    def _cron_compute(self):
        """Compute the day before and the running period of every KPI and company."""
        companies = self.env["res.company"].search([])
        kpis = self.search([])
        self.env["ir.cron"]._commit_progress(remaining=len(kpis) * len(companies))
        for company in companies:
            for kpi in kpis:
                kpi._compute_due(company)
                if not self.env["ir.cron"]._commit_progress(1):
                    return

    def _compute_due(self, company):
        """Compute the periods of one KPI that the daily run cares about.

        :param company: ``res.company``; its time zone tells what day it is
        :return: whether all went well
        """
        today = self._get_today(company)
        days = GRACE_DAYS if self.period == "month" else 1
        first = today - datetime.timedelta(days=days)
        return self._compute_range(company, first, today)

    @api.model
    def _get_today(self, company):
        return fields.Date.context_today(
            self.with_context(tz=company.partner_id.tz or "UTC")
        )

    def _get_periods(self, date_from, date_to):
        """Return the half-open periods of the KPI in a range; the last day counts."""
        self.ensure_one()
        return engine.periods(self.period, date_from, date_to)

    def _compute_range(self, companies, date_from, date_to):
        """Compute and store values; failures become exceptions and stop nobody else.

        :param companies: ``res.company`` records
        :param date date_from: first day
        :param date date_to: last day, included
        :return: whether all went well
        """
        failed = False
        for kpi in self:
            for company in companies:
                error = kpi._compute_company(company, date_from, date_to)
                if error:
                    failed = True
                    kpi._raise_compute_failed(company, error)
                else:
                    kpi._saas_resolve(COMPUTE_FAILED, company=company)
        return not failed

    def _compute_company(self, company, date_from, date_to):
        self.ensure_one()
        for date_start, date_end in self._get_periods(date_from, date_to):
            try:
                with self.env.cr.savepoint():
                    self._compute_period(company, date_start, date_end)
            except RETRY_ERRORS:
                raise  # the framework runs the whole request again
            except Exception as error:  # noqa: BLE001 becomes an exception record
                _logger.warning(
                    "KPI %s of company %s failed for %s",
                    self.code,
                    company.id,
                    date_start,
                    exc_info=True,
                )
                return f"{date_start}: {error or type(error).__name__}"
        return None

    def _raise_compute_failed(self, company, error):
        self.env["saas.exception"]._saas_raise_for(
            company,
            COMPUTE_FAILED,
            self.env._(
                "KPI %(kpi)s could not be computed for %(error)s",
                kpi=self.name,
                error=error,
            ),
            queue="integration",
            severity="high",
            retry_method="saas_retry_compute",
            record=self,
        )

    def _compute_period(self, company, date_start, date_end):
        """Ask the owner of the KPI for a period's rows and store them.

        :param company: ``res.company``
        :param date date_start: first day
        :param date date_end: day after the last
        :return: ``saas.kpi.value`` records
        :raise KpiError: rows that cannot be stored
        """
        self.ensure_one()
        # Figures of a company do not depend on who computes them.
        owner = self.env[self.compute_model].sudo()
        owner = owner.with_company(company).with_context(
            allowed_company_ids=company.ids
        )
        if not METHOD_NAME.fullmatch(self.compute_method):
            raise KpiError(self.env._("Bad method name %s", self.compute_method))
        method = getattr(owner, self.compute_method)
        rows = method(self, company, date_start, date_end)
        checked = [self._check_row(row) for row in rows or []]
        dimensions = [row["dimension"] for row in checked]
        if len(dimensions) != len(set(dimensions)):
            raise KpiError(
                self.env._(
                    "%(method)s returned a dimension twice.", method=self.compute_method
                )
            )
        return self.env["saas.kpi.value"]._store(
            self, company, date_start, date_end, checked
        )

    def _check_row(self, row):
        """Complete and check one row of a compute method."""
        try:
            value = Decimal(str(row["value"]))
        except (KeyError, TypeError, InvalidOperation) as error:
            raise KpiError(
                self.env._(
                    "%(kpi)s returned no number: %(row)s", kpi=self.code, row=row
                )
            ) from error
        if not value.is_finite():
            raise KpiError(
                self.env._(
                    "%(kpi)s returned no number: %(row)s", kpi=self.code, row=row
                )
            )
        if self.unit == "money" and not row.get("currency_id"):
            raise KpiError(
                self.env._("%(kpi)s is money, but has no currency.", kpi=self.code)
            )
        # Without a domain there are no records to show.
        default_model = self.compute_model if "domain" in row else False
        return {
            "value": value,
            "currency_id": row.get("currency_id") or False,
            "dimension": row.get("dimension") or "",
            "res_model": row.get("res_model") or default_model,
            "domain": row.get("domain") or [],
            "inputs": row.get("inputs") or {},
        }

    def _get_status(self, value):
        """Compare a value with the thresholds as they are now.

        :param Decimal value: the value
        :return: key of ``saas.kpi.value.status``
        """
        if not self.has_target:
            return "none"
        limits = (self.target, self.warning_threshold, self.critical_threshold)
        return engine.status(
            value,
            self.direction == "up",
            *(Decimal(str(limit or 0)) for limit in limits),
        )

    def saas_retry_compute(self):
        """Compute the KPI again for the current company; retry method of exceptions.

        :return: True
        :raise AccessError: the user may not administer KPIs
        :raise KpiError: it still fails
        """
        self.check_access("write")
        company = self.env.company
        today = self._get_today(company)
        for kpi in self:
            days = GRACE_DAYS if kpi.period == "month" else 1
            for period in kpi._get_periods(
                today - datetime.timedelta(days=days), today
            ):
                kpi._compute_period(company, *period)
        return True

    # ------------------------------------------------------------------
    # Actions
    # ------------------------------------------------------------------
    def action_recompute(self):
        """Open the dialog to compute values again.

        :return: window action
        :raise AccessError: the user may not administer KPIs
        """
        if not self.has_access("write"):
            raise AccessError(
                self.env._(
                    "Only a SaaS administrator recomputes KPIs. Ask one of them."
                )
            )
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_core.saas_kpi_recompute_wizard_action"
        )
        action["context"] = {"active_model": self._name, "active_ids": self.ids}
        return action

    def action_view_values(self):
        """Open the stored values.

        :return: window action
        """
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_core.saas_kpi_value_action"
        )
        action["domain"] = [("kpi_id", "in", self.ids)]
        action["context"] = {}
        return action
