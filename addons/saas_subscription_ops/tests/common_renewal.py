# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from freezegun import freeze_time

from .common import SubscriptionCase


class RenewalCase(SubscriptionCase):
    """A yearly contract that ends on 1 March 2027, and the shipped steps."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.expiring = cls.create_plan(name="Expiring", auto_renew=False)

    def setUp(self):
        super().setUp()
        self.at("2026-03-01 10:00:00")

    def at(self, moment):
        """Let it be that moment from now on."""
        freezer = freeze_time(moment)
        freezer.start()
        self.addCleanup(freezer.stop)

    def contract(self, **vals):
        """Create a running yearly subscription of 500 a month."""
        return self.create_subscription(
            **{
                "date_start": date(2026, 3, 1),
                "term_end": date(2027, 3, 1),
                "user_id": self.salesperson.id,
                **vals,
            }
        )

    def ending(self, **vals):
        """Create one that expires unless it is renewed."""
        return self.contract(
            plan_id=self.expiring.id, date_end=date(2027, 3, 1), **vals
        )

    def run_day(self, *days):
        """Run both daily jobs for some days, without any other help."""
        for day in days:
            with freeze_time(f"{day} 04:00:00"):
                self.env["saas.subscription"]._process_lifecycle(day)
                self.env["saas.renewal"]._process_renewals(day)

    def renewal(self, subscription, term_end=date(2027, 3, 1)):
        return subscription.sudo().renewal_ids.filtered(
            lambda renewal: renewal.term_end == term_end
        )

    def results(self, renewal):
        return {
            (log.step_id.action, log.step_id.days_before): log.result
            for log in renewal.step_log_ids
        }
