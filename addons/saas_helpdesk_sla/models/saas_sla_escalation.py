# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .saas_sla_policy_target import METRICS


class SaasSlaEscalation(models.Model):
    """One step of a policy's ladder: what to do how long before or after a deadline."""

    _name = "saas.sla.escalation"
    _description = "SLA Escalation Step"
    _order = "policy_id, sequence, id"

    policy_id = fields.Many2one(
        "saas.sla.policy", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(
        related="policy_id.company_id", store=True, index="btree_not_null"
    )
    name = fields.Char(required=True, translate=True)
    active = fields.Boolean(default=True)
    sequence = fields.Integer(default=10)
    metric = fields.Selection(METRICS, required=True, default="resolution")
    offset_minutes = fields.Integer(
        string="Minutes",
        help="Distance from the deadline. 0: at the deadline.",
    )
    direction = fields.Selection(
        [("before", "before the deadline"), ("after", "after the deadline")],
        required=True,
        default="after",
    )
    is_working_time = fields.Boolean(
        string="Working Time",
        default=True,
        help="Count the distance in working time, as the target itself. Off: by the"
        " clock, also at night and on holidays.",
    )
    action = fields.Selection(
        [
            ("notify", "Notify"),
            ("activity", "Plan an activity"),
            ("reassign", "Reassign"),
            ("priority", "Raise the priority"),
            ("leader", "Add the team leader as follower"),
            ("server_action", "Run a server action"),
        ],
        required=True,
        default="notify",
    )
    recipient = fields.Selection(
        [
            ("assignee", "Assignee, else the team leader"),
            ("leader", "Team leader"),
            ("users", "These users"),
        ],
        default="assignee",
        required=True,
    )
    user_ids = fields.Many2many(
        "res.users", string="Users", domain=[("share", "=", False)]
    )
    user_id = fields.Many2one(
        "res.users",
        string="Assign To",
        domain=[("share", "=", False)],
        help="Empty: the team's assignment method chooses somebody else.",
    )
    activity_type_id = fields.Many2one("mail.activity.type")
    server_action_id = fields.Many2one(
        "ir.actions.server", domain=[("model_id.model", "=", "helpdesk.ticket")]
    )
    note = fields.Text(translate=True, help="Shown in the notification or activity.")

    _offset_positive = models.Constraint(
        "CHECK (offset_minutes >= 0)",
        "Enter the distance as a positive number of minutes; choose before or after.",
    )

    @api.constrains("action", "recipient", "user_ids", "server_action_id")
    def _check_action(self):
        for step in self:
            if step.action == "server_action" and not step.server_action_id:
                raise ValidationError(
                    self.env._(
                        "Choose the server action of step “%(name)s”.", name=step.name
                    )
                )
            if (
                step.action in ("notify", "activity")
                and step.recipient == "users"
                and not step.user_ids
            ):
                raise ValidationError(
                    self.env._(
                        "Choose the users step “%(name)s” informs.", name=step.name
                    )
                )

    @api.constrains("server_action_id")
    def _check_server_action_model(self):
        for step in self:
            action = step.server_action_id
            if action and action.sudo().model_id.model != "helpdesk.ticket":
                raise ValidationError(
                    self.env._(
                        "The server action of step “%(name)s” must work on tickets.",
                        name=step.name,
                    )
                )

    # ------------------------------------------------------------------
    # Running a step
    # ------------------------------------------------------------------
    def _run(self, clock, at):
        """Do what the step says for one clock. The caller logs that it ran.

        :param clock: one saas.sla.clock
        :param datetime at: moment the step is run for, naive UTC
        :return: text for the log
        """
        self.ensure_one()
        return getattr(self, f"_run_{self.action}")(clock, at)

    def _get_recipients(self, ticket):
        """Find whom the step addresses.

        :param ticket: one helpdesk.ticket
        :return: active internal res.users, possibly empty
        """
        self.ensure_one()
        if self.recipient == "users":
            users = self.user_ids
        elif self.recipient == "leader":
            users = ticket.team_id.user_id
        else:
            users = ticket.user_id or ticket.team_id.user_id
        return users.filtered(lambda user: user.active and not user.share)

    def _get_message(self, clock):
        self.ensure_one()
        return self.env._(
            "%(step)s: %(metric)s of ticket %(ticket)s is due %(due)s.",
            step=self.name,
            metric=clock._get_metric_label(),
            ticket=clock.ticket_id.display_name,
            due=clock._format_due(),
        )

    def _run_notify(self, clock, at):
        ticket = clock.ticket_id
        users = self._get_recipients(ticket)
        if not users:
            return self._no_recipient(ticket)
        body = self._get_message(clock)
        ticket.message_notify(
            partner_ids=users.partner_id.ids,
            subject=self.name,
            body="\n".join(filter(None, [body, self.note])),
            model=ticket._name,
            res_id=ticket.id,
        )
        return self.env._("notified %(names)s", names=", ".join(users.mapped("name")))

    def _run_activity(self, clock, at):
        ticket = clock.ticket_id
        users = self._get_recipients(ticket)
        if not users:
            return self._no_recipient(ticket)
        # The activity itself is the message; who wants mail as well adds a step.
        for user in users:
            ticket.with_context(mail_activity_quick_update=True).activity_schedule(
                activity_type_id=(
                    self.activity_type_id.id
                    or self.env.ref("mail.mail_activity_data_todo").id
                ),
                date_deadline=fields.Datetime.context_timestamp(ticket, at).date(),
                summary=self._get_message(clock),
                note=self.note or False,
                user_id=user.id,
            )
        return self.env._(
            "activity for %(names)s", names=", ".join(users.mapped("name"))
        )

    def _run_reassign(self, clock, at):
        ticket = clock.ticket_id
        user = self.user_id or ticket.team_id._saas_next_assignee(
            ticket, exclude=ticket.user_id
        )
        if not user:
            return self.env._("nobody else in the team can take the ticket")
        ticket.user_id = user
        return self.env._("assigned to %(name)s", name=user.name)

    def _run_priority(self, clock, at):
        ticket = clock.ticket_id
        priority = int(ticket.priority or "0")
        if priority >= 3:
            return self.env._("priority is the highest already")
        ticket.priority = str(priority + 1)
        return self.env._("priority raised")

    def _run_leader(self, clock, at):
        ticket = clock.ticket_id
        leader = ticket.team_id.user_id
        if not leader:
            return self.env._("the team has no leader")
        ticket.message_subscribe(partner_ids=leader.partner_id.ids)
        return self.env._("%(name)s follows", name=leader.name)

    def _run_server_action(self, clock, at):
        ticket = clock.ticket_id
        self.server_action_id.with_context(
            active_model=ticket._name, active_id=ticket.id, active_ids=ticket.ids
        ).run()
        return self.env._("ran %(name)s", name=self.server_action_id.name)

    def _no_recipient(self, ticket):
        """Tell a person that a step reached nobody.

        :param ticket: one helpdesk.ticket
        :return: text for the log
        """
        message = self.env._(
            "Escalation step “%(step)s” found nobody to inform: assign the ticket or"
            " give team %(team)s a leader.",
            step=self.name,
            team=ticket.team_id.name or self.env._("(none)"),
        )
        ticket._saas_raise(
            "sla.no_recipient", message, queue="customer_success", severity="high"
        )
        return self.env._("nobody to inform")
