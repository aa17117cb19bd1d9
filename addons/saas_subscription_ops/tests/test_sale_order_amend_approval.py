# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo import Command
from odoo.tests import freeze_time, tagged

from .common_sale_order_amend import AmendQuoteCase


@tagged("post_install", "-at_install")
@freeze_time("2026-06-02")
class TestSaleOrderAmendApproval(AmendQuoteCase):
    """Signed, but somebody has to approve it, refuses it, or takes it back."""

    def _sign_for_approval(self, order):
        """Confirm an order whose amendment waits for approval."""
        self.patch(
            type(self.env["saas.amendment"]),
            "_get_approval_reasons",
            lambda amendment: ["Unusual"] if amendment.kind != "ramp" else [],
        )
        order.with_user(self.salesperson).action_confirm()
        amendment = self.subscription.amendment_ids
        self.assertEqual(amendment.mapped("state"), ["to_approve"])
        return amendment

    def _renew_with_everything(self):
        order = self.renew(term_months=24)
        order.order_line = [
            Command.create(
                {
                    "product_id": self.seat.id,
                    "product_uom_qty": 10,
                    "analytic_distribution": self.distribution,
                }
            )
        ]
        order.saas_coupon_id = self.create_coupon()
        self.ramp(order, (12, 110.0))
        return order

    @property
    def distribution(self):
        plan = self.env["account.analytic.plan"].search([], limit=1)
        if not plan:
            plan = plan.create({"name": "Departments"})
        name = "Platform team"
        Account = self.env["account.analytic.account"]
        account = Account.search([("name", "=", name)], limit=1) or Account.create(
            {"name": name, "plan_id": plan.id}
        )
        return {str(account.id): 100.0}

    def _seats(self):
        return self.subscription.line_ids.filtered(
            lambda ln: ln.product_id == self.seat and ln.root_id == ln
        )

    def test_nothing_is_given_away_before_the_approval(self):
        order = self._renew_with_everything()
        amendment = self._sign_for_approval(order)
        self.assertFalse(self.subscription.coupon_ids)
        self.assertFalse(self._seats())
        amendment.with_user(self.manager).action_approve()
        self.assertEqual(amendment.state, "scheduled")
        self.assertEqual(self.subscription.coupon_ids.order_id, order)
        kinds = self.subscription.amendment_ids.sorted("date_effective").mapped("kind")
        self.assertEqual(kinds, ["renewal", "ramp"])
        seats = self._seats()
        self.assertEqual(seats.sale_line_id, self._line(order, self.seat))
        self.assertEqual(seats.analytic_distribution, self.distribution)
        self.assertEqual(self._terms(self.seat, date(2028, 3, 2))[1], 22.0)
        # Safe to repeat.
        order._saas_on_amended(amendment)
        self.assertEqual(len(self.subscription.coupon_ids), 1)
        self.assertEqual(len(self.subscription.amendment_ids), 2)
        self.assertFalse(self.exceptions("order.amendment_refused"))

    def test_undoing_takes_back_what_came_with_it(self):
        order = self._renew_with_everything()
        order.with_user(self.salesperson).action_confirm()
        renewal = self.subscription.amendment_ids.filtered(
            lambda amendment: amendment.kind == "renewal"
        )
        self.assertEqual(len(self.subscription.amendment_ids), 2)
        self.assertTrue(self.subscription.coupon_ids)
        renewal.with_user(self.manager).action_undo()
        states = set(self.subscription.amendment_ids.mapped("state"))
        self.assertEqual(states, {"undone"})
        self.assertFalse(self.subscription.coupon_ids)
        seats = self._seats()
        self.assertFalse(seats.filtered(lambda ln: ln.date_end != ln.date_start))

    def test_refusal_of_what_was_signed_is_not_forgotten(self):
        order = self._renew_with_everything()
        amendment = self._sign_for_approval(order)
        amendment.with_user(self.manager).action_refuse()
        self.assertFalse(self.subscription.coupon_ids)
        self.assertEqual(self.subscription.amendment_ids, amendment)
        refused = self.exceptions("order.amendment_refused")
        self.assertEqual((refused.state, refused.queue), ("open", "sales_ops"))
        self.assertEqual((refused.res_model, refused.res_id), (order._name, order.id))
        self.assertIn(amendment.name, refused.name)
        # Another quotation takes its place, and counts when it is approved.
        other = self.renew(term_months=12)
        other.action_confirm()
        again = self.subscription.amendment_ids - amendment
        self.assertEqual((again.state, refused.state), ("to_approve", "open"))
        again.with_user(self.manager).action_approve()
        self.assertEqual(refused.state, "resolved")

    def test_cancelled_order_needs_no_reminder(self):
        order = self.amend()
        self._line(order, self.platform).product_uom_qty = 1
        self._sign_for_approval(order).with_user(self.manager).action_refuse()
        refused = self.exceptions("order.amendment_refused")
        self.assertEqual(refused.state, "open")
        order._action_cancel()
        self.assertEqual(refused.state, "resolved")

    def test_limit_of_credits_is_about_the_net(self):
        self.plan.approval_credit_limit = 100.0
        self.bill(date(2026, 6, 3))
        for quantity, waits in ((3, False), (1, True)):
            with self.subTest(quantity=quantity), freeze_time("2026-06-17"):
                order = self.amend()
                self._line(order, self.platform).product_uom_qty = quantity
                order.with_user(self.salesperson).action_confirm()
                amendment = order._saas_get_amendments()
                self.assertEqual(amendment.state == "to_approve", waits)
                # Gross it takes back more than the limit either way.
                self.assertLess(amendment._get_ledger_effect()["credit"], -100)
