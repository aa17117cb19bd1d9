# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class SaasKpi(models.Model):
    """Definition of a key figure and who computes it."""

    _name = "saas.kpi"
    _description = "KPI"
    _inherit = ["mail.thread"]
    _order = "sequence, code"

    code = fields.Char(required=True)
    name = fields.Char(required=True, translate=True)
    sequence = fields.Integer(default=10)
    description = fields.Text(translate=True)
    active = fields.Boolean(default=True)
    compute_model = fields.Char(required=True)
    compute_method = fields.Char(required=True)
    definition_version = fields.Integer(default=1, readonly=True, copy=False)
    unit = fields.Selection(
        [
            ("money", "Money"),
            ("percent", "Percent"),
            ("count", "Count"),
            ("days", "Days"),
        ],
        required=True,
        default="count",
    )
    direction = fields.Selection(
        [("up", "Higher is better"), ("down", "Lower is better")],
        required=True,
        default="up",
    )
    period = fields.Selection(
        [("day", "Day"), ("month", "Month")], required=True, default="day"
    )
    target = fields.Float(digits=(16, 4))
    warning_threshold = fields.Float(digits=(16, 4))
    critical_threshold = fields.Float(digits=(16, 4))
    value_ids = fields.One2many("saas.kpi.value", "kpi_id")

    _code_unique = models.Constraint(
        "UNIQUE (code)", "A KPI with this code exists."
    )
