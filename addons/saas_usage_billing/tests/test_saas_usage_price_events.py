# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, datetime, timezone
from decimal import Decimal

from odoo import Command
from odoo.exceptions import UserError, ValidationError
from odoo.tests import Form, tagged

from ..models import usage_values
from ..models.usage_store_api import get_store
from ..models.usage_values import StoredValues
from .common import UsageCase

APRIL = date(2026, 4, 1)


@tagged("post_install", "-at_install")
class TestSaasUsagePriceEvents(UsageCase):
    """Prices that look at the events themselves, and at spans of time."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.subscription.line_ids.filtered(
            lambda line: line.product_id == cls.calls
        ).unlink()

    def charge(self):
        """Return the only charge proposed for March."""
        self.env.cr.cache.pop("saas_usage_billing", None)
        proposed = self.subscription._get_proposed_charges(APRIL)
        [charge] = [one for one in proposed if one.kind == "usage"]
        return charge

    def pay(self, *amounts, day="2026-03-10", **data):
        """Store events with these amounts, a minute apart."""
        events = [
            self.event(time=f"{day}T10:{minute:02}:00Z", data={"bytes": amount, **data})
            for minute, amount in enumerate(amounts)
        ]
        self.assertEqual(self.ingest(events).counts["stored"], len(amounts))

    def redefine(self, **vals):
        self.bytes_meter.write(vals)

    def test_percentage_with_a_fee_per_event(self):
        self.create_price(
            self.traffic, model="percentage", rate_percent=2.5, fixed_fee=0.3
        )
        self.pay(100, 40, "60.50")
        charge = self.charge()
        self.assertEqual(charge.quantity, Decimal("200.5"))
        # 2.5 % of 200.50 and three times 0.30
        self.assertEqual(charge.amount, Decimal("5.91"))
        text = self.subscription._get_quantity_label(charge)
        self.assertIn("2.5% of 200.5 + ", text)

    def test_percentage_with_free_events_and_limits(self):
        price = self.create_price(
            self.traffic,
            model="percentage",
            rate_percent=1,
            free_events=1,
            event_minimum=2,
            event_maximum=5,
        )
        self.pay(100, 1000, 100, 300)
        # free, capped to 5, lifted to 2, 3
        charge = self.charge()
        self.assertEqual(charge.amount, 10)
        [step] = charge.details["steps"]
        self.assertEqual((step["step"], Decimal(step["amount"])), ("event_limits", -4))
        self.assertEqual(charge.details["free"], "100")
        # The order of arrival does not matter, that of the events does.
        self.pay(700, day="2026-03-01")
        self.assertEqual(self.charge().amount, 2 + 5 + 2 + 3)
        price.write({"free_events": 0, "free_total": 800})
        self.assertEqual(self.charge().amount, 5 + 2 + 3)

    def test_events_are_read_in_pages(self):
        self.create_price(
            self.traffic, model="percentage", rate_percent=10, free_events=3
        )
        self.pay(*range(1, 8))
        spec = self.bytes_meter._get_spec()
        [period] = [
            one
            for one in self.subscription._get_usage_periods(APRIL)
            if one.meter_id == self.bytes_meter.id
        ]
        values = StoredValues(get_store(self.env), spec, period.window)
        for size in (2, 7, 10_000):
            self.patch(usage_values, "SIZE", size)
            read = [value for _moment, value in values]
            self.assertEqual(read, list(range(1, 8)))
        self.assertEqual(self.charge().amount, Decimal("2.20"))

    def test_amounts_of_the_events(self):
        self.redefine(aggregation="count")
        self.create_price(
            self.traffic, model="dynamic", amount_key="cost", multiplier=1.2
        )
        self.pay(1, 1, cost="2.50")
        self.pay(1, day="2026-03-11", cost=5)
        charge = self.charge()
        self.assertEqual((charge.quantity, charge.amount), (3, 12))
        self.pay(1, day="2026-03-12")
        with self.assertRaises(UserError) as caught:
            self.charge()
        self.assertIn("“cost”", caught.exception.args[0])
        # The running period is shown all the same.
        now = datetime(2026, 3, 20, tzinfo=timezone.utc)
        [row] = self.subscription._get_current_usage(now)
        self.assertEqual((row["quantity"], row["rated"]), (4, None))
        self.assertIn("no price", self.subscription._render_current_usage(now))

    def test_amounts_of_a_part_of_the_events(self):
        region = self.env["saas.meter.dimension"].create(
            {"meter_id": self.bytes_meter.id, "key": "region", "name": "Region"}
        )
        self.create_price(self.traffic, model="standard", unit_price=1)
        self.create_price(
            self.traffic,
            model="dynamic",
            amount_key="cost",
            match_ids=[Command.create({"dimension_id": region.id, "value": "eu"})],
        )
        self.pay(1, 1, region="eu", cost=4)
        self.pay(1, 1, day="2026-03-11", region="us")
        charges = self.subscription._get_proposed_charges(APRIL)
        self.assertEqual([one.amount for one in charges], [8, 2])

    def test_level_graduated_by_time(self):
        self.redefine(aggregation="weighted_sum", allow_negative=True)
        self.create_price(
            self.traffic,
            model="prorated_graduated",
            tiers=[(10, 31), (0, 3.1)],
        )
        self.pay(10, day="2026-03-01")
        events = [
            self.event(time="2026-03-21T00:00:00Z", data={"bytes": 10}),
            self.event(time="2026-03-26T00:00:00Z", data={"bytes": -10}),
        ]
        self.ingest(events)
        # Ten at 31 from 1 March 10:00 on, ten more at 3.10 for 5 of 31 days.
        first = Decimal(310) * (31 * 24 - 10) / (31 * 24)
        self.assertEqual(self.charge().amount, round(first + Decimal(31) * 5 / 31, 2))

    def test_spans_priced_on_their_own(self):
        self.redefine(
            aggregation="window",
            window_unit="day",
            window_aggregation="sum",
            window_outer="max",
        )
        price = self.create_price(
            self.traffic, tiers=[(100, 1), (0, 0.5)], free_units=10
        )
        self.pay(60, 60)
        self.pay(210, day="2026-03-11")
        self.assertEqual(self.charge().amount, 150)
        price.is_per_window = True
        charge = self.charge()
        self.assertEqual((charge.quantity, charge.amount), (210, 255))
        self.assertEqual(charge.details["free"], "20")
        self.assertEqual(
            [(tier["quantity"], tier["amount"]) for tier in charge.details["tiers"]],
            [("200", "200.00"), ("110", "55.00")],
        )

    def test_terms_that_do_not_fit_the_meter_are_refused(self):
        self.redefine(aggregation="max")
        for vals, words in (
            ({"model": "percentage", "fixed_fee": 1}, "sums values"),
            ({"model": "dynamic"}, "Amount Key"),
            ({"model": "dynamic", "amount_key": "x", "multiplier": 0}, "Factor"),
            ({"model": "percentage", "event_minimum": -1}, "0 or more"),
            ({"model": "standard", "is_per_window": True}, "no spans"),
        ):
            with self.assertRaises(ValidationError) as caught:
                self.create_price(self.traffic, **vals)
            self.assertIn(words, caught.exception.args[0])
        with self.assertRaises(ValidationError) as caught:
            self.create_price(self.traffic, model="prorated_graduated", tiers=[(0, 1)])
        self.assertIn("level by time", caught.exception.args[0])

    def test_the_form_shows_what_it_costs(self):
        with Form(self.env["saas.usage.price"]) as form:
            form.product_tmpl_id = self.traffic.product_tmpl_id
            form.model = "percentage"
            form.rate_percent = 2.5
            form.fixed_fee = 0.3
            form.example_quantity = 1000
            form.example_events = 10
            self.assertIn("28.00", form.example)
            form.event_maximum = 2
            self.assertIn("20.00", form.example)
            self.assertIn("Minimum and maximum per event", form.example)
