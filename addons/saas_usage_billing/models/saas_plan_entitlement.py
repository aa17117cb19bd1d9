# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class SaasPlan(models.Model):
    _inherit = "saas.plan"

    entitlement_ids = fields.One2many("saas.entitlement", "plan_id", copy=True)
