# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class ResUsers(models.Model):
    _inherit = "res.users"

    saas_usage_rate = fields.Integer(
        string="Usage Requests a Second",
        help="For the API keys of this user, in place of what the company allows. 0: "
        "what the company allows.",
    )
    _saas_usage_rate_positive = models.Constraint(
        "CHECK (saas_usage_rate >= 0 AND saas_usage_rate <= 100000)",
        "Allow between 0 (as the company) and 100,000 usage requests a second.",
    )

    def _get_saas_usage_rate(self):
        """Return how many requests a second the keys of the user may send.

        :return: int, 0: no limit
        """
        self.ensure_one()
        return self.saas_usage_rate or self.env.company.saas_usage_rate
