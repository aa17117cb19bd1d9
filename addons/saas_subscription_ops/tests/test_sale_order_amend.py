# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo import Command
from odoo.exceptions import AccessError, UserError
from odoo.tests import freeze_time, tagged

from ..exceptions import QuoteError
from .common_sale_order_amend import AmendQuoteCase


@tagged("post_install", "-at_install")
@freeze_time("2026-06-02")
class TestSaleOrderAmend(AmendQuoteCase):
    """Quotations that change or renew a running subscription."""

    # Quote -----------------------------------------------------------
    def test_quote_repeats_the_running_lines(self):
        order = self.amend().with_user(self.salesperson)
        self.assertEqual(order.saas_order_kind, "amendment")
        self.assertEqual(order.saas_plan_id, self.plan)
        self.assertEqual(order.saas_start_date, date(2026, 6, 2))
        self.assertEqual(order.client_order_ref, "PO-9")
        self.assertEqual(order.order_line.product_id, self.platform | self.support)
        self.assertEqual(order.saas_mrr, 1200.0)
        self.assertEqual(order.saas_mrr_delta, 0.0)
        self.assertIn("changes nothing", order.saas_quote_problem)

    def test_next_period_may_be_proposed(self):
        with freeze_time("2026-06-10"):
            order = self.amend(effective="next_period")
        self.assertEqual(order.saas_start_date, date(2026, 7, 2))

    def test_deltas(self):
        order = self.amend()
        self._line(order, self.platform).product_uom_qty = 3
        self.assertEqual(order.saas_mrr, 1700.0)
        self.assertEqual(order.saas_mrr_delta, 500.0)
        self.assertEqual(order.saas_tcv_delta, 4500.0)
        self.assertIn("9 months left", order.saas_value_note)
        self._line(order, self.platform).product_uom_qty = 1
        self.assertEqual(order.saas_mrr_delta, -500.0)

    def test_scheduled_ramp_is_part_of_both_values(self):
        line = self.subscription.line_ids[0]
        self.subscription.amend(
            "ramp",
            date_effective=date(2026, 12, 2),
            lines=[{"line_id": line.id, "price_unit": 600.0}],
        )
        order = self.amend()
        self.assertEqual(order.saas_tcv_delta, 0.0)
        self._line(order, self.platform).product_uom_qty = 3
        # one more: six months at 500.00, three at 600.00
        self.assertEqual(order.saas_tcv_delta, 4800.0)
        self.assertEqual(len(order._saas_get_step_rows()), 1)

    def test_lasting_coupon_of_the_subscription_counts(self):
        self.grant(self.subscription, self.create_coupon(duration="forever"))
        order = self.amend()
        self._line(order, self.platform).product_uom_qty = 3
        self.assertEqual(order.saas_mrr_delta, 450.0)

    def test_agreed_price_and_discount_stay_when_the_quantity_changes(self):
        self.subscription.line_ids[0].write({"price_unit": 450.0, "discount": 5.0})
        self.env.user.group_ids += self.env.ref("sale.group_discount_per_so_line")
        order = self.amend()
        line = self._line(order, self.platform)
        line.product_uom_qty = 9
        self.assertEqual((line.price_unit, line.discount), (450.0, 5.0))

    # Confirmation ----------------------------------------------------
    def test_signed_change_becomes_one_amendment(self):
        order = self.amend()
        self._line(order, self.platform).product_uom_qty = 3
        order.with_user(self.salesperson).action_confirm()
        amendment = self.subscription.amendment_ids
        self.assertEqual(len(amendment), 1)
        self.assertEqual((amendment.kind, amendment.source), ("quantity", "quote"))
        self.assertEqual(amendment.order_id, order)
        self.assertEqual(amendment.state, "applied")
        self.assertEqual(
            self._terms(self.platform, date(2026, 6, 2)), (3.0, 500.0, 0.0)
        )
        self.assertEqual(self._terms(self.platform, date(2026, 6, 1))[0], 2.0)
        self.assertFalse(order.saas_subscription_ids)
        self.assertEqual(order.saas_subscription_count, 1)
        for _repeat in range(2):
            order.saas_create_subscription()
        self.assertEqual(self.subscription.amendment_ids, amendment)
        self.assertFalse(self.exceptions("order.subscription_failed"))

    def test_upsell_adds_removes_and_charges_once(self):
        order = self.amend()
        self._line(order, self.support).product_uom_qty = 0
        order.order_line = [
            Command.create({"product_id": self.seat.id, "product_uom_qty": 10}),
            Command.create({"product_id": self.package.id, "product_uom_qty": 1}),
        ]
        order.action_confirm()
        day = date(2026, 6, 2)
        self.assertEqual(self._terms(self.seat, day), (10.0, 20.0, 0.0))
        self.assertEqual(self._terms(self.support, day)[0], 0.0)
        added = self.subscription.line_ids.filtered(
            lambda ln: ln.product_id == self.seat
        )
        self.assertEqual(added.sale_line_id, self._line(order, self.seat))
        self.bill(date(2026, 6, 3))
        once = self.subscription.charge_ids.filtered(lambda c: c.kind == "one_time")
        self.assertEqual(once.amount, 1200.0)
        self.assertEqual(once.service_start, day)
        # The package brings its onboarding, the plan does so only once.
        self.assertEqual(len(order.saas_onboarding_project_ids), 1)

    def test_upgrade_to_another_product(self):
        bigger = self.create_product("Bigger", 900.0, saas_charge_kind="recurring")
        order = self.amend()
        line = self._line(order, self.platform)
        line.write({"product_id": bigger.id, "price_unit": 900.0})
        order.action_confirm()
        self.assertEqual(self.subscription.amendment_ids.kind, "upgrade")
        self.assertEqual(self._terms(bigger, date(2026, 6, 2)), (2.0, 900.0, 0.0))

    def test_upgrade_to_another_plan_of_the_same_rhythm(self):
        plan = self.create_plan(name="Enterprise")
        bigger = self.create_product("Enterprise", 900.0, saas_plan_id=plan.id)
        order = self.amend()
        line = self._line(order, self.platform)
        line.write({"product_id": bigger.id, "price_unit": 900.0})
        order.action_confirm()
        self.assertEqual(self.subscription.plan_id, plan)
        self.assertEqual(self.subscription.mrr, 2000.0)

    def test_plan_of_another_rhythm_is_refused(self):
        plan = self.create_plan(name="Yearly", recurrence_unit="year")
        yearly = self.create_product("Yearly", 9000.0, saas_plan_id=plan.id)
        order = self.amend()
        self._line(order, self.platform).product_id = yearly
        with self.assertRaisesRegex(UserError, "another rhythm"):
            order.action_confirm()

    def test_two_plans_at_once_are_refused(self):
        plan = self.create_plan(name="Enterprise")
        bigger = self.create_product("Enterprise", 900.0, saas_plan_id=plan.id)
        order = self.amend()
        order.order_line = [Command.create({"product_id": bigger.id})]
        with self.assertRaisesRegex(UserError, "several plans"):
            order.action_confirm()

    def test_deleted_line_stays_as_it_is(self):
        order = self.amend()
        self._line(order, self.support).unlink()
        self._line(order, self.platform).product_uom_qty = 3
        self.assertEqual(order.saas_mrr, 1700.0)
        order.action_confirm()
        self.assertEqual(self._terms(self.support, date(2026, 6, 2))[0], 1.0)

    def test_backdated_change_is_corrected_by_the_next_run(self):
        self.bill(date(2026, 6, 2))
        billed = sum(self.subscription.charge_ids.mapped("amount"))
        order = self.amend()
        order.saas_start_date = date(2026, 5, 2)
        self._line(order, self.platform).product_uom_qty = 3
        order.action_confirm()
        self.bill(date(2026, 6, 2))
        after = sum(self.subscription.charge_ids.mapped("amount"))
        self.assertAlmostEqual(after - billed, 500.0)

    # Renewal ---------------------------------------------------------
    def test_renewal_raises_prices_at_the_term_end(self):
        order = self.renew(term_months=24, uplift=5.0)
        self.assertEqual(order.saas_start_date, date(2027, 3, 2))
        self.assertEqual(order.saas_term_months, 24)
        self.assertEqual(self._line(order, self.platform).price_unit, 525.0)
        self.assertEqual(order.saas_mrr_delta, 60.0)
        self.assertEqual(order.saas_tcv, 24 * 1260.0)
        order.with_user(self.salesperson).action_confirm()
        amendment = self.subscription.amendment_ids
        self.assertEqual(amendment.kind, "renewal")
        self.assertEqual(amendment.date_effective, date(2027, 3, 2))
        self.assertEqual(self.subscription.term_end, date(2029, 3, 2))
        self.assertEqual(self._terms(self.platform, date(2027, 3, 1))[1], 500.0)
        self.assertEqual(self._terms(self.platform, date(2027, 3, 2))[1], 525.0)

    def test_renewal_on_unchanged_terms_and_with_a_ramp(self):
        order = self.renew(term_months=24)
        order.order_line = [
            Command.create({"product_id": self.seat.id, "product_uom_qty": 10})
        ]
        self.ramp(order, (12, 110.0))
        self.assertFalse(order.saas_quote_problem)
        order.action_confirm()
        self.assertEqual(
            self.subscription.amendment_ids.sorted("date_effective").mapped("kind"),
            ["renewal", "ramp"],
        )
        day = date(2028, 3, 2)
        self.assertEqual(self._terms(self.platform, day)[1], 550.0)
        self.assertEqual(self._terms(self.seat, day)[1], 22.0)

    def test_open_ended_subscription_is_not_renewed(self):
        self.subscription = self.create_subscription()
        with self.assertRaisesRegex(QuoteError, "open ended"):
            self.renew()

    # Coupons ---------------------------------------------------------
    def test_coupon_of_an_amendment_counts_from_its_day(self):
        coupon = self.create_coupon()
        order = self.amend()
        order.saas_coupon_id = coupon
        self._line(order, self.platform).product_uom_qty = 3
        order.action_confirm()
        self.assertEqual(self.subscription.coupon_ids.date_start, date(2026, 6, 2))
        again = self.amend()
        again.saas_coupon_id = coupon
        self.assertIn("has coupon WELCOME10 already", again.saas_quote_problem)

    # Refusals --------------------------------------------------------
    def test_what_can_not_be_done_is_refused_with_the_reason(self):
        stranger = self.env["res.partner"].create({"name": "Stranger"})
        cases = (
            ({"saas_start_date": date(2026, 3, 1)}, "can't change before"),
            ({"partner_id": stranger.id}, "belongs to Acme"),
        )
        for vals, reason in cases:
            with self.subTest(reason=reason):
                order = self.amend()
                self._line(order, self.platform).product_uom_qty = 3
                order.write(vals)
                self.assertIn(reason, order.saas_quote_problem)
                with self.assertRaisesRegex(UserError, reason):
                    order.action_confirm()

    def test_same_line_twice_is_refused_at_the_line(self):
        order = self.amend()
        line = self._line(order, self.platform)
        line.copy({"order_id": order.id})
        self.assertIn("two lines continue", line.saas_problem)
        with self.assertRaisesRegex(UserError, "two lines continue"):
            order.action_confirm()

    def test_line_that_has_ended_meanwhile_is_refused_at_the_line(self):
        order = self.amend()
        line = self._line(order, self.platform)
        line.product_uom_qty = 5
        self.subscription.line_ids[0].date_end = date(2026, 6, 1)
        self.assertIn("no longer applies", line.saas_problem)

    def test_nothing_left_is_a_cancellation(self):
        usage = self.subscription.line_ids.filtered(lambda ln: ln.kind == "usage")
        usage.unlink()
        order = self.amend()
        order.order_line.product_uom_qty = 0
        with self.assertRaisesRegex(UserError, "cancel it instead"):
            order.action_confirm()

    def test_renewal_takes_effect_at_the_term_end(self):
        order = self.renew()
        order.saas_start_date = date(2027, 1, 1)
        with self.assertRaisesRegex(UserError, "lies within a billing period"):
            order.action_confirm()

    def test_ramp_on_an_amendment_is_refused(self):
        order = self.amend()
        self._line(order, self.platform).product_uom_qty = 3
        self.ramp(order, (6, 110.0))
        self.assertIn("remove its ramp prices", order.saas_quote_problem)

    def test_only_running_subscriptions_are_quoted(self):
        self.subscription = self.create_subscription(activate=False)
        for call in (self.amend, self.renew):
            with self.assertRaisesRegex(QuoteError, "running subscription"):
                call()

    def test_subscription_cancelled_before_the_signature(self):
        order = self.amend()
        self._line(order, self.platform).product_uom_qty = 3
        self.subscription.sudo().state = "cancelled"
        with self.assertRaisesRegex(UserError, "is Cancelled"):
            order.action_confirm()

    # Access ----------------------------------------------------------
    def test_who_may_quote(self):
        for user in (self.auditor, self.operator):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                self.subscription.with_user(user).action_quote_amendment()
