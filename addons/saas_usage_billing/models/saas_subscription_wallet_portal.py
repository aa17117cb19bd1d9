# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The wallets of a subscription, for staff and on the customer's page."""

from odoo import api, fields, models

#: Movements on the customer's page.
LAST = 20


class SaasSubscription(models.Model):
    _inherit = "saas.subscription"

    wallet_text = fields.Char(
        compute="_compute_wallet_text",
        string="Prepaid Credit",
        groups="saas_core.group_saas_core_user",
        help="The balance of the wallets that pay for this subscription.",
    )

    def _compute_wallet_text(self):
        for subscription in self:
            subscription.wallet_text = subscription._get_paying_wallets()._describe()

    def _get_paying_wallets(self):
        """Return the open wallets of the account in the subscription's currency."""
        self.ensure_one()
        wallets = self._find_wallets(self.commercial_partner_id, self.company_id)
        return wallets.filtered(lambda one: one.currency_id == self.currency_id)

    @api.model
    def _find_wallets(self, account, company):
        """Return the open wallets of an account, in the order they pay.

        :param account: ``res.partner``
        :param company: ``res.company``
        """
        return self.env["saas.wallet"].search(
            [
                ("partner_id", "=", account.id),
                ("company_id", "=", company.id),
                ("state", "=", "open"),
            ],
            order="priority, id",
        )

    def action_view_wallets(self) -> dict:
        """Open the wallets that pay for the subscription.

        :return: window action
        """
        self.ensure_one()
        return self._get_paying_wallets()._get_records_action(
            name=self.env._("Wallets"), context={"create": False}
        )

    def _get_portal_wallets_html(self):
        """Return balance and movements of the wallets for the customer's own page.

        :return: markup; empty without wallets
        """
        self.ensure_one()
        # sudo: the page shows it to the account of the subscription only; the wallets
        # are those of this account
        wallets = self.sudo()._get_paying_wallets()
        if not wallets:
            return ""
        return self.env["ir.qweb"]._render(
            "saas_usage_billing.portal_wallets",
            {"wallets": [wallet._prepare_portal_vals(LAST) for wallet in wallets]},
        )
