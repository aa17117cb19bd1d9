# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from decimal import Decimal

from odoo import Command
from odoo.exceptions import UserError, ValidationError
from odoo.tests import Form, tagged

from .common import TIER_TABLE, UsageCase


@tagged("post_install", "-at_install")
class TestSaasUsagePrice(UsageCase):
    """Prices map to the engine, refuse nonsense and explain themselves."""

    def amount(self, price, quantity):
        return price._rate(Decimal(str(quantity))).amount

    def test_graduated(self):
        price = self.create_price(tiers=TIER_TABLE)
        for quantity, wanted in (
            (0, "0.00"),
            (100, "0.00"),
            (101, "0.05"),
            (500, "20.00"),
            (5432, "118.64"),
        ):
            self.assertEqual(self.amount(price, quantity), Decimal(wanted), quantity)

    def test_live_example(self):
        price = self.create_price(tiers=TIER_TABLE)
        price.example_quantity = 5432
        first, *texts = price.example.split("\n")
        self.assertIn("5,432 API calls cost", first)
        self.assertIn("118.64", first)
        self.assertEqual(len(texts), 3)
        with Form(price) as form:
            form.example_quantity = 200
            self.assertIn("200 API calls cost", form.example)
            self.assertIn("5.00", form.example)

    def test_other_models(self):
        standard = self.create_price(model="standard", unit_price=0.002)
        self.assertEqual(self.amount(standard, 1234), Decimal("2.47"))
        standard.write({"model": "package", "package_size": 1000, "unit_price": 3})
        self.assertEqual(self.amount(standard, 1001), Decimal("6.00"))
        standard.write(
            {
                "model": "volume",
                "tier_ids": [
                    Command.create({"up_to": 10, "unit_price": 2}),
                    Command.create({"up_to": 0, "unit_price": 1, "flat_amount": 5}),
                ],
            }
        )
        self.assertEqual(self.amount(standard, 10), Decimal("20.00"))
        self.assertEqual(self.amount(standard, 11), Decimal("16.00"))

    def test_free_units_minimum_and_maximum(self):
        price = self.create_price(
            model="standard",
            unit_price=1,
            free_units=10,
            minimum_amount=5,
            maximum_amount=50,
        )
        self.assertEqual(self.amount(price, 10), Decimal("5.00"))
        self.assertEqual(self.amount(price, 30), Decimal("20.00"))
        self.assertEqual(self.amount(price, 100), Decimal("50.00"))
        texts = price._describe(price._prepare_details(price._rate(Decimal(100))))
        self.assertIn("10 free of charge", texts)
        self.assertTrue(any("maximum" in text for text in texts))

    def test_fractions_of_a_cent_are_kept(self):
        price = self.create_price(model="standard", unit_price=0.00000123)
        self.assertEqual(self.amount(price, 10**9), Decimal("1230.00"))

    def test_nonsense_is_refused(self):
        for tiers in (
            [(100, 1.0)],
            [(0, 1.0), (0, 2.0)],
        ):
            with self.assertRaises(UserError):
                self.create_price(tiers=tiers)
        with self.assertRaises(UserError):
            self.create_price(model="graduated")
        with self.assertRaises(UserError):
            self.create_price(model="standard", minimum_amount=5, maximum_amount=1)

    def test_overlapping_prices_are_refused(self):
        first = self.create_price(model="standard", unit_price=1)
        with self.assertRaises(ValidationError):
            self.create_price(model="standard", date_start=date(2026, 4, 1))
        first.date_end = date(2026, 4, 1)
        self.create_price(model="standard", date_start=date(2026, 4, 1))
        self.create_price(model="standard", plan_id=self.plan.id)

    def test_most_specific_price_of_the_first_day(self):
        general = self.create_price(
            model="standard", unit_price=1, date_end=date(2026, 4, 1)
        )
        newer = self.create_price(
            model="standard", unit_price=2, date_start=date(2026, 4, 1)
        )
        periods = [
            period
            for period in self.subscription._get_usage_periods(date(2026, 6, 1))
            if period.product_tmpl_id == self.calls.product_tmpl_id.id
        ]
        self.assertEqual(len(periods), 3)

        def chosen():
            prices = self.subscription._get_usage_prices(periods)
            return [prices[period] for period in periods]

        self.assertEqual(chosen(), [general, newer, newer])
        of_plan = self.create_price(
            model="standard", plan_id=self.plan.id, date_start=date(2026, 5, 1)
        )
        self.assertEqual(chosen(), [general, newer, of_plan])
        agreed = self.create_price(
            model="standard", subscription_id=self.subscription.id
        )
        self.assertEqual(chosen(), [agreed] * 3)
        agreed.active = False
        self.assertEqual(chosen(), [general, newer, of_plan])
        # whatever a caller asks to see
        self.env.cr.cache.pop("saas_usage_billing", None)
        caller = self.subscription.with_context(active_test=False)
        prices = caller._get_usage_prices(periods)
        self.assertEqual(list(prices.values()), [general, newer, of_plan])

    def test_meter_needs_a_key_and_keeps_its_prices(self):
        with self.assertRaises(ValidationError):
            self.create_meter("Sum", "sum2", "sum")
        self.create_price()
        with self.assertRaises(UserError):
            self.calls_meter.unlink()
