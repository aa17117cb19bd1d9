# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, timedelta

from odoo import Command
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, freeze_time, tagged

from .test_saas_coupon import CouponCase


class QuoteCase(CouponCase):
    """Quotations of a salesperson, with lines of several billing periods."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.support = cls.create_product(
            "Support", 2400.0, saas_charge_kind="recurring", saas_recurrence_unit="year"
        )

    @classmethod
    def quote(cls, products=None, **vals):
        products = products or [(cls.platform, 2)]
        return cls.create_order(products, **vals).with_user(cls.salesperson)

    @classmethod
    def ramp(cls, order, *steps):
        """Add ramp steps: (month, percent), or (month, line, quantity, price)."""
        for step in steps:
            vals = {"order_id": order.id, "from_month": step[0]}
            if len(step) == 2:
                vals["percent"] = step[1]
            else:
                names = ("order_line_id", "quantity", "price_unit")
                vals.update(zip(names, (step[1].id, *step[2:]), strict=True))
            cls.env["saas.order.ramp"].with_user(cls.salesperson).create(vals)


@tagged("post_install", "-at_install")
@freeze_time("2026-02-20")
class TestSaleOrderValue(QuoteCase):
    """What a quotation says it is worth, and what it refuses."""

    # Totals ----------------------------------------------------------
    def test_totals_of_several_billing_periods(self):
        order = self.quote([(self.platform, 2), (self.support, 1), (self.package, 1)])
        self.assertEqual(
            order.saas_recurring_total.replace("\xa0", " "),
            "1,000.00 € per month + 2,400.00 € per year",
        )
        self.assertEqual(order.saas_one_time_total, 1200.0)
        self.assertEqual(order.saas_mrr, 1200.0)
        self.assertEqual(order.saas_arr, 14400.0)
        self.assertEqual(order.saas_tcv, 14400.0 + 1200.0)
        self.assertEqual(order.saas_mrr_delta, 1200.0)
        self.assertEqual(order.saas_value_note, "the term of 12 months")

    def test_lines_say_how_they_are_charged(self):
        arrears = self.create_product(
            "Late", 10.0, saas_charge_kind="recurring", saas_timing="arrears"
        )
        products = (self.platform, self.support, self.package, self.calls, arrears)
        order = self.quote([(product, 1) for product in products])
        self.assertEqual(
            order.order_line.mapped("saas_recurrence_label"),
            ["per month", "per year", "once", "by usage", "per month, in arrears"],
        )

    def test_discount_and_included_taxes_are_taken_out(self):
        tax = self.env["account.tax"].create(
            {
                "name": "VAT incl.",
                "amount": 25.0,
                "price_include_override": "tax_included",
                "company_id": self.company.id,
            }
        )
        order = self.quote([(self.platform, 1)])
        order.order_line.write({"discount": 10.0, "tax_ids": [Command.set(tax.ids)]})
        self.assertEqual(order.saas_mrr, 360.0)
        self.assertEqual(order.saas_tcv, 4320.0)

    def test_open_ended_contract_is_valued_over_minimum_or_a_year(self):
        order = self.quote(saas_term_months=0)
        self.assertEqual(order.saas_tcv, 12000.0)
        self.assertIn("open ended", order.saas_value_note)
        self.plan.min_term_months = 6
        self.assertEqual(order.saas_tcv, 6000.0)
        self.assertIn("minimum term of 6 months", order.saas_value_note)

    def test_trial_is_not_charged(self):
        self.plan.trial_days = 73  # a fifth of a year
        self.assertEqual(self.quote().saas_tcv, 12000.0 * 0.8)

    def test_term_comes_from_the_plan_and_may_be_changed(self):
        order = self.quote()
        self.assertEqual(order.saas_term_months, 12)
        order.saas_term_months = 36
        self.assertEqual(order.saas_tcv, 36000.0)
        order.action_confirm()
        subscription = order.sudo().saas_subscription_ids
        self.assertEqual(subscription.term_end, date(2029, 3, 2))

    def test_ordinary_orders_have_no_value(self):
        mug = self.env["product.product"].create({"name": "Mug", "list_price": 5})
        order = self.quote([(mug, 1)])
        self.assertEqual((order.saas_mrr, order.saas_tcv), (0.0, 0.0))
        self.assertFalse(order.saas_recurring_total)
        self.assertFalse(order.saas_value_table)

    def test_signed_figures_stay(self):
        order = self.quote()
        order.action_confirm()
        self.plan.recurrence_unit = "year"
        order.invalidate_recordset()
        self.assertEqual(order.saas_mrr, 1000.0)

    # Ramps -----------------------------------------------------------
    def test_ramp_in_percent_and_for_a_line(self):
        order = self.quote([(self.platform, 2), (self.support, 1)], saas_term_months=36)
        line = order.order_line[0]
        self.ramp(order, (12, 110.0), (24, line, 5, 480.0))
        self.assertEqual(
            [step[1:] for step in order._saas_get_line_steps(line)],
            [(2.0, 500.0, 0.0), (2.0, 550.0, 0.0), (5.0, 480.0, 0.0)],
        )
        years = order._saas_get_year_rows()
        self.assertEqual(
            [year["recurring"] for year in years],
            [12000.0 + 2400.0, 13200.0 + 2640.0, 28800.0 + 2640.0],
        )
        self.assertEqual(order.saas_tcv, sum(year["total"] for year in years))
        self.assertEqual(order.saas_mrr, 1200.0)
        self.assertIn("Year 3", order.saas_value_table)
        self.assertIn("03/02/2028", order.saas_value_table)

    def test_ramp_of_plan_and_of_template(self):
        self.plan.write({"term_months": 36})
        self.plan.ramp_ids = [Command.create({"from_month": 12, "percent": 110})]
        self.assertEqual(self.quote().saas_ramp_ids.percent, 110.0)
        template = self.env["sale.order.template"].create(
            {
                "name": "Three years",
                "saas_term_months": 24,
                "saas_coupon_id": self.create_coupon().id,
                "saas_ramp_ids": [Command.create({"from_month": 6, "percent": 105})],
                "sale_order_template_line_ids": [
                    Command.create({"product_id": self.platform.id})
                ],
            }
        )
        seller = self.new_user(
            "template_sales",
            "sales_team.group_sale_salesman,sale_management.group_sale_order_template",
        )
        with Form(self.env["sale.order"].with_user(seller)) as form:
            form.partner_id = self.partner
            form.sale_order_template_id = template
        order = form.save()
        self.assertEqual(order.saas_plan_id, self.plan)
        self.assertEqual(order.saas_term_months, 24)
        self.assertEqual(order.saas_coupon_id.code, "WELCOME10")
        self.assertEqual(order.saas_ramp_ids.mapped("from_month"), [6])

    def test_expired_coupon_of_a_template_is_left_out(self):
        coupon = self.create_coupon(date_until=date(2026, 2, 1))
        template = self.env["sale.order.template"].create(
            {"name": "Old", "saas_coupon_id": coupon.id}
        )
        order = self.quote(sale_order_template_id=template.id)
        self.assertFalse(order.saas_coupon_id)

    def test_deleted_default_ramp_stays_deleted(self):
        self.plan.ramp_ids = [Command.create({"from_month": 6, "percent": 110})]
        self.assertFalse(self.quote(saas_ramp_ids=[]).saas_ramp_ids)

    def test_copy_keeps_the_ramp_of_each_line(self):
        self.plan.ramp_ids = [Command.create({"from_month": 6, "percent": 110})]
        order = self.quote()
        self.ramp(order, (9, order.order_line, 3, 400.0))
        copied = order.copy()
        self.assertEqual(copied.saas_ramp_ids.mapped("from_month"), [6, 9])
        self.assertEqual(copied.saas_ramp_ids[1].order_line_id, copied.order_line)

    def test_ramp_becomes_scheduled_amendments(self):
        order = self.quote([(self.platform, 2), (self.package, 1)], saas_term_months=36)
        self.ramp(order, (12, 110.0), (24, order.order_line[0], 4, 500.0))
        order.action_confirm()
        subscription = order.sudo().saas_subscription_ids
        ramps = subscription.amendment_ids.sorted("date_effective")
        self.assertEqual(ramps.mapped("kind"), ["ramp", "ramp"])
        self.assertEqual(set(ramps.mapped("state")), {"scheduled"})
        self.assertEqual(
            ramps.mapped("date_effective"), [date(2027, 3, 2), date(2028, 3, 2)]
        )
        lines = subscription.line_ids.filtered(lambda ln: ln.kind == "recurring")
        self.assertEqual(
            [
                (ln.date_start, ln.quantity, ln.price_unit)
                for ln in lines.sorted("date_start")
            ],
            [
                (date(2026, 3, 2), 2.0, 500.0),
                (date(2027, 3, 2), 2.0, 550.0),
                (date(2028, 3, 2), 4.0, 500.0),
            ],
        )
        order.saas_create_subscription()
        self.assertEqual(subscription.amendment_ids, ramps)

    def test_bad_ramps_are_refused(self):
        for steps, reason in (
            ([(12, 110.0)], "beyond the term"),
            ([(6, 110.0), (6, 120.0)], "in the same month"),
        ):
            with self.subTest(reason=reason):
                order = self.quote()
                self.ramp(order, *steps)
                self.assertIn(reason, order.saas_quote_problem)
                with self.assertRaisesRegex(UserError, reason):
                    order.action_confirm()
                with self.assertRaisesRegex(UserError, reason):
                    order.action_quotation_send()

    def test_ramp_of_a_one_time_line_or_of_nothing_is_refused(self):
        order = self.quote([(self.platform, 1), (self.package, 1)])
        self.ramp(order, (6, order.order_line[1], 1, 5.0))
        self.assertIn("only recurring lines", order.saas_quote_problem)
        order = self.quote()
        self.ramp(order, (6, order.order_line, 0, 5.0))
        self.assertIn("quantity above zero", order.saas_quote_problem)

    # Coupons ---------------------------------------------------------
    def test_coupon_reduces_and_is_granted(self):
        coupon = self.create_coupon(duration="forever", max_redemptions=1)
        order = self.quote(saas_coupon_id=coupon.id)
        self.assertEqual((order.saas_mrr, order.saas_tcv), (900.0, 10800.0))
        order.action_confirm()
        grant = order.sudo().saas_subscription_ids.coupon_ids
        self.assertEqual(grant.coupon_id, coupon)
        self.assertEqual(grant.order_id, order)
        self.assertEqual(grant.date_start, date(2026, 3, 2))
        order.saas_create_subscription()
        self.assertEqual(coupon.redemption_count, 1)

    def test_coupon_begins_after_the_trial(self):
        self.plan.trial_days = 14
        order = self.quote(saas_coupon_id=self.create_coupon().id)
        order.action_confirm()
        grant = order.sudo().saas_subscription_ids.coupon_ids
        self.assertEqual(grant.date_start, date(2026, 3, 16))

    def test_unusable_coupon_is_refused_at_entry(self):
        usd = self.env.ref("base.USD")
        for vals, reason in (
            ({"date_until": date(2026, 2, 19)}, "expired"),
            ({"discount_type": "amount", "currency_id": usd.id}, "amount in USD"),
        ):
            coupon = self.create_coupon(code=reason, **vals)
            with self.subTest(reason=reason):
                with self.assertRaisesRegex(ValidationError, reason):
                    self.quote(saas_coupon_id=coupon.id)

    def test_last_piece_goes_to_who_signs_first(self):
        coupon = self.create_coupon(max_redemptions=1)
        first = self.quote(saas_coupon_id=coupon.id)
        second = self.quote(saas_coupon_id=coupon.id)
        first.action_confirm()
        self.assertIn("granted 1 times", second.saas_quote_problem)
        with self.assertRaisesRegex(UserError, "granted 1 times"):
            second.action_confirm()
        self.assertFalse(first.saas_quote_problem)

    def test_coupon_signed_in_time_is_granted_when_the_step_is_repeated_later(self):
        coupon = self.create_coupon(date_until=date(2026, 2, 20))
        rule = self.env.ref(
            "saas_subscription_ops.base_automation_sale_order_start_workflow"
        )
        self.addCleanup(rule.write, {"active": True})
        rule.active = False
        order = self.quote(saas_coupon_id=coupon.id)
        order.action_confirm()
        with freeze_time("2026-02-25"):
            order.saas_create_subscription()
        self.assertEqual(
            order.sudo().saas_subscription_ids.coupon_ids.coupon_id, coupon
        )

    def test_coupon_for_other_products_is_refused(self):
        coupon = self.create_coupon(product_ids=[self.support.id])
        order = self.quote(saas_coupon_id=coupon.id)
        with self.assertRaisesRegex(UserError, "reduces none of the lines"):
            order.action_confirm()
        order.order_line = [Command.create({"product_id": self.support.id})]
        self.assertFalse(order.saas_quote_problem)
        self.assertEqual(order.saas_tcv, 12000.0 + 2400.0 - 240.0)

    # Terms -----------------------------------------------------------
    def test_term_shorter_than_the_minimum_is_refused(self):
        self.plan.min_term_months = 12
        order = self.quote(saas_term_months=6)
        with self.assertRaisesRegex(UserError, "minimum term of 12 months"):
            order.action_confirm()
        order.saas_term_months = 0
        self.assertFalse(order.saas_quote_problem)

    def test_notice_longer_than_the_term_is_refused(self):
        order = self.quote(saas_term_months=1)
        with self.assertRaisesRegex(UserError, "notice of 30 days"):
            order.action_confirm()

    def test_problem_stands_at_its_line(self):
        order = self.quote([(self.platform, 1), (self.support, 0)])
        good, bad = order.order_line
        self.assertFalse(good.saas_problem)
        self.assertIn("above zero", bad.saas_problem)
        self.assertIn(bad.saas_problem, order.saas_quote_problem)

    def test_subscription_carries_what_was_agreed(self):
        pricelist = self.env["product.pricelist"].create(
            {"name": "Euro", "currency_id": self.company.currency_id.id}
        )
        term = self.env["account.payment.term"].create({"name": "30 days"})
        position = self.env["account.fiscal.position"].create({"name": "Abroad"})
        analytic = self.env["account.analytic.account"].create(
            {
                "name": "Cloud",
                "plan_id": self.env["account.analytic.plan"].create({"name": "P"}).id,
            }
        )
        self.plan.min_term_months = 6
        order = self.quote(
            [(self.platform, 1), (self.support, 1)],
            pricelist_id=pricelist.id,
            payment_term_id=term.id,
            fiscal_position_id=position.id,
            client_order_ref="PO-1",
        )
        spread = {str(analytic.id): 100}
        order.sudo().order_line[0].analytic_distribution = spread
        order.action_confirm()
        subscription = order.sudo().saas_subscription_ids
        self.assertEqual(subscription.pricelist_id, pricelist)
        self.assertEqual(subscription.payment_term_id, term)
        self.assertEqual(subscription.fiscal_position_id, position)
        self.assertEqual(subscription.client_order_ref, "PO-1")
        self.assertEqual(subscription.min_term_end, date(2026, 9, 2))
        first, second = subscription.line_ids.sorted("id")
        self.assertEqual(first.analytic_distribution, spread)
        self.assertFalse(first.recurrence_unit)
        self.assertEqual((second.recurrence_unit, second.recurrence_count), ("year", 1))
        self.assertEqual(order.saas_mrr, subscription.mrr)

    def test_own_period_equal_to_the_plan_is_none_of_its_own(self):
        self.support.write({"saas_recurrence_unit": "month"})
        order = self.quote([(self.platform, 1), (self.support, 1)])
        order.action_confirm()
        lines = order.sudo().saas_subscription_ids.line_ids
        self.assertFalse(any(lines.mapped("recurrence_unit")))

    # Documents -------------------------------------------------------
    def test_pdf_says_terms_ramp_and_coupon(self):
        order = self.quote(
            [(self.platform, 2), (self.support, 1), (self.package, 1)],
            saas_term_months=24,
            saas_coupon_id=self.create_coupon(duration="forever").id,
        )
        self.ramp(order, (12, 110.0))
        page = self.env["ir.actions.report"]._render_qweb_html(
            "sale.report_saleorder", order.ids
        )[0]
        page = page.decode().replace("\xa0", " ")
        for text in (
            "24 months",
            "03/02/2026",
            "1,000.00 € per month + 2,400.00 € per year",
            "Coupon",
            "10% off",
            "Year 2",
            "renewed unless cancelled",
            "per month",
        ):
            self.assertIn(text, page)

    # Access ----------------------------------------------------------
    def test_ramp_steps_follow_their_quotation(self):
        order = self.quote(saas_term_months=36)
        self.ramp(order, (12, 110.0))
        steps = order.saas_ramp_ids
        other = self.new_user("ramp_other", "sales_team.group_sale_salesman")
        leader = self.new_user("ramp_all", "sales_team.group_sale_salesman_all_leads")
        with self.assertRaises(AccessError):
            steps.with_user(other).percent = 90
        steps.with_user(leader).percent = 120
        with self.assertRaises(AccessError):
            steps.with_user(self.auditor).percent = 90
        self.assertEqual(steps.with_user(self.auditor).percent, 120)


@tagged("post_install", "-at_install")
class TestSaleOrderValueClock(QuoteCase):
    """The figures of a quotation do not move with the clock."""

    def test_value_is_the_same_tomorrow(self):
        order = self.quote(saas_term_months=24)
        before = (order.saas_mrr, order.saas_tcv)
        with freeze_time(date.today() + timedelta(days=400)):
            order._compute_saas_value()
        self.assertEqual((order.saas_mrr, order.saas_tcv), before)
