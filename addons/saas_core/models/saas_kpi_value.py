# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import hashlib
import json
from ast import literal_eval

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, float_compare

from ..engine import ledger
from .saas_event import json_safe

DIGITS = 4


class SaasKpiValue(models.Model):
    """Stored value of a KPI for one period, company and dimension.

    Only the KPI code writes: no role has the right to create, change or delete values.
    """

    _name = "saas.kpi.value"
    _description = "KPI Value"
    _inherit = ["saas.default.guard"]
    _order = "date_start desc, kpi_id, dimension"

    kpi_id = fields.Many2one(
        "saas.kpi",
        string="KPI",
        required=True,
        readonly=True,
        index=True,
        ondelete="cascade",
    )
    kpi_code = fields.Char(related="kpi_id.code", store=True, index=True)
    unit = fields.Selection(related="kpi_id.unit")
    definition_version = fields.Integer(
        string="Version", required=True, readonly=True, aggregator=None, default=1
    )
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True, ondelete="restrict"
    )
    date_start = fields.Date(string="From", required=True, readonly=True, index=True)
    date_end = fields.Date(
        string="To (Excluded)",
        required=True,
        readonly=True,
        help="Day after the last one.",
    )
    dimension = fields.Char(readonly=True, default="", help="Empty: the whole company.")
    value = fields.Float(digits=(16, DIGITS), readonly=True)
    currency_id = fields.Many2one("res.currency", readonly=True, ondelete="restrict")
    target = fields.Float(digits=(16, DIGITS), readonly=True, aggregator="avg")
    status = fields.Selection(
        [
            ("none", "No Target"),
            ("on_target", "On Target"),
            ("warning", "Warning"),
            ("critical", "Critical"),
        ],
        readonly=True,
        default="none",
    )
    is_latest = fields.Boolean(
        string="Latest",
        readonly=True,
        index=True,
        help="Last period of this KPI, company and dimension.",
    )
    is_provisional = fields.Boolean(
        string="Provisional",
        readonly=True,
        help="Computed before the period had ended.",
    )
    computed_at = fields.Datetime(string="Computed", readonly=True)
    restated_at = fields.Datetime(string="Restated", readonly=True)
    previous_value = fields.Float(digits=(16, DIGITS), readonly=True, aggregator=None)
    provenance = fields.Json(readonly=True)
    provenance_text = fields.Text(
        string="Provenance (JSON)", compute="_compute_provenance_text"
    )
    res_model = fields.Char(string="Model", readonly=True)
    res_domain = fields.Char(string="Records", readonly=True)

    _period_unique = models.UniqueIndex(
        "(kpi_id, definition_version, company_id, date_start, COALESCE(dimension, ''))",
        "The KPI is being computed by somebody else. Try again.",
    )

    @api.depends("kpi_id", "date_start", "dimension")
    def _compute_display_name(self):
        for row in self:
            parts = [row.kpi_id.name, str(row.date_start or ""), row.dimension]
            row.display_name = " / ".join(part for part in parts if part)

    @api.depends("provenance")
    def _compute_provenance_text(self):
        for row in self:
            row.provenance_text = json.dumps(
                row.provenance or {}, indent=2, sort_keys=True, ensure_ascii=False
            )

    # ------------------------------------------------------------------
    # Store
    # ------------------------------------------------------------------
    @api.model
    def _store(self, kpi, company, date_start, date_end, rows):
        """Insert or update the values of one period.

        A value of a period that had ended and now differs is a restatement: the earlier
        value is kept beside it. A dimension that is no longer returned becomes 0.

        :param kpi: ``saas.kpi``
        :param company: ``res.company``
        :param date date_start: first day
        :param date date_end: day after the last
        :param list rows: checked rows of the compute method
        :return: the ``saas.kpi.value`` records
        """
        # No role may write values; this method is the KPI code that does.
        Values = self.sudo()
        existing = Values.search(
            [
                ("kpi_id", "=", kpi.id),
                ("definition_version", "=", kpi.definition_version),
                ("company_id", "=", company.id),
                ("date_start", "=", date_start),
            ]
        )
        by_dimension = {row.dimension or "": row for row in existing}
        result = Values
        for row in rows:
            vals = self._prepare_vals(kpi, company, date_start, date_end, row)
            stored = by_dimension.pop(row["dimension"], None)
            if stored:
                stored._update(vals)
                result |= stored
            else:
                result |= Values.create([vals])
        for stored in by_dimension.values():
            stored._withdraw(kpi)
        self._refresh_latest(kpi, company)
        return result.sudo(self.env.su)

    @api.model
    def _prepare_vals(self, kpi, company, date_start, date_end, row):
        now = fields.Datetime.now()
        inputs = json_safe(row["inputs"])
        # Through JSON, as it will be read back: the hash can be checked later.
        text = ledger.canonical(ledger.parse(json.dumps(inputs)))
        return {
            "kpi_id": kpi.id,
            "definition_version": kpi.definition_version,
            "company_id": company.id,
            "date_start": date_start,
            "date_end": date_end,
            "dimension": row["dimension"],
            "value": float(round(row["value"], DIGITS)),
            "currency_id": row["currency_id"],
            "target": kpi.target,
            "status": kpi._get_status(row["value"]),
            "is_provisional": kpi._get_today(company) < date_end,
            "computed_at": now,
            "res_model": row["res_model"],
            "res_domain": repr(json_safe(row["domain"])),
            "provenance": {
                "inputs": inputs,
                "inputs_hash": hashlib.sha256(text.encode()).hexdigest(),
                "method": f"{kpi.compute_model}.{kpi.compute_method}",
                "version": kpi.definition_version,
                "computed_at": now.isoformat() + "Z",
                "exact_value": str(row["value"]),
            },
        }

    def _update(self, vals):
        """Write new values, keeping a final value that changes as restated."""
        self.ensure_one()
        changed = float_compare(self.value, vals["value"], precision_digits=DIGITS)
        if changed and not self.is_provisional:
            vals = dict(
                vals, restated_at=vals["computed_at"], previous_value=self.value
            )
        self.write(vals)

    def _withdraw(self, kpi):
        """Set a value the compute method no longer returns to 0."""
        self.ensure_one()
        if not self.value and (self.provenance or {}).get("withdrawn"):
            return
        now = fields.Datetime.now()
        self._update(
            {
                "value": 0.0,
                "status": "none",
                "computed_at": now,
                "is_provisional": kpi._get_today(self.company_id) < self.date_end,
                "res_domain": "[(0, '=', 1)]",
                "provenance": {
                    "withdrawn": True,
                    "method": f"{kpi.compute_model}.{kpi.compute_method}",
                    "version": kpi.definition_version,
                    "computed_at": now.isoformat() + "Z",
                },
            }
        )

    @api.model
    def _refresh_latest(self, kpi, company):
        """Set ``is_latest`` on the last period of each dimension, newest version."""
        self.flush_model()
        self.env.cr.execute(
            SQL(
                """
                WITH latest AS (
                    SELECT DISTINCT ON (COALESCE(dimension, '')) id
                      FROM saas_kpi_value
                     WHERE kpi_id = %(kpi)s AND company_id = %(company)s
                  ORDER BY COALESCE(dimension, ''), date_start DESC,
                           definition_version DESC
                )
                UPDATE saas_kpi_value v
                   SET is_latest = (v.id IN (SELECT id FROM latest))
                 WHERE kpi_id = %(kpi)s AND company_id = %(company)s
                   AND is_latest IS DISTINCT FROM (v.id IN (SELECT id FROM latest))
                """,
                kpi=kpi.id,
                company=company.id,
            )
        )
        self.invalidate_model(["is_latest"])

    # ------------------------------------------------------------------
    # Drill-down
    # ------------------------------------------------------------------
    def action_drill_down(self):
        """Open the records behind a value, under the user's own rights.

        :return: window action
        :raise UserError: the value points to no records
        :raise AccessError: the user may not read the model
        """
        self.ensure_one()
        if not self.res_model or self.res_model not in self.env:
            raise UserError(
                self.env._(
                    "%(kpi)s keeps no link to records. Look at its provenance instead.",
                    kpi=self.kpi_id.name,
                )
            )
        self.env[self.res_model].check_access("read")
        return {
            "type": "ir.actions.act_window",
            "name": self.display_name,
            "res_model": self.res_model,
            "domain": literal_eval(self.res_domain or "[]"),
            "views": [(False, "list"), (False, "form")],
            "target": "current",
        }
