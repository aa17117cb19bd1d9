# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from ..exceptions import SlaCalendarError
from .helpdesk_ticket_stage import STOPPED

INTERNAL = "helpdesk_mgmt.group_helpdesk_user_own,saas_core.group_saas_core_auditor"
#: Worst first: the state of the most urgent open clock is the state of the ticket.
STATUS_ORDER = ("breached", "warning", "on_track", "paused")


class HelpdeskTicket(models.Model):
    """SLA of a ticket: policy, clocks, routing, safe closing."""

    _inherit = "helpdesk.ticket"

    saas_policy_id = fields.Many2one(
        "saas.sla.policy",
        string="SLA Policy",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="restrict",
        groups="base.group_user",
    )
    saas_policy_reason = fields.Char(
        string="Why This Policy", readonly=True, copy=False, groups="base.group_user"
    )
    saas_clock_ids = fields.One2many(
        "saas.sla.clock", "ticket_id", string="SLA Clocks", groups=INTERNAL
    )
    saas_next_due_at = fields.Datetime(
        string="Next Deadline", readonly=True, copy=False, index="btree_not_null"
    )
    saas_sla_status = fields.Selection(
        [
            ("on_track", "On track"),
            ("warning", "Warning"),
            ("breached", "Breached"),
            ("paused", "Paused"),
            ("met", "Met"),
        ],
        string="SLA",
        readonly=True,
        copy=False,
        index="btree_not_null",
    )
    saas_remaining = fields.Char(string="Remaining", compute="_compute_saas_remaining")
    saas_stage_meaning = fields.Selection(related="stage_id.saas_clock")

    @api.depends("saas_next_due_at")
    def _compute_saas_remaining(self):
        Clock = self.env["saas.sla.clock"]
        now = self._saas_now()
        for ticket in self:
            ticket.saas_remaining = Clock._format_remaining(
                ticket.saas_next_due_at, now
            )

    # ------------------------------------------------------------------
    # What the shipped rules call
    # ------------------------------------------------------------------
    def saas_route(self):
        """Give tickets without assignee a team and an agent. Idempotent.

        The team comes from the mail alias or the form; else from the category. The
        team's method chooses the agent.

        :return: the tickets that got an agent
        :raise AccessError: the user may not edit the tickets
        """
        self.check_access("write")
        routed = self.browse()
        for ticket in self.filtered(lambda ticket: not ticket.user_id):
            if not ticket.team_id:
                team = ticket._saas_find_team()
                if team:
                    ticket.team_id = team
            if ticket.team_id.saas_assign_method in (False, "manual"):
                continue
            agent = ticket.team_id._saas_next_assignee(ticket)
            if agent:
                ticket.user_id = agent
                routed |= ticket
        return routed

    def saas_apply_sla(self):
        """Choose the policy of tickets and start their clocks. Idempotent.

        :return: True
        :raise AccessError: the user may not edit the tickets
        """
        return self.saas_reevaluate_sla()

    def saas_reevaluate_sla(self):
        """Choose the policy again after a change; elapsed time and pauses are kept.

        The clocks are computed anew from the ticket log with the targets that hold now,
        so nothing that has passed is forgotten, and running it twice changes nothing.

        :return: True
        :raise AccessError: the user may not edit the tickets
        """
        self.check_access("write")
        at = self._saas_now()
        # sudo: policy and clocks are the system's, agents do not write them by hand
        for ticket in self.sudo():
            ticket._saas_guarded(lambda ticket=ticket: ticket._saas_choose_policy(at))
        self._saas_refresh_sla(at)
        return True

    def saas_retry_sla(self):
        """Compute deadlines again: the way out of the exception ``sla.no_deadline``.

        :return: True
        :raise SlaCalendarError: there is still no working time
        """
        self.check_access("write")
        at = self._saas_now()
        for ticket in self.sudo():  # sudo: as in saas_reevaluate_sla
            ticket._saas_choose_policy(at)
            ticket._saas_compute_clocks(at)
        return True

    def saas_retry_clocks(self):
        """Run what is due now: the way out of the exception ``sla.clock_failed``.

        :return: True
        :raise Exception: whatever still goes wrong
        """
        self.check_access("write")
        at = self._saas_now()
        # sudo: clocks belong to the system
        for clock in self.sudo().saas_clock_ids:
            clock._run_due(at)
            clock.failure_count = 0
        return True

    # ------------------------------------------------------------------
    # Policy and clocks
    # ------------------------------------------------------------------
    def _saas_choose_policy(self, at):
        """Store the matching policy with its reason; log a change.

        :param datetime at: naive UTC
        """
        self.ensure_one()
        policy, position, total = self.env["saas.sla.policy"]._find_for(self)
        if policy:
            reason = self.env._(
                "%(condition)s (policy %(position)s of %(total)s)",
                condition=policy._get_condition() or self.env._("every ticket"),
                position=position,
                total=total,
            )
        else:
            reason = self.env._(
                "None of %(total)s policies matches. Add one without conditions at the"
                " end of the list.",
                total=total,
            )
        before = self.saas_policy_id
        if policy != before or reason != self.saas_policy_reason:
            self.write({"saas_policy_id": policy.id, "saas_policy_reason": reason})
        self._saas_log_promise(before, at)

    def _saas_log_promise(self, before, at):
        """Log what is promised from now on, if it differs from what was.

        :param before: saas.sla.policy that applied until now
        :param datetime at: naive UTC
        :raise SlaCalendarError: no working calendar at all
        """
        self.ensure_one()
        promise = self.env["saas.sla.history"]._prepare_promise(self)
        last = self.saas_sla_event_ids.filtered(
            lambda event: event.kind == "policy_changed"
        ).sorted("id")[-1:]
        known = {key: (last.payload or {}).get(key) for key in promise}
        if known == promise or (not last and not promise["policy_id"]):
            return
        name = self.saas_policy_id.name or self.env._("none")
        if before and before != self.saas_policy_id:
            text = self.env._("%(before)s to %(after)s", before=before.name, after=name)
        else:
            text = name
        self._saas_log("policy_changed", payload={**promise, "text": text}, at=at)

    def _saas_refresh_sla(self, at=None):
        """Bring clocks, deadline and status up to date with the ticket log.

        A calendar without working time must not stop anybody from writing a ticket: it
        becomes an exception that somebody can cure and retry.

        :param datetime at: naive UTC; default now
        """
        at = at or self._saas_now()
        # sudo: the clocks follow the log, whoever caused the entry
        for ticket in self.sudo():
            if not ticket.saas_policy_id and not ticket.saas_clock_ids:
                continue
            ticket._saas_guarded(lambda ticket=ticket: ticket._saas_compute_clocks(at))

    def _saas_guarded(self, work):
        """Do something that needs a calendar; without one, ask a person for it.

        :param work: function without arguments
        """
        self.ensure_one()
        try:
            work()
        except SlaCalendarError as error:
            self._saas_raise(
                "sla.no_deadline",
                str(error),
                queue="customer_success",
                severity="high",
                retry_method="saas_retry_sla",
            )

    def _saas_compute_clocks(self, at):
        """Compute every clock of one ticket from its log.

        :param datetime at: naive UTC
        :raise SlaCalendarError: no working time to count in
        """
        self.ensure_one()
        if not self.saas_sla_event_ids:
            self._saas_log("created", at=self.create_date or at)
        self.env["saas.sla.clock"]._refresh_ticket(self, at)
        self._saas_store_status()

    def _saas_store_status(self):
        """Store deadline and status of the clocks, for lists and filters."""
        for ticket in self:
            was_breached = ticket.saas_sla_status == "breached"
            clocks = ticket.saas_clock_ids
            open_clocks = clocks.filtered("is_open")
            dues = [clock.due_at for clock in open_clocks if clock.due_at]
            vals = {
                "saas_next_due_at": min(dues) if dues else False,
                "saas_sla_status": ticket._saas_status(clocks, open_clocks),
            }
            changed = {
                name: value for name, value in vals.items() if ticket[name] != value
            }
            if changed:
                ticket.with_context(tracking_disable=True).write(changed)
            is_late = vals["saas_sla_status"] == "breached" and open_clocks
            if was_breached and not is_late:
                ticket._saas_resolve("sla.breached")

    def _saas_status(self, clocks, open_clocks):
        self.ensure_one()
        if open_clocks:
            states = {clock._get_status() for clock in open_clocks}
            return next(status for status in STATUS_ORDER if status in states)
        decided = clocks.filtered(lambda clock: clock.state in ("met", "breached"))
        if not decided:
            return False
        return (
            "breached"
            if decided.result_ids.filtered(lambda result: result.outcome == "breached")
            else "met"
        )

    def _saas_contract_calendar(self):
        """Hook: the working calendar agreed in the customer's contract.

        :return: resource.calendar, empty where no contract says otherwise
        """
        self.ensure_one()
        return self.env["resource.calendar"]

    def _saas_working_calendar(self):
        """Find whose working time counts: contract, policy, team, company.

        :return: (resource.calendar or empty for 24 x 7, text that says whose it is)
        """
        self.ensure_one()
        policy, team = self.saas_policy_id, self.team_id
        contract = self._saas_contract_calendar()
        if contract:
            return contract, self.env._("%(name)s (contract)", name=contract.name)
        if policy.calendar_mode == "always":
            return contract, self.env._("24 x 7 (policy)")
        if policy.calendar_mode == "calendar" and policy.calendar_id:
            calendar = policy.calendar_id
            return calendar, self.env._("%(name)s (policy)", name=calendar.name)
        if team.saas_calendar_id:
            calendar = team.saas_calendar_id
            return calendar, self.env._("%(name)s (team)", name=calendar.name)
        calendar = self.company_id.resource_calendar_id
        if not calendar:
            raise SlaCalendarError(
                self.env._(
                    "No working time for ticket %(ticket)s: set a calendar on its"
                    " policy, its team or company %(company)s, then retry.",
                    ticket=self.number,
                    company=self.company_id.name,
                )
            )
        return calendar, self.env._("%(name)s (company)", name=calendar.name)

    @api.model
    def _saas_adopt_open_tickets(self):
        """Start the SLA of tickets that were open before the module was installed.

        Their log begins now: nobody is late for a promise that was not yet measured.
        """
        tickets = self.with_context(active_test=True).search(
            [("stage_id.closed", "=", False), ("saas_sla_event_ids", "=", False)]
        )
        tickets._saas_log("created")
        tickets.saas_apply_sla()

    # ------------------------------------------------------------------
    # Routing and portal
    # ------------------------------------------------------------------
    def _saas_find_team(self):
        """Hook: find the team of a ticket nobody gave one, here by its category.

        :return: helpdesk.ticket.team or empty
        """
        self.ensure_one()
        Team = self.env["helpdesk.ticket.team"]
        if not self.category_id:
            return Team
        return Team.search(
            [
                ("category_ids", "in", self.category_id.ids),
                ("company_id", "in", [False, self.company_id.id]),
            ],
            limit=1,
        )

    def _saas_portal_close(self, stage_id):
        """Close a ticket from the portal, on behalf of somebody who may see it.

        :param int stage_id: id of the stage the customer chose
        :raise AccessError: the ticket is not the user's, or an employee who may not
            edit it
        :raise UserError: the ticket cannot be closed with this stage
        """
        self.ensure_one()
        self.check_access("write" if self.env.user._is_internal() else "read")
        # sudo: customers have no right to edit; they may close what they may see
        ticket = self.sudo().exists()
        if not ticket:
            raise AccessError(self.env._("This ticket does not exist."))
        if ticket.stage_id.saas_clock in STOPPED or ticket.stage_id.closed:
            return
        offered = ticket.team_id._get_applicable_stages().filtered("close_from_portal")
        stage = offered.filtered(lambda candidate: candidate.id == stage_id)
        if not stage:
            raise UserError(
                self.env._("Choose one of the offered ways to close this ticket.")
            )
        ticket.stage_id = stage

    def _saas_portal_clocks(self):
        """List the clocks a customer sees: the promised ones that still count.

        :return: saas.sla.clock
        """
        self.ensure_one()
        # sudo: customers have no right on clocks, only on the deadlines of their ticket
        return self.sudo().saas_clock_ids.filtered(
            lambda clock: (
                clock.state != "cancelled"
                and clock.metric in ("first_response", "next_reply", "resolution")
            )
        )
