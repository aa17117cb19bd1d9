# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo.exceptions import UserError
from odoo.tests import freeze_time, tagged

from .common_sale_order_amend import AmendQuoteCase


@tagged("post_install", "-at_install")
@freeze_time("2026-06-02")
class TestSaleOrderAmendMeanwhile(AmendQuoteCase):
    """The subscription changed after it was quoted: nothing is sold that nobody saw."""

    def _set_quantity(self, quantity, **kwargs):
        line = self.subscription.line_ids.filtered(
            lambda ln: (
                ln.product_id == self.platform and ln._is_in_force(date(2026, 6, 2))
            )
        )
        return self.subscription.with_user(self.manager).change_quantity(
            line.id, quantity, **kwargs
        )

    def _assert_changed_meanwhile(self, order, product=None):
        line = self._line(order, product or self.platform)
        line.invalidate_recordset(["saas_problem"])
        self.assertIn("has changed since it was quoted", line.saas_problem)
        for step in (order.action_quotation_send, order.action_confirm):
            with self.assertRaisesRegex(UserError, "Make a new quotation"):
                step()

    def test_change_of_the_same_day_does_not_sell_the_line_twice(self):
        self._set_quantity(12)
        order = self.amend()
        line = self._line(order, self.platform)
        line.product_uom_qty = 15
        self.assertFalse(line.saas_problem)
        amendment = self._set_quantity(13)
        self.assertTrue(line.saas_continued_line_id)
        self._assert_changed_meanwhile(order)
        in_force = self.subscription.line_ids.filtered(
            lambda ln: (
                ln.product_id == self.platform and ln._is_in_force(date(2026, 6, 2))
            )
        )
        self.assertEqual(in_force.quantity, 13)
        self.assertEqual(in_force.amendment_id, amendment)
        # A new quotation is about what runs now.
        again = self.amend()
        self._line(again, self.platform).product_uom_qty = 15
        again.action_confirm()
        self.assertEqual(self._terms(self.platform, date(2026, 6, 2))[0], 15)

    def test_line_lost_altogether_is_not_sold_anew(self):
        order = self.amend()
        line = self._line(order, self.platform)
        line.product_uom_qty = 15
        line.sudo().saas_continued_line_id = False
        self._assert_changed_meanwhile(order)

    def test_terms_edited_by_hand_are_quoted_again(self):
        order = self.amend()
        self._line(order, self.support).product_uom_qty = 2
        self.subscription.line_ids[0].price_unit = 450.0
        self._assert_changed_meanwhile(order)

    def test_day_after_a_scheduled_change_is_quoted_again(self):
        order = self.amend()
        self._line(order, self.platform).product_uom_qty = 15
        self._set_quantity(12, date_effective=date(2026, 7, 2))
        self.assertFalse(self._line(order, self.platform).saas_problem)
        order.saas_start_date = date(2026, 8, 2)
        self._assert_changed_meanwhile(order)

    def test_quoted_line_is_not_deleted(self):
        order = self.amend()
        continued = self._line(order, self.platform).saas_continued_line_id
        field = order.order_line._fields["saas_continued_line_id"]
        self.assertEqual(field.ondelete, "restrict")
        self.assertTrue(continued._is_quoted())
