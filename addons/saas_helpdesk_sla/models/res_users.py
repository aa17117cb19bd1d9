# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import models


class ResUsers(models.Model):
    """Tell agents from everybody else."""

    _inherit = "res.users"

    def _saas_is_agent(self):
        """Tell whether a user works on tickets: active, internal, helpdesk rights.

        Portal users, OdooBot and employees without helpdesk rights are no agents.

        :return: bool
        """
        self.ensure_one()
        return (
            self.active
            and not self.share
            and not self._is_superuser()
            and self.has_group("helpdesk_mgmt.group_helpdesk_user_own")
        )
