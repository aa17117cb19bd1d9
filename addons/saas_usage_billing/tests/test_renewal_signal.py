# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, timedelta

from odoo import Command
from odoo.tests import tagged

from .common import UsageCase

DAY = date(2026, 4, 27)
EARLIER, RECENT = "2026-03-10", "2026-04-10"


@tagged("post_install", "-at_install")
class TestRenewalSignal(UsageCase):
    """28 days against the 28 days before, as a signal of the renewal forecast."""

    def signal(self, subscription=None, day=DAY):
        found = (subscription or self.subscription)._get_renewal_signals(day)
        return {
            code: (points, words)
            for code, points, words in found
            if code.startswith("usage_")
        }

    def test_usage_that_falls(self):
        self.store(8, EARLIER)
        self.store(3, RECENT)
        points, words = self.signal()["usage_falls"]
        self.assertEqual(points, -15)
        self.assertIn("62%", words)

    def test_usage_that_grows(self):
        self.store(4, EARLIER)
        self.store(6, RECENT)
        points, words = self.signal()["usage_grows"]
        self.assertEqual(points, 10)
        self.assertIn("50%", words)

    def test_usage_that_stopped(self):
        self.store(4, EARLIER)
        self.assertEqual(self.signal()["usage_stopped"][0], -25)

    def test_steady_or_unknown_usage_says_nothing(self):
        self.assertFalse(self.signal())
        self.store(4, EARLIER)
        self.store(4, RECENT)
        self.assertFalse(self.signal())
        # Sold within the spans: nothing to compare with.
        self.assertFalse(self.signal(day=DAY - timedelta(days=20)))

    def test_each_subscription_has_its_own_usage(self):
        other = self.create_subscription(self.create_partner("Beta AG"))
        self.tie("client-2", other)
        self.store(8, EARLIER)
        self.store(2, RECENT)
        self.store(2, EARLIER, subject="client-2")
        self.store(8, RECENT, subject="client-2")
        found = (self.subscription + other)._collect_renewal_signals(DAY)
        codes = [
            [row[0] for row in found[one.id] if row[0].startswith("usage_")]
            for one in (self.subscription, other)
        ]
        self.assertEqual(codes, [["usage_falls"], ["usage_grows"]])

    def test_a_subscription_without_meters_has_no_trend(self):
        plain = self.env["product.product"].create(
            {"name": "Seat", "type": "service", "taxes_id": [Command.clear()]}
        )
        subscription = self.create_subscription(self.partner, products=plain)
        self.assertFalse(self.signal(subscription))
