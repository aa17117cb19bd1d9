# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from freezegun import freeze_time

from .common import SubscriptionCase

TODAY = date(2026, 3, 16)


class AmendmentCase(SubscriptionCase):
    """A running subscription of 500 a month, in the middle of its first period."""

    def setUp(self):
        super().setUp()
        freezer = freeze_time("2026-03-16 10:00:00")
        freezer.start()
        self.addCleanup(freezer.stop)
        self.subscription = self.create_subscription(
            date_start=date(2026, 3, 1), term_end=date(2027, 3, 1)
        ).with_user(self.manager)
        self.line = self.subscription.line_ids

    def ledger_total(self, subscription=None):
        charges = (subscription or self.subscription).sudo().charge_ids
        return round(sum(charges.mapped("amount")), 2)

    def due(self, cutoff=date(2026, 4, 1), subscription=None):
        subscription = subscription or self.subscription
        charges = subscription._get_unbooked_charges(cutoff)
        return float(sum(charge.amount for charge in charges))
