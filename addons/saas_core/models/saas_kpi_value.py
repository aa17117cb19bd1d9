# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class SaasKpiValue(models.Model):
    """Stored value of a KPI for one period, company and dimension."""

    _name = "saas.kpi.value"
    _description = "KPI Value"
    _order = "date_start desc, kpi_id, dimension"

    kpi_id = fields.Many2one(
        "saas.kpi", required=True, readonly=True, index=True, ondelete="cascade"
    )
    definition_version = fields.Integer(
        required=True, readonly=True, aggregator=None, default=1
    )
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True, ondelete="restrict"
    )
    date_start = fields.Date(required=True, readonly=True, index=True)
    date_end = fields.Date(required=True, readonly=True, help="Exclusive.")
    dimension = fields.Char(required=False, readonly=True, default="")
    value = fields.Float(digits=(16, 4), readonly=True)
    currency_id = fields.Many2one("res.currency", readonly=True, ondelete="restrict")
    target = fields.Float(digits=(16, 4), readonly=True)
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
    is_latest = fields.Boolean(readonly=True, index=True)
    computed_at = fields.Datetime(readonly=True)
    provenance = fields.Json(readonly=True)
    res_model = fields.Char(readonly=True)
    res_domain = fields.Char(readonly=True)
