# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .saas_sla_policy_target import PRIORITIES


class SaasSlaPolicy(models.Model):
    """Who gets which targets. The first policy that matches a ticket applies."""

    _name = "saas.sla.policy"
    _description = "SLA Policy"
    _inherit = ["mail.thread"]
    _order = "sequence, id"
    _check_company_auto = True

    name = fields.Char(required=True, translate=True, tracking=True)
    active = fields.Boolean(default=True, tracking=True)
    sequence = fields.Integer(
        default=10, help="The first matching policy from the top applies."
    )
    company_id = fields.Many2one(
        "res.company",
        index="btree_not_null",
        help="Empty: the policy holds for every company.",
    )
    note = fields.Text(string="Description", translate=True)
    tier_ids = fields.Many2many("saas.support.tier", string="Support Tiers")
    # Conditions are not company checked: a policy for every company may ask for a team
    # of one of them, and simply matches nobody else's tickets.
    team_ids = fields.Many2many("helpdesk.ticket.team", string="Teams")
    category_ids = fields.Many2many("helpdesk.ticket.category", string="Categories")
    tag_ids = fields.Many2many("helpdesk.ticket.tag", string="Tags")
    priority_min = fields.Selection(PRIORITIES, string="Priority From")
    priority_max = fields.Selection(PRIORITIES, string="Priority To")
    calendar_mode = fields.Selection(
        [
            ("inherit", "Of the team or company"),
            ("calendar", "A calendar"),
            ("always", "24 x 7"),
        ],
        string="Working Time",
        required=True,
        default="inherit",
        help="A calendar agreed in the customer's contract always comes first.",
    )
    calendar_id = fields.Many2one("resource.calendar", check_company=True)
    target_ids = fields.One2many("saas.sla.policy.target", "policy_id", copy=True)
    escalation_ids = fields.One2many("saas.sla.escalation", "policy_id", copy=True)
    condition = fields.Char(compute="_compute_condition")
    open_ticket_count = fields.Integer(compute="_compute_open_ticket_count")

    @api.depends(
        "tier_ids",
        "team_ids",
        "category_ids",
        "tag_ids",
        "priority_min",
        "priority_max",
    )
    def _compute_condition(self):
        for policy in self:
            policy.condition = policy._get_condition() or self.env._("Every ticket")

    def _compute_open_ticket_count(self):
        counts = dict(
            self.env["helpdesk.ticket"]._read_group(
                [("saas_policy_id", "in", self.ids), ("closed", "=", False)],
                ["saas_policy_id"],
                ["__count"],
            )
        )
        for policy in self:
            policy.open_ticket_count = counts.get(policy, 0)

    @api.constrains("calendar_mode", "calendar_id")
    def _check_calendar(self):
        for policy in self:
            if policy.calendar_mode == "calendar" and not policy.calendar_id:
                raise ValidationError(
                    self.env._(
                        "Choose the calendar of policy “%(name)s”, or set its working"
                        " time to the team's.",
                        name=policy.name,
                    )
                )

    @api.constrains("priority_min", "priority_max")
    def _check_priorities(self):
        for policy in self:
            low, high = policy.priority_min, policy.priority_max
            if low and high and low > high:
                raise ValidationError(
                    self.env._(
                        "The priority range of policy “%(name)s” is empty: swap its"
                        " two ends.",
                        name=policy.name,
                    )
                )

    @api.ondelete(at_uninstall=False)
    def _unlink_except_used(self):
        # sudo: tickets the user may not see are in use all the same
        used = self.env["helpdesk.ticket"].sudo().with_context(active_test=False)
        if used.search_count([("saas_policy_id", "in", self.ids)], limit=1):
            raise ValidationError(
                self.env._(
                    "Tickets were measured by this policy, so it must stay readable."
                    " Archive it: new tickets will no longer get it."
                )
            )

    def copy_data(self, default=None):
        vals_list = super().copy_data(default)
        for policy, vals in zip(self, vals_list, strict=True):
            if "name" not in (default or {}):
                vals["name"] = self.env._("%(name)s (copy)", name=policy.name)
        return vals_list

    def action_view_tickets(self):
        """Show the open tickets this policy measures.

        :return: window action
        """
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Open Tickets"),
            "res_model": "helpdesk.ticket",
            "view_mode": "list,kanban,form",
            "domain": [("saas_policy_id", "=", self.id), ("closed", "=", False)],
        }

    # ------------------------------------------------------------------
    # Matching
    # ------------------------------------------------------------------
    @api.model
    def _find_for(self, ticket):
        """Find the policy of a ticket: the first from the top that matches.

        :param ticket: one helpdesk.ticket
        :return: (policy or empty, position from the top counted from 1, number of
            policies looked at)
        """
        # The company is part of the domain: record rules do not hold for the mail
        # gateway and the portal, which work as superuser.
        policies = self.search(
            [("company_id", "in", [False, ticket.company_id.id])],
        )
        for position, policy in enumerate(policies, 1):
            if policy._is_match(ticket):
                return policy, position, len(policies)
        return self.browse(), 0, len(policies)

    def _is_match(self, ticket):
        """Tell whether this policy applies to a ticket.

        Extension point: call super and add conditions.

        :param ticket: one helpdesk.ticket
        :return: True when every filled condition holds
        """
        self.ensure_one()
        priority = ticket.priority or "0"
        return (
            (not self.tier_ids or ticket.saas_support_tier_id in self.tier_ids)
            and (not self.team_ids or ticket.team_id in self.team_ids)
            and (not self.category_ids or ticket.category_id in self.category_ids)
            and (not self.tag_ids or bool(ticket.tag_ids & self.tag_ids))
            and (not self.priority_min or priority >= self.priority_min)
            and (not self.priority_max or priority <= self.priority_max)
        )

    def _get_condition(self):
        """Describe the conditions, for the list and the "why this policy" line.

        :return: text such as ``tier Premium, priority High or above``; empty when the
            policy takes every ticket
        """
        self.ensure_one()
        labels = dict(self._fields["priority_min"]._description_selection(self.env))
        parts = [
            (self.env._("tier"), self.tier_ids),
            (self.env._("team"), self.team_ids),
            (self.env._("category"), self.category_ids),
            (self.env._("tag"), self.tag_ids),
        ]
        texts = [
            f"{label} {', '.join(records.mapped('display_name'))}"
            for label, records in parts
            if records
        ]
        if self.priority_min:
            texts.append(
                self.env._("priority from %(low)s", low=labels[self.priority_min])
            )
        if self.priority_max:
            texts.append(
                self.env._("priority up to %(high)s", high=labels[self.priority_max])
            )
        return ", ".join(texts)

    def _get_target(self, metric, priority):
        """Find the target of a metric: the one of the priority, else the general one.

        :param str metric: code of the metric
        :param str priority: priority of the ticket
        :return: saas.sla.policy.target, empty when the policy does not measure it
        """
        targets = self.target_ids.filtered(lambda target: target.metric == metric)
        exact = targets.filtered(lambda target: target.priority == (priority or "0"))
        return (exact or targets.filtered(lambda target: not target.priority))[:1]
