# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, datetime, timezone
from decimal import Decimal
from unittest.mock import patch

from odoo import Command
from odoo.tests import tagged

from odoo.addons.saas_subscription_ops.exceptions import BillingError

from ..exceptions import UsagePriceError
from .common import TIER_TABLE, UsageCase
from .common_invoiced import InvoicedUsage


@tagged("post_install", "-at_install")
class TestProposedUsage(UsageCase):
    """Closed periods are proposed with quantity, tiers and bounds."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.price = cls.create_price(tiers=TIER_TABLE)

    def proposed(self, cutoff, subscription=None):
        rows = (subscription or self.subscription)._get_proposed_charges(cutoff)
        return [row for row in rows if row.kind == "usage"]

    def test_period_is_proposed_when_it_is_closed(self):
        self.store(120, "2026-03-10", bytes=0)
        self.create_price(self.traffic, model="standard", unit_price=1)
        self.assertEqual(self.proposed(date(2026, 3, 31)), [])
        (charge,) = self.proposed(date(2026, 4, 1))
        self.assertEqual(charge.ref, f"usage:{self.price.id}:2026-03-01")
        self.assertEqual(
            (charge.service_start, charge.service_end),
            (date(2026, 3, 1), date(2026, 4, 1)),
        )
        self.assertEqual((charge.quantity, charge.amount), (120, Decimal("1.00")))
        tiers = [(tier["quantity"], tier["amount"]) for tier in charge.details["tiers"]]
        self.assertEqual(tiers, [("100", "0.00"), ("20", "1.00")])
        bounds = charge.details["bounds"]
        self.assertEqual(bounds["event_from"], "2026-03-01T00:00:00")
        self.assertEqual(bounds["event_to"], "2026-04-01T00:00:00")
        self.assertTrue(bounds["stored_at"])

    def test_label_says_quantity_and_tiers(self):
        self.store(120, "2026-03-10", bytes=0)
        (charge,) = self.proposed(date(2026, 4, 1))
        label = self.subscription._get_charge_label(charge)
        self.assertIn("120 API calls", label)
        self.assertIn("20 ×", label)

    def test_day_boundary_is_the_customer_s(self):
        self.subscription.tz = "America/New_York"
        # 1 April 00:30 UTC is still 31 March in New York.
        self.store(101, "2026-04-01", bytes=0)
        (charge,) = self.proposed(date(2026, 4, 1))
        self.assertEqual(charge.quantity, 101)
        self.assertEqual(charge.details["bounds"]["event_to"], "2026-04-01T04:00:00")

    def test_usage_without_a_price_is_not_passed_over(self):
        self.store(1, "2026-03-10", bytes=5)
        with self.assertRaisesRegex(BillingError, "usage price"):
            self.proposed(date(2026, 4, 1))
        # The bytes sum to nothing after all: nobody needs a price for them.
        other = self.create_subscription(self.create_partner("B"))
        self.tie("client-b", other)
        self.store(1, "2026-03-10", subject="client-b", bytes=0)
        self.assertEqual(len(self.proposed(date(2026, 4, 1), other)), 1)

    def test_minimum_of_a_part_is_its_part_by_days(self):
        self.plan.alignment = "calendar"
        self.price.minimum_amount = 31
        subscription = self.create_subscription(
            self.create_partner("M"), date_start=date(2026, 3, 22)
        )
        charges = self.proposed(date(2026, 5, 1), subscription)
        self.assertEqual(
            [charge.amount for charge in charges], [Decimal("10.00"), Decimal("31.00")]
        )

    def test_line_that_ends_and_goes_on_is_one(self):
        self.store(150, "2026-03-10", bytes=0)
        line = self.subscription.line_ids.filtered(
            lambda line: line.product_id == self.calls
        )
        line.date_end = date(2026, 3, 15)
        self.subscription.line_ids = [
            Command.create(
                {"product_id": self.calls.id, "date_start": date(2026, 3, 15)}
            )
        ]
        (charge,) = self.proposed(date(2026, 4, 1))
        self.assertEqual(charge.quantity, 150)

    def test_line_with_an_end_stops_there(self):
        self.store(5, "2026-03-10", bytes=0)
        self.store(7, "2026-03-20", bytes=0)
        for line in self.subscription.line_ids:
            line.date_end = date(2026, 3, 15)
        (charge,) = self.proposed(date(2026, 3, 15))
        self.assertEqual(charge.quantity, 5)
        self.assertEqual(charge.service_end, date(2026, 3, 15))

    def test_batch_is_read_at_once(self):
        subscriptions = self.subscription
        for number in range(6):
            subscription = self.create_subscription(self.create_partner(f"C{number}"))
            self.tie(f"client-c{number}", subscription)
            self.store(number + 1, "2026-03-10", f"client-c{number}", bytes=0)
            subscriptions |= subscription
        self.env.flush_all()
        self.env.invalidate_all()
        batch = self.env["saas.subscription"].browse(subscriptions.ids)
        asked = []
        plain = type(batch)._get_usage_quantities

        def counting(records, usage_periods, bounds=None):
            asked.append(len(usage_periods))
            return plain(records, usage_periods, bounds)

        self.patch(type(batch), "_get_usage_quantities", counting)
        quantities = [
            charge.quantity
            for subscription in batch
            for charge in subscription._get_proposed_charges(date(2026, 4, 1))
        ]
        self.assertEqual(quantities, [1, 2, 3, 4, 5, 6])
        self.assertEqual(len(asked), 1)

    def test_current_usage(self):
        self.store(120, "2026-03-10", bytes=3)
        now = datetime(2026, 3, 20, tzinfo=timezone.utc)
        calls, traffic = self.subscription._get_current_usage(now)
        self.assertEqual(calls["quantity"], 120)
        self.assertEqual(calls["rated"].amount, Decimal("1.00"))
        self.assertEqual((traffic["quantity"], traffic["rated"]), (360, None))
        later = datetime(2026, 4, 20, tzinfo=timezone.utc)
        self.assertEqual(self.subscription._get_current_usage(later)[0]["quantity"], 0)

    def test_amounts_of_the_answer_have_the_places_of_the_currency(self):
        # a price without a single line, and one of a fixed amount
        self.create_price(self.traffic, model="package", unit_price=1, package_size=10)
        self.price.write({"model": "standard", "minimum_amount": 2})
        answer = self.subscription._get_current_usage_answer()
        amounts = [answer["amount"], *(row["amount"] for row in answer["usage"])]
        self.assertEqual(amounts, ["2.00", "2.00", "0.00"])


@tagged("post_install", "-at_install")
class TestFlowUsageBilling(InvoicedUsage):
    """From events to the posted invoice, late events included."""

    def bill_usage(self, cutoff, invoice_date):
        run = self.compute_run(cutoff, invoice_date)
        if run.line_ids:
            self.approve(run)
            self.post(run)
        return run

    def usage_charges(self):
        return self.subscription.charge_ids.filtered(
            lambda charge: charge.base_kind == "usage"
        ).sorted("id")

    def test_events_to_invoice_and_late_events_to_adjustment(self):
        self.store(620, "2026-03-10")

        # given a closed month, when it is billed
        run = self.bill_usage(date(2026, 4, 1), date(2026, 4, 1))

        # then the invoice says quantity and tiers, and adds up
        self.assertEqual(run.line_ids.mapped("state"), ["posted"], run.line_ids.reason)
        (charge,) = self.usage_charges()
        self.assertEqual((charge.quantity, charge.amount), (620, 22.40))
        line = charge.move_line_id
        self.assertEqual(line.move_id.state, "posted")
        self.assertEqual((line.quantity, line.price_subtotal), (620, 22.40))
        self.assertEqual(line.start_date, date(2026, 3, 1))
        self.assertEqual(line.end_date, date(2026, 3, 31))
        for words in ("620 API calls", "400 ×", "120 ×"):
            self.assertIn(words, line.name)

        # when it is billed again, nothing is booked
        self.bill_usage(date(2026, 4, 1), date(2026, 4, 1))
        self.assertEqual(len(self.usage_charges()), 1)

        # when events come late, the difference is booked on the original period
        self.store(100, "2026-03-20")
        self.bill_usage(date(2026, 4, 1), date(2026, 4, 2))
        adjustment = self.usage_charges() - charge
        self.assertEqual(adjustment.kind, "adjustment")
        self.assertEqual(adjustment.ref, charge.ref)
        self.assertEqual((adjustment.quantity, adjustment.amount), (100, 2.00))
        self.assertEqual(adjustment.service_start, date(2026, 3, 1))
        self.assertIn("720 API calls", adjustment.move_line_id.name)
        self.assertEqual(adjustment.move_id.amount_untaxed, 2.00)

        # and what was billed first can still be computed from its own evidence
        self.assertEqual(charge._get_usage_recomputed(), 620)
        self.assertEqual(adjustment._get_usage_recomputed(), 720)
        zone = self.subscription.tz
        self.subscription.tz = "Asia/Tokyo"
        self.assertNotEqual(zone, "Asia/Tokyo")
        with patch(
            "odoo.addons.saas_usage_billing.models.saas_usage_evidence.get_store"
        ) as store:
            store.return_value.aggregate.return_value = [{}]
            charge._measure_usage()
        [window] = store.return_value.aggregate.call_args.args[1]
        self.assertEqual(window.tz, zone)
        events = self.env["saas.usage.event"]
        action = charge.action_view_usage_events()
        self.assertEqual(events.search_count(action["domain"]), 620)
        action = adjustment.action_view_usage_events()
        self.assertEqual(events.search_count(action["domain"]), 720)
        self.assertIn("620 API calls", charge.usage_text)

        # the KPI counts both
        [row] = self.env["saas.charge"]._saas_kpi_invoiced_usage(
            self.env.ref("saas_usage_billing.saas_kpi_invoiced_usage"),
            self.company,
            date(2026, 4, 1),
            date(2026, 5, 1),
        )
        self.assertEqual(float(row["value"]), 24.40)
        self.assertEqual(
            self.env["saas.charge"].search_count(row["domain"]),
            row["inputs"]["charges"],
        )

    def test_tiers_of_an_invoiced_price_change_with_it_only(self):
        self.store(620, "2026-03-10")
        self.bill_usage(date(2026, 4, 1), date(2026, 4, 1))
        tier = self.price.tier_ids.filtered("is_open")
        for change in (
            lambda: tier.write({"unit_price": 0.01}),
            tier.unlink,
            lambda: tier.copy({"up_to": 5000}),
        ):
            with self.assertRaisesRegex(UsagePriceError, "Reason of the Change"):
                change()

    def test_corrected_price_is_credited(self):
        self.store(620, "2026-03-10")
        self.bill_usage(date(2026, 4, 1), date(2026, 4, 1))
        tier = self.price.tier_ids.filtered("is_open")
        self.price.write(
            {
                "change_reason": "Agreed by mail",
                "tier_ids": [Command.update(tier.id, {"unit_price": 0.01})],
            }
        )
        self.bill_usage(date(2026, 4, 1), date(2026, 4, 2))
        adjustment = self.usage_charges()[-1]
        self.assertEqual((adjustment.quantity, adjustment.amount), (0, -1.20))
        self.assertEqual(adjustment.move_id.move_type, "out_refund")

    def test_one_subscription_without_a_price_does_not_stop_the_run(self):
        self.price.active = False
        self.store(3, "2026-03-10")
        run = self.bill_usage(date(2026, 4, 1), date(2026, 4, 1))
        line = run.line_ids.filtered(
            lambda line: line.subscription_id == self.subscription
        )
        self.assertEqual(line.state, "failed")
        self.assertIn("usage price", line.reason)

    def test_usage_that_streams_in_after_the_approval_waits_for_the_next_run(self):
        self.store(620, "2026-03-10")
        run = self.approve(self.compute_run(date(2026, 4, 1), date(2026, 4, 1)))
        self.store(100, "2026-03-20")

        # what was approved is posted, with the evidence it was approved with
        self.post(run)
        self.assertEqual(run.line_ids.mapped("state"), ["posted"], run.line_ids.reason)
        (charge,) = self.usage_charges()
        self.assertEqual((charge.quantity, charge.amount), (620, 22.40))
        self.assertEqual(charge._get_usage_recomputed(), 620)
        events = self.env["saas.usage.event"]
        domain = charge.action_view_usage_events()["domain"]
        self.assertEqual(events.search_count(domain), 620)

        # the next run bills what came in between
        self.bill_usage(date(2026, 4, 1), date(2026, 4, 2))
        adjustment = self.usage_charges() - charge
        self.assertEqual((adjustment.quantity, adjustment.amount), (100, 2.00))
        self.assertEqual(adjustment._get_usage_recomputed(), 720)

    def test_each_line_is_posted_with_its_own_evidence(self):
        other = self.create_subscription(
            [{"product_id": self.calls.id}],
            date_start=date(2026, 3, 1),
            tz="UTC",
        )
        self.tie("client-2", other)
        self.store(120, "2026-03-10")
        self.store(130, "2026-03-10", "client-2")
        run = self.compute_run(date(2026, 4, 1), date(2026, 4, 1))
        self.store(10, "2026-03-11")
        self.store(20, "2026-03-11", "client-2")

        # one of the lines is computed again and sees what came in
        again = run.line_ids.filtered(lambda line: line.subscription_id == other)
        before = again.usage_bounds
        again.with_user(self.operator).action_recompute()
        self.assertGreater(again.usage_bounds["batch_max"], before["batch_max"])
        self.assertTrue(again.usage_seen_at)
        held = run.line_ids.filtered(lambda line: line.state == "held")
        held.comment = "Checked by the test"
        held.with_user(self.operator).action_release()
        self.store(40, "2026-03-12")
        self.store(40, "2026-03-12", "client-2")
        self.post(self.approve(run))

        self.assertEqual(set(run.line_ids.mapped("state")), {"posted"})
        self.assertEqual(self.usage_charges().quantity, 120)
        usage = other.charge_ids.filtered(lambda charge: charge.kind == "usage")
        self.assertEqual(usage.quantity, 150)

    def test_changed_price_is_not_posted_as_approved(self):
        self.store(620, "2026-03-10")
        run = self.approve(self.compute_run(date(2026, 4, 1), date(2026, 4, 1)))
        self.price.tier_ids.filtered("is_open").unit_price = 0.01
        self.post(run)
        self.assertEqual(run.line_ids.state, "held")
        self.assertIn("changed since the approval", run.line_ids.reason)
        self.assertFalse(self.usage_charges())

    def test_lines_without_metered_use_have_no_bounds(self):
        plain = self.create_subscription(
            [{"product_id": self.platform.id, "price_unit": 500.0}],
            date_start=date(2026, 3, 1),
        )
        run = self.compute_run(date(2026, 4, 1), date(2026, 4, 1))
        by_subscription = run.line_ids.grouped("subscription_id")
        self.assertFalse(by_subscription[plain].usage_bounds)
        self.assertFalse(by_subscription[plain].usage_seen_at)
        self.assertTrue(by_subscription[self.subscription].usage_bounds)
