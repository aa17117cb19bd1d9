# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class SaasKpi(models.Model):
    """Who answers for a KPI, so that dashboards can be filtered by person."""

    _inherit = "saas.kpi"

    saas_owner_id = fields.Many2one(
        "res.users",
        string="KPI Owner",
        index="btree_not_null",
        ondelete="set null",
        tracking=True,
        domain=[("share", "=", False)],
        help="Answers for this figure. The dashboards can be filtered by KPI owner.",
    )
