# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class ResCompany(models.Model):
    _inherit = "res.company"

    saas_usage_rate = fields.Integer(
        string="Usage Requests a Second",
        default=200,
        help="How many requests a second each key may send to the usage API; twice as "
        "many may come at once. 0: no limit.",
    )
    _saas_usage_rate_positive = models.Constraint(
        "CHECK (saas_usage_rate >= 0 AND saas_usage_rate <= 100000)",
        "Allow between 0 (no limit) and 100,000 usage requests a second.",
    )
