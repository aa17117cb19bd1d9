# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class ResCompany(models.Model):
    """Who looks after renewals nobody else looks after."""

    _inherit = "res.company"

    saas_renewal_user_id = fields.Many2one(
        "res.users",
        string="Renewal Owner",
        domain=[("share", "=", False)],
        help="Looks after renewals of subscriptions without salesperson and customer "
        "success manager, unless the plan names somebody.",
    )
