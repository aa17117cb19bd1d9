# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from unittest.mock import patch

from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import SubscriptionCase

LOGGER = "odoo.addons.saas_subscription_ops.models.saas_billing_run_line_posting"


@tagged("post_install", "-at_install")
class TestSaasBillingFaults(SubscriptionCase):
    """What breaks between preview and posting fails alone, and its retry works."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.good = cls.create_subscription()
        cls.customer = cls.partner.copy({"name": "Unlucky Ltd"})

    def prepare(self, subscription):
        """Return an approved run and its line of a subscription."""
        run = self.create_run()
        run.action_compute()
        return self.approve(run), run.line_ids.filtered(
            lambda line: line.subscription_id == subscription
        )

    def post_failing(self, run, line):
        """Post the run: all but the line. Return its exception."""
        with mute_logger(LOGGER):
            self.post(run)
        self.assertEqual((run.state, run.done_count, run.failed_count), ("done", 1, 1))
        self.assertEqual(self.good.charge_ids.move_id.state, "posted")
        self.assertEqual(line.state, "failed")
        self.assertFalse(line.subscription_id.charge_ids)
        exception = self.exceptions("billing.post_failed")
        self.assertEqual((exception.res_model, exception.res_id), (line._name, line.id))
        return exception.with_user(self.operator)

    def check_retry(self, exception, line, cure):
        """Retry before and after the cure, as the operator does."""
        with mute_logger("odoo.addons.saas_core.models.saas_exception_actions"):
            exception.action_retry()
        self.assertEqual((exception.state, line.state), ("open", "failed"))
        self.assertFalse(line.subscription_id.charge_ids)
        cure()
        exception.action_retry()
        self.assertEqual((exception.state, line.state), ("resolved", "posted"))
        charges = line.subscription_id.charge_ids
        self.assertEqual(charges.move_id, line.move_id)
        self.assertEqual(sum(charges.mapped("amount")), line.amount)
        moves = line.move_id | self.good.charge_ids.move_id
        self.assertEqual(set(moves.mapped("state")), {"posted"})
        numbers = sorted(moves.mapped("sequence_number"))
        self.assertEqual(numbers[1] - numbers[0], 1)

    # Faults ----------------------------------------------------------
    def test_customer_archived_after_the_approval(self):
        subscription = self.create_subscription(partner_id=self.customer.id)
        run, line = self.prepare(subscription)
        self.customer.action_archive()
        exception = self.post_failing(run, line)
        self.assertIn("Unlucky Ltd is archived", exception.name)
        self.check_retry(exception, line, self.customer.action_unarchive)

    def test_rate_lost_after_the_approval(self):
        currency = self.create_currency()
        self.create_rate(currency)
        subscription = self.create_subscription(currency_id=currency.id)
        run, line = self.prepare(subscription)
        self.assertEqual(line.state, "ok")
        currency.rate_ids.unlink()
        exception = self.post_failing(run, line)
        self.assertIn("no exchange rate for XTC", exception.name)
        self.check_retry(exception, line, lambda: self.create_rate(currency))
        self.assertEqual(line.move_id.amount_total_signed, 250)

    def test_released_line_without_rate(self):
        # A comment makes no rate: Odoo would book one to one.
        currency = self.create_currency()
        subscription = self.create_subscription(currency_id=currency.id)
        run = self.create_run()
        run.action_compute()
        line = run.line_ids.filtered(lambda ln: ln.subscription_id == subscription)
        self.assertEqual(line.state, "held")
        self.assertIn("no exchange rate for XTC", line.check_results)
        line.comment = "It will be fine"
        line.with_user(self.operator).action_release()
        self.approve(run)
        exception = self.post_failing(run, line)
        self.assertIn("no exchange rate for XTC", exception.name)
        self.check_retry(exception, line, lambda: self.create_rate(currency))

    def test_held_without_rate_until_computed_again(self):
        currency = self.create_currency()
        subscription = self.create_subscription(currency_id=currency.id)
        run = self.create_run()
        run.action_compute()
        line = run.line_ids.filtered(lambda ln: ln.subscription_id == subscription)
        self.assertEqual(line.state, "held")
        self.create_rate(currency)
        line.with_user(self.operator).action_recompute()
        self.assertEqual((line.state, line.amount_company), ("ok", 250))
        self.post(self.approve(run))
        self.assertEqual(line.move_id.amount_total_signed, 250)

    def test_account_lost_after_the_approval(self):
        product = self.create_product("Odd part", 500.0)
        income = product._get_product_accounts()["income"]
        subscription = self.create_subscription(
            [{"product_id": product.id, "price_unit": 500.0}]
        )
        self.platform.property_account_income_id = income
        run, line = self.prepare(subscription)
        self.assertEqual(line.state, "ok")
        self.take_accounts_away()
        exception = self.post_failing(run, line)
        self.assertIn("Odd part has no income account", exception.name)

        def cure():
            product.property_account_income_id = income

        self.check_retry(exception, line, cure)

    def test_pricing_that_breaks_stops_nobody_else(self):
        subscription = self.create_subscription()
        run, line = self.prepare(subscription)
        Subscription = type(subscription)
        price = Subscription._get_unbooked_charges
        is_broken = True

        def fail(record, cutoff):
            if is_broken and record == subscription:
                raise ZeroDivisionError("division by zero")
            return price(record, cutoff)

        def cure():
            nonlocal is_broken
            is_broken = False

        with patch.object(Subscription, "_get_unbooked_charges", fail):
            exception = self.post_failing(run, line)
            self.check_retry(exception, line, cure)

    def test_resume_cancels_jobs_of_killed_workers(self):
        run, _line = self.prepare(self.good)
        other, _other_line = self.prepare(self.good)
        for record in (run, other):
            record.with_user(self.operator).action_post()
        jobs = self.find_jobs(run, "_job_post_chunk")
        others = self.find_jobs(other, "_job_post_chunk")
        # Started, and nobody holds their lock.
        (jobs | others).write({"state": "started"})
        run.with_user(self.operator).action_resume()
        self.assertEqual(jobs.mapped("state"), ["cancelled"])
        self.assertEqual(others.mapped("state"), ["started"])
        fresh = self.find_jobs(run, "_job_post_chunk") - jobs
        self.assertEqual(fresh.mapped("state"), ["pending"])

    # Tools -----------------------------------------------------------
    def find_jobs(self, run, method):
        jobs = self.env["queue.job"].search([("method_name", "=", method)])
        return jobs.filtered(lambda job: job.records == run)

    def create_currency(self):
        return self.env["res.currency"].create({"name": "XTC", "symbol": "x"})

    def create_rate(self, currency):
        """Let two units of the currency be worth one of the company's."""
        self.env["res.currency.rate"].create(
            {
                "currency_id": currency.id,
                "company_id": self.company.id,
                "name": date(2026, 1, 1),
                "rate": 2.0,
            }
        )

    def take_accounts_away(self):
        """Leave products without any account to fall back to."""
        self.company.income_account_id = False
        self.env["product.category"].search([]).with_company(self.company).write(
            {"property_account_income_categ_id": False}
        )
        self.env["account.journal"].search([("type", "=", "sale")]).write(
            {"default_account_id": False}
        )
