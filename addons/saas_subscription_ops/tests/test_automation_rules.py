# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import re
from datetime import date
from inspect import getdoc

from odoo import Command
from odoo.tests import freeze_time, tagged

from .common_onboarding_documents import PDF, DocumentCase
from .common_renewal import RenewalCase

MODULE = "saas_subscription_ops"
CALL = re.compile(r"(?:for \w+ in records:\n {4}\w+|records)\.(saas_\w+)\(\)")
#: What a trigger may leave behind.
TRACES = (
    "account.analytic.line",
    "crm.lead",
    "ir.attachment",
    "mail.activity",
    "mail.mail",
    "mail.message",
    "project.milestone",
    "project.project",
    "project.task",
    "queue.job",
    "saas.amendment",
    "saas.change.request",
    "saas.event",
    "saas.exception",
    "saas.handover",
    "saas.onboarding.alert",
    "saas.onboarding.package",
    "saas.onboarding.survey",
    "saas.onboarding.wait",
    "saas.subscription",
)


class RuleMixin:
    """Rules switched off, and their actions run by hand."""

    def switch_off(self):
        """Let no shipped rule of the module react."""
        rules = self.get_rules()
        # The patches of the rules outlive the rollback of the test.
        self.addCleanup(rules.write, {"active": True})
        rules.active = False

    def get_rules(self):
        data = self.env["ir.model.data"].search(
            [("module", "=", MODULE), ("model", "=", "base.automation")]
        )
        self.assertTrue(all(data.mapped("noupdate")))
        rules = self.env["base.automation"].with_context(active_test=False)
        return rules.browse(data.mapped("res_id"))

    def run_rule(self, name, record):
        """Run what a rule does, in its order, as when it is switched on."""
        rule = self.env.ref(f"{MODULE}.base_automation_{name}")
        for action in rule.action_server_ids.sorted("sequence"):
            action.with_context(
                active_model=record._name,
                active_ids=record.ids,
                active_id=record.id,
            ).run()

    def count(self):
        self.env.flush_all()
        return {
            name: self.env[name].sudo().with_context(active_test=False).search_count([])
            for name in TRACES
        }

    def assert_once(self, name, record):
        """Run the rule twice; the second run must leave no trace.

        :return: what the first one left
        """
        before = self.count()
        self.run_rule(name, record)
        first = self.count()
        self.run_rule(name, record)
        self.assertEqual(self.count(), first, f"{name} left traces twice")
        return {key: first[key] - before[key] for key in first}

    def assert_quiet(self, before, *but):
        """Nothing was left since, but by Odoo itself.

        :param dict before: of ``count``
        :param but: models something may have been left in
        """
        now = self.count()
        left = {
            name: now[name] - before[name]
            for name in now
            if now[name] != before[name] and name not in ("mail.message", *but)
        }
        self.assertEqual(left, {})


@tagged("post_install", "-at_install")
@freeze_time("2026-03-02 09:00:00")
class TestAutomationRules(RuleMixin, DocumentCase):
    """Every trigger is a rule that can be switched off, and calls what can repeat."""

    def create_promise(self):
        lead = self.env["crm.lead"].create(
            {
                "name": "Acme",
                "type": "opportunity",
                "partner_id": self.partner.id,
                "company_id": self.company.id,
            }
        )
        self.env["saas.handover"].create(
            {
                "lead_id": lead.id,
                "scope": "One site",
                "date_go_live": date(2026, 4, 1),
                "contact_ids": [Command.create({"partner_id": self.partner.id})],
            }
        )
        return lead

    def test_rules_call_one_public_documented_method_each(self):
        rules = self.get_rules()
        self.assertGreater(len(rules), 10)
        self.assertTrue(all(rules.mapped("active")))
        for action in rules.action_server_ids:
            call = CALL.fullmatch((action.code or "").strip())
            self.assertTrue(call, f"{action.name}: {action.code}")
            method = getattr(self.env[action.model_id.model], call.group(1))
            self.assertTrue(getdoc(method), action.name)

    def test_confirmed_order(self):
        lead = self.create_promise()
        order = self.create_order(opportunity_id=lead.id)
        self.switch_off()
        before = self.count()
        order.action_confirm()
        self.assertEqual(order.state, "sale")
        self.assert_quiet(before, "mail.mail")
        self.assertFalse(order.saas_subscription_ids)
        self.assertFalse(lead.saas_handover_id.project_id)
        left = self.assert_once("sale_order_start_workflow", order)
        for name in ("saas.subscription", "project.project", "queue.job"):
            self.assertEqual(left[name], 1, name)
        project = order.saas_onboarding_project_ids
        self.assertEqual(lead.saas_handover_id.project_id, project)
        self.assertEqual(len(self.events(order, "order.handed_over")), 1)

    def test_cancelled_order(self):
        self.switch_off()
        before = self.count()
        self.order._action_cancel()
        self.assert_quiet(before)
        left = self.assert_once("sale_order_cancelled", self.order)
        self.assertEqual(left["saas.exception"], 1)

    def test_change_request(self):
        work = self.create_product("Extra", 150.0, saas_charge_kind="one_time")
        self.company.saas_change_product_id = work
        request = self.env["saas.change.request"].create(
            {"name": "Archive", "project_id": self.project.id, "hours": 8}
        )
        request.action_estimate()
        request.with_user(self.salesperson).action_quote()
        order = request.order_id
        self.switch_off()
        order.action_confirm()
        self.assertEqual(request.state, "quoted")
        left = self.assert_once("sale_order_start_workflow", order)
        self.assertEqual(request.state, "accepted")
        self.assertEqual(
            (left["saas.onboarding.package"], left["project.task"]), (1, 1)
        )

    def test_declined_change_request(self):
        work = self.create_product("Extra", 150.0, saas_charge_kind="one_time")
        self.company.saas_change_product_id = work
        request = self.env["saas.change.request"].create(
            {"name": "Archive", "project_id": self.project.id, "hours": 8}
        )
        request.action_estimate()
        request.with_user(self.salesperson).action_quote()
        self.switch_off()
        request.order_id._action_cancel()
        self.assertEqual(request.state, "quoted")
        self.assert_once("sale_order_cancelled", request.order_id)
        self.assertEqual(request.state, "declined")

    def test_document(self):
        document = self.as_delivery(self.agreement)
        document.action_request()
        self.switch_off()
        document._add_version("agreement.pdf", PDF)
        self.assertEqual(document.state, "received")
        self.assertFalse(document.sudo().activity_ids)
        left = self.assert_once("document_received", document)
        self.assertEqual(left["mail.activity"], 1)
        document.action_accept()
        self.assertTrue(document.sudo().activity_ids)
        self.assert_once("document_reviewed", document)
        self.assertFalse(document.sudo().activity_ids)

    def test_milestones_and_live(self):
        self.switch_off()
        self.waive(self.agreement | self.brand_book)
        before = self.count()
        self.first.with_user(self.delivery).is_reached = True
        self.last.with_user(self.delivery).is_reached = True
        self.assert_quiet(before)
        self.assertFalse(self.project.saas_live_on)
        self.assert_once("project_milestone_reached", self.first)
        self.assert_once("project_milestone_reached", self.last)
        self.assertEqual(self.project.saas_live_on, date(2026, 3, 2))
        self.assertEqual(len(self.events(self.project, "onboarding.live")), 1)
        self.assertFalse(self.project.saas_survey_ids)
        left = self.assert_once("project_live", self.project)
        self.assertEqual(left["saas.onboarding.survey"], 1)

    def test_milestone_taken_back(self):
        self.waive(self.agreement)
        self.first.with_user(self.delivery).is_reached = True
        self.switch_off()
        before = self.count()
        self.first.with_user(self.delivery).is_reached = False
        self.assert_quiet(before)
        left = self.assert_once("project_milestone_taken_back", self.first)
        self.assertEqual(left["saas.event"], 1)

    @freeze_time("2026-04-20 09:00:00")
    def test_alert(self):
        self.switch_off()
        before = self.count()
        self.project._saas_check_batch(date(2026, 4, 20))
        self.assert_quiet(before, "saas.onboarding.alert")
        alert = self.project.saas_alert_ids.filtered(lambda a: a.code == "go_live_late")
        left = self.assert_once("saas_onboarding_alert_opened", alert)
        self.assertEqual((left["saas.exception"], left["mail.activity"]), (1, 1))
        told = self.events(self.project, "onboarding.alert_raised")
        self.assertEqual([event.payload["code"] for event in told], ["go_live_late"])

    @freeze_time("2026-04-20 09:00:00")
    def test_forecast(self):
        self.switch_off()
        self.project._saas_assess(date(2026, 4, 20))
        predicted = self.project.saas_go_live_predicted
        task = self.get_task("Configure")
        task.saas_duration_days = 20
        self.assertEqual(self.project.saas_go_live_predicted, predicted)
        self.assert_once("saas_task_replanned", task)
        self.assertGreater(self.project.saas_go_live_predicted, predicted)
        self.last.deadline = date(2026, 8, 3)
        predicted = self.project.saas_go_live_predicted
        self.assert_once("saas_milestone_replanned", self.last)
        self.assertGreater(self.project.saas_go_live_predicted, predicted)


@tagged("post_install", "-at_install")
class TestRenewalRules(RuleMixin, RenewalCase):
    """The rules that bring quotation, opportunity and renewal together."""

    def test_quotation_and_lost_opportunity(self):
        subscription = self.contract()
        self.at("2026-11-01 10:00:00")
        self.run_day(date(2026, 11, 1))
        renewal = self.renewal(subscription)
        self.switch_off()
        order = subscription._create_renewal_quote()
        # As if it had been made before there was a renewal.
        renewal.order_id = order.opportunity_id = False
        order.action_quotation_sent()
        self.assertFalse(renewal.order_id)
        self.assert_once("sale_order_renewal_quoted", order)
        self.assertEqual(renewal.order_id, order)
        self.assertEqual(order.opportunity_id, renewal.lead_id)
        reason = self.env["crm.lost.reason"].create({"name": "Price"})
        lead = renewal.lead_id
        category = renewal.category
        lead.action_set_lost(lost_reason_id=reason.id)
        self.assertEqual(renewal.category, category)
        self.assert_once("crm_lead_renewal_given_up", lead)
        self.assertEqual((renewal.category, renewal.lost_reason_id), ("lost", reason))
