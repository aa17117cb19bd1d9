# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from psycopg2.errors import SerializationFailure

from odoo import fields, models
from odoo.exceptions import LockError


class HelpdeskTicketTeam(models.Model):
    """Working time and assignment method of a team."""

    _inherit = "helpdesk.ticket.team"

    saas_calendar_id = fields.Many2one(
        "resource.calendar",
        string="SLA Working Time",
        check_company=True,
        help="Used where neither the contract nor the policy says otherwise. Empty: the"
        " company's working time.",
    )
    saas_assign_method = fields.Selection(
        [
            ("manual", "By hand"),
            ("round_robin", "In turn"),
            ("least_loaded", "Who has the fewest open tickets"),
        ],
        string="Assignment",
        required=True,
        default="manual",
        help="How new tickets find their agent. Only active members with helpdesk"
        " rights get tickets, never customers and never OdooBot.",
    )
    saas_last_assignee_id = fields.Many2one(
        "res.users", string="Last in Turn", readonly=True, copy=False
    )

    def _saas_get_agents(self, company):
        """List who can take a ticket, in a fixed order.

        Extension point for skills, capacity and absence.

        :param company: res.company of the ticket
        :return: res.users ordered by id
        """
        self.ensure_one()
        # sudo: the sender of a mail may not read the members of a team
        members = self.sudo().user_ids.filtered(
            lambda user: company in user.company_ids and user._saas_is_agent()
        )
        return members.sorted("id")

    def _saas_next_assignee(self, ticket, exclude=None):
        """Choose the agent of a ticket by the team's method.

        :param ticket: one helpdesk.ticket
        :param exclude: res.users who shall not get it
        :return: one res.users, empty when nobody can take it
        """
        if not self:
            return self.env["res.users"]
        agents = self._saas_get_agents(ticket.company_id)
        agents -= exclude or self.env["res.users"]
        if not agents:
            return agents
        if self.saas_assign_method == "round_robin":
            return self._saas_next_in_turn(agents)
        return self._saas_least_loaded(agents)

    def _saas_next_in_turn(self, agents):
        team = self.sudo()
        try:
            with self.env.cr.savepoint(flush=False):
                team.lock_for_update(allow_referencing=True)
        except (LockError, SerializationFailure):
            # Another ticket is being handed out right now. Mail must not wait or fail
            # for that: take the agent with the fewest tickets.
            return self._saas_least_loaded(agents)
        last = team.saas_last_assignee_id.id or 0
        agent = (agents.filtered(lambda user: user.id > last) or agents)[:1]
        team.saas_last_assignee_id = agent
        return agent

    def _saas_least_loaded(self, agents):
        counts = dict(
            # sudo: the load counts tickets of all teams and companies
            self.env["helpdesk.ticket"]
            .sudo()
            ._read_group(
                [
                    ("user_id", "in", agents.ids),
                    ("stage_id.closed", "=", False),
                ],
                ["user_id"],
                ["__count"],
            )
        )
        return min(agents, key=lambda user: (counts.get(user.sudo(), 0), user.id))
