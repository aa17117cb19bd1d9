# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import models


class SaasBillingRunCharge(models.Model):
    _name = "saas.billing.run.charge"
    _inherit = ["saas.billing.run.charge", "saas.usage.evidence"]
