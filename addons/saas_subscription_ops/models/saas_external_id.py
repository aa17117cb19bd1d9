# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError


class SaasExternalId(models.Model):
    _inherit = "saas.external.id"

    subscription_id = fields.Many2one(
        "saas.subscription",
        index="btree_not_null",
        ondelete="cascade",
        check_company=True,
        help="The subscription this tenant or workspace belongs to.",
    )

    @api.constrains("subscription_id", "partner_id")
    def _check_subscription_account(self):
        for external in self:
            subscription = external.subscription_id
            if not subscription or not external.partner_id:
                continue
            if external.partner_id.commercial_partner_id != (
                subscription.commercial_partner_id
            ):
                raise ValidationError(
                    self.env._(
                        "%(value)s: subscription %(subscription)s belongs to another "
                        "account than %(partner)s. Choose one of its own.",
                        value=external.value,
                        subscription=subscription.name,
                        partner=external.partner_id.display_name,
                    )
                )
