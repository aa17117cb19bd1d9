# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from collections import Counter
from datetime import date, timedelta

from freezegun import freeze_time

from odoo.tests import tagged

from .common_renewal import RenewalCase

START, END = date(2026, 3, 2), date(2027, 5, 2)
WEEK = timedelta(days=7)
#: The scheduler was down from the first day to the second.
OUTAGE = (date(2026, 11, 23), date(2026, 12, 7))
CRONS = ("subscription_process_lifecycle", "renewal_process")


@tagged("post_install", "-at_install")
class TestRenewalCrons(RenewalCase):
    """Fourteen months in which nothing but the shipped cron records runs."""

    def trigger(self, day):
        """Let the scheduler take its turn of a day."""
        self.env.flush_all()
        with freeze_time(f"{day} 04:00:00"), self.enter_registry_test_mode():
            for name in CRONS:
                cron = self.env.ref(f"saas_subscription_ops.ir_cron_saas_{name}")
                cron.method_direct_trigger()
        self.env.invalidate_all()

    def count(self):
        names = "saas.renewal crm.lead sale.order mail.activity mail.mail saas.event"
        return {
            name: self.env[name].sudo().with_context(active_test=False).search_count([])
            for name in names.split()
        }

    def make(self):
        """Return contracts by what is to become of them."""
        contracts = {
            "renewed": self.contract(),
            "expired": self.ending(),
            "cancelled": self.contract(),
            "paused": self.contract(),
            "monthly": self.contract(term_end=date(2026, 4, 1)),
        }
        contracts["cancelled"].cancel()
        contracts["paused"].pause(
            date_effective=date(2026, 5, 1),
            date_resume=date(2026, 6, 1),
            pause_mode="extend",
        )
        monthly = self.create_plan(name="Monthly", term_months=1, notice_days=10)
        contracts["monthly"].plan_id = monthly
        return contracts

    def test_every_term_is_decided_once(self):
        contracts = self.make()
        day, turns = START, 0
        while day <= END:
            if not OUTAGE[0] <= day < OUTAGE[1]:
                self.trigger(day)
                turns += 1
                if turns % 10 == 0:
                    before = self.count()
                    self.trigger(day)
                    self.assertEqual(self.count(), before, f"twice on {day}")
            day += WEEK
        outcomes = {
            name: Counter(contract.renewal_ids.mapped("outcome"))
            for name, contract in contracts.items()
        }
        self.assertEqual(outcomes["renewed"], {"renewed": 1})
        self.assertEqual(outcomes["expired"], {"expired": 1})
        self.assertEqual(outcomes["cancelled"], {"cancelled": 1})
        self.assertEqual(outcomes["paused"]["renewed"], 1)
        # One term a month, from 1 April to 1 April; that to 1 May is open.
        self.assertEqual(outcomes["monthly"], {"renewed": 13, "open": 1})
        self.assertEqual(contracts["renewed"].term_end, date(2028, 3, 1))
        self.assertEqual(contracts["paused"].term_end, date(2028, 4, 1))
        self.assertEqual(contracts["expired"].state, "expired")
        self.assertEqual(contracts["cancelled"].state, "cancelled")
        quotes = self.env["sale.order"].search(
            [("saas_amended_subscription_id", "=", contracts["expired"].id)]
        )
        self.assertEqual(len(quotes), 1)
        for code in ("step_failed", "settle_failed", "forecast_failed", "undecided"):
            self.assertFalse(self.exceptions(f"renewal.{code}"), code)
