# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models

LIFECYCLES = [
    ("prospect", "Prospect"),
    ("onboarding", "Onboarding"),
    ("live", "Live"),
    ("at_risk", "At Risk"),
    ("churned", "Churned"),
]
STANDINGS = [
    ("good", "Good"),
    ("grace", "Grace"),
    ("hold", "Hold"),
    ("closed", "Closed"),
]
ACCOUNT_FIELDS = (
    "saas_lifecycle",
    "saas_support_tier_id",
    "saas_standing",
    "saas_csm_id",
)


class ResPartner(models.Model):
    """The account: what the SaaS business knows about a customer."""

    _name = "res.partner"
    _inherit = ["res.partner", "saas.mixin"]

    saas_lifecycle = fields.Selection(
        LIFECYCLES, string="Lifecycle", tracking=True, groups="base.group_user"
    )
    saas_support_tier_id = fields.Many2one(
        "saas.support.tier",
        string="Support Tier",
        tracking=True,
        index="btree_not_null",
        ondelete="restrict",
        groups="base.group_user",
    )
    saas_standing = fields.Selection(
        STANDINGS, string="Standing", tracking=True, groups="base.group_user"
    )
    saas_csm_id = fields.Many2one(
        "res.users",
        string="Customer Success Manager",
        tracking=True,
        index="btree_not_null",
        ondelete="set null",
        groups="base.group_user",
    )

    @api.model
    def _commercial_fields(self):
        return super()._commercial_fields() + list(ACCOUNT_FIELDS)

    def _saas_account(self):
        return self.commercial_partner_id

    def _saas_set_lifecycle(self, target, reason=None):
        """Move accounts to a lifecycle stage.

        :param str target: prospect, onboarding, live, at_risk or churned
        :param str reason: why, kept in the event
        :return: the accounts that changed
        """
        # Automation moves accounts on behalf of users who may not edit contacts.
        accounts = self.sudo().commercial_partner_id
        changed = accounts.filtered(lambda a: a.saas_lifecycle != target)
        changed.write({"saas_lifecycle": target})
        for account in changed:
            account._saas_emit(
                "account.lifecycle_changed", {"to": target, "reason": reason or ""}
            )
        return changed.sudo(self.env.su)
