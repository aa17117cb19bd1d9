# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

from freezegun import freeze_time

from odoo import Command
from odoo.exceptions import ValidationError
from odoo.tests import Form, tagged

from odoo.addons.saas_subscription_ops.exceptions import BillingError

from ..exceptions import UsageStoreError
from ..models.saas_subscription_usage_periods import CACHE
from ..models.usage_bucket_state import sync_states
from .test_hold import APRIL, MARCH, MAY, HoldCase

JUNE = date(2026, 6, 1)
SEATS = "seats.changed"


@tagged("post_install", "-at_install")
class TestLevel(HoldCase):
    """What a period leaves is what the next one begins with, and is owed."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.subscription.line_ids.filtered(
            lambda line: line.product_id != cls.traffic
        ).unlink()
        cls.seats = cls.sell("sum", "n", model="standard", unit_price=10)
        cls.change("2026-01-15", n=50)

    @classmethod
    def sell(cls, aggregation, key, meter=None, **price):
        """Sell a product with a level of its own since March, and price it."""
        code = f"level_{next(cls.numbers)}"
        meter = cls.env["saas.meter"].create(
            {
                "name": "Seats",
                "code": code,
                "event_type": SEATS,
                "aggregation": aggregation,
                "value_key": key,
                "unit": "seats",
                "is_level": True,
                "allow_negative": True,
                **(meter or {}),
            }
        )
        product = cls.env["product.product"].create(
            {"name": code, "type": "service", "saas_charge_kind": "usage"}
        )
        product.product_tmpl_id.saas_meter_id = meter
        if price:
            cls.create_price(product, **price)
        cls.subscription.line_ids = [
            Command.create({"product_id": product.id, "date_start": MARCH})
        ]
        return product

    @classmethod
    def change(cls, day, kind=SEATS, **data):
        """Store a change at noon of a day.

        :return: id of the event
        """
        at = datetime.fromisoformat(f"{day}T12:00:00+00:00")
        event = cls.event(type=kind, time=at.isoformat(), data=data)
        result = cls.ingest([event], at=at + timedelta(days=1))
        assert result.counts["stored"] == 1, result.outcomes
        return event["id"]

    def due(self, cutoff=JUNE, product=None):
        """Return (kind, first day, quantity, amount) still to book, by day."""
        self.env.cr.cache.pop(CACHE, None)
        product = product or self.seats
        lines = self.subscription.line_ids.filtered(
            lambda line: line.product_id == product
        )
        return sorted(
            (row.kind, row.service_start, row.quantity, row.amount)
            for row in self.subscription._get_unbooked_charges(cutoff)
            if row.line_id in lines.ids
        )

    def months(self, product, cutoff=JUNE):
        """Return the quantities that are due, by month."""
        return {row[1].month: row[2] for row in self.due(cutoff, product)}

    # Owed ------------------------------------------------------------
    def test_owed_without_an_event(self):
        run = self.bill_usage()
        self.assertEqual(run.line_ids.mapped("state"), ["posted"], run.line_ids.reason)
        run = self.bill_usage(MAY, date(2026, 5, 1))
        self.assertEqual(run.line_ids.mapped("state"), ["posted"], run.line_ids.reason)
        charges = self.subscription.charge_ids
        self.assertEqual(
            [(row.service_start, row.quantity, row.amount) for row in charges],
            [(MARCH, 50, 500), (APRIL, 50, 500)],
        )
        self.assertFalse(self.due(MAY))
        self.assertFalse(
            self.env["saas.usage.reading"].search([]).meter_id & self.meter
        )

    @property
    def meter(self):
        return self.seats.saas_meter_id

    def test_evidence_says_where_a_level_comes_from(self):
        self.bill_usage(MAY, date(2026, 5, 1))
        self.change("2026-04-20", n=-20)
        march = self.subscription.charge_ids.sorted("service_start")[0]
        self.assertEqual(march._get_usage_recomputed(), 50)
        count = self.env["saas.usage.event"].search_count
        self.assertEqual(count(march.action_view_usage_events()["domain"]), 1)
        days = march.action_view_usage_events(day=date(2026, 3, 2))["domain"]
        self.assertEqual(count(days), 0)
        self.assertEqual(len(list(march._iterate_customer_rows())), 2)
        parts = march._get_usage_breakdown()
        self.assertEqual(len(parts.days), 31)
        self.assertEqual({row.quantity for row in parts.days}, {50})
        self.assertEqual(sum(row.amount for row in parts.days), 500)
        self.assertFalse(parts.is_additive)

    def test_late_event_corrects_every_later_period(self):
        self.bill_usage(JUNE, date(2026, 6, 1))
        self.assertEqual(self.booked(self.seats), 150)
        late = self.change("2026-02-10", n=5)
        months = (MARCH, APRIL, MAY)
        self.assertEqual(self.due(), [("adjustment", one, 5, 50) for one in months])
        run = self.bill_usage(JUNE, date(2026, 6, 2))
        self.assertEqual(run.line_ids.move_id.amount_untaxed, 150)
        self.assertFalse(self.due())
        # in the middle: from its period on
        self.change("2026-04-10", n=-1)
        self.assertEqual(
            self.due(), [("adjustment", one, -1, -10) for one in months[1:]]
        )
        self.bill_usage(JUNE, date(2026, 6, 3))
        # taken back, whatever was booked meanwhile
        self.ingest([{"id": "v1", "source": "weblog", "voids": late}])
        self.assertEqual(self.due(), [("adjustment", one, -5, -50) for one in months])
        run = self.bill_usage(JUNE, date(2026, 6, 4))
        [move] = run.line_ids.move_id
        self.assertEqual((move.move_type, move.amount_untaxed), ("out_refund", 150))
        self.assertEqual(self.booked(self.seats), 50 + 49 + 49)
        self.assertFalse(self.due())

    def test_what_comes_after_the_approval_is_for_the_next_run(self):
        run = self.approve(self.prepare())
        self.change("2026-02-10", n=5)
        run = self.post(run)
        self.assertEqual(run.line_ids.mapped("state"), ["posted"], run.line_ids.reason)
        self.assertEqual(self.booked(self.seats), 50)
        self.assertEqual(self.due(APRIL), [("adjustment", MARCH, 5, 50)])

    def test_previews_follow_events_of_long_ago(self):
        run = self.prepare()
        self.assertFalse(run.sudo()._find_outdated_lines())
        self.change("2026-02-10", n=5)
        self.assertEqual(run.sudo()._find_outdated_lines(), run.line_ids)

    def test_what_is_gone_is_not_owed(self):
        self.change("2026-04-10", n=-60)
        self.assertEqual(self.months(self.seats), {3: 50})

    # Kinds -----------------------------------------------------------
    def test_latest_value_stays(self):
        vals = {"event_type": "gb"}
        storage = self.sell("latest", "gb", vals, model="standard", unit_price=1)
        self.change("2026-02-10", "gb", gb=7)
        self.change("2026-04-10", "gb", gb=9)
        self.assertEqual(self.months(storage), {3: 7, 4: 9, 5: 9})

    def test_keys_stay_until_they_are_removed(self):
        vals = {"operation_key": "op", "event_type": "user"}
        users = self.sell("unique", "user", vals, model="standard", unit_price=1)
        days = self.sell(
            "unique_days",
            "user",
            vals | {"decimals": 6},
            model="standard",
            unit_price=1,
        )
        self.change("2026-02-10", "user", user="ann")
        self.change("2026-03-17", "user", user="bob")
        self.change("2026-04-15", "user", user="ann", op="remove")
        self.assertEqual(self.months(users), {3: 2, 4: 2, 5: 1})
        bob = round(Decimal(15) / 31, 6)
        self.assertEqual(
            self.months(days), {3: 1 + bob, 4: Decimal("1.5"), 5: Decimal(1)}
        )

    def test_level_over_time_and_its_price_begin_with_what_was_left(self):
        level = self.sell("weighted_sum", "n", model="standard", unit_price=10)
        tiers = [(40, 10), (0, 1)]
        priced = self.sell("weighted_sum", "n", tiers=tiers, model="prorated_graduated")
        at = datetime(2026, 4, 16, tzinfo=timezone.utc)
        self.ingest(
            [self.event(type=SEATS, time=at.isoformat(), data={"n": -20})],
            at=at + timedelta(days=1),
        )
        self.assertEqual(self.months(level), {3: 50, 4: 40, 5: 30})
        # 40 at 10 and 10 at 1; in April 10 of each tier go by the middle of the month
        amounts = [row[3] for row in self.due(JUNE, priced)]
        self.assertEqual(amounts, [410, 410 - 5 - 50, 300])

    # Prices ----------------------------------------------------------
    def swap(self, day, **price):
        """Let another product of the same meter go on from a day, at this price."""
        line = self.subscription.line_ids.filtered(
            lambda line: line.product_id == self.seats
        )
        line.date_end = day
        after = self.env["product.product"].create(
            {"name": "After", "type": "service", "saas_charge_kind": "usage"}
        )
        after.product_tmpl_id.saas_meter_id = self.meter
        self.create_price(after, **price)
        self.subscription.line_ids = [
            Command.create({"product_id": after.id, "date_start": day})
        ]
        return after

    def test_part_of_a_period_costs_its_part(self):
        after = self.swap(date(2026, 4, 13), tiers=[(40, 10), (0, 5)])
        self.assertEqual(
            self.due(), [("usage", MARCH, 50, 500), ("usage", APRIL, 50, 200)]
        )
        # 40 at 10 and 10 at 5 are 450 a month
        day = date(2026, 4, 13)
        self.assertEqual(
            self.due(product=after), [("usage", day, 50, 270), ("usage", MAY, 50, 450)]
        )
        self.bill_usage(MAY, date(2026, 5, 1))
        charge = self.subscription.charge_ids.sorted("service_start")[-1]
        self.assertEqual(charge.details["steps"][0]["step"], "proration")
        parts = charge._get_usage_breakdown()
        self.assertEqual([row.amount for row in parts.tiers], [400, 50, -180])
        self.assertEqual(sum(row.amount for row in parts.days), 270)
        self.assertIn("For part of the period", charge.move_line_id.name)
        self.assertFalse(self.due(MAY) + self.due(MAY, after))

    def test_part_of_a_period_costs_all_where_nothing_is_prorated(self):
        self.subscription.plan_id.proration_policy = "none"
        after = self.swap(date(2026, 4, 13), model="standard", unit_price=10)
        self.assertEqual(self.due(MAY)[-1][3], 500)
        self.assertEqual(self.due(MAY, after)[0][3], 500)

    def test_averages_over_time_cost_their_part(self):
        self.subscription.line_ids.date_end = date(2026, 4, 16)
        vals = {"is_level": False, "allow_negative": False, "event_type": "gb"}
        level = self.sell("weighted_sum", "gb", vals, model="standard", unit_price=2)
        line = self.subscription.line_ids.filtered(lambda row: row.product_id == level)
        line.date_end = date(2026, 4, 16)
        at = datetime(2026, 4, 1, tzinfo=timezone.utc)
        event = self.event(type="gb", time=at.isoformat(), data={"gb": 7})
        self.ingest([event], at=at + timedelta(days=1))
        self.assertEqual(self.due(product=level), [("usage", APRIL, 7, 7)])

    def test_tiers_of_a_year_count_part_of_a_period_by_days(self):
        tiers = [(60, 10), (0, 1)]
        day = date(2026, 4, 16)
        after = self.swap(day, tiers=tiers, tier_period="contract_year")
        # 25 of half of April, 35 more of May at 10 and 15 at 1
        self.assertEqual(
            self.due(product=after), [("usage", day, 50, 250), ("usage", MAY, 50, 365)]
        )

    def test_each_value_owes_what_it_had(self):
        product = self.sell("sum", "n")
        dimension = self.env["saas.meter.dimension"].create(
            {"meter_id": product.saas_meter_id.id, "key": "region", "name": "Region"}
        )
        match = [Command.create({"dimension_id": dimension.id, "value": "eu"})]
        self.create_price(product, model="standard", unit_price=2, match_ids=match)
        with self.assertRaisesRegex(BillingError, "Region"):
            self.due(product=product)
        self.change("2026-02-10", n=4, region="eu")
        self.create_price(product, model="standard", unit_price=1)
        self.assertEqual(
            [row[2:] for row in self.due(APRIL, product)], [(4, 8), (50, 50)]
        )

    def test_prices_of_single_events_are_refused(self):
        with self.assertRaisesRegex(ValidationError, "carries its quantity over"):
            self.create_price(self.seats, model="dynamic", amount_key="eur")

    # Live ------------------------------------------------------------
    def test_running_period(self):
        with freeze_time("2026-04-10 12:00:00"):
            self.change("2026-04-08", n=-20)
            now = datetime.now(timezone.utc)
            rows = self.subscription._get_current_usage(now)
            [row] = [one for one in rows if one["period"].meter_id == self.meter.id]
            self.assertEqual((row["quantity"], row["rated"].amount), (30, 300))
            shown = self.subscription._prepare_usage_row(row, now)
        self.assertEqual(
            [bar["quantity"] for bar in shown["bars"]], [50] * 7 + [30] * 3 + [0] * 20
        )
        self.assertIsNone(shown["forecast"])
        self.assertFalse(self.meter._get_counted())

    def test_live_sums_of_another_definition_are_thrown_away(self):
        """A meter that was a level for a while is counted anew."""
        self.meter.is_level = False
        today = date(2026, 4, 10)
        sync_states(self.env, self.meter._get_counted(), today)
        query = "SELECT count(*) FROM saas_usage_bucket_state WHERE meter_id = %s"
        self.env.cr.execute(query, [self.meter.id])
        self.assertEqual(self.env.cr.fetchone(), (1,))
        self.meter.is_level = True
        sync_states(self.env, self.meter._get_counted(), today)
        self.env.cr.execute(query, [self.meter.id])
        self.assertEqual(self.env.cr.fetchone(), (0,))

    # Meter -----------------------------------------------------------
    def test_only_what_lasts_is_carried_over(self):
        for aggregation, vals in (
            ("count", {}),
            ("max", {}),
            ("avg", {}),
            ("percentile", {}),
            ("window", {}),
            ("unique", {}),
            ("unique_days", {}),
        ):
            with self.assertRaisesRegex(ValidationError, "Carried Over"):
                self.sell(aggregation, "n", vals)
        meter = self.sell("unique", "n", {"operation_key": "op"}).saas_meter_id
        with self.assertRaisesRegex(ValidationError, "Operation Key"):
            meter.operation_key = False

    def test_form_forgets_what_does_not_fit(self):
        with Form(self.env["saas.meter"]) as form:
            form.name = "Seats"
            form.code = "seats"
            form.event_type = SEATS
            form.aggregation = "latest"
            form.value_key = "n"
            form.is_level = True
            form.aggregation = "max"
            self.assertFalse(form.is_level)
            form.aggregation = "sum"
            form.is_level = True
        self.assertTrue(form.record.is_level)

    def test_definition_is_locked_once_booked(self):
        self.bill_usage()
        with self.assertRaisesRegex(UsageStoreError, "booked charges"):
            self.meter.is_level = False
