# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo import Command
from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import UsageCase


@tagged("post_install", "-at_install")
class TestSaasUsagePriceAllowance(UsageCase):
    """Free units per seat, and those of a part of a period."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.seat = cls.env["product.product"].create(
            {
                "name": "Seat",
                "type": "service",
                "company_id": cls.company.id,
                "saas_charge_kind": "recurring",
            }
        )
        cls.create_price(cls.traffic, model="standard", unit_price=0)

    def charge(self, subscription, until):
        charges = [
            charge
            for charge in subscription._get_proposed_charges(until)
            if charge.kind == "usage" and charge.details["meter"] == "calls"
        ]
        return charges[-1]

    def add_seats(self, quantity, start, end=False):
        self.subscription.write(
            {
                "line_ids": [
                    Command.create(
                        {
                            "product_id": self.seat.id,
                            "quantity": quantity,
                            "price_unit": 10,
                            "date_start": start,
                            "date_end": end,
                        }
                    )
                ]
            }
        )

    def test_free_units_per_seat_of_the_first_day(self):
        price = self.create_price(
            model="standard",
            unit_price=1,
            free_units=4,
            free_per_product_id=self.seat.id,
        )
        self.store(10, "2026-03-10")
        self.store(10, "2026-04-08")
        self.assertEqual(self.charge(self.subscription, date(2026, 4, 1)).amount, 10)
        self.add_seats(2, date(2026, 3, 1), date(2026, 4, 1))
        self.add_seats(3, date(2026, 4, 1))
        self.add_seats(5, date(2026, 4, 2))
        march = self.charge(self.subscription, date(2026, 4, 1))
        self.assertEqual(march.amount, 2)
        self.assertIn("8 free of charge", self.subscription._get_quantity_label(march))
        april = self.charge(self.subscription, date(2026, 5, 1))
        self.assertEqual(april.amount, 0)
        self.assertIn(
            "10 of 12 free of charge", self.subscription._get_quantity_label(april)
        )
        self.assertIn("With one Seat.", price.example)

    def test_free_units_and_maximum_of_a_part_of_a_period(self):
        price = self.create_price(
            model="standard", unit_price=1, free_units=31, maximum_amount=3.1
        )
        late = self.create_subscription(
            self.create_partner("Late Ltd"), date_start=date(2026, 3, 22)
        )
        late.anchor_date = date(2026, 3, 1)
        self.tie("late", late)
        self.store(12, "2026-03-25", subject="late")
        periods = late._get_usage_periods(date(2026, 4, 1))
        self.assertEqual({(one.days, one.full_days) for one in periods}, {(10, 31)})
        self.assertEqual(late._get_proposed_charges(date(2026, 4, 1))[0].amount, 0)
        price.prorate_allowance = True
        charge = self.charge(late, date(2026, 4, 1))
        self.assertEqual(charge.amount, 1)
        self.assertEqual(charge.details["free"], "10")
        self.assertEqual(
            [step["step"] for step in charge.details["steps"]], ["maximum"]
        )

    def test_free_units_per_product_need_free_units(self):
        with self.assertRaises(UserError) as caught:
            self.create_price(model="standard", free_per_product_id=self.seat.id)
        self.assertIn("“Free Units” is 0", caught.exception.args[0])
