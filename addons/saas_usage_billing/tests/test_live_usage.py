# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import Command
from odoo.tests import tagged

from .common import NOW, UsageCase


@tagged("post_install", "-at_install")
class TestLiveUsage(UsageCase):
    """What it takes to tell what was used so far."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.products = cls.calls
        for number in range(8):
            meter = cls.create_meter(
                *(f"Live {number}", f"live_{number}"),
                *(("unique", "user") if number % 2 else ("sum", "bytes")),
            )
            product = cls.create_product(meter.name, meter)
            cls.create_price(product, unit_price=2)
            cls.products += product
        cls.other = cls.create_subscription(cls.create_partner("Many"), cls.products)
        cls.tie("many", cls.other)
        cls.few = cls.create_subscription(
            cls.create_partner("Few"), cls.products[:3], plan_id=cls.other.plan_id.id
        )
        cls.tie("few", cls.few)

    def count_statements(self, subscription):
        """Return how many statements an answer takes in a transaction of its own."""
        self.env.flush_all()
        self.env.invalidate_all()
        self.env.cr.cache.clear()
        before = self.env.cr.sql_log_count
        subscription._get_current_usage_answer()
        return self.env.cr.sql_log_count - before

    def test_statements_do_not_grow_with_products(self):
        for subject in ("few", "many"):
            self.ingest(
                [
                    self.event(subject=subject, data={"bytes": 3, "user": one})
                    for one in "ab"
                ]
            )
        counting = self.env["saas.usage.counting"]
        while counting._count() or counting._extend():
            pass
        self.count_statements(self.few)
        few = self.count_statements(self.few)
        self.assertEqual(self.count_statements(self.other), few)
        self.assertLess(few, 30)

    def test_definition_follows_its_rows(self):
        meter = self.create_meter("Rows", "rows", "sum", "bytes")
        self.assertFalse(meter._get_spec(by_dimension=True).keys)
        meter.dimension_ids = [Command.create({"key": "region", "name": "Region"})]
        self.assertEqual(meter._get_spec(by_dimension=True).keys, ("region",))
        meter.dimension_ids.key = "zone"
        self.assertEqual(meter._get_spec(by_dimension=True).keys, ("zone",))
        self.assertFalse(meter._get_spec().keys)
        meter.dimension_ids.unlink()
        self.assertFalse(meter._get_spec(by_dimension=True).keys)
        meter.filter_ids = [
            Command.create({"key": "user", "operator": "=", "value": "ann"})
        ]
        [condition] = meter._get_spec().conditions
        meter.filter_ids.value = "bob"
        self.assertNotEqual(meter._get_spec().conditions, (condition,))
        meter.filter_ids.unlink()
        self.assertFalse(meter._get_spec().conditions)
        meter.value_key = "size"
        self.assertEqual(meter._get_spec().value_key, "size")

    def test_prices_of_others_are_not_read(self):
        agreed = self.create_price(
            self.products[1], unit_price=1, subscription_id=self.few.id
        )
        read = {}
        for subscription in (self.few, self.other):
            own = subscription.browse(subscription.id)
            periods = own._get_running_periods(NOW)
            table = own._get_price_table(periods)
            read[subscription] = {one for ids in table.values() for one in ids}
            prices = own._get_usage_prices(periods)
            found = {price for own in prices.values() for price in own}
            self.assertEqual(agreed in found, subscription == self.few)
        self.assertIn(agreed.id, read[self.few])
        self.assertNotIn(agreed.id, read[self.other])
        # Together they are read once.
        for one in self.few + self.other:
            found = one._get_price_table([]).values()
            self.assertIn(agreed.id, {price for ids in found for price in ids})
