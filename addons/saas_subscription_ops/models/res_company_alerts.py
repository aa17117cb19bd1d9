# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class ResCompany(models.Model):
    _inherit = "res.company"

    saas_onboarding_inactive_days = fields.Integer(
        string="Onboarding Inactive After (Working Days)",
        default=10,
        help="Alert when nobody worked, wrote or changed a task of an onboarding for "
        "so long. Templates may set their own. 0: never.",
    )
