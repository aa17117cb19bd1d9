# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class ProjectRole(models.Model):
    _inherit = "project.role"

    saas_user_source = fields.Selection(
        [
            ("user", "Fixed users"),
            ("csm", "Customer success manager of the account"),
            ("salesperson", "Salesperson of the order"),
        ],
        string="Onboarding Assignment",
        default="user",
        required=True,
        help="Who gets the tasks of this role when an onboarding project is created. "
        "The fixed users also stand in when the account or order names nobody.",
    )
    saas_user_ids = fields.Many2many(
        "res.users",
        "saas_project_role_user_rel",
        string="Onboarding Users",
        domain=[("share", "=", False)],
    )

    def _saas_get_users(self, order):
        """Return who takes the role in the onboarding of an order.

        :param order: ``sale.order``
        :return: active internal users allowed in the order's company; may be empty
        """
        self.ensure_one()
        users = self.env["res.users"]
        if self.saas_user_source == "csm":
            users = order.partner_id.commercial_partner_id.saas_csm_id
        elif self.saas_user_source == "salesperson":
            users = order.user_id
        users = users._saas_filter_assignable(order.company_id)
        return users or self.saas_user_ids._saas_filter_assignable(order.company_id)
