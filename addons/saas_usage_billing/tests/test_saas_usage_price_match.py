# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import random
from contextlib import contextmanager
from datetime import date, datetime, timezone
from decimal import Decimal

from odoo import Command
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, tagged

from ..engine.dimension import assign
from .common import UsageCase

APRIL = date(2026, 4, 1)


@tagged("post_install", "-at_install")
class TestSaasUsagePriceMatch(UsageCase):
    """Every event goes to exactly one price: the one that says most about it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.region, cls.tier = cls.env["saas.meter.dimension"].create(
            [
                {"meter_id": cls.calls_meter.id, "key": key, "name": key.title()}
                for key in ("region", "tier")
            ]
        )
        cls.subscription.line_ids.filtered(
            lambda line: line.product_id == cls.traffic
        ).unlink()

    def create_match_price(self, unit_price, values=(), **vals):
        """Create a price per unit for some (dimension, value) pairs."""
        return self.create_price(
            model="standard",
            unit_price=unit_price,
            match_ids=[
                Command.create({"dimension_id": dimension.id, "value": value})
                for dimension, value in values
            ],
            **vals,
        )

    def proposed(self, until=APRIL):
        """Return (price id, quantity, amount) of what is proposed."""
        self.env.cr.cache.pop("saas_usage_billing", None)
        return [
            (charge.details["price_id"], float(charge.quantity), float(charge.amount))
            for charge in self.subscription._get_proposed_charges(until)
            if charge.kind == "usage"
        ]

    def book(self, until=APRIL):
        self.env.cr.cache.pop("saas_usage_billing", None)
        self.subscription._book_history(until, "elsewhere")

    @contextmanager
    def refused(self, error, words):
        """Expect an error with these words, and go on as if nothing was tried."""
        with self.assertRaises(error) as caught:
            yield
        self.assertRegex(caught.exception.args[0], words)

    def test_most_dimensions_win_within_a_scope(self):
        rest = self.create_match_price(1)
        europe = self.create_match_price(2, [(self.region, "eu"), (self.region, "uk")])
        both = self.create_match_price(3, [(self.region, "eu"), (self.tier, "gold")])
        self.store(1, "2026-03-10", region="eu", tier="gold")
        self.store(2, "2026-03-11", region="eu", tier="tin")
        self.store(4, "2026-03-12", region="uk")
        self.store(8, "2026-03-13", region="EU")
        self.store(16, "2026-03-14")
        self.assertEqual(
            self.proposed(),
            [(both.id, 1, 3), (europe.id, 6, 12), (rest.id, 24, 24)],
        )
        # An agreed price for all usage beats a more detailed list price.
        agreed = self.create_match_price(9, subscription_id=self.subscription.id)
        self.assertEqual(self.proposed(), [(agreed.id, 31, 279)])
        agreed.match_ids = [
            Command.create({"dimension_id": self.region.id, "value": "EU"})
        ]
        self.assertEqual(
            self.proposed(),
            [
                (agreed.id, 8, 72),
                (both.id, 1, 3),
                (europe.id, 6, 12),
                (rest.id, 16, 16),
            ],
        )

    def test_sequence_then_the_later_start_decides(self):
        self.create_match_price(0.5)
        region = self.create_match_price(1, [(self.region, "eu")])
        tier = self.create_match_price(
            2, [(self.tier, "gold")], date_start=date(2026, 2, 1)
        )
        self.store(3, "2026-03-10", region="eu", tier="gold")
        self.assertEqual(self.proposed(), [(tier.id, 3, 6)])
        region.sequence = 1
        self.assertEqual(self.proposed(), [(region.id, 3, 3)])

    def test_quantities_that_cannot_be_added_up(self):
        self.calls_meter.write({"aggregation": "max", "value_key": "bytes"})
        rest = self.create_match_price(1)
        europe = self.create_match_price(1, [(self.region, "eu")])
        self.store(2, "2026-03-10", region="eu", bytes=70)
        self.store(2, "2026-03-11", region="us", bytes=50)
        self.store(2, "2026-03-12", region="us", bytes=30)
        self.assertEqual(self.proposed(), [(europe.id, 70, 70), (rest.id, 50, 50)])

    def test_references_and_evidence(self):
        rest = self.create_match_price(1)
        europe = self.create_match_price(2, [(self.region, "eu")])
        self.store(3, "2026-03-10", region="eu")
        self.store(2, "2026-03-10", region="us")
        self.book()
        first, second = self.subscription.charge_ids.sorted("amount")
        self.assertEqual(
            (first.ref, second.ref),
            (f"usage:{rest.id}:2026-03-01", f"usage:{europe.id}:2026-03-01"),
        )
        self.assertIn("Region eu", second.name)
        self.assertNotIn("Region", first.name)
        # What arrives later, and what the price is for then, changes no evidence.
        self.store(5, "2026-03-12", region="eu")
        for charge, quantity in ((first, 2), (second, 3)):
            self.assertEqual(charge._get_usage_recomputed(), quantity)
            action = charge.action_view_usage_events()
            events = self.env["saas.usage.event"].search(action["domain"])
            self.assertEqual(len(events), quantity)
        self.assertIn("Region eu", second.usage_group_text)
        self.assertNotIn("Region us", second.usage_group_text)
        due = self.subscription._get_unbooked_charges(APRIL)
        self.assertEqual(
            [(row.ref, row.kind, row.amount) for row in due],
            [(second.ref, "adjustment", 10)],
        )

    def test_one_price_for_all_is_booked_as_ever(self):
        price = self.create_match_price(1)
        self.store(3, "2026-03-10", region="eu")
        [charge] = self.subscription._get_proposed_charges(APRIL)
        self.assertEqual(charge.ref, f"usage:{price.id}:2026-03-01")
        self.assertNotIn("rules", charge.details)
        self.assertEqual(charge.description, self.subscription.line_ids.name)

    def test_usage_no_price_matches_fails_and_names_the_values(self):
        self.create_match_price(2, [(self.region, "eu")])
        self.store(3, "2026-03-10", region="eu")
        self.assertEqual(len(self.proposed()), 1)
        self.store(2, "2026-03-10", region="us", tier="gold")
        with self.refused(UserError, "Region us, Tier gold.*all the rest"):
            self.proposed()
        now = datetime(2026, 3, 20, tzinfo=timezone.utc)
        found = self.subscription._get_current_usage(now)
        self.assertEqual(
            [(row["quantity"], bool(row["rated"])) for row in found],
            [(3, True), (2, False)],
        )

    def test_minimum_is_due_without_usage_of_these_values(self):
        self.create_match_price(1)
        europe = self.create_match_price(2, [(self.region, "eu")], minimum_amount=50)
        self.assertEqual(self.proposed(), [(europe.id, 0, 50)])

    def test_a_new_price_takes_its_events_from_the_other(self):
        rest = self.create_match_price(1)
        self.store(3, "2026-03-10", region="eu")
        self.store(2, "2026-03-10")
        self.book()
        europe = self.create_match_price(
            2, [(self.region, "eu")], correction_reason="New"
        )
        due = self.subscription._get_unbooked_charges(APRIL)
        self.assertEqual(
            {row.ref: (row.kind, row.amount) for row in due},
            {
                f"usage:{rest.id}:2026-03-01": ("adjustment", -3),
                f"usage:{europe.id}:2026-03-01": ("usage", 6),
            },
        )

    def test_archived_price_goes_on_for_its_values(self):
        rest = self.create_match_price(1)
        europe = self.create_match_price(2, [(self.region, "eu")])
        self.store(3, "2026-03-10", region="eu")
        self.store(2, "2026-03-10")
        self.book()
        before = self.proposed()
        self.assertEqual(before, [(europe.id, 3, 6), (rest.id, 2, 2)])
        (europe + rest).active = False
        self.assertEqual(self.proposed(), before)
        other = self.create_match_price(7)
        self.assertEqual(self.proposed(), before)
        self.store(1, "2026-04-10", region="eu")
        self.assertEqual(self.proposed(date(2026, 5, 1)), [*before, (other.id, 1, 7)])

    def test_overlap_compares_the_values(self):
        self.create_match_price(1)
        europe = self.create_match_price(2, [(self.region, "eu")])
        with self.refused(ValidationError, "at the same time"):
            self.create_match_price(3, [(self.region, "eu")])
        america = self.create_match_price(3, [(self.region, "us")])
        with self.refused(ValidationError, "at the same time"):
            america.match_ids.value = "eu"
        # Versions are booked under one reference, whatever they are for.
        action = europe.action_new_version(date(2026, 5, 1))
        version = self.env["saas.usage.price"].browse(action["res_id"])
        version.match_ids.value = "asia"
        version.action_publish()
        self.assertEqual(europe.date_end, date(2026, 5, 1))
        with self.assertRaises(ValidationError):
            europe.date_end = False

    def test_bad_values_are_refused(self):
        price = self.create_match_price(1, [(self.region, "eu")])
        other = self.env["saas.meter.dimension"].create(
            {"meter_id": self.bytes_meter.id, "key": "disk", "name": "Disk"}
        )
        with self.refused(ValidationError, "no dimension of the meter"):
            self.create_match_price(1, [(other, "ssd")])
        with self.refused(ValidationError, "no dimension of the meter"):
            price.match_ids.dimension_id = other
        with self.refused(ValidationError, "enter the value"):
            price.match_ids.value = " "
        with self.refused(UserError, "another price"):
            self.region.key = "zone"
        with self.refused(UserError, "another price"):
            self.region.unlink()
        self.region.name = "Area"
        self.assertEqual(price.match_text, "Area eu")

    def test_values_of_an_invoiced_price_change_with_a_reason(self):
        price = self.create_match_price(1, [(self.region, "eu")])
        self.store(3, "2026-03-10", region="eu")
        self.book()
        with self.refused(UserError, "Reason of the"):
            price.match_ids.unlink()
        with self.refused(UserError, "Reason of the"):
            price.match_ids.value = "us"
        with self.refused(UserError, "Reason of the"):
            self.env["saas.usage.price.match"].create(
                {
                    "price_id": price.id,
                    "dimension_id": self.region.id,
                    "value": "us",
                }
            )
        with Form(price) as form:
            with form.match_ids.new() as row:
                row.dimension_id = self.region
                row.value = "us"
            form.change_reason = "Forgotten"
        self.assertEqual(price.match_text, "Region eu/us")

    def test_operator_edits_and_auditor_reads(self):
        operator = self.new_user("mop", "billing_operator")
        auditor = self.new_user("mau", "auditor")
        price = self.create_match_price(1, [(self.region, "eu")])
        price.with_user(operator).match_ids.value = "us"
        row = price.match_ids.with_user(auditor)
        self.assertEqual(row.value, "us")
        with self.assertRaises(AccessError):
            row.value = "eu"
        foreign = self.create_company("Elsewhere Ltd")
        stranger = self.new_user("mst", "auditor", foreign)
        with self.assertRaises(AccessError):
            price.match_ids.with_user(stranger).read(["value"])

    def test_current_usage_shows_each_part(self):
        self.create_match_price(1)
        self.create_match_price(2, [(self.region, "eu")])
        self.store(3, "2026-03-10", region="eu")
        self.store(2, "2026-03-11", region="us")
        now = datetime(2026, 3, 20, tzinfo=timezone.utc)
        rows = self.subscription._get_current_usage(now)
        self.assertEqual(
            [(row["quantity"], row["rated"].amount) for row in rows], [(3, 6), (2, 2)]
        )
        europe, rest = (self.subscription._prepare_usage_row(row, now) for row in rows)
        self.assertEqual((europe["values"], rest["values"]), ("Region eu", ""))
        self.assertEqual(
            [bar["quantity"] for bar in europe["bars"] if bar["quantity"]], [3]
        )
        html = self.subscription._render_current_usage(now)
        self.assertIn("Region eu", html)

    def test_random_events_go_where_the_engine_says(self):
        pick = random.Random(5)
        prices = self.env["saas.usage.price"]
        for number, values in enumerate(
            [
                [(self.region, "eu"), (self.tier, "1")],
                [(self.region, "eu"), (self.region, "7.0")],
                [(self.tier, "1"), (self.tier, "true")],
                [],
            ]
        ):
            prices += self.create_match_price(1, values, sequence=number)
        datas = []
        for _number in range(300):
            data = {"bytes": 1}
            for key in ("region", "tier"):
                value = pick.choice(["eu", "us", "1", 1, 7, "7.0", True, None, "", 0])
                if value is not None:
                    data[key] = value
            datas.append(data)
        result = self.ingest(
            self.event(time="2026-03-10T10:00:00Z", data=data) for data in datas
        )
        self.assertEqual(result.counts["stored"], 300)
        rules = prices._get_rules()
        wanted = {}
        for data in datas:
            price = prices[assign(rules, data)]
            wanted[price.id] = wanted.get(price.id, 0) + 1
        found = {price: quantity for price, quantity, _amount in self.proposed()}
        self.assertEqual(found, wanted)
        self.assertEqual(len(wanted), 4)
        self.assertEqual(sum(wanted.values()), Decimal(300))
