# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from unittest.mock import patch

from odoo.tests import freeze_time, tagged

from .test_hold import APRIL, MARCH, MAY
from .test_wallet_billing import WalletBillingCase


@tagged("post_install", "-at_install")
class TestWalletExpiry(WalletBillingCase):
    """Grants expire when nothing of their time is left to bill."""

    def expire(self, day):
        self.wallet._expire(date.fromisoformat(day))
        self.assert_in_balance(self.wallet)

    def grant_to(self, expiry, amount=500, **terms):
        terms = {"date_start": MARCH, **terms}
        return self.grant(self.wallet, amount, date_expiry=expiry, **terms)

    def test_what_is_left_is_lost_once(self):
        grant = self.grant_to(APRIL)
        self.use()
        self.bill_usage()
        self.expire("2026-03-31")
        self.assertEqual(grant.state, "open")
        for _again in range(2):
            self.expire("2026-04-01")
            self.assertEqual((grant.state, grant.remaining), ("expired", 0))
        lost = self.wallet.transaction_ids.filtered(lambda row: row.kind == "expire")
        self.assertAlmostEqual(sum(lost.mapped("amount")), 84.40 - 500)
        events = self.events(self.wallet, "wallet.expired")
        self.assertEqual([event.payload["amount"] for event in events], ["415.60"])

    def test_unbilled_usage_of_its_time_keeps_it(self):
        grant = self.grant_to(APRIL)
        self.use()
        self.expire("2026-04-01")
        self.assertEqual(grant.state, "open")
        run = self.prepare()
        self.expire("2026-04-01")
        self.assertEqual(grant.state, "open")
        self.post(self.approve(run))
        self.expire("2026-04-01")
        self.assertEqual(grant.state, "expired")

    def test_days_of_grace_keep_it(self):
        self.subscription.plan_id.sudo().grace_days = 3
        grant = self.grant_to(APRIL)
        self.expire("2026-04-02")
        self.assertEqual(grant.state, "open")
        self.expire("2026-04-03")
        self.assertEqual(grant.state, "expired")

    def test_the_running_period_keeps_it(self):
        grant = self.grant_to(date(2026, 4, 2))
        self.bill_usage()
        self.expire("2026-04-20")
        self.assertEqual(grant.state, "open")
        self.use("2026-04-20", 130)
        self.bill_usage(MAY, date(2026, 5, 1))
        self.assertAlmostEqual(grant.remaining, 500 - 14.50)
        self.expire("2026-05-01")
        self.assertEqual(grant.state, "expired")

    def test_held_usage_keeps_it(self):
        grant = self.grant_to(APRIL)
        self.use()
        hold = self.hold()
        self.bill_usage()
        self.expire("2026-04-01")
        self.assertEqual(grant.state, "open")
        self.release(hold)
        self.bill_usage(APRIL, date(2026, 4, 2))
        self.expire("2026-04-02")
        self.assertEqual(grant.state, "expired")

    def test_money_that_comes_back_expires_again(self):
        grant = self.grant_to(APRIL, 100)
        self.use()
        self.bill_usage()
        self.expire("2026-04-01")
        self.lower()
        self.bill_usage(APRIL, date(2026, 4, 2))
        self.assertAlmostEqual(grant.remaining, 62 - 6.20)
        self.expire("2026-04-02")
        self.assertEqual((grant.state, self.wallet.balance), ("expired", 0))

    # Rolled over -----------------------------------------------------
    def rolled(self, amount, least, most):
        self.grant_to(APRIL, amount, rollover_min=least, rollover_max=most)
        self.expire("2026-04-01")
        return self.wallet.grant_ids.filtered(lambda row: row.kind == "rollover")

    def test_roll_over_as_much_as_agreed(self):
        # openmeter/credit/grant/grant.go of openmeterio/openmeter, see WAL-05
        grant = self.rolled(90, 0, 50)
        self.assertEqual((grant.remaining, self.wallet.balance), (50, 50))
        self.assertEqual((grant.date_start, grant.date_expiry), (APRIL, MAY))

        # once only
        self.expire("2026-05-01")
        self.assertEqual(self.wallet.balance, 0)

    def test_roll_over_lifts_to_the_least(self):
        grant = self.rolled(10, 50, 50)
        self.assertEqual((grant.remaining, self.wallet.balance), (50, 50))

    def test_roll_over_of_less_than_the_most(self):
        self.assertEqual(self.rolled(30, 0, 50).remaining, 30)

    def rolled_again(self, amount, price, **terms):
        """Let a grant expire, make March cheaper, and let it expire once more."""
        grant = self.grant_to(APRIL, amount, **terms)
        self.use()
        self.bill_usage()
        self.expire("2026-04-01")
        self.lower(price)
        self.bill_usage(APRIL, date(2026, 4, 2))
        self.assertEqual(grant.state, "open")
        self.expire("2026-04-02")
        self.assertEqual((grant.state, grant.remaining), ("expired", 0))
        after = self.wallet.grant_ids - grant
        return [round(amount, 2) for amount in after.sorted("id").mapped("remaining")]

    def test_money_that_comes_back_does_not_roll_over_once_more(self):
        # 415.60 were left, 55.80 come back
        self.assertEqual(self.rolled_again(500, 0.001, rollover_max=50), [50])

    def test_money_that_comes_back_rolls_over_up_to_the_most(self):
        # 5.60 were left and lifted, 55.80 come back
        terms = {"rollover_min": 10, "rollover_max": 50}
        self.assertEqual(self.rolled_again(90, 0.001, **terms), [10, 40])

    def test_a_cent_that_comes_back_is_not_lifted(self):
        terms = {"rollover_min": 10, "rollover_max": 50}
        self.assertEqual(self.rolled_again(90, 0.0099984, **terms), [10, 0.01])

    def test_a_cent_that_comes_back_after_the_most_is_lost(self):
        terms = {"rollover_min": 50, "rollover_max": 50}
        self.assertEqual(self.rolled_again(500, 0.0099984, **terms), [50])

    def test_nothing_is_lifted_once_the_rest_was_taken_back(self):
        grant = self.grant_to(APRIL, 90, rollover_min=50, rollover_max=50)
        self.use()
        run = self.approve(self.prepare())
        self.wallet._void(grant, "Refund")
        self.assertEqual(grant.state, "open")
        self.post(run)
        self.expire("2026-04-01")
        self.assertEqual((grant.state, self.wallet.balance), ("expired", 0))

    # Job -------------------------------------------------------------
    @freeze_time("2026-04-02 03:00:00")
    def test_job_goes_on_after_a_failing_wallet(self):
        other = self.create_wallet()
        grants = self.grant_to(APRIL) | self.grant(
            other, 10, date_start=MARCH, date_expiry=APRIL
        )
        wallet = type(self.wallet)
        expire = wallet._expire

        def fail(record, today):
            if record == self.wallet:
                raise ValueError("no")
            return expire(record, today)

        cron = self.env.ref("saas_usage_billing.ir_cron_saas_wallet_expire")
        with patch.object(wallet, "_expire", fail), self.enter_registry_test_mode():
            cron.method_direct_trigger()
        self.env.invalidate_all()
        self.assertEqual(set(grants.mapped("state")), {"open", "expired"})
        self.assertEqual(self.exceptions("wallet.expiry_failed").res_id, self.wallet.id)
        self.wallet.saas_retry_expire()
        self.assertEqual(set(grants.mapped("state")), {"expired"})
