# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import models


class ResUsers(models.Model):
    _inherit = "res.users"

    def _saas_filter_assignable(self, company):
        """Return the users who can be given work of a company.

        :param company: ``res.company``
        :return: active, internal users with access to the company
        """
        return self.filtered(
            lambda user: user.active and not user.share and company in user.company_ids
        )
