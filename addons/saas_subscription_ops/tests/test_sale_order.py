# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.tests import freeze_time, tagged

from odoo.addons.queue_job.tests.common import trap_jobs

from ..exceptions import QuoteError
from .common import SubscriptionCase

STEPS = (
    "saas_create_subscription",
    "saas_create_onboarding",
    "saas_store_signed_pdf",
    "saas_notify_handover",
)


@tagged("post_install", "-at_install")
class TestSaleOrder(SubscriptionCase):
    """From a quotation to the records the shipped rule makes of it."""

    # Quote -----------------------------------------------------------
    def test_quote_shows_plan_and_monthly_total(self):
        order = self.create_order()
        self.assertEqual(order.saas_plan_id, self.plan)
        self.assertEqual(order.saas_mrr, 500.0)
        self.plan.recurrence_unit = "year"
        self.assertEqual(order.saas_mrr, 41.67)

    def test_ordinary_order_is_left_alone(self):
        product = self.env["product.product"].create({"name": "Mug", "type": "consu"})
        order = self.create_order([(product, 1)])
        order.action_confirm()
        self.assertFalse(order.saas_subscription_ids)
        self.assertFalse(self.events(order))
        self.assertEqual(order.invoice_status, "to invoice")

    def test_bad_quotes_are_refused_with_the_reason(self):
        other_plan = self.create_plan(name="Other")
        other = self.create_product("Other", 10.0, saas_plan_id=other_plan.id)
        archived = self.create_plan(name="Old")
        old = self.create_product("Old", 10.0, saas_plan_id=archived.id)
        archived.active = False
        foreign = self.create_plan(
            name="Foreign", company_id=self.env["res.company"].create({"name": "X"}).id
        )
        abroad = self.create_product("Abroad", 10.0, saas_plan_id=foreign.id)
        for products, reason in (
            ([(self.calls, 1)], "starts a plan"),
            ([(self.platform, 1), (other, 1)], "one quote per plan"),
            ([(old, 1)], "archived"),
            ([(abroad, 1)], "belongs to X"),
            ([(self.platform, 0)], "above zero"),
        ):
            with self.subTest(reason=reason):
                order = self.create_order(products)
                self.assertIn(reason, order.saas_quote_problem)
                with self.assertRaisesRegex(UserError, reason):
                    order.action_confirm()
                with self.assertRaisesRegex(QuoteError, reason):
                    order.action_quotation_send()
                self.assertEqual(order.state, "draft")

    def test_negative_price_is_refused(self):
        order = self.create_order([(self.platform, 1)])
        order.order_line.price_unit = -1
        with self.assertRaisesRegex(UserError, "negative price"):
            order.action_confirm()

    # Workflow --------------------------------------------------------
    def test_confirmation_starts_everything_once(self):
        order = self.create_order()
        order.with_user(self.salesperson).action_confirm()
        subscription = order.saas_subscription_ids
        self.assertEqual(len(subscription), 1)
        self.assertEqual(subscription.state, "active")
        self.assertEqual(subscription.mrr, 500.0)
        self.assertEqual(
            sorted(subscription.line_ids.mapped("kind")),
            ["one_time", "recurring", "usage"],
        )
        self.assertEqual(subscription.term_end, date(2027, 3, 2))
        self.assertFalse(subscription.date_end)
        self.assertEqual(self.partner.saas_support_tier_id, self.tier)
        self.assertEqual(self.partner.saas_lifecycle, "onboarding")
        self.assertEqual(len(order.saas_onboarding_project_ids), 1)
        self.assertEqual(order.invoice_status, "no")

    def test_one_correlation_id_for_the_story(self):
        order = self.create_order()
        order.action_confirm()
        project = order.saas_onboarding_project_ids
        events = self.env["saas.event"].search(
            [("correlation_id", "=", order._saas_correlation())], order="id"
        )
        self.assertEqual(
            events.mapped("name"),
            [
                "subscription.created",
                "subscription.activated",
                "onboarding.started",
                "account.lifecycle_changed",
                "order.handed_over",
            ],
        )
        self.assertEqual(project._saas_correlation(), order._saas_correlation())

    def test_repeating_the_rule_creates_nothing(self):
        order = self.create_order()
        with trap_jobs() as trap:
            order.action_confirm()
            trap.assert_jobs_count(1, only=order._saas_job_store_signed_pdf)
        before = self._snapshot(order)
        for step in STEPS * 2:
            getattr(order, step)()
        rule = self.env.ref(
            "saas_subscription_ops.base_automation_sale_order_start_workflow"
        )
        rule.action_server_ids.with_context(
            active_model="sale.order", active_id=order.id, active_ids=order.ids
        ).run()
        self.assertEqual(self._snapshot(order), before)

    def _snapshot(self, order):
        return (
            order.saas_subscription_ids.ids,
            order.saas_onboarding_project_ids.ids,
            self.env["saas.event"].search_count([]),
            len(order.message_ids),
            self.env["mail.activity"].search_count(
                [("res_model", "=", "project.project")]
            ),
        )

    def test_rule_is_data_an_admin_can_switch_off(self):
        rule = self.env.ref(
            "saas_subscription_ops.base_automation_sale_order_start_workflow"
        )
        # Other addons add actions of their own.
        self.assertGreaterEqual(len(rule.action_server_ids), 6)
        # The patches of the rule outlive the rollback of this test.
        self.addCleanup(rule.write, {"active": True})
        rule.active = False
        order = self.create_order()
        order.action_confirm()
        self.assertFalse(order.saas_subscription_ids)

    def test_cancelled_and_draft_orders_do_nothing(self):
        order = self.create_order()
        for step in STEPS:
            getattr(order, step)()
        self.assertFalse(order.saas_subscription_ids)

    def test_trial_moves_charging_not_the_start(self):
        self.plan.trial_days = 14
        order = self.create_order()
        order.action_confirm()
        subscription = order.saas_subscription_ids
        self.assertEqual(subscription.state, "trial")
        self.assertEqual(subscription.trial_end, date(2026, 3, 16))
        self.assertEqual(subscription.anchor_date, date(2026, 3, 16))
        recurring = subscription.line_ids.filtered(lambda ln: ln.kind == "recurring")
        self.assertEqual(recurring.date_start, date(2026, 3, 16))

    @freeze_time("2026-05-20")
    def test_start_date_defaults_to_the_confirmation(self):
        order = self.create_order(start=False)
        order.action_confirm()
        self.assertEqual(order.saas_subscription_ids.date_start, date(2026, 5, 20))

    # Failures --------------------------------------------------------
    def test_failed_step_becomes_an_exception_and_rests_go_on(self):
        order = self.create_order()
        cls = type(self.env["saas.subscription"])
        with patch.object(cls, "action_activate", side_effect=UserError("broken")):
            order.action_confirm()
        self.assertEqual(order.state, "sale")
        # nothing half created
        self.assertFalse(order.saas_subscription_ids)
        self.assertFalse(
            self.env["saas.event"].search([("name", "=", "subscription.created")])
            & self.events(self.env["saas.subscription"].search([]))
        )
        self.assertEqual(len(order.saas_onboarding_project_ids), 1)
        failed = self.exceptions("order.subscription_failed")
        self.assertEqual(failed.res_id, order.id)
        self.assertEqual(failed.retry_method, "saas_retry_create_subscription")
        order.saas_retry_create_subscription()
        subscription = order.saas_subscription_ids
        self.assertEqual(subscription.state, "active")
        self.assertEqual(
            order.saas_onboarding_project_ids.saas_subscription_id, subscription
        )

    def test_every_step_failing_never_blocks_the_confirmation(self):
        order = self.create_order()
        cls = type(order)
        for name in (
            "_saas_do_create_subscription",
            "_saas_do_create_onboarding",
            "_saas_enqueue_signed_pdf",
            "_saas_do_notify_handover",
        ):
            self.startPatcher(patch.object(cls, name, side_effect=ValueError(name)))
        order.action_confirm()
        self.assertEqual(order.state, "sale")
        for code in ("subscription", "onboarding", "signed_pdf", "handover"):
            self.assertEqual(len(self.exceptions(f"order.{code}_failed")), 1, code)

    # Signed document -------------------------------------------------
    def test_pdf_is_stored_once_on_order_and_project(self):
        order = self.create_order()
        order.action_confirm()
        self._patch_pdf(b"%PDF-1.4 test")
        order._saas_job_store_signed_pdf()
        attachment = order.saas_signed_attachment_id
        self.assertEqual(attachment.raw, b"%PDF-1.4 test")
        order._saas_job_store_signed_pdf()
        self.assertEqual(order.saas_signed_attachment_id, attachment)
        copies = order.saas_onboarding_project_ids.saas_signed_attachment_ids
        self.assertEqual(copies.mapped("name"), [attachment.name])

    def test_missing_pdf_engine_is_an_exception_with_a_working_retry(self):
        order = self.create_order()
        order.action_confirm()
        report = type(self.env["ir.actions.report"])
        with patch.object(
            report, "_render_qweb_pdf", side_effect=UserError("no wkhtmltopdf")
        ):
            order._saas_job_store_signed_pdf()
        failed = self.exceptions("order.signed_pdf_failed")
        self.assertEqual(failed.state, "open")
        self.assertFalse(order.saas_signed_attachment_id)
        self.assertTrue(order.saas_subscription_ids)
        self._patch_pdf(b"%PDF-1.4 later")
        order.saas_retry_store_signed_pdf()
        self.assertTrue(order.saas_signed_attachment_id)

    def test_page_instead_of_pdf_is_not_stored_as_one(self):
        order = self.create_order()
        order.action_confirm()
        self._patch_pdf(b"<html/>", "html")
        order._saas_job_store_signed_pdf()
        self.assertFalse(order.saas_signed_attachment_id)
        self.assertTrue(self.exceptions("order.signed_pdf_failed"))

    def _patch_pdf(self, content, kind="pdf"):
        report = type(self.env["ir.actions.report"])
        self.startPatcher(
            patch.object(report, "_render_qweb_pdf", return_value=(content, kind))
        )

    # Access ----------------------------------------------------------
    def test_steps_need_write_access_to_the_order(self):
        order = self.create_order()
        order.action_confirm()
        self.assertTrue(order.with_user(self.salesperson).saas_create_subscription())
        for step in STEPS:
            with self.subTest(step=step), self.assertRaises(AccessError):
                getattr(order.with_user(self.auditor), step)()
