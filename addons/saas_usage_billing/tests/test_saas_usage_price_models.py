# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from decimal import Decimal

from odoo import Command
from odoo.exceptions import UserError
from odoo.tests import Form, tagged

from .common import UsageCase


@tagged("post_install", "-at_install")
class TestSaasUsagePriceModels(UsageCase):
    """Each price model in figures, in words, and with its faults named."""

    def amounts(self, price, *quantities):
        return [f"{price._rate(Decimal(str(one))).amount:.2f}" for one in quantities]

    def texts(self, price, quantity):
        price.example_quantity = quantity
        return price.example.split("\n")

    def create_tiered(self, model, tiers, **vals):
        """Create a price; tiers are (up to, price, flat fee, block size)."""
        rows = [
            {
                "up_to": up_to,
                "unit_price": unit,
                "flat_amount": flat,
                "block_size": size,
            }
            for up_to, unit, flat, size in tiers
        ]
        return self.create_price(
            model=model, tier_ids=[Command.create(row) for row in rows], **vals
        )

    def test_blocks(self):
        price = self.create_tiered("block", [(50, 2, 0, 10), (0, 15, 0, 100)])
        self.assertEqual(
            self.amounts(price, 1, 10, 11, 50, 51, 150, 151),
            ["2.00", "2.00", "4.00", "10.00", "25.00", "25.00", "40.00"],
        )
        self.assertEqual(price.tier_ids.mapped("max_blocks"), [5, 0])
        first, below, above = self.texts(price, 51)
        self.assertIn("51 API calls cost", first)
        self.assertIn("50 in blocks of 10 at", below)
        self.assertIn("1 in blocks of 100 at", above)
        price.block_policy = "top_tier"
        self.assertEqual(self.amounts(price, 50, 51, 101), ["10.00", "15.00", "30.00"])

    def test_stairstep(self):
        price = self.create_tiered("stairstep", [(100, 0, 20, 1), (0, 0, 50, 1)])
        self.assertEqual(
            self.amounts(price, 0, 100, 101, 9999), ["20.00", "20.00", "50.00", "50.00"]
        )
        self.assertIn("101 at the fixed price of", self.texts(price, 101)[1])

    def test_percentages(self):
        price = self.create_price(model="percentage", rate_percent=2.9)
        self.assertEqual(self.amounts(price, 1000, "33.33"), ["29.00", "0.97"])
        self.assertIn("2.9% of 1,000 =", self.texts(price, 1000)[1])
        price.write(
            {
                "model": "graduated_percentage",
                "tier_ids": [
                    Command.create({"up_to": 1000, "unit_price": 3}),
                    Command.create({"up_to": 0, "unit_price": 1.5, "flat_amount": 2}),
                ],
            }
        )
        self.assertEqual(self.amounts(price, 1000, 3000), ["30.00", "62.00"])
        self.assertIn("1.5% of 2,000 +", self.texts(price, 3000)[2])

    def test_packages_started_or_full(self):
        price = self.create_price(model="package", package_size=1000, unit_price=3)
        self.assertEqual(self.amounts(price, 999, 2001), ["3.00", "9.00"])
        price.package_mode = "floor"
        self.assertEqual(self.amounts(price, 999, 2001), ["0.00", "6.00"])

    def test_pipeline_options(self):
        price = self.create_price(
            model="standard",
            unit_price=10,
            divide_by=1024,
            round_mode="ceil",
            free_units=1,
            discount_percent=10,
        )
        self.assertEqual(self.amounts(price, 1024, 2500), ["0.00", "18.00"])
        texts = self.texts(price, 2500)
        self.assertIn("billed as 3", texts)
        self.assertIn("1 free of charge", texts)
        self.assertTrue(any(text.startswith("Discount:") for text in texts))
        price.write({"round_mode": "half_up", "round_to": 0.5})
        self.assertEqual(self.amounts(price, 2500), ["13.50"])

    def test_example_of_every_model_while_typing(self):
        price = self.create_tiered("graduated", [(100, 1, 0, 10), (0, 2, 0, 10)])
        with Form(price) as form:
            for model, _label in price._fields["model"].selection:
                form.model = model
                if model in ("standard", "package"):
                    form.unit_price = 3
                if model == "percentage":
                    form.rate_percent = 3
                if model == "dynamic":
                    form.amount_key = "cost"
                form.example_quantity = 200
                if model == "prorated_graduated":
                    self.assertIn("Choose another model or meter", form.example)
                    continue
                self.assertIn("200 API calls cost", form.example, model)
            form.model = "graduated"
            with form.tier_ids.edit(1) as tier:
                tier.up_to = 300
            self.assertIn("Add a last line with 0 as “Up To”", form.example)
            with form.tier_ids.edit(1) as tier:
                tier.up_to = 0

    def test_faults_name_the_field_and_the_cure(self):
        for vals, words in (
            ({"model": "package", "package_size": 0}, "“Package Size” must be above 0"),
            ({"model": "percentage", "rate_percent": -1}, "“Rate (%)” is negative"),
            ({"model": "standard", "divide_by": 0}, "“Divide By” must be above 0"),
            (
                {"model": "standard", "round_mode": "ceil", "round_to": 0},
                "“Multiples Of” must be above 0",
            ),
            ({"model": "standard", "discount_percent": 101}, "between 0 and 100"),
            (
                {"model": "standard", "minimum_amount": 2, "maximum_amount": 1},
                "Lower the minimum",
            ),
            ({"model": "stairstep"}, "“Tiers” is empty"),
        ):
            with self.subTest(vals), self.assertRaises(UserError) as caught:
                self.create_price(**vals)
            self.assertIn(words, caught.exception.args[0])
        for model, tiers, words in (
            ("graduated", [(100, 1, 0, 1)], "No tier goes on after 100"),
            ("block", [(50, 1, 0, 20), (0, 1, 0, 1)], "no whole number of blocks"),
            ("block", [(50, 1, 0, 10), (0, 1, 0, 0)], "above 50 has no “Block Size”"),
        ):
            with self.subTest(tiers), self.assertRaises(UserError) as caught:
                self.create_tiered(model, tiers)
            self.assertIn(words, caught.exception.args[0])

    def test_tiers_are_checked_when_all_are_there(self):
        price = self.create_tiered("block", [(50, 2, 0, 10), (0, 15, 0, 100)])
        low, high = price.tier_ids
        with self.assertRaises(UserError):
            price.tier_ids = [Command.update(low.id, {"up_to": 45})]
        with self.assertRaises(UserError):
            price.tier_ids = [Command.delete(high.id)]
        for change in ({"up_to": 45}, {"block_size": 0}, {"up_to": 0}):
            with self.assertRaises(UserError):
                low.write(change)
        price.tier_ids = [
            Command.update(high.id, {"up_to": 250}),
            Command.create({"up_to": 0, "unit_price": 1}),
        ]
        self.assertEqual(price.tier_ids.mapped("max_blocks"), [5, 2, 0])

    def test_charge_tells_how_it_came_about(self):
        self.create_tiered(
            "block", [(20, 2, 0, 10), (0, 15, 0, 100)], discount_percent=50
        )
        self.store(25, "2026-03-05")
        self.create_price(self.traffic, model="standard", unit_price=0)
        charges = {
            charge.details["meter"]: charge
            for charge in self.subscription._get_proposed_charges(date(2026, 4, 1))
            if charge.kind == "usage"
        }
        charge = charges["calls"]
        self.assertEqual(charge.amount, Decimal("9.50"))
        label = self.subscription._get_quantity_label(charge)
        self.assertIn("20 in blocks of 10 at", label)
        self.assertIn("5 in blocks of 100 at", label)
        self.assertIn("Discount:", label)
        self.assertEqual([t["size"] for t in charge.details["tiers"]], ["10", "100"])
