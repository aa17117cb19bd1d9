# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import Command
from odoo.tests import HttpCase, new_test_user, tagged

from .common import UsageFixture


@tagged("post_install", "-at_install")
class TestPortalUsage(UsageFixture, HttpCase):
    """The customer sees the usage of the running period, and nobody else does."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.create_world()
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
