# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import datetime, timedelta

from psycopg2 import IntegrityError

from odoo.tests import tagged
from odoo.tools import mute_logger

from ..models.usage_rate import take_call
from .common import UsageCase

START = datetime(2026, 4, 10, 12, 0)


@tagged("post_install", "-at_install")
class TestUsageRate(UsageCase):
    """A key may send so many requests a second, and twice as many at once."""

    def setUp(self):
        super().setUp()
        self.user = self.new_user("usage_rate", "integration")
        self.registry_enter_test_mode()

    def take(self, seconds=0.0, rate=2, user=None):
        now = START + timedelta(seconds=seconds)
        return take_call(self.env.registry, (user or self.user).id, rate, now)

    def test_bucket_empties_and_fills(self):
        left = [self.take().remaining for _call in range(4)]
        self.assertEqual(left, [3, 2, 1, 0])
        call = self.take()
        self.assertEqual((call.limit, call.remaining, call.retry_after), (4, 0, 1))
        # Half a second is one token at two a second.
        self.assertFalse(self.take(0.5).retry_after)
        self.assertTrue(self.take(0.5).retry_after)
        # What nobody took is kept up to twice the rate.
        left = [self.take(3600).remaining for _call in range(4)]
        self.assertEqual(left, [3, 2, 1, 0])
        self.assertTrue(self.take(3600).retry_after)

    def test_wait_is_as_long_as_it_takes(self):
        for _call in range(2):
            self.assertFalse(self.take(rate=1).retry_after)
        self.assertEqual(self.take(rate=1).retry_after, 1)
        self.assertFalse(self.take(1, rate=1).retry_after)

    def test_clock_that_goes_back_fills_nothing(self):
        for _call in range(4):
            self.take(10)
        self.assertTrue(self.take(0).retry_after)
        self.assertTrue(self.take(10).retry_after)

    def test_users_do_not_share_a_bucket(self):
        for _call in range(5):
            call = self.take()
        self.assertTrue(call.retry_after)
        other = self.new_user("usage_rate_2", "integration")
        self.assertFalse(self.take(user=other).retry_after)

    def test_rate_of_the_user_beats_that_of_the_company(self):
        user = self.user.with_company(self.company)
        self.assertEqual(user._get_saas_usage_sender()[1], 200)
        self.company.saas_usage_rate = 0
        self.assertEqual(user._get_saas_usage_sender()[1], 0)
        user.saas_usage_rate = 5
        self.assertEqual(user._get_saas_usage_sender()[1], 5)

    def test_rate_is_no_nonsense(self):
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"):
            self.company.saas_usage_rate = -1
            self.env.flush_all()

    def test_administrators_set_it(self):
        roles = "base.group_system,saas_core.group_saas_core_administrator"
        admin = self.new_user("usage_rate_admin", roles)
        settings = self.env["res.config.settings"].with_user(admin)
        settings.create({"saas_usage_rate": 7}).execute()
        self.assertEqual(self.company.saas_usage_rate, 7)
        arch = settings.get_view(view_type="form")["arch"]
        self.assertIn('name="saas_usage_rate"', arch)
