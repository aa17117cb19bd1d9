# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from .test_sale_order_value import QuoteCase


class AmendQuoteCase(QuoteCase):
    """A running subscription and quotations that change or renew it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.subscription = cls.create_subscription(
            [
                {"product_id": cls.platform.id, "quantity": 2, "price_unit": 500.0},
                {"product_id": cls.support.id, "quantity": 1, "price_unit": 2400.0},
                {"product_id": cls.calls.id, "quantity": 1, "price_unit": 0.0},
            ],
            term_end=date(2027, 3, 2),
            client_order_ref="PO-9",
            user_id=cls.salesperson.id,
        )
        cls.seat = cls.create_product("Seat", 20.0, saas_charge_kind="recurring")

    def amend(self, **kwargs):
        return self._open(
            self.subscription.with_user(self.salesperson).action_quote_amendment(
                **kwargs
            )
        )

    def renew(self, **kwargs):
        return self._open(
            self.subscription.with_user(self.salesperson).action_quote_renewal(**kwargs)
        )

    def _open(self, action):
        return self.env[action["res_model"]].browse(action["res_id"])

    def _line(self, order, product):
        return order.order_line.filtered(lambda line: line.product_id == product)

    def _terms(self, product, day):
        line = self.subscription.line_ids.filtered(
            lambda ln: ln.product_id == product and ln._is_in_force(day)
        )
        return line.quantity, line.price_unit, line.discount
