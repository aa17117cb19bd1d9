# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, datetime, timezone

from odoo import Command
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, tagged

from .common import UsageCase

APRIL, MAY, JUNE = date(2026, 4, 1), date(2026, 5, 1), date(2026, 6, 1)


@tagged("post_install", "-at_install")
class TestCommitment(UsageCase):
    """What was promised and not used is charged at the end of the window."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.create_price(model="standard", unit_price=1)
        cls.create_price(cls.traffic, model="standard", unit_price=0.1)

    def commit(self, amount, **vals):
        return self.env["saas.usage.commitment"].create(
            {
                "name": "Committed Spend",
                "subscription_id": self.subscription.id,
                "amount": amount,
                "date_start": date(2026, 3, 1),
                **vals,
            }
        )

    def charges(self, until):
        self.env.cr.cache.pop("saas_usage_billing", None)
        return [
            charge
            for charge in self.subscription._get_proposed_charges(until)
            if charge.ref.startswith("commit:")
        ]

    def amounts(self, until):
        return [
            (charge.service_start, float(charge.amount))
            for charge in self.charges(until)
        ]

    def book(self, until):
        self.env.cr.cache.pop("saas_usage_billing", None)
        self.subscription._book_history(until, "elsewhere")

    def due(self, until):
        self.env.cr.cache.pop("saas_usage_billing", None)
        return {
            (charge.ref.split(":")[0], charge.kind): float(charge.amount)
            for charge in self.subscription._get_unbooked_charges(until)
        }

    def test_what_is_missing_is_charged(self):
        commitment = self.commit(100)
        self.store(30, "2026-03-10", bytes=100)
        # 30 calls and 3,000 bytes: 330 of 100
        self.assertEqual(self.amounts(APRIL), [])
        commitment.amount = 1000
        [charge] = self.charges(APRIL)
        self.assertEqual(charge.amount, 670)
        self.assertEqual(charge.ref, f"commit:{commitment.id}:2026-03-01")
        label = self.subscription._get_charge_label(charge)
        self.assertIn("Committed Spend", label)
        self.assertIn("330", label)
        commitment.product_ids = self.calls
        self.assertEqual(self.amounts(APRIL), [(date(2026, 3, 1), 970)])
        commitment.is_true_up = False
        self.assertEqual(self.amounts(APRIL), [])

    def test_overage_costs_more(self):
        self.commit(100, overage_factor=1.5, product_ids=self.calls.ids)
        self.store(120, "2026-03-10", bytes=0)
        self.assertEqual(self.amounts(APRIL), [(date(2026, 3, 1), 10)])

    def test_late_usage_lowers_it(self):
        self.commit(100, product_ids=self.calls.ids)
        self.store(30, "2026-03-10", bytes=0)
        self.book(APRIL)
        self.store(50, "2026-03-20", bytes=0)
        self.assertEqual(
            self.due(APRIL),
            {("usage", "adjustment"): 50, ("commit", "adjustment"): -50},
        )
        self.book(APRIL)
        self.assertFalse(self.due(APRIL))
        self.store(40, "2026-03-21", bytes=0)
        # Twenty more than was promised: nothing of the true-up is left.
        self.assertEqual(
            self.due(APRIL),
            {("usage", "adjustment"): 40, ("commit", "adjustment"): -20},
        )

    def test_quarters_and_years_wait_for_their_end(self):
        commitment = self.commit(300, window="quarter", product_ids=self.calls.ids)
        self.store(100, "2026-03-10", bytes=0)
        self.store(50, "2026-05-10", bytes=0)
        self.assertEqual(self.amounts(MAY), [])
        self.assertEqual(self.amounts(JUNE), [(date(2026, 3, 1), 150)])
        commitment.window = "year"
        self.assertEqual(self.amounts(JUNE), [])
        self.assertEqual(self.amounts(date(2027, 3, 1)), [(date(2026, 3, 1), 150)])

    def test_windows_are_prorated(self):
        commitment = self.commit(
            310, date_start=date(2026, 3, 11), date_end=date(2026, 4, 16)
        )
        # 21 of 31 days, then 15 of 30
        expected = [(date(2026, 3, 11), 210), (date(2026, 4, 1), 155)]
        self.assertEqual(self.amounts(JUNE), expected)
        # What begins in a window counts, so it waits for the end of that.
        self.assertEqual(self.amounts(date(2026, 4, 20)), expected[:1])
        commitment.is_prorated = False
        self.assertEqual([amount for _day, amount in self.amounts(JUNE)], [310, 310])

    def test_held_usage_makes_the_window_wait(self):
        commitment = self.commit(100, product_ids=self.calls.ids)
        self.store(30, "2026-03-10", bytes=0)
        hold = self.env["saas.usage.hold"].create(
            {
                "subscription_id": self.subscription.id,
                "meter_id": self.calls_meter.id,
                "kind": "manual",
                "date_from": date(2026, 3, 1),
                "reason": "Doubtful",
            }
        )
        self.assertFalse(self.due(APRIL))
        commitment.product_ids = self.traffic
        self.assertEqual(self.due(APRIL), {("commit", "usage"): 100})
        commitment.product_ids = self.calls
        hold.release_note = "Checked"
        hold.action_release()
        self.assertEqual(
            self.due(APRIL), {("usage", "usage"): 30, ("commit", "usage"): 70}
        )

    def test_usage_a_silent_source_has_not_sent_makes_the_window_wait(self):
        commitment = self.commit(100, product_ids=self.calls.ids)
        hold = self.env["saas.usage.hold"]._open(
            self.subscription,
            "silent",
            date(2026, 3, 1),
            "Nothing came",
            meter=self.calls_meter,
            source=self.source,
            date_to=APRIL,
        )
        # nothing is there to be held, and all of it may still come
        self.assertFalse(self.due(APRIL))
        self.assertEqual(self.due(MAY), {("commit", "usage"): 100})
        commitment.product_ids = self.traffic
        self.assertEqual(self.due(APRIL), {("commit", "usage"): 100})
        commitment.product_ids = self.calls
        self.store(30, "2026-03-10", bytes=0)
        hold._release("It came")
        self.assertEqual(
            self.due(APRIL), {("usage", "usage"): 30, ("commit", "usage"): 70}
        )

    def create_recurring(self, price, **vals):
        """Add a licence to the subscription."""
        product = self.env["product.product"].create(
            {
                "name": "Licence",
                "type": "service",
                "saas_charge_kind": "recurring",
                "company_id": self.company.id,
                "taxes_id": [Command.clear()],
            }
        )
        line = self.env["saas.subscription.line"].create(
            {
                "subscription_id": self.subscription.id,
                "product_id": product.id,
                "date_start": self.subscription.date_start,
                **vals,
            }
        )
        line.price_unit = price
        return line

    def test_paused_days_are_not_promised(self):
        commitment = self.commit(310)
        # 21 of 31 days in March; a quarter has its part, too
        self.subscription.pause(
            date_effective=date(2026, 3, 11),
            date_resume=date(2026, 3, 21),
            pause_mode="credit",
        )
        self.assertEqual(self.amounts(APRIL), [(date(2026, 3, 1), 210)])
        commitment.write({"window": "quarter", "amount": 920})
        self.assertEqual(self.amounts(JUNE), [(date(2026, 3, 1), 820)])
        commitment.is_prorated = False
        self.assertEqual(self.amounts(JUNE), [(date(2026, 3, 1), 920)])

    def test_a_month_without_service_asks_nothing(self):
        self.commit(310, overage_factor=2)
        self.subscription.pause(date_effective=date(2026, 3, 11), pause_mode="credit")
        self.store(5, "2026-04-10", bytes=0)
        self.assertEqual(self.amounts(JUNE), [(date(2026, 3, 1), 100)])

    def test_extended_periods_have_all_of_the_amount(self):
        self.commit(310)
        self.subscription.pause(
            date_effective=date(2026, 3, 11),
            date_resume=date(2026, 3, 21),
            pause_mode="extend",
        )
        # March lasts until the 10th of April
        self.assertEqual(self.amounts(date(2026, 4, 10)), [])
        self.assertEqual(self.amounts(date(2026, 4, 11)), [(date(2026, 3, 1), 310)])

    def test_a_charge_for_a_year_counts_in_each_of_its_months(self):
        self.commit(100, includes_recurring=True, overage_factor=1.5)
        self.create_recurring(730, recurrence_unit="year", recurrence_count=1)
        # 2.00 a day
        self.assertEqual(self.amounts(MAY), [(date(2026, 3, 1), 38), (APRIL, 40)])
        self.store(60, "2026-03-10", bytes=0)
        # half of what 62.00 and 60.00 are above 100.00
        self.assertEqual(self.amounts(APRIL), [(date(2026, 3, 1), 11)])

    def test_minimum_of_the_plan(self):
        self.plan.minimum_amount = 50
        recurring = self.env["product.product"].create(
            {
                "name": "Licence",
                "type": "service",
                "saas_charge_kind": "recurring",
                "list_price": 20,
                "company_id": self.company.id,
                "taxes_id": [Command.clear()],
            }
        )
        subscription = self.create_subscription(
            self.create_partner("Second Ltd"), recurring + self.calls
        )
        subscription.line_ids.filtered(
            lambda line: line.kind == "recurring"
        ).price_unit = 20
        [commitment] = subscription.usage_commitment_ids
        self.assertTrue(commitment.is_plan_minimum)
        self.assertEqual((commitment.amount, commitment.window), (50, "period"))
        self.tie("second", subscription)
        self.store(5, "2026-03-10", "second", bytes=0)
        found = {
            charge.ref.split(":")[0]: charge.amount
            for charge in subscription._get_proposed_charges(APRIL)
            if charge.service_start == date(2026, 3, 1)
        }
        self.assertEqual((found["usage"], found["commit"]), (5, 25))
        self.assertFalse(subscription._filter_billing_provable())
        self.assertFalse(self.subscription.usage_commitment_ids)

    def test_minimum_of_the_plan_takes_no_defaults_of_a_caller(self):
        self.plan.minimum_amount = 50
        forged = {
            "product_ids": self.calls.ids,
            "window": "year",
            "date_end": "2026-03-02",
            "is_true_up": False,
            "overage_factor": 2,
            "is_prorated": False,
            "partner_id": self.subscription.partner_id.id,
            "company_id": self.create_company("Far Ltd").id,
        }
        partner = self.create_partner("Third Ltd")
        subscription = self.create_subscription(partner, self.calls, activate=False)
        subscription.with_context(
            **{f"default_{name}": value for name, value in forged.items()}
        )._add_plan_minimum()
        [commitment] = subscription.usage_commitment_ids
        self.assertFalse(commitment.product_ids or commitment.date_end)
        self.assertTrue(commitment.is_true_up and commitment.is_prorated)
        self.assertEqual((commitment.window, commitment.overage_factor), ("period", 1))
        self.assertEqual(commitment.partner_id, partner)
        self.assertEqual(commitment.company_id, self.company)
        form = Form(
            self.env["saas.usage.commitment"].with_context(
                default_subscription_id=subscription.id, default_is_plan_minimum=True
            )
        )
        self.assertEqual(form.subscription_id, subscription)
        self.assertFalse(form.is_plan_minimum)

    def test_bad_commitments_are_refused(self):
        for vals in (
            {"amount": 0},
            {"overage_factor": 0.5},
            {"date_end": date(2026, 2, 1)},
            {"date_start": date(2026, 2, 1)},
        ):
            with self.assertRaises(Exception) as caught:
                self.commit(**{"amount": 10, **vals})
                self.env.flush_all()
            self.assertNotIsInstance(caught.exception, AssertionError, vals)
        other = self.create_product("Disk", self.bytes_meter)
        with self.assertRaises(ValidationError):
            self.commit(10, product_ids=other.ids)
        commitment = self.commit(10)
        self.book(APRIL)
        with self.assertRaises(UserError):
            commitment.unlink()
        self.assertEqual(commitment.charge_count, 1)
        charges = self.env["saas.charge"].search(
            commitment.action_view_charges()["domain"]
        )
        self.assertEqual(charges.amount, 10)

    def test_the_same_evidence_gives_the_same_preview(self):
        self.commit(100)
        self.store(3, "2026-03-10", bytes=10)
        self.assertEqual(self.amounts(APRIL), self.amounts(APRIL))
        now = datetime(2026, 3, 20, tzinfo=timezone.utc)
        self.assertEqual(len(self.subscription._get_current_usage(now)), 2)

    def test_roles(self):
        operator = self.new_user("cop", "billing_operator")
        auditor = self.new_user("cau", "auditor")
        with Form(self.env["saas.usage.commitment"].with_user(operator)) as form:
            form.subscription_id = self.subscription
            form.name = "Committed"
            form.amount = 100
        commitment = form.record
        self.assertEqual(commitment.date_start, self.subscription.date_start)
        with self.assertRaises(AccessError):
            commitment.with_user(auditor).amount = 1
        stranger = self.new_user("cst", "auditor", self.create_company("Far Ltd"))
        with self.assertRaises(AccessError):
            commitment.with_user(stranger).read(["amount"])
