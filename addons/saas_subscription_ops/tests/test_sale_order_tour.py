# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo.tests import HttpCase, tagged

from .test_sale_order_value import QuoteCase


@tagged("post_install", "-at_install")
class TestSaleOrderTour(QuoteCase, HttpCase):
    """The quotation as seller and customer see it."""

    def test_seller_sets_term_ramp_and_coupon(self):
        self.create_coupon(code="TOUR10", duration="forever")
        order = self.quote([(self.platform, 1)])
        self.start_tour(
            f"/odoo/sales/{order.id}", "saas_quote_value", login="sub_sales"
        )
        order.invalidate_recordset()
        self.assertEqual(order.saas_term_months, 36)
        self.assertEqual(order.saas_coupon_id.code, "TOUR10")
        self.assertEqual(order.saas_ramp_ids.percent, 120.0)
        self.assertEqual(order.saas_tcv, 18360.0)

    def test_customer_reads_the_terms_on_the_portal(self):
        order = self.quote(
            [(self.platform, 1), (self.support, 1), (self.package, 1)],
            saas_term_months=24,
            saas_coupon_id=self.create_coupon(duration="periods", periods=3).id,
            state="sent",
        )
        self.ramp(order, (12, 110.0))
        page = self.url_open(order.sudo().get_portal_url())
        self.assertEqual(page.status_code, 200)
        text = page.text.replace("\xa0", " ")
        for words in (
            "24 months",
            "500.00 € per month + 2,400.00 € per year",
            "10% off in the first 3 billing periods",
            "Year 2",
            "per year",
            "Contract value, untaxed",
        ):
            self.assertIn(words, text)

    def test_portal_page_of_an_ordinary_order_says_nothing(self):
        mug = self.env["product.product"].create({"name": "Mug", "list_price": 5})
        order = self.quote([(mug, 1)], state="sent")
        page = self.url_open(order.sudo().get_portal_url())
        self.assertNotIn("saas_subscription", page.text)

    def test_portal_page_of_an_amendment_names_the_subscription(self):
        subscription = self.create_subscription(term_end=date(2099, 3, 2))
        action = subscription.action_quote_amendment()
        order = self.env["sale.order"].browse(action["res_id"])
        order.order_line.product_uom_qty = 2
        order.state = "sent"
        page = self.url_open(order.get_portal_url())
        self.assertIn(subscription.name, page.text)
        self.assertIn("Takes effect on", page.text)
