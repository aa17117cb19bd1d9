# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from psycopg2.errors import SerializationFailure

from odoo import SUPERUSER_ID, api
from odoo.modules.registry import Registry
from odoo.tests import BaseCase, get_db_name, tagged


@tagged("post_install", "-at_install")
class TestWalletRace(BaseCase):
    """Two real transactions at a wallet: the second one begins anew."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.registry = Registry(get_db_name())

    def setUp(self):
        super().setUp()
        with self.registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {"tracking_disable": True})
            product = env["product.product"].create({"name": "Race"})
            wallet = env["saas.wallet"].create(
                {
                    "name": "Race",
                    "partner_id": env.company.partner_id.id,
                    "product_id": product.id,
                }
            )
            self.wallet_id = wallet.id
            self.addCleanup(self.remove, wallet.id, product.id)

    def remove(self, wallet_id, product_id):
        with self.registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            env["saas.wallet"].browse(wallet_id).unlink()
            env["product.product"].browse(product_id).unlink()

    def wallet(self, cr):
        env = api.Environment(cr, SUPERUSER_ID, {})
        return env["saas.wallet"].browse(self.wallet_id)

    def test_who_waited_sees_fresh_numbers(self):
        with self.registry.cursor() as late:
            # Its view of the wallet is from before the first one commits.
            self.assertEqual(self.wallet(late)._get_reserved(), {})
            with self.registry.cursor() as first:
                self.wallet(first)._lock()
            with self.assertRaises(SerializationFailure):
                self.wallet(late)._lock()
            late.rollback()
            self.wallet(late)._lock()
