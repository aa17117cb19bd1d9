# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import Command
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from .common import SlaCase

CONFIGURATION = ("saas.sla.policy", "saas.sla.policy.target", "saas.sla.escalation")
RECORDS = (
    "saas.sla.clock",
    "saas.sla.event",
    "saas.sla.escalation.log",
    "saas.sla.result",
)


@tagged("post_install", "-at_install")
@mute_logger("odoo.addons.base.models.ir_model", "odoo.addons.base.models.ir_rule")
class TestSecurity(SlaCase):
    """What each role may and may not do, in pairs."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other = cls.env["res.company"].create({"name": "Other Ltd"})
        cls.auditor = new_test_user(
            cls.env, "sla_auditor", "saas_core.group_saas_core_auditor"
        )
        cls.portal = new_test_user(cls.env, "sla_customer", "base.group_portal")
        cls.portal.partner_id.parent_id = cls.account
        cls.employee = new_test_user(cls.env, "sla_employee", "base.group_user")
        cls.foreigner = new_test_user(
            cls.env,
            "sla_foreigner",
            "saas_core.group_saas_core_support_lead",
            company_id=cls.other.id,
            company_ids=[Command.set(cls.other.ids)],
        )
        cls.make_step("Step", "resolution", 0)
        cls.ticket = cls.env["helpdesk.ticket"].create(
            {
                "name": "x",
                "description": "x",
                "partner_id": cls.customer.id,
                "team_id": cls.team.id,
            }
        )
        cls.reply(cls, cls.ticket)
        clock = cls.ticket.saas_clock_ids[:1]
        clock._log_action("warning", cls.ticket.create_date, cls.ticket.create_date)

    def records(self, model, user):
        """Read the records of the test ticket and policy as a user."""
        Model = self.env[model].with_user(user)
        field = "ticket_id" if model in RECORDS else None
        domain = [(field, "=", self.ticket.id)] if field else []
        return Model.search(domain)

    def test_agent_reads_everything_and_configures_nothing(self):
        for model in (*CONFIGURATION, *RECORDS):
            with self.subTest(model):
                records = self.records(model, self.agent)
                self.assertTrue(records)
                records.read()
                for operation in ("write", "create", "unlink"):
                    self.assertFalse(records.has_access(operation))

    def test_lead_configures_but_does_not_touch_the_record(self):
        policy = self.policy.with_user(self.lead)
        policy.name = "Renamed"
        policy.copy()
        policy.target_ids[0].duration = 3
        policy.escalation_ids[0].name = "Other"
        for model in RECORDS:
            with self.subTest(model):
                records = self.records(model, self.lead)
                self.assertTrue(records)
                for operation in ("write", "create", "unlink"):
                    self.assertFalse(records.has_access(operation))

    def test_auditor_reads_all_and_writes_nothing(self):
        self.assertTrue(self.ticket.with_user(self.auditor).name)
        self.ticket.with_user(self.auditor).saas_clock_ids.read()
        for model in (*CONFIGURATION, *RECORDS, "helpdesk.ticket"):
            with self.subTest(model):
                if model == "helpdesk.ticket":
                    records = self.ticket.with_user(self.auditor)
                else:
                    records = self.records(model, self.auditor)
                self.assertTrue(records)
                for operation in ("write", "create", "unlink"):
                    self.assertFalse(records.has_access(operation))
        with self.assertRaises(AccessError):
            self.ticket.with_user(self.auditor).saas_reevaluate_sla()

    def test_customer_and_employee_see_no_clock_at_all(self):
        for user in (self.portal, self.employee):
            for model in (*CONFIGURATION, *RECORDS):
                with self.subTest(model), self.assertRaises(AccessError):
                    self.records(model, user)

    def test_customer_sees_the_deadline_but_nothing_internal(self):
        ticket = self.ticket.with_user(self.portal)
        self.assertEqual(ticket.saas_sla_status, "on_track")
        self.assertTrue(ticket.saas_next_due_at)
        for name in (
            "saas_policy_reason",
            "saas_standing",
            "saas_lifecycle",
            "saas_clock_ids",
            "saas_sla_event_ids",
            "saas_support_tier_id",
        ):
            with self.subTest(name), self.assertRaises(AccessError):
                ticket.read([name])

    def test_customer_cannot_call_the_methods(self):
        ticket = self.ticket.with_user(self.portal)
        for method in (
            "saas_reopen",
            "saas_route",
            "saas_apply_sla",
            "saas_reevaluate_sla",
            "saas_retry_sla",
            "saas_retry_clocks",
        ):
            with self.subTest(method), self.assertRaises(AccessError):
                getattr(ticket, method)()

    def test_agent_cannot_forge_a_breach(self):
        clock = self.ticket.saas_clock_ids[:1].with_user(self.agent)
        with self.assertRaises(AccessError):
            clock.saas_notify_breach()
        with self.assertRaises(AccessError):
            clock.write({"due_at": False})

    def test_other_company_sees_nothing(self):
        for model in RECORDS:
            with self.subTest(model):
                self.assertFalse(self.records(model, self.foreigner))
        self.assertFalse(
            self.env["helpdesk.ticket"]
            .with_user(self.foreigner)
            .search([("id", "=", self.ticket.id)])
        )
        mine = self.env["saas.sla.policy"].create(
            {"name": "Mine", "company_id": self.company.id}
        )
        with self.assertRaises(AccessError):
            mine.with_user(self.foreigner).read(["name"])
        mine.with_user(self.lead).read(["name"])

    def test_personal_agent_sees_clocks_of_own_tickets_only(self):
        personal = new_test_user(
            self.env, "sla_personal", "helpdesk_mgmt.group_helpdesk_user_own"
        )
        self.assertFalse(self.records("saas.sla.clock", personal))
        self.team.user_ids |= personal
        self.ticket.user_id = personal
        self.assertTrue(self.records("saas.sla.clock", personal))

    def test_visitors_cannot_write_on_stages(self):
        public = self.env.ref("base.public_user")
        stage = self.stage_done.with_user(public)
        self.assertFalse(stage.has_access("write"))
        self.assertTrue(stage.has_access("read"))

    def test_support_roles_bring_helpdesk_roles(self):
        self.assertTrue(self.agent.has_group("helpdesk_mgmt.group_helpdesk_user"))
        self.assertFalse(self.agent.has_group("helpdesk_mgmt.group_helpdesk_manager"))
        self.assertTrue(self.lead.has_group("helpdesk_mgmt.group_helpdesk_manager"))
