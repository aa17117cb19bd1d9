# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import uuid

from odoo import api, fields, models

from .helpdesk_ticket_stage import STOPPED

#: Writing one of these can move a ticket to another stage, directly or by compute.
STAGE_TRIGGERS = {"stage_id", "team_id", "user_id"}
#: Messages the system writes; they are no answer and no question.
AUTOMATIC_TYPES = (
    "notification",
    "auto_comment",
    "user_notification",
    "out_of_office",
)


class HelpdeskTicket(models.Model):
    """Account facts on the ticket, and the ticket log its clocks are computed from."""

    _name = "helpdesk.ticket"
    _inherit = ["helpdesk.ticket", "saas.mixin"]

    saas_support_tier_id = fields.Many2one(
        related="commercial_partner_id.saas_support_tier_id",
        string="Support Tier",
        groups="base.group_user",
    )
    saas_lifecycle = fields.Selection(
        related="commercial_partner_id.saas_lifecycle",
        string="Lifecycle",
        groups="base.group_user",
    )
    saas_standing = fields.Selection(
        related="commercial_partner_id.saas_standing",
        string="Standing",
        groups="base.group_user",
    )
    saas_csm_id = fields.Many2one(
        related="commercial_partner_id.saas_csm_id",
        string="Customer Success",
        groups="base.group_user",
    )
    saas_sla_event_ids = fields.One2many(
        "saas.sla.event", "ticket_id", string="Ticket Log", groups="base.group_user"
    )

    # ------------------------------------------------------------------
    # CRUD
    # ------------------------------------------------------------------
    @api.model
    def default_get(self, fields):
        defaults = super().default_get(fields)
        # helpdesk_mgmt proposes whoever is logged in, be it a customer or the mail
        # gateway. Only agents work on tickets.
        if defaults.get("user_id") and not self.env.user._saas_is_agent():
            defaults["user_id"] = False
        return defaults

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            # Every ticket emits sooner or later; here it costs no write of its own.
            vals.setdefault(
                "saas_correlation_id",
                self.env.context.get("saas_correlation_id") or uuid.uuid4().hex,
            )
        tickets = super().create(vals_list)
        tickets._saas_log("created")
        return tickets

    def write(self, vals):
        if not STAGE_TRIGGERS & vals.keys():
            return super().write(vals)
        before = {ticket: ticket.stage_id for ticket in self}
        result = super().write(vals)
        # Reading the stage also runs its compute: a change of team moves tickets to
        # another stage without passing through write().
        moved = self.filtered(lambda ticket: ticket.stage_id != before[ticket])
        if moved:
            moved._saas_stage_moved(before)
        return result

    def _saas_stage_moved(self, before):
        """Log tickets that entered another stage and bring their clocks up to date.

        :param dict before: ticket -> stage it was in
        """
        reopened = self.filtered(
            lambda ticket: ticket.closed_date and not ticket.stage_id.closed
        )
        if reopened:
            # helpdesk_mgmt keeps the closing date of a ticket that is open again.
            reopened.closed_date = False
        for ticket in self:
            was, now = before[ticket].saas_clock, ticket.stage_id.saas_clock
            is_reopened = was in STOPPED and now not in STOPPED
            ticket._saas_log("reopened" if is_reopened else "stage")
        self._saas_refresh_sla()

    # ------------------------------------------------------------------
    # Ticket log
    # ------------------------------------------------------------------
    @api.model
    def _saas_now(self):
        """Return the moment something happens, naive UTC, whole seconds.

        The context key ``saas_sla_at`` replaces the clock when history is written after
        the fact: imports, demonstrations, tests.
        """
        at = self.env.context.get("saas_sla_at")
        return fields.Datetime.to_datetime(at) if at else fields.Datetime.now()

    def _saas_log(self, kind, message=None, payload=None, at=None):
        """Append one row per ticket to the ticket log.

        :param str kind: kind of saas.sla.event
        :param message: the mail.message that was read or sent
        :param dict payload: what else is worth keeping; ``text`` is shown
        :param datetime at: when it happened, naive UTC; default now
        :return: the saas.sla.event records
        """
        at = at or self._saas_now()
        # sudo: nobody may write the log by hand, the act that is logged was allowed
        events = (
            self.env["saas.sla.event"]
            .sudo()
            .create(
                [
                    {
                        "ticket_id": ticket.id,
                        "company_id": ticket.company_id.id,
                        "kind": kind,
                        "meaning": ticket.stage_id.saas_clock or "run",
                        "stage_id": ticket.stage_id.id,
                        "occurred_at": at,
                        "message_id": message.id if message else False,
                        "user_id": self.env.uid,
                        "payload": payload or False,
                    }
                    for ticket in self.sudo()
                ]
            )
        )
        return events

    # ------------------------------------------------------------------
    # Messages
    # ------------------------------------------------------------------
    @api.model
    def message_new(self, msg, custom_values=None):
        # The mail gateway works as the sender or as OdooBot: neither is the assignee.
        values = {"user_id": False, **(custom_values or {})}
        return super().message_new(msg, custom_values=values)

    def _message_post_after_hook(self, message, msg_values):
        result = super()._message_post_after_hook(message, msg_values)
        kind = self._saas_message_kind(message.sudo())
        if kind:
            self._saas_log(kind, message=message)
            self._saas_refresh_sla()
        return result

    def _saas_message_kind(self, message):
        """Tell whether a message is the customer's, an agent's answer, or neither.

        Extension point for channels that post in a way of their own.

        :param message: one mail.message
        :return: ``customer_message``, ``agent_reply`` or False
        """
        self.ensure_one()
        if (
            message.is_internal
            or message.subtype_id.internal
            or not message.subtype_id
            or message.subtype_id == self._creation_subtype()
            or message.message_type in AUTOMATIC_TYPES
        ):
            return False
        author = message.author_id
        if author == self.env.ref("base.partner_root"):
            return False
        if not author or author.partner_share or author == self.partner_id:
            return "customer_message"
        return "agent_reply"

    # ------------------------------------------------------------------
    # Closing and reopening
    # ------------------------------------------------------------------
    def saas_reopen(self):
        """Open solved tickets again; tickets that are not solved stay as they are.

        Called by the shipped rule when the customer writes on a solved ticket.

        :return: the tickets that were opened
        :raise AccessError: the user may not edit the tickets
        """
        self.check_access("write")
        opened = self.browse()
        for ticket in self:
            if ticket.stage_id.saas_clock != "stop_solved":
                continue
            stage = ticket._saas_reopen_stage()
            if not stage:
                ticket._saas_raise(
                    "sla.no_running_stage",
                    self.env._(
                        "The customer answered a solved ticket, but its team has no"
                        " stage in which the clock runs. Add one and move the ticket."
                    ),
                    queue="customer_success",
                )
                continue
            ticket.stage_id = stage
            ticket._saas_emit("ticket.reopened", {"stage": stage.name})
            opened |= ticket
        return opened

    def _saas_reopen_stage(self):
        """Find the stage a ticket is reopened in: in progress, else the first open."""
        self.ensure_one()
        stages = self.team_id._get_applicable_stages().filtered(
            lambda stage: stage.saas_clock == "run"
        )
        return (stages.filtered(lambda stage: not stage.unattended) or stages)[:1]

    # ------------------------------------------------------------------
    # KPI
    # ------------------------------------------------------------------
    @api.model
    def _saas_kpi_open_tickets(self, kpi, company, date_start, date_end):
        """Number of tickets open at the end of a period.

        A ticket is open from its creation until its closing date.

        :param kpi: the saas.kpi
        :param company: one res.company
        :param date date_start: first day, UTC
        :param date date_end: day after the last, UTC
        :return: list with one row
        """
        end = fields.Datetime.to_datetime(date_end)
        domain = [
            ("company_id", "=", company.id),
            ("create_date", "<", end),
            "|",
            ("stage_id.closed", "=", False),
            ("closed_date", ">=", end),
        ]
        # sudo: a company's figure does not depend on who computes it
        count = self.sudo().search_count(domain)
        return [
            {
                "value": count,
                "domain": domain,
                "inputs": {"open": count},
            }
        ]
