# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo import Command
from odoo.exceptions import UserError
from odoo.tests import tagged

from .test_hold import APRIL, MAY, HoldCase

CODE_CHANGED = "billing.preview_changed"


@tagged("post_install", "-at_install")
class TestOwnDocument(HoldCase):
    """Corrections of usage on a document of their own, and on no other."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.subscription.plan_id.usage_correction = "own_document"
        cls.store(620, "2026-03-10", bytes=0)
        cls.bill_usage()

    @classmethod
    def prepare(cls, cutoff=MAY, day=date(2026, 5, 1), scope="regular"):
        run = cls.create_run(cutoff, date_invoice=day, usage_scope=scope)
        run.with_user(cls.operator).action_compute()
        return run

    @classmethod
    def bill_usage(cls, cutoff=APRIL, day=date(2026, 4, 1), scope="regular"):
        return cls.post(cls.approve(cls.prepare(cutoff, day, scope)))

    def refs(self, run):
        return run.line_ids.charge_ids.mapped(lambda row: (row.ref, row.kind))

    def make_price_cheaper(self):
        price = self.env["saas.usage.price"].search(
            [("product_tmpl_id", "=", self.calls.product_tmpl_id.id)]
        )
        tier = price.tier_ids.filtered("is_open")
        price.write(
            {
                "change_reason": "Agreed by mail",
                "tier_ids": [Command.update(tier.id, {"unit_price": 0.01})],
            }
        )

    # What goes where -------------------------------------------------
    def test_late_usage_has_an_invoice_of_its_own(self):
        self.store(100, "2026-03-20", bytes=0)
        self.store(130, "2026-04-10", bytes=0)
        regular = self.bill_usage(MAY, date(2026, 5, 1))
        kinds = [kind for _ref, kind in self.refs(regular)]
        self.assertNotIn("adjustment", kinds)
        self.assertIn("usage", kinds)
        own = self.bill_usage(MAY, date(2026, 5, 1), "corrections")
        invoice = own.line_ids.move_id
        self.assertEqual(invoice.move_type, "out_invoice")
        self.assertEqual(invoice.amount_untaxed, 2.0)
        [charge] = own.line_ids.charge_ids
        self.assertEqual((charge.kind, charge.quantity), ("adjustment", 100))
        self.assertEqual(invoice.saas_corrected_move_ids.state, "posted")
        # every event is billed once, and nothing is left to either run
        self.assertEqual(self.booked(), 850)
        self.assertFalse(self.subscription._get_unbooked_charges(MAY))

    def test_less_is_credited_by_a_note_of_its_own(self):
        self.make_price_cheaper()
        run = self.bill_usage(APRIL, date(2026, 4, 2), "corrections")
        note = run.line_ids.move_id
        self.assertEqual(note.move_type, "out_refund")
        self.assertEqual(note.amount_untaxed, 1.2)
        self.assertTrue(note.reversed_entry_id)

    def test_everything_together(self):
        self.store(100, "2026-03-20", bytes=0)
        self.store(130, "2026-04-10", bytes=0)
        kinds = {kind for _ref, kind in self.refs(self.prepare(scope="all"))}
        self.assertEqual(kinds, {"recurring", "usage", "adjustment"})

    def test_plans_with_corrections_on_the_next_invoice(self):
        self.subscription.plan_id.usage_correction = "next_invoice"
        self.store(100, "2026-03-20", bytes=0)
        self.assertFalse(self.prepare(scope="corrections").line_ids)
        kinds = {kind for _ref, kind in self.refs(self.prepare())}
        self.assertIn("adjustment", kinds)

    def test_another_price_is_no_correction(self):
        # The reversal of the old price and the charge of the new one go together.
        self.create_price(
            subscription_id=self.subscription.id,
            model="standard",
            unit_price=1,
            correction_reason="Agreed",
        )
        self.assertFalse(self.prepare(APRIL, scope="corrections").line_ids)
        amounts = self.prepare(APRIL).line_ids.charge_ids.mapped("amount")
        self.assertEqual(sorted(amounts), [-22.4, 620.0])

    def test_smallest_and_oldest_correction(self):
        plan = self.subscription.plan_id
        plan.usage_correction_min = 3
        self.store(100, "2026-03-20", bytes=0)
        self.assertFalse(self.prepare(scope="corrections").line_ids)
        self.store(50, "2026-03-21", bytes=0)
        self.assertEqual(self.prepare(scope="corrections").line_ids.amount, 3.0)
        plan.usage_correction_days = 20
        self.assertFalse(self.prepare(scope="corrections").line_ids)

    def test_next_invoice_leaves_corrections_out(self):
        self.store(100, "2026-03-20", bytes=0)
        self.assertFalse(self.subscription._preview_charges(APRIL))
        self.subscription.plan_id.usage_correction = "next_invoice"
        [charge] = self.subscription._preview_charges(APRIL)
        self.assertEqual(float(charge.amount), 2.0)

    # Runs at the same time -------------------------------------------
    def test_regular_and_correction_run_at_once(self):
        self.store(100, "2026-03-20", bytes=0)
        self.store(130, "2026-04-10", bytes=0)
        runs = self.prepare() + self.prepare(scope="corrections")
        both, own = runs, runs[1]
        self.approve(runs[0])
        self.approve(own)
        self.post(own)
        self.post(runs[0])
        self.assertEqual(both.line_ids.mapped("state"), ["posted"] * 2)
        self.assertEqual(self.booked(), 850)
        self.assertFalse(self.subscription._get_unbooked_charges(MAY))

    def test_the_same_correction_is_posted_once(self):
        self.store(100, "2026-03-20", bytes=0)
        first = self.prepare(APRIL, scope="corrections")
        second = self.prepare(APRIL, scope="all")
        self.approve(first)
        self.approve(second)
        self.post(first)
        self.post(second)
        self.assertEqual(first.line_ids.state, "posted")
        self.assertEqual(second.line_ids.state, "held")
        self.assertEqual(self.booked(), 720)

    def test_correction_run_leaves_the_licence_to_the_regular_run(self):
        licence = self.create_subscription(
            plan_id=self.subscription.plan_id.id, date_start=date(2026, 3, 1)
        )
        own = self.prepare(scope="corrections")
        self.assertNotIn(licence, own.line_ids.subscription_id)
        run = self.prepare()
        self.assertIn(licence, run.line_ids.subscription_id)
        self.post(self.approve(run))
        self.assertTrue(licence.charge_ids)
        # what a regular run has settled is settled for both
        for scope in ("regular", "corrections"):
            later = self.create_run(MAY, usage_scope=scope).sudo()
            self.assertNotIn(licence.id, later._find_subscription_ids())

    def test_correction_does_not_settle_what_a_regular_run_left(self):
        self.store(130, "2026-04-10", bytes=0)
        regular = self.approve(self.prepare())
        self.hold(date_from=APRIL)
        self.store(100, "2026-03-20", bytes=0)
        self.post(regular)
        self.assertEqual(regular.line_ids.state, "held")
        left = self.exceptions(CODE_CHANGED)
        self.bill_usage(APRIL, date(2026, 4, 2), "corrections")
        self.prepare(APRIL, scope="corrections")  # nothing is due
        self.assertEqual(left.state, "open")
        self.bill_usage(MAY, date(2026, 5, 2))
        self.assertEqual(left.state, "resolved")

    def test_run_does_not_settle_what_a_correction_run_left(self):
        self.store(100, "2026-03-20", bytes=0)
        own = self.approve(self.prepare(APRIL, scope="corrections"))
        self.hold(date_from=date(2026, 3, 1), date_to=APRIL)
        self.post(own)
        left = self.exceptions(CODE_CHANGED)
        self.assertEqual(own.line_ids.state, "held")
        self.bill_usage(MAY, date(2026, 5, 1))
        self.assertEqual(left.state, "open")
        self.release(self.subscription.usage_hold_ids)
        self.bill_usage(MAY, date(2026, 5, 2), "corrections")
        self.assertEqual(left.state, "resolved")
        self.assertEqual(self.booked(), 720)

    # Dates and checks ------------------------------------------------
    def test_locked_invoice_date(self):
        self.store(100, "2026-03-20", bytes=0)
        run = self.approve(self.prepare(APRIL, date(2026, 4, 2), "corrections"))
        self.company.sudo().sale_lock_date = date(2026, 4, 30)
        self.post(run)
        self.assertEqual(run.line_ids.state, "failed")
        self.assertIn("locked", run.line_ids.reason)
        # a run of today bills it, with the days of the service
        run = self.bill_usage(MAY, date(2026, 5, 2), "corrections")
        item = run.line_ids.move_id.invoice_line_ids
        self.assertEqual(item.start_date, date(2026, 3, 1))
        self.assertEqual(item.move_id.invoice_date, date(2026, 5, 2))

    def test_corrections_are_not_compared_with_invoices(self):
        for day in range(2, 6):
            self.store(10, f"2026-03-{day + 10}", bytes=0)
            run = self.bill_usage(APRIL, date(2026, 4, day), "corrections")
            self.assertEqual(run.line_ids.state, "posted", run.line_ids.why)
        # nor do they make an invoice look unusual
        run = self.prepare()
        facts = run.sudo().line_ids._get_facts()[run.sudo().line_ids]
        self.assertEqual(len(facts.history), 1)
        self.assertGreater(facts.history[0], 500)

    # Schedules and rights --------------------------------------------
    def test_schedule_hands_the_scope_on(self):
        self.store(100, "2026-03-20", bytes=0)
        schedule = (
            self.env["saas.billing.schedule"]
            .with_user(self.operator)
            .create(
                {
                    "name": "Corrections",
                    "date_start": MAY,
                    "operator_id": self.operator.id,
                    "usage_scope": "corrections",
                }
            )
        )
        run = schedule.sudo()._prepare_run(MAY)
        self.assertEqual(run.usage_scope, "corrections")
        self.assertEqual([kind for _ref, kind in self.refs(run)], ["adjustment"])

    def test_scope_is_fixed_once_computed(self):
        run = self.prepare()
        with self.assertRaises(UserError):
            run.with_user(self.operator).usage_scope = "all"
        run.with_user(self.operator).action_reset()
        run.with_user(self.operator).usage_scope = "all"
