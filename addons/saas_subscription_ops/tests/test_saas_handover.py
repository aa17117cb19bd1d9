# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from unittest.mock import patch

from psycopg2.errors import UniqueViolation

from odoo import Command
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import HttpCase, freeze_time, tagged
from odoo.tools import mute_logger

from .common import SubscriptionCase

TODAY = "2026-02-16"
SIGNATURE = (
    b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    b"AABJRU5ErkJggg=="
)
INCOMPLETE = "order.handover_incomplete"


class HandoverMixin:
    """Factories of opportunities and what is promised on them."""

    @classmethod
    def create_lead(cls, **vals):
        return cls.env["crm.lead"].create(
            {
                "name": "Acme: platform",
                "type": "opportunity",
                "partner_id": cls.partner.id,
                "user_id": cls.salesperson.id,
                "company_id": cls.company.id,
                **vals,
            }
        )

    @classmethod
    def prepare_promise(cls, **vals):
        return {
            "scope": "Platform for one site",
            "date_go_live": date(2026, 4, 1),
            "contact_ids": [
                Command.create({"partner_id": cls.partner.id, "role": "lead"})
            ],
            **vals,
        }

    @classmethod
    def create_handover(cls, lead, user=None, **vals):
        return (
            cls.env["saas.handover"]
            .with_user(user or cls.salesperson)
            .create({"lead_id": lead.id, **cls.prepare_promise(**vals)})
        )


@tagged("post_install", "-at_install")
@freeze_time(TODAY)
class TestSaasHandover(HandoverMixin, SubscriptionCase):
    """What sales promised: checked before, linked at, and taken over after signing."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.delivery = cls.new_user("sub_delivery", "project.group_project_user")
        cls.lead = cls.create_lead()

    def _order(self, **vals):
        return self.create_order(opportunity_id=self.lead.id, **vals)

    def _confirmed(self):
        handover = self.create_handover(self.lead)
        order = self._order()
        order.with_user(self.salesperson).action_confirm()
        return order, handover

    # Readiness -------------------------------------------------------
    def test_missing_points_block_sending_and_confirming_by_staff(self):
        order = self._order().with_user(self.salesperson)
        for step in ("action_quotation_send", "action_quotation_sent"):
            with self.assertRaisesRegex(UserError, "handover to delivery is missing"):
                getattr(order, step)()
        handover = self.env["saas.handover"].create({"lead_id": self.lead.id})
        self.assertEqual(handover.readiness, 0)
        self.assertEqual(len(handover.missing.splitlines()), 3)
        self.assertEqual(len(handover.advice.splitlines()), 2)
        with self.assertRaisesRegex(UserError, "Scope: write down"):
            order.action_confirm()
        self.assertIn("Scope", order.saas_quote_problem)
        self.assertIn("Scope", self.lead.saas_handover_missing)
        handover.with_user(self.salesperson).write(self.prepare_promise())
        self.assertFalse(handover.missing)
        self.assertEqual(handover.readiness, 100)
        self.assertTrue(handover.advice)
        self.assertFalse(order.saas_quote_problem)
        order.action_confirm()
        self.assertEqual(order.state, "sale")

    def test_policy_says_which_orders_need_it(self):
        without = self.create_order()
        ordinary = self._order(products=[(self.platform, 1)])
        for policy, direct, lead in (
            ("none", False, False),
            ("opportunity", False, True),
            ("all", True, True),
        ):
            with self.subTest(policy):
                self.company.saas_handover_policy = policy
                self.assertEqual(without._saas_needs_handover(), direct)
                self.assertEqual(self._order()._saas_needs_handover(), lead)
                self.assertFalse(ordinary._saas_needs_handover())

    def test_a_go_live_that_has_passed_is_refused(self):
        handover = self.create_handover(self.lead, date_go_live=date(2026, 2, 13))
        self.assertIn("has passed", handover.missing)

    def test_blanks_are_no_scope(self):
        handover = self.create_handover(self.lead, scope="  \n ")
        self.assertIn("Scope", handover.missing)

    def test_checks_can_be_limited_and_ask_for_roles(self):
        Check = self.env["saas.handover.check"]
        check = Check.create(
            {
                "name": "IT",
                "field": "contact_ids",
                "contact_role": "technical",
                "message": "Name the technical contact.",
                "plan_ids": [Command.link(self.plan.id)],
            }
        )
        handover = self.create_handover(self.lead)
        self.assertFalse(handover.missing, "no order says which plan it is")
        order = self._order()
        handover.invalidate_recordset()
        self.assertIn("technical contact", handover.missing)
        handover.contact_ids = [
            Command.create({"partner_id": self.partner.id, "role": "technical"})
        ]
        self.assertFalse(handover.missing)
        check.write({"plan_ids": [Command.clear()], "template_ids": [self.template.id]})
        handover.contact_ids = handover.contact_ids[:1]
        self.assertIn("technical contact", handover.missing)
        order.action_cancel()
        handover.invalidate_recordset()
        self.assertFalse(handover.missing)
        with self.assertRaisesRegex(ValidationError, "only contacts have a role"):
            check.field = "scope"

    def test_a_handover_is_about_something(self):
        with self.assertRaisesRegex(UserError, "opportunity or an order"):
            self.env["saas.handover"].with_user(self.salesperson).create({})

    def test_one_handover_per_opportunity_and_order(self):
        self.create_handover(self.lead)
        # What holds when two users are at it at the same moment.
        with (
            patch.object(type(self.env["saas.handover"]), "_check_origin_free"),
            mute_logger("odoo.sql_db"),
            self.assertRaises(UniqueViolation),
            self.env.cr.savepoint(),
        ):
            self.create_handover(self.lead)

    # Confirmation ----------------------------------------------------
    def test_confirmed_order_links_the_handover_and_the_document(self):
        handover = self.create_handover(self.lead)
        order = self._order()
        order.action_confirm()
        project = order.saas_onboarding_project_ids
        self.assertEqual(handover.order_id, order)
        self.assertEqual(handover.project_id, project)
        self.assertEqual(handover.state, "ready")
        self.assertEqual(len(self.events(handover, "handover.ready")), 1)
        self.assertEqual(
            self.events(handover, "handover.ready").correlation_id,
            order._saas_correlation(),
        )
        order.saas_signed_attachment_id = self.env["ir.attachment"].create(
            {"name": "signed.pdf", "raw": b"%PDF-1.4", "res_model": "sale.order"}
        )
        order.saas_link_handover()
        order.saas_link_handover()
        self.assertEqual(len(project.saas_signed_attachment_ids), 1)
        in_chatter = self.env["ir.attachment"].search_count(
            [("res_model", "=", "project.project"), ("res_id", "=", project.id)]
        )
        self.assertFalse(in_chatter)
        self.assertEqual(len(self.events(handover, "handover.ready")), 1)
        self.assertFalse(self.exceptions(INCOMPLETE))

    def test_signing_customer_is_never_stopped(self):
        order = self._order()
        order.signature = SIGNATURE
        order.action_confirm()
        handover = self.lead.saas_handover_ids
        self.assertEqual(handover.project_id, order.saas_onboarding_project_ids)
        self.assertEqual(handover.state, "draft")
        failed = self.exceptions(INCOMPLETE)
        self.assertEqual(failed.state, "open")
        self.assertIn("Scope", failed.name)
        with self.assertRaises(UserError):
            order.saas_retry_link_handover()
        handover.with_user(self.salesperson).write(self.prepare_promise())
        self.assertEqual(failed.state, "resolved")
        self.assertEqual(handover.state, "ready")

    def test_public_visitor_is_never_stopped(self):
        order = self._order()
        visitor = order.with_user(self.env.ref("base.public_user")).sudo()
        self.assertFalse(visitor._saas_get_handover_problems())
        self.assertTrue(order._saas_get_handover_problems())

    def test_order_without_opportunity_gets_its_own(self):
        self.company.saas_handover_policy = "all"
        order = self.create_order()
        action = order.with_user(self.salesperson).action_open_saas_handover()
        handover = self.env["saas.handover"].browse(action["res_id"])
        self.assertEqual(handover.order_id, order)
        again = order.action_open_saas_handover()["res_id"]
        self.assertEqual(again, handover.id)
        handover.write(self.prepare_promise())
        order.action_confirm()
        self.assertEqual(handover.project_id, order.saas_onboarding_project_ids)

    def test_second_order_of_an_opportunity_copies_the_promise(self):
        order, handover = self._confirmed()
        second = self._order()
        self.assertIn("missing", second.saas_handover_missing)
        action = second.with_user(self.salesperson).action_open_saas_handover()
        copied = self.env["saas.handover"].browse(action["res_id"])
        self.assertNotEqual(copied, handover)
        self.assertEqual(copied.scope, handover.scope)
        self.assertEqual(copied.contact_ids.partner_id, self.partner)
        second.action_confirm()
        self.assertEqual(copied.project_id, second.saas_onboarding_project_ids)
        self.assertEqual(handover.project_id, order.saas_onboarding_project_ids)

    def test_handover_of_a_cancelled_order_serves_the_next(self):
        order, handover = self._confirmed()
        order._action_cancel()
        second = self._order()
        second.action_confirm()
        self.assertEqual(handover.order_id, second)

    def test_project_made_by_a_retry_gets_the_handover(self):
        handover = self.create_handover(self.lead)
        order = self._order()
        self.template.is_template = False
        with self._no_template_check(order):
            order.action_confirm()
        self.assertFalse(handover.project_id)
        self.template.is_template = True
        order.saas_retry_create_onboarding()
        self.assertEqual(handover.project_id, order.saas_onboarding_project_ids)

    def _no_template_check(self, order):
        return patch.object(type(order), "_saas_get_template_problems", return_value=[])

    # Delivery --------------------------------------------------------
    def test_delivery_takes_over_once_and_agrees_to_the_day(self):
        order, handover = self._confirmed()
        project = order.saas_onboarding_project_ids
        mine = handover.with_user(self.delivery)
        mine.action_take_over()
        mine.action_take_over()
        self.assertEqual(handover.state, "taken_over")
        self.assertEqual(handover.taken_over_by_id, self.delivery)
        self.assertEqual(project.saas_go_live_planned, date(2026, 4, 1))
        self.assertEqual(project.saas_promised_on, date(2026, 4, 1))
        self.assertEqual(len(self.events(handover, "handover.taken_over")), 1)
        with self.assertRaisesRegex(UserError, "is what they work by"):
            handover.with_user(self.salesperson).scope = "More"
        with self.assertRaisesRegex(UserError, "is what they work by"):
            handover.contact_ids.with_user(self.salesperson).unlink()

    def test_delivery_returns_it_with_a_question(self):
        _order, handover = self._confirmed()
        mine = handover.with_user(self.delivery)
        for empty in ("", "  ", False):
            with self.assertRaisesRegex(UserError, "what you need to know"):
                mine.action_return(empty)
        mine.action_return("Which <b>site</b>?")
        self.assertEqual(handover.state, "draft")
        activity = handover.activity_ids
        self.assertEqual(activity.user_id, self.salesperson)
        self.assertIn("&lt;b&gt;", activity.note)
        self.assertEqual(len(self.events(handover, "handover.returned")), 1)
        handover.with_user(self.salesperson).scope = "Platform for the Lyon site"
        self.assertEqual(handover.state, "draft", "sales answers by Ready")
        handover.with_user(self.salesperson).action_ready()
        self.assertEqual(handover.state, "ready")
        self.assertFalse(handover.question)
        self.assertFalse(handover.activity_ids)
        mine.action_take_over()
        mine.action_return("And who trains?")
        self.assertEqual(handover.state, "draft")

    def test_returning_needs_somebody_to_ask(self):
        order, handover = self._confirmed()
        order.team_id.user_id = False
        self.salesperson.active = False
        with self.assertRaisesRegex(UserError, "set a salesperson"):
            handover.with_user(self.delivery).action_return("Who?")

    def test_ready_says_what_is_missing(self):
        handover = self.create_handover(self.lead, scope=False)
        with self.assertRaisesRegex(UserError, "Scope"):
            handover.action_ready()
        with self.assertRaisesRegex(UserError, "no onboarding project"):
            handover.with_user(self.csm).action_take_over()

    # Access ----------------------------------------------------------
    def test_delivery_reads_those_of_its_projects_and_writes_none(self):
        _order, handover = self._confirmed()
        loose = self.create_handover(self.create_lead())
        self.assertTrue(handover.with_user(self.delivery).scope)
        with self.assertRaises(AccessError):
            loose.with_user(self.delivery).read(["scope"])
        with self.assertRaises(AccessError):
            handover.with_user(self.delivery).scope = "Less"

    def test_salespeople_see_their_own(self):
        handover = self.create_handover(self.lead)
        other = self.new_user("sub_sales2", "sales_team.group_sale_salesman")
        chief = self.new_user("sub_chief", "sales_team.group_sale_salesman_all_leads")
        self.assertTrue(handover.with_user(chief).scope)
        with self.assertRaises(AccessError):
            handover.with_user(other).read(["scope"])

    def test_auditor_reads_and_takes_nothing_over(self):
        _order, handover = self._confirmed()
        self.assertTrue(handover.with_user(self.auditor).scope)
        with self.assertRaises(UserError):
            handover.with_user(self.auditor).action_take_over()
        with self.assertRaises(AccessError):
            handover.with_user(self.auditor).scope = "Less"

    def test_own_fields_are_not_typed_in(self):
        handover = self.create_handover(self.lead)
        project = self.template
        for vals in ({"state": "taken_over"}, {"project_id": project.id}):
            with self.assertRaisesRegex(UserError, "follow from the steps"):
                handover.with_user(self.salesperson).write(vals)
        with self.assertRaisesRegex(UserError, "follow from the steps"):
            self.create_handover(self.create_lead(), state="ready")

    def test_other_companies_are_not_seen(self):
        handover = self.create_handover(self.lead)
        company = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = self.new_user(
            "sub_else", "sales_team.group_sale_salesman_all_leads", company
        )
        with self.assertRaises(AccessError):
            handover.with_user(stranger).read(["scope"])

    def test_kept_with_the_project_gone_with_the_opportunity(self):
        _order, handover = self._confirmed()
        with self.assertRaisesRegex(UserError, "is kept"):
            handover.with_user(self.salesperson).unlink()
        lead = self.create_lead()
        loose = self.create_handover(lead)
        lead.unlink()
        self.assertFalse(loose.exists())

    def test_merged_opportunities_keep_the_promise(self):
        first, second = self.create_lead(), self.create_lead(name="Twin")
        handover = self.create_handover(second)
        merged = (first | second).merge_opportunity()
        self.assertEqual(handover.exists().lead_id, merged)


@tagged("post_install", "-at_install")
class TestSignedWithoutHandover(HandoverMixin, SubscriptionCase, HttpCase):
    """The customer signs on the portal although sales left the handover open."""

    def test_customer_signs_on_the_portal(self):
        lead = self.create_lead()
        order = self.create_order(
            opportunity_id=lead.id, require_signature=True, require_payment=False
        )
        # Sent before the handover was wanted.
        order.state = "sent"
        answer = self.make_jsonrpc_request(
            f"/my/orders/{order.id}/accept",
            {
                "access_token": order._portal_ensure_token(),
                "name": "Nadia Roth",
                "signature": SIGNATURE.decode(),
            },
        )
        self.assertNotIn("error", answer)
        order.invalidate_recordset()
        self.assertEqual(order.state, "sale")
        self.assertTrue(order.saas_subscription_ids)
        handover = lead.saas_handover_ids
        self.assertEqual(handover.project_id, order.saas_onboarding_project_ids)
        self.assertEqual(self.exceptions(INCOMPLETE).state, "open")
