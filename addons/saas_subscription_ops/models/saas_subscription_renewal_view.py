# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    renewal_count = fields.Integer(
        compute="_compute_renewal_count",
        groups="saas_core.group_saas_core_user,sales_team.group_sale_salesman",
    )

    def _compute_renewal_count(self):
        counts = dict(
            self.env["saas.renewal"]._read_group(
                [("subscription_id", "in", self.ids)], ["subscription_id"], ["__count"]
            )
        )
        for subscription in self:
            subscription.renewal_count = counts.get(subscription, 0)

    def action_view_renewals(self) -> dict:
        """Open the renewals of the subscription.

        :return: window action
        """
        self.ensure_one()
        return self.env["saas.renewal"]._get_list_action(
            [("subscription_id", "=", self.id)]
        )
