# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import Command
from odoo.exceptions import UserError
from odoo.tests import TransactionCase, new_test_user, tagged

from .common import UsageFixture


@tagged("post_install", "-at_install")
class TestSaleOrder(UsageFixture, TransactionCase):
    """A quotation sells usage only where something counts it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.create_world()
        cls.seller = new_test_user(
            cls.env,
            "meter_seller",
            "sales_team.group_sale_salesman",
            company_id=cls.company.id,
            company_ids=[Command.set(cls.company.ids)],
        )
        cls.base = cls.env["product.product"].create(
            {
                "name": "Base",
                "type": "service",
                "list_price": 100.0,
                "saas_plan_id": cls.plan.id,
                "taxes_id": [Command.clear()],
            }
        )

    def quote(self, product):
        return (
            self.env["sale.order"]
            .with_user(self.seller)
            .create(
                {
                    "partner_id": self.create_partner("Quote Ltd").id,
                    "company_id": self.company.id,
                    "order_line": [
                        Command.create({"product_id": item.id})
                        for item in (self.base, product)
                    ],
                }
            )
        )

    def test_usage_with_a_meter_is_sold(self):
        order = self.quote(self.calls)
        self.assertFalse(order.saas_quote_problem)
        order.action_confirm()
        lines = order.sudo().saas_subscription_ids.line_ids
        self.assertIn("usage", lines.mapped("kind"))

    def test_usage_without_a_meter_is_refused_at_its_line(self):
        self.calls.product_tmpl_id.saas_meter_id = False
        order = self.quote(self.calls)
        self.assertFalse(order.order_line[0].saas_problem)
        self.assertIn("has no meter", order.order_line[1].saas_problem)
        for step in (order.action_confirm, order.action_quotation_send):
            with self.assertRaisesRegex(UserError, "has no meter"):
                step()
