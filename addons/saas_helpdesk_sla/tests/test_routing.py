# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import Command
from odoo.tests import new_test_user, tagged

from .common import SlaCase


@tagged("post_install", "-at_install")
class TestRouting(SlaCase):
    """Who gets a ticket, and who never does."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.portal = new_test_user(cls.env, "sla_portal", "base.group_portal")
        cls.employee = new_test_user(cls.env, "sla_employee", "base.group_user")
        cls.team.user_ids = [
            Command.set(
                [
                    cls.agent.id,
                    cls.lead.id,
                    cls.portal.id,
                    cls.employee.id,
                    cls.env.ref("base.user_root").id,
                ]
            )
        ]

    def route(self, **vals):
        """Create a ticket nobody was chosen for."""
        return self.Ticket.create(
            {
                "name": "Route me",
                "description": "x",
                "user_id": False,
                "team_id": self.team.id,
                "partner_id": self.customer.id,
                **vals,
            }
        )

    def test_manual_team_leaves_the_ticket_to_its_members(self):
        self.assertFalse(self.route().user_id)

    def test_round_robin_takes_turns_among_agents_only(self):
        self.team.saas_assign_method = "round_robin"
        users = [self.route().user_id for _number in range(4)]
        self.assertEqual(users, [self.agent, self.lead, self.agent, self.lead])

    def test_least_loaded_counts_open_tickets(self):
        self.team.saas_assign_method = "least_loaded"
        self.route(user_id=self.agent.id)
        first = self.route()
        self.assertEqual(first.user_id, self.lead)
        first.stage_id = self.stage_done
        self.assertEqual(self.route().user_id, self.lead)

    def test_inactive_and_foreign_members_get_nothing(self):
        self.team.saas_assign_method = "round_robin"
        self.agent.active = False
        other = self.env["res.company"].create({"name": "Other Ltd"})
        self.lead.write(
            {"company_ids": [Command.set(other.ids)], "company_id": other.id}
        )
        self.assertFalse(self.route().user_id)

    def test_existing_assignee_stays(self):
        self.team.saas_assign_method = "round_robin"
        ticket = self.route(user_id=self.lead.id)
        self.assertEqual(ticket.user_id, self.lead)
        self.assertFalse(ticket.saas_route())

    def test_category_finds_the_team(self):
        category = self.env["helpdesk.ticket.category"].create({"name": "Billing"})
        self.team.category_ids = category
        ticket = self.route(team_id=False, category_id=category.id)
        self.assertEqual(ticket.team_id, self.team)

    def test_customers_and_robots_are_never_proposed(self):
        for user in (self.portal, self.employee, self.env.ref("base.user_root")):
            self.assertFalse(user._saas_is_agent())
            defaults = self.Ticket.with_user(user).sudo().default_get(["user_id"])
            self.assertFalse(defaults.get("user_id"))
        self.assertTrue(self.agent._saas_is_agent())

    def test_reassign_step_gives_it_to_somebody_else(self):
        ticket = self.route(user_id=self.agent.id)
        chosen = self.team._saas_next_assignee(ticket, exclude=ticket.user_id)
        self.assertEqual(chosen, self.lead)
