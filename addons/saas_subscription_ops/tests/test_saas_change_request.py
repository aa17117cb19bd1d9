# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from psycopg2.errors import CheckViolation

from odoo.exceptions import AccessError, UserError
from odoo.tests import freeze_time, tagged
from odoo.tools import mute_logger

from .common import SubscriptionCase


@tagged("post_install", "-at_install")
@freeze_time("2026-03-16")
class TestSaasChangeRequest(SubscriptionCase):
    """More than was agreed: recorded, estimated, quoted, then hours and a task."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.delivery = cls.new_user("sub_delivery", "project.group_project_user")
        cls.work = cls.create_product("Extra work", 150.0, saas_charge_kind="one_time")
        cls.service = cls.create_product("Ordinary work", 150.0)
        hour = cls.env.ref("uom.product_uom_hour")
        (cls.work | cls.service).uom_id = hour
        cls.company.saas_change_product_id = cls.work
        cls.company.saas_change_order_product_id = cls.service
        cls.order = cls.create_order()
        cls.order.action_confirm()
        cls.project = cls.order.saas_onboarding_project_ids
        cls.subscription = cls.order.saas_subscription_ids

    def _request(self, user=None, **vals):
        return (
            self.env["saas.change.request"]
            .with_user(user or self.delivery)
            .create(
                {
                    "name": "Import the archive",
                    "project_id": self.project.id,
                    "hours": 8,
                    **vals,
                }
            )
        )

    def _quoted(self, **vals):
        request = self._request(**vals)
        request.action_estimate()
        request.with_user(self.salesperson).action_quote()
        return request.sudo()

    def test_accepted_change_adds_hours_and_a_task_once(self):
        before = self.project.saas_hours_budget
        request = self._quoted()
        order = request.order_id
        self.assertEqual(order.saas_order_kind, "amendment")
        self.assertEqual(order.saas_amended_subscription_id, self.subscription)
        self.assertEqual(order.user_id, self.salesperson)
        line = order.order_line.filtered(lambda ln: ln.product_id == self.work)
        self.assertEqual((line.product_uom_qty, line.price_unit), (8, 150))
        self.assertFalse(order.saas_quote_problem)
        order.with_user(self.salesperson).action_confirm()
        order.saas_accept_change_requests()
        self.assertEqual(request.state, "accepted")
        self.assertEqual(request.package_id.hours_budget, 8)
        self.assertEqual(request.package_id.order_line_id, line)
        self.assertEqual(self.project.saas_hours_budget, before + 8)
        task = self.project.task_ids.filtered(lambda t: t.name == request.name)
        self.assertEqual(task, request.task_id)
        self.assertEqual(task.saas_package_id, request.package_id)
        self.assertEqual(task.allocated_hours, 8)
        charged = self.subscription.line_ids.filtered(
            lambda ln: ln.product_id == self.work
        )
        self.assertEqual(charged.kind, "one_time")
        self.assertEqual((charged.quantity, charged.price_unit), (8, 150))
        for name in ("change_requested", "change_accepted"):
            self.assertEqual(len(self.events(request, f"onboarding.{name}")), 1)
        self.assertEqual(
            self.events(request)[:1].correlation_id, self.order._saas_correlation()
        )

    def test_without_subscription_it_is_an_ordinary_order(self):
        self.project.saas_subscription_id = False
        request = self._quoted()
        order = request.order_id
        self.assertEqual(order.saas_order_kind, "new")
        self.assertEqual(order.order_line.product_id, self.service)
        self.assertFalse(order.saas_quote_problem)
        order.action_confirm()
        self.assertEqual(request.state, "accepted")
        self.assertFalse(order.saas_subscription_ids)

    def test_cancelled_quotation_declines_and_can_be_quoted_again(self):
        request = self._quoted()
        first = request.order_id
        first._action_cancel()
        self.assertEqual(request.state, "declined")
        self.assertIn("Quote the change again", request.message_ids[0].body)
        first.saas_decline_change_requests()
        request.with_user(self.salesperson).action_quote()
        self.assertNotEqual(request.order_id, first)
        request.order_id.action_confirm()
        self.assertEqual(request.state, "accepted")
        first.saas_decline_change_requests()
        self.assertEqual(request.state, "accepted")

    def test_deleted_quotation_leaves_the_estimate(self):
        request = self._quoted()
        order = request.order_id
        order._action_cancel()
        request.with_user(self.salesperson).action_quote()
        request.order_id.unlink()
        self.assertEqual(request.state, "estimated")

    # Cancelled orders ------------------------------------------------
    def _accepted(self, **vals):
        request = self._quoted(**vals)
        request.order_id.action_confirm()
        self.assertEqual(request.state, "accepted")
        return request

    def _book(self, request):
        employee = self.env["hr.employee"].create(
            {"name": "Worker", "company_id": self.company.id}
        )
        return self.env["account.analytic.line"].create(
            {
                "name": "Work",
                "project_id": self.project.id,
                "task_id": request.task_id.id,
                "unit_amount": 2,
                "employee_id": employee.id,
            }
        )

    def _charged(self):
        lines = self.subscription.line_ids.filtered(
            lambda line: line.product_id == self.work
        )
        return lines.filtered(lambda line: line.date_end != line.date_start)

    def test_cancelled_order_takes_charge_hours_and_task_back(self):
        budget = self.project.saas_hours_budget
        request = self._accepted()
        order, task = request.order_id, request.task_id
        self.assertEqual(order._saas_get_amendments().state, "applied")
        self.assertTrue(self._charged())
        order.with_user(self.salesperson)._action_cancel()
        self.assertEqual((order.state, request.state), ("cancel", "declined"))
        self.assertFalse(self._charged())
        self.assertFalse(order._saas_get_amendments())
        self.assertFalse(task.active)
        self.assertEqual(self.project.saas_hours_budget, budget)
        self.bill(date(2026, 3, 17))
        self.assertNotIn(self.work, self.subscription.charge_ids.product_id)
        # Confirmed again, it is charged again, once.
        order.action_draft()
        order.action_confirm()
        self.assertEqual(request.state, "accepted")
        self.assertEqual(len(self._charged()), 1)

    def test_order_of_a_change_worked_on_is_not_cancelled(self):
        request = self._accepted()
        worked = self._book(request)
        with self.assertRaisesRegex(UserError, "2.0 hours were spent"):
            request.order_id.with_user(self.salesperson)._action_cancel()
        self.assertEqual(request.order_id.state, "sale")
        self.assertTrue(self._charged())
        # The cure it names.
        worked.task_id = self.project.task_ids.filtered(
            lambda task: task != request.task_id
        )[:1]
        request.order_id._action_cancel()
        self.assertEqual(request.state, "declined")

    def test_order_of_a_billed_change_is_not_cancelled(self):
        request = self._accepted()
        self.bill(date(2026, 3, 17))
        self.assertIn(self.work, self.subscription.charge_ids.product_id)
        with self.assertRaisesRegex(UserError, "credit note"):
            request.order_id.with_user(self.salesperson)._action_cancel()
        self.assertEqual(request.state, "accepted")
        self.assertEqual(request.order_id._saas_get_amendments().state, "applied")

    def test_order_that_changes_more_is_not_cancelled(self):
        request = self._quoted()
        order = request.order_id
        order.order_line[0].product_uom_qty += 1
        order.action_confirm()
        with self.assertRaisesRegex(UserError, "changed beyond it"):
            order._action_cancel()
        self.assertTrue(self._charged())

    def test_ordinary_order_of_a_change_worked_on_is_for_people(self):
        self.project.saas_subscription_id = False
        request = self._accepted()
        package = request.package_id
        self._book(request)
        request.order_id._action_cancel()
        self.assertEqual(request.state, "accepted")
        self.assertTrue(package.exists())
        failed = self.exceptions("onboarding.change_withdrawn")
        self.assertIn("2.0 hours were spent", failed.name)

    # Bad input -------------------------------------------------------
    def test_estimate_and_product_are_asked_for(self):
        request = self._request(hours=0)
        with self.assertRaisesRegex(UserError, "enter the estimated hours"):
            request.action_estimate()
        request.hours = 3
        request.action_estimate()
        seller = request.with_user(self.salesperson)
        for product, setting in (
            (False, "settings of SaaS Operations"),
            (self.service, "subscription charge is One-time"),
        ):
            with self.subTest(setting):
                request.sudo().product_id = product
                with self.assertRaisesRegex(UserError, setting):
                    seller.action_quote()
        self.project.saas_subscription_id = False
        request.sudo().product_id = self.work
        with self.assertRaisesRegex(UserError, "no running subscription"):
            seller.action_quote()
        for vals in ({"hours": -1}, {"price": -1}):
            with mute_logger("odoo.sql_db"), self.assertRaises(CheckViolation):
                with self.env.cr.savepoint():
                    request.sudo().write(vals)
                    request.flush_recordset()

    def test_steps_are_taken_in_order(self):
        request = self._request()
        seller = request.with_user(self.salesperson)
        with self.assertRaises(UserError):
            seller.action_quote()
        request.action_estimate()
        seller.action_quote()
        with self.assertRaises(UserError):
            seller.action_quote()
        with self.assertRaisesRegex(UserError, "is quoted"):
            request.hours = 2
        with self.assertRaisesRegex(UserError, "cancel it, then"):
            request.action_cancel()
        with self.assertRaisesRegex(UserError, "follow from the steps"):
            request.state = "accepted"
        request.sudo().order_id._action_cancel()
        request.action_cancel()
        request.action_reset()
        self.assertEqual(request.state, "draft")
        with self.assertRaisesRegex(UserError, "is kept"):
            request.with_user(self.csm).unlink()

    def test_price_is_by_the_hour_or_as_typed(self):
        request = self._request().sudo()
        self.assertEqual(request.price, 1200)
        request.hours = 4
        self.assertEqual(request.price, 600)
        request.price = 500
        request.action_estimate()
        for price, hours, terms in ((500, 4, (4, 125)), (100, 3, (1, 100))):
            request.write({"hours": hours, "price": price})
            request.action_quote()
            line = request.order_id.order_line[-1:]
            self.assertEqual((line.product_uom_qty, line.price_unit), terms)
            request.order_id._action_cancel()

    # Access ----------------------------------------------------------
    def test_delivery_sees_hours_not_prices(self):
        request = self._request()
        self.assertEqual(request.read(["hours"])[0]["hours"], 8)
        for name in ("price", "product_id", "order_id"):
            with self.assertRaises(AccessError):
                request.read([name])
        request.action_estimate()
        with self.assertRaises(AccessError):
            request.action_quote()

    def test_quoted_without_any_right_on_orders(self):
        request = self._request()
        request.action_estimate()
        action = request.with_user(self.manager).action_quote()
        self.assertEqual(action["res_model"], "saas.change.request")
        self.assertEqual(request.state, "quoted")
        order = request.sudo().order_id
        self.assertTrue(
            request.sudo().activity_ids.filtered(lambda a: a.user_id == order.user_id)
        )

    def test_auditor_and_strangers_write_nothing(self):
        request = self._request()
        self.assertTrue(request.with_user(self.auditor).read(["price"]))
        with self.assertRaises(AccessError):
            request.with_user(self.auditor).hours = 1
        company = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = self.new_user("sub_else", "project.group_project_manager", company)
        with self.assertRaises(AccessError):
            request.with_user(stranger).read(["hours"])

    def test_people_are_told_what_is_next(self):
        request = self._request()
        self.assertEqual(request.sudo().activity_ids.user_id, self.csm)
        request.action_estimate()
        self.assertEqual(request.sudo().activity_ids.user_id, self.salesperson)
        self.assertEqual(request.sudo().activity_ids.date_deadline, date(2026, 3, 16))
