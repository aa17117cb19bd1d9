# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models

from .saas_billing_run_usage_scope import FLOOR_HELP, SIGMA_HELP


class ResCompany(models.Model):
    """What new billing runs and schedules tolerate of unusual usage."""

    _inherit = "res.company"

    saas_usage_sigma = fields.Float(
        string="Usage Deviation Tolerated", default=5.0, help=SIGMA_HELP
    )
    saas_usage_floor = fields.Monetary(
        string="Usage Difference Tolerated", default=10.0, help=FLOOR_HELP
    )

    _saas_usage_checks_not_negative = models.Constraint(
        "CHECK (COALESCE(saas_usage_sigma, 0) >= 0"
        " AND COALESCE(saas_usage_floor, 0) >= 0)",
        "What is tolerated of unusual usage can't be negative. Enter 0 to check no "
        "usage.",
    )
