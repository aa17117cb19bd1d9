# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from psycopg2.errors import CheckViolation, UniqueViolation

from odoo import Command
from odoo.exceptions import ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import SlaCase


@tagged("post_install", "-at_install")
class TestSaasSlaPolicy(SlaCase):
    """Which policy a ticket gets, and which policies are refused."""

    def test_first_match_from_the_top(self):
        tag = self.env["helpdesk.ticket.tag"].create({"name": "VIP"})
        general = self.make_policy("General", {"resolution": (9, "hours")}, sequence=99)
        vip = self.make_policy(
            "VIP", {"resolution": (1, "hours")}, sequence=0, tag_ids=[(4, tag.id)]
        )
        urgent = self.make_policy(
            "Urgent", {"resolution": (2, "hours")}, sequence=0, priority_min="3"
        )
        ticket = self.make_ticket()
        self.assertEqual(ticket.saas_policy_id, self.policy)
        ticket.priority = "3"
        self.assertEqual(ticket.saas_policy_id, urgent)
        ticket.tag_ids = tag
        self.assertEqual(ticket.saas_policy_id, vip)
        self.assertIn("1 of 4", ticket.saas_policy_reason)
        ticket.write({"tag_ids": [Command.clear()], "priority": "1"})
        self.account.saas_support_tier_id = False
        ticket.saas_reevaluate_sla()
        self.assertEqual(ticket.saas_policy_id, general)

    def test_category_team_and_priority_range(self):
        category = self.env["helpdesk.ticket.category"].create({"name": "Billing"})
        policy = self.make_policy(
            "Narrow",
            {"resolution": (1, "hours")},
            sequence=0,
            category_ids=[Command.link(category.id)],
            team_ids=[Command.link(self.team.id)],
            priority_max="1",
        )
        ticket = self.make_ticket(category_id=category.id)
        self.assertEqual(ticket.saas_policy_id, policy)
        ticket.priority = "2"
        self.assertEqual(ticket.saas_policy_id, self.policy)

    def test_policies_of_other_companies_do_not_match_even_for_the_gateway(self):
        other = self.env["res.company"].create({"name": "Other Ltd"})
        theirs = self.make_policy(
            "Theirs", {"resolution": (1, "hours")}, sequence=0, company_id=other.id
        )
        ticket = self.Ticket.sudo().create(
            {"name": "x", "description": "x", "partner_id": self.customer.id}
        )
        self.assertEqual(ticket.saas_policy_id, self.policy)
        self.assertNotEqual(ticket.saas_policy_id, theirs)

    def test_no_policy_says_why(self):
        self.policy.active = False
        ticket = self.make_ticket()
        self.assertFalse(ticket.saas_policy_id)
        self.assertFalse(ticket.saas_clock_ids)
        self.assertIn("None of 0", ticket.saas_policy_reason)

    def test_target_of_the_priority_wins(self):
        self.env["saas.sla.policy.target"].create(
            {
                "policy_id": self.policy.id,
                "metric": "resolution",
                "priority": "3",
                "duration": 1,
            }
        )
        self.assertEqual(self.policy._get_target("resolution", "3").duration, 1)
        self.assertEqual(self.policy._get_target("resolution", "2").duration, 4)
        self.assertFalse(self.policy._get_target("periodic_update", "2"))

    def test_used_policy_can_only_be_archived(self):
        self.make_ticket()
        with self.assertRaises(ValidationError):
            self.policy.with_user(self.lead).unlink()
        self.policy.with_user(self.lead).action_archive()
        unused = self.make_policy("Unused", {"resolution": (1, "hours")})
        unused.with_user(self.lead).unlink()

    def test_shipped_policies_one_per_tier(self):
        shipped = (
            self.env["saas.sla.policy"]
            .with_context(active_test=False)
            .browse(
                self.env.ref(f"saas_helpdesk_sla.saas_sla_policy_{code}").id
                for code in ("enterprise", "premium", "standard")
            )
        )
        self.assertEqual(shipped.mapped("sequence"), [10, 20, 90])
        self.assertFalse(shipped[-1].tier_ids, "the last one takes every ticket")
        for policy in shipped:
            ladder = policy.escalation_ids
            self.assertEqual(
                set(ladder.mapped("metric")), {"first_response", "resolution"}
            )
            self.assertTrue(policy._get_target("first_response", "1"))

    @mute_logger("odoo.sql_db")
    def test_bad_input(self):
        target = self.policy.target_ids[0]
        for vals in ({"duration": 0}, {"duration": -5}, {"warn_percent": 100}):
            with (
                self.subTest(vals),
                self.assertRaises(CheckViolation),
                self.cr.savepoint(),
            ):
                target.write(vals)
                target.flush_recordset()
        with self.assertRaises(UniqueViolation), self.cr.savepoint():
            target.copy()
        with self.assertRaises(ValidationError):
            self.policy.write({"priority_min": "3", "priority_max": "0"})
        with self.assertRaises(ValidationError):
            self.policy.calendar_mode = "calendar"
        with self.assertRaises(ValidationError):
            self.make_step("No users", "resolution", 0, recipient="users")
        with self.assertRaises(ValidationError):
            self.make_step("No action", "resolution", 0, "server_action")
        with self.assertRaises(CheckViolation), self.cr.savepoint():
            self.make_step("x", "resolution", 0).offset_minutes = -1
            self.env.flush_all()

    def test_stage_meanings_are_preset(self):
        meanings = [
            self.env.ref(f"helpdesk_mgmt.helpdesk_ticket_stage_{name}").saas_clock
            for name in (
                "new",
                "in_progress",
                "awaiting",
                "done",
                "cancelled",
                "rejected",
            )
        ]
        self.assertEqual(
            meanings,
            [
                "run",
                "run",
                "pause_customer",
                "stop_solved",
                "stop_cancelled",
                "stop_cancelled",
            ],
        )
        stage = self.env["helpdesk.ticket.stage"].create(
            {"name": "Shipped", "closed": True}
        )
        self.assertEqual(stage.saas_clock, "stop_solved")
        stage.closed = False
        self.assertEqual(stage.saas_clock, "run")
