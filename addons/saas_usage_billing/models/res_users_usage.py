# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models
from odoo.tools import SQL


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

    def _get_saas_usage_sender(self):
        """Return the company of a user who sends usage, and the rate of its keys.

        Every request asks, and most need nothing else of the two: one row is read
        where the ORM would fetch both whole.

        :return: (id of the company, requests a second, 0: no limit)
        """
        self.ensure_one()
        self.flush_recordset(["company_id", "saas_usage_rate"])
        self.env["res.company"].flush_model(["saas_usage_rate"])
        [row] = self.env.execute_query(
            SQL(
                """
                SELECT u.company_id, COALESCE(NULLIF(u.saas_usage_rate, 0),
                                              c.saas_usage_rate, 0)
                  FROM res_users u
                  JOIN res_company c ON c.id = u.company_id
                 WHERE u.id = %s
                """,
                self.id,
            )
        )
        return row
