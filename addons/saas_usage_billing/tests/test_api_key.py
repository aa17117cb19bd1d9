# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import datetime, timedelta
from unittest.mock import patch

from odoo.tests import tagged

from odoo.addons.base.models import res_users

from .common import UsageCase


@tagged("post_install", "-at_install")
class TestApiKey(UsageCase):
    """A key is hashed slowly once, and stops to work as soon as it is gone."""

    def setUp(self):
        super().setUp()
        self.user = self.new_user("usage_key", "integration")
        # sudo: keys without an end are given by administrators
        keys = self.env["res.users.apikeys"].with_user(self.user).sudo()
        self.key = keys._generate("rpc", "Feed", None)
        self.keys = self.env["res.users.apikeys"]
        self.stored = self.keys.search([("user_id", "=", self.user.id)])

    def check(self, key=None, scope="rpc"):
        return self.keys._check_credentials(scope=scope, key=key or self.key)

    def test_is_hashed_once(self):
        self.assertEqual(self.check(), self.user.id)
        with patch.object(res_users, "KEY_CRYPT_CONTEXT") as context:
            self.assertEqual(self.check(), self.user.id)
        context.verify.assert_not_called()

    def test_other_keys_are_checked(self):
        self.check()
        self.assertFalse(self.check(self.key[:-1] + "x"))
        self.assertFalse(self.check(self.key.upper() + "x"))
        self.assertFalse(self.check(scope="other"))
        self.assertEqual(self.check(), self.user.id)

    def test_removed_key_is_refused(self):
        self.check()
        self.stored.unlink()
        self.assertFalse(self.check())

    def test_expired_key_is_refused(self):
        self.check()
        past = datetime.now() - timedelta(days=2)
        self.env.cr.execute(
            "UPDATE res_users_apikeys SET expiration_date = %s WHERE id = %s",
            [past, self.stored.id],
        )
        self.assertFalse(self.check())

    def test_key_of_an_archived_user_is_refused(self):
        self.check()
        self.user.active = False
        self.env.flush_all()
        self.assertFalse(self.check())

    def test_key_that_was_stored_anew_is_checked_again(self):
        self.check()
        other = res_users.KEY_CRYPT_CONTEXT.hash("another")
        self.env.cr.execute(
            "UPDATE res_users_apikeys SET key = %s WHERE id = %s",
            [other, self.stored.id],
        )
        self.assertFalse(self.check())
