# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import Command
from odoo.tests import HttpCase, new_test_user, tagged

from .common import UsageFixture
from .test_wallet import WalletFixture


@tagged("post_install", "-at_install")
class TestPortalUsage(UsageFixture, WalletFixture, HttpCase):
    """The customer sees the usage of the running period, and nobody else does."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.create_world()
        cls.credit_product = cls.create_credit_product()
        other = cls.create_partner("Other GmbH")
        for login, partner in (("usage_own", cls.partner), ("usage_other", other)):
            new_test_user(
                cls.env,
                login=login,
                groups="base.group_portal",
                partner_id=partner.id,
                company_id=cls.company.id,
                company_ids=[Command.set(cls.company.ids)],
            )

    def open_page(self, login):
        self.authenticate(login, login)
        return self.url_open(f"/my/subscriptions/{self.subscription.id}")

    def test_own_usage_is_shown(self):
        page = self.open_page("usage_own")
        self.assertEqual(page.status_code, 200)
        self.assertIn("o_saas_usage", page.text)
        self.assertIn("Traffic", page.text)

    def test_others_see_nothing_of_it(self):
        page = self.open_page("usage_other")
        self.assertNotIn("o_saas_usage", page.text)
        self.assertNotIn(self.subscription.name, page.text)

    def test_wallets_are_shown_to_the_account_only(self):
        wallet = self.create_wallet(name="Credits of Acme")
        self.grant(wallet, 777)
        page = self.open_page("usage_own")
        self.assertIn("o_saas_wallet", page.text)
        self.assertIn("777.00", page.text)
        # whoever got the link sees the subscription, not the money of the account
        token = self.subscription._portal_ensure_token()
        for login in (None, "usage_other"):
            self.authenticate(login, login)
            page = self.url_open(
                f"/my/subscriptions/{self.subscription.id}?access_token={token}"
            )
            self.assertIn(self.subscription.name, page.text)
            self.assertNotIn("o_saas_wallet", page.text)
            self.assertNotIn("777.00", page.text)
