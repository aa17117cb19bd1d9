# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

import psycopg2

from odoo import Command
from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..exceptions import AmendmentError, QuoteError
from .common_renewal import RenewalCase

END = date(2027, 3, 1)
EARLY = date(2026, 9, 1)


@tagged("post_install", "-at_install")
class TestSaasRenewalTerms(RenewalCase):
    """What a renewal makes of prices: uplifts, changes of the same day, ramps."""

    def setUp(self):
        super().setUp()
        self.subscription = self.contract().with_user(self.manager)
        self.line = self.subscription.line_ids
        self.extra = self.create_product("Extra", 50.0, saas_charge_kind="recurring")

    def change_price(self, price, day=END):
        return self.subscription.amend(
            "upgrade",
            date_effective=day,
            lines=[{"line_id": self.line.id, "price_unit": price}],
        )

    def ramp(self, day, price=550.0):
        return self.subscription.amend(
            "ramp",
            date_effective=day,
            lines=[{"line_id": self.line.id, "price_unit": price}],
        )

    def quote(self, **kwargs):
        action = self.subscription.with_user(self.salesperson).action_quote_renewal(
            **kwargs
        )
        return self.env["sale.order"].browse(action["res_id"])

    # Uplift ----------------------------------------------------------
    def test_a_price_never_falls_below_zero(self):
        with self.assertRaisesRegex(AmendmentError, "Uplift"):
            self.subscription.renew(uplift=-150)
        self.assertEqual(self.subscription.term_end, END)
        draft = self.subscription.renew(uplift=-100, confirm=False)
        with self.assertRaisesRegex(AmendmentError, "-100.5"):
            draft.uplift = -100.5
        probe = self.env["saas.amendment"].new(
            {
                "subscription_id": self.subscription.id,
                "kind": "renewal",
                "effective": "term_end",
                "uplift": -150,
            }
        )
        self.assertIn("Uplift", probe._preview()["problem"])
        draft.action_confirm()
        self.assertEqual(self.subscription._get_mrr_on(END), 0.0)

    def test_the_database_refuses_as_well(self):
        draft = self.subscription.renew(confirm=False)
        draft.flush_recordset()
        with (
            self.assertRaises(psycopg2.errors.CheckViolation),
            mute_logger("odoo.sql_db"),
            self.cr.savepoint(),
        ):
            self.cr.execute(
                "UPDATE saas_amendment SET uplift = -101 WHERE id = %s", [draft.id]
            )

    def test_uplift_raises_the_lines_the_renewal_does_not_price(self):
        renewal = self.subscription.renew(
            uplift=10,
            lines=[{"action": "start", "product_id": self.extra.id, "quantity": 1}],
        )
        self.assertEqual(self.subscription._get_mrr_on(END), 600.0)
        self.assertEqual(len(renewal.line_ids), 2)

    def test_uplift_goes_with_another_quantity_not_with_another_price(self):
        self.subscription.amend(
            "add",
            lines=[{"action": "start", "product_id": self.extra.id, "quantity": 1}],
        )
        extra = self.subscription.line_ids - self.line
        self.subscription.renew(
            uplift=10,
            lines=[
                {"line_id": self.line.id, "quantity": self.line.quantity * 2},
                {"line_id": extra.id, "price_unit": 70.0},
            ],
        )
        self.assertEqual(self.subscription._get_mrr_on(END), 1170.0)

    def test_uplift_leaves_what_ends_ended(self):
        self.subscription.amend(
            "add",
            lines=[{"action": "start", "product_id": self.extra.id, "quantity": 1}],
        )
        extra = self.subscription.line_ids - self.line
        self.subscription.renew(
            uplift=10, lines=[{"action": "end", "line_id": extra.id}]
        )
        self.assertEqual(self.subscription._get_mrr_on(END), 550.0)

    def test_uplift_raises_a_price_changed_on_the_same_day(self):
        price = self.line.price_unit
        self.change_price(price * 1.2)
        self.subscription.renew(uplift=10)
        self.assertEqual(self.subscription._get_mrr_on(date(2027, 2, 28)), 500.0)
        self.assertEqual(self.subscription._get_mrr_on(END), 660.0)

    def test_uplift_rounds_half_up_as_the_quotation_does(self):
        # 1.45 * 1.5 = 2.175, which binary floats hold as a bit less.
        self.change_price(1.45, date(2026, 3, 1))
        order = self.quote(uplift=50.0)
        renewal = self.subscription.renew(uplift=50)
        self.assertEqual(order.order_line.price_unit, 2.18)
        self.assertEqual(renewal.line_ids.price_unit, 2.18)

    # Quotation -------------------------------------------------------
    def test_quotation_repeats_what_is_agreed_for_its_day(self):
        price = self.line.price_unit
        self.change_price(price * 1.2)
        same, raised = self.quote(uplift=0.0), self.quote(uplift=10.0)
        self.assertAlmostEqual(same.order_line.price_unit, price * 1.2)
        self.assertAlmostEqual(raised.order_line.price_unit, price * 1.32)
        raised.with_user(self.salesperson).action_confirm()
        self.assertEqual(self.subscription._get_mrr_on(END), 660.0)

    def test_signed_price_counts_also_when_it_repeats_the_old_one(self):
        price = self.line.price_unit
        self.change_price(price * 1.2)
        order = self.quote(uplift=0.0)
        self.assertEqual(order.saas_mrr_delta, 0.0)
        order.order_line.price_unit = price
        self.assertEqual(order.saas_mrr_delta, -100.0)
        self.assertFalse(order.order_line.saas_problem)
        order.with_user(self.salesperson).action_confirm()
        self.assertEqual(self.subscription._get_mrr_on(END), order.saas_mrr)
        self.assertEqual(self.subscription._get_mrr_on(END), 500.0)

    def test_what_is_agreed_for_its_day_after_it_was_quoted_is_quoted_anew(self):
        price = self.line.price_unit
        for kind, change in (
            ("upgrade", {"price_unit": price * 1.2}),
            ("remove", {"action": "end"}),
        ):
            with self.subTest(kind):
                order = self.quote(uplift=0.0)
                order.order_line.product_uom_qty += 1
                amendment = self.subscription.amend(
                    kind,
                    date_effective=END,
                    lines=[{"line_id": self.line.id, **change}],
                )
                order.order_line.invalidate_recordset(["saas_problem"])
                with self.assertRaisesRegex(UserError, "Make a new quotation"):
                    order.with_user(self.salesperson).action_confirm()
                amendment.action_undo()
                order.order_line.invalidate_recordset(["saas_problem"])
                self.assertFalse(order.order_line.saas_problem)
                order._action_cancel()

    def test_quotation_leaves_out_what_ends_on_its_day(self):
        self.subscription.amend(
            "add",
            lines=[{"action": "start", "product_id": self.extra.id, "quantity": 1}],
        )
        extra = self.subscription.line_ids - self.line
        self.subscription.amend(
            "remove",
            date_effective=END,
            lines=[{"action": "end", "line_id": extra.id}],
        )
        order = self.quote(uplift=10.0)
        self.assertEqual(order.order_line.product_id, self.line.product_id)
        order.with_user(self.salesperson).action_confirm()
        self.assertEqual(self.subscription._get_mrr_on(END), 550.0)

    # Early -----------------------------------------------------------
    def test_early_renewal_is_refused_while_ramps_would_override_it(self):
        ramp = self.ramp(date(2026, 12, 1))
        with self.assertRaisesRegex(AmendmentError, ramp.name):
            self.subscription.renew(date_effective=EARLY, uplift=10)
        with self.assertRaisesRegex(QuoteError, ramp.name):
            self.quote(date_effective=EARLY)
        draft = self.subscription.renew(date_effective=EARLY, uplift=10, confirm=False)
        self.assertIn(ramp.name, draft._preview()["problem"])
        ramp.action_undo()
        draft.action_confirm()
        self.assertEqual(self.subscription._get_mrr_on(date(2026, 12, 1)), 550.0)

    def test_ramps_before_the_day_or_a_renewal_on_time_do_not_matter(self):
        price = self.line.price_unit
        self.ramp(date(2026, 8, 1), price * 1.2)
        self.subscription.renew(date_effective=EARLY, uplift=10)
        self.assertEqual(self.subscription._get_mrr_on(EARLY), 660.0)
        other = self.contract().with_user(self.manager)
        other.amend(
            "ramp",
            date_effective=date(2026, 12, 1),
            lines=[{"line_id": other.line_ids.id, "price_unit": price * 1.2}],
        )
        other.renew(uplift=10)
        self.assertEqual(other._get_mrr_on(END), 660.0)

    def test_early_renewal_brings_ramps_of_its_own(self):
        order = self.quote(date_effective=EARLY, term_months=24)
        order.saas_ramp_ids = [Command.create({"from_month": 12, "percent": 120.0})]
        order.with_user(self.salesperson).action_confirm()
        self.assertEqual(self.subscription.term_end, date(2028, 9, 1))
        self.assertEqual(self.subscription._get_mrr_on(date(2027, 9, 1)), 600.0)
