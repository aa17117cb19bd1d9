# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo.tests import tagged

from .test_hold import APRIL, MARCH, HoldCase


@tagged("post_install", "-at_install")
class TestVoidBilling(HoldCase):
    """What is taken back after the invoice is corrected on its service period."""

    def setUp(self):
        super().setUp()
        self.store(620, "2026-03-10", bytes=1)
        ids = self.env["saas.usage.event"].search(
            [("subscription_id", "=", self.subscription.id)], order="event_time, id"
        )
        self.ids = ids.mapped("event_id")

    def take_back(self, number, **changes):
        """Void the first events, or replace them."""
        chosen, self.ids = self.ids[:number], self.ids[number:]
        if changes:
            events = [self.event(replaces=target, **changes) for target in chosen]
        else:
            events = [
                {"id": f"void-{target}", "source": "weblog", "voids": target}
                for target in chosen
            ]
        result = self.ingest(events)
        self.assertEqual(result.counts["stored"], number, result.outcomes[:2])

    def test_void_after_posting_is_credited_on_its_period(self):
        self.bill_usage()
        self.take_back(20)
        due = self.subscription._get_unbooked_charges(APRIL)
        self.assertEqual(
            sorted(
                (charge.kind, charge.quantity, float(charge.amount)) for charge in due
            ),
            [("adjustment", -20, -0.4), ("adjustment", -20, -0.2)],
        )
        self.assertEqual(
            {(charge.service_start, charge.service_end) for charge in due},
            {(MARCH, APRIL)},
        )
        run = self.bill_usage(APRIL, date(2026, 4, 2))
        [move] = run.line_ids.move_id
        self.assertEqual((move.move_type, move.amount_untaxed), ("out_refund", 0.6))
        self.assertEqual(self.booked(), 600)
        self.assertEqual(self.booked(self.traffic), 600)
        self.assertFalse(self.subscription._get_unbooked_charges(APRIL))

    def test_taking_back_all_is_a_correction_with_evidence(self):
        self.bill_usage()
        self.take_back(620)
        self.subscription.plan_id.usage_correction = "own_document"
        due = self.subscription._get_unbooked_charges(APRIL)
        self.assertEqual({charge.kind for charge in due}, {"adjustment"})
        for charge in due:
            self.assertTrue(self.subscription._is_own_document(charge))
            self.assertEqual(charge.details["quantity"], "0")
        run = self.create_run(
            APRIL, date_invoice=date(2026, 4, 2), usage_scope="corrections"
        )
        run.with_user(self.operator).action_compute()
        self.post(self.approve(run))
        [move] = run.line_ids.move_id
        self.assertEqual(move.move_type, "out_refund")
        self.assertEqual((self.booked(), self.booked(self.traffic)), (0, 0))
        late = self.env["saas.event"].search([("name", "=", "usage.late")], limit=1)
        self.assertEqual(late.payload["quantity_after"], "0")
        charge = self.subscription.charge_ids.sorted("id")[-1]
        self.assertEqual(charge._get_usage_breakdown().quantity, 0)
        self.assertFalse(self.subscription._get_unbooked_charges(APRIL))

    def test_replacement_after_posting_moves_the_usage(self):
        self.bill_usage()
        # The same calls with another size, and in another month.
        self.take_back(10, time="2026-03-20T00:00:00Z", data={"bytes": 3})
        self.take_back(10, time="2026-04-02T00:00:00Z", data={"bytes": 3})
        due = {
            (charge.quantity, float(charge.amount))
            for charge in self.subscription._get_unbooked_charges(APRIL)
        }
        self.assertEqual(due, {(-10, -0.2), (10, 0.1)})

    def test_void_after_the_approval_is_for_the_next_run(self):
        run = self.approve(self.prepare())
        self.take_back(20)
        run = self.post(run)
        self.assertEqual(run.line_ids.mapped("state"), ["posted"], run.line_ids.reason)
        self.assertEqual(self.booked(), 620)
        self.bill_usage(APRIL, date(2026, 4, 2))
        self.assertEqual(self.booked(), 600)

    def test_evidence_of_a_charge_stays_what_it_was(self):
        self.bill_usage()
        charge = self.subscription.charge_ids.filtered(
            lambda charge: charge.line_id.product_id == self.calls
        )
        action = charge.action_view_usage_events()
        count = self.env["saas.usage.event"].search_count
        self.assertEqual(count(action["domain"]), 620)
        self.take_back(20)
        self.assertEqual(count(charge.action_view_usage_events()["domain"]), 620)
        self.assertEqual(sum(charge._measure_usage()[()].quantity for _ in "1"), 620)
        self.bill_usage(APRIL, date(2026, 4, 2))
        corrected = self.subscription.charge_ids.filtered(
            lambda one: one.line_id.product_id == self.calls and one != charge
        )
        self.assertEqual(count(corrected.action_view_usage_events()["domain"]), 600)
