# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import SUPERUSER_ID, api, fields, models
from odoo.tools import plaintext2html
from odoo.tools.misc import format_date

from ..exceptions import HandoverError

STATES = [
    ("draft", "Being Filled In"),
    ("ready", "Ready"),
    ("taken_over", "Taken Over"),
]
#: What sales promises; fixed once delivery has taken it over.
PROMISES = (
    "scope",
    "goals",
    "date_go_live",
    "contact_ids",
    "special_terms",
    "integrations",
    "risks",
)
#: Who takes handovers over, or returns them.
DELIVERY_GROUPS = (
    "project.group_project_user",
    "saas_core.group_saas_core_customer_success",
)
INCOMPLETE = "order.handover_incomplete"


class SaasHandover(models.Model):
    """What sales promised: written on the opportunity, taken over by delivery."""

    _name = "saas.handover"
    _description = "Handover from Sales to Delivery"
    _inherit = [
        "saas.guard.mixin",
        "saas.mixin",
        "saas.state.mixin",
        "mail.thread",
        "mail.activity.mixin",
    ]
    _order = "date_go_live, id"
    _check_company_auto = True
    _own_fields = (
        "state",
        "project_id",
        "date_ready",
        "taken_over_by_id",
        "taken_over_at",
        "question",
    )

    name = fields.Char(compute="_compute_facts", store=True)
    lead_id = fields.Many2one(
        "crm.lead", string="Opportunity", index="btree_not_null", ondelete="set null"
    )
    order_id = fields.Many2one(
        "sale.order",
        index="btree_not_null",
        check_company=True,
        ondelete="set null",
    )
    project_id = fields.Many2one(
        "project.project",
        string="Onboarding Project",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
    )
    partner_id = fields.Many2one(
        "res.partner",
        string="Customer",
        compute="_compute_facts",
        store=True,
        index="btree_not_null",
    )
    user_id = fields.Many2one(
        "res.users",
        string="Salesperson",
        compute="_compute_facts",
        store=True,
        index="btree_not_null",
    )
    company_id = fields.Many2one(
        "res.company",
        compute="_compute_company_id",
        store=True,
        required=True,
        precompute=True,
        index=True,
    )
    scope = fields.Text(
        tracking=True, help="What is delivered, and what the customer must not expect."
    )
    goals = fields.Text(
        help="What the customer wants to reach, and how it is measured."
    )
    date_go_live = fields.Date(
        string="Promised Go-Live",
        tracking=True,
        help="The day the customer was told they can work with it.",
    )
    contact_ids = fields.One2many(
        "saas.handover.contact", "handover_id", string="Contacts", copy=True
    )
    special_terms = fields.Text(help="Whatever was agreed that no package contains.")
    integrations = fields.Text(help="Systems to be connected.")
    risks = fields.Text(help="What could delay or endanger it.")
    state = fields.Selection(
        STATES,
        default="draft",
        required=True,
        readonly=True,
        copy=False,
        tracking=True,
        index=True,
        group_expand=True,
    )
    date_ready = fields.Datetime(string="Ready Since", readonly=True, copy=False)
    taken_over_by_id = fields.Many2one("res.users", readonly=True, copy=False)
    taken_over_at = fields.Datetime(readonly=True, copy=False)
    question = fields.Text(
        string="Question of Delivery", readonly=True, copy=False, tracking=True
    )
    missing = fields.Text(
        compute="_compute_readiness",
        help="What must be filled in before the quotation is sent or confirmed.",
    )
    advice = fields.Text(string="Recommended", compute="_compute_readiness")
    readiness = fields.Integer(
        compute="_compute_readiness",
        help="Share of the blocking points that are fulfilled, in percent.",
    )

    _lead_uniq = models.UniqueIndex(
        "(lead_id) WHERE lead_id IS NOT NULL",
        "This opportunity has a handover already: open it there.",
    )
    _order_uniq = models.UniqueIndex(
        "(order_id) WHERE order_id IS NOT NULL",
        "This order has a handover already: open it there.",
    )

    # ------------------------------------------------------------------
    # Computes
    # ------------------------------------------------------------------
    @api.depends(
        "lead_id.name",
        "lead_id.partner_id",
        "lead_id.user_id",
        "order_id.name",
        "order_id.partner_id",
        "order_id.user_id",
    )
    def _compute_facts(self):
        for handover in self:
            # sudo: delivery reads the handover, not the pipeline it comes from
            lead, order = handover.sudo().lead_id, handover.sudo().order_id
            partner = order.partner_id or lead.partner_id
            handover.partner_id = partner or handover.partner_id
            handover.user_id = order.user_id or lead.user_id or handover.user_id
            handover.name = (
                lead.name
                or " ".join(filter(None, (partner.name, order.name)))
                or handover.name
                or self.env._("Handover")
            )

    @api.depends("lead_id.company_id", "order_id.company_id")
    def _compute_company_id(self):
        for handover in self:
            # sudo: see above
            company = handover.sudo().order_id.company_id
            company = company or handover.sudo().lead_id.company_id
            handover.company_id = company or handover.company_id or self.env.company

    @api.depends("contact_ids.role", "order_id", "lead_id", "state", *PROMISES)
    def _compute_readiness(self):
        for handover in self:
            # sudo: anybody who sees the handover may know what it still lacks
            own = handover.sudo()
            checks = own.env["saas.handover.check"]._get_for(own)
            unmet = checks.filtered(lambda check, own=own: not check._is_met(own))
            needed = checks.filtered("is_blocking")
            lines = (unmet & needed).mapped("message") + own._get_date_problems()
            handover.missing = "\n".join(lines)
            handover.advice = "\n".join((unmet - needed).mapped("message"))
            met = len(needed - unmet)
            handover.readiness = 100 * met // len(needed) if needed else 100

    def _get_date_problems(self) -> list[str]:
        day = self.date_go_live
        if self.state != "draft" or self.project_id or not day:
            return []
        if day >= fields.Date.context_today(self):
            return []
        return [
            self.env._(
                "The promised go-live (%(day)s) has passed: agree on a new day.",
                day=format_date(self.env, day),
            )
        ]

    @api.constrains("lead_id", "order_id")
    def _check_origin(self):
        for handover in self:
            if not (handover.lead_id or handover.order_id or handover.project_id):
                raise HandoverError(
                    self.env._(
                        "A handover belongs to an opportunity or an order: open it "
                        "there, with the button Handover."
                    )
                )

    # ------------------------------------------------------------------
    # CRUD
    # ------------------------------------------------------------------
    @api.model_create_multi
    def create(self, vals_list):
        handovers = super().create(vals_list)
        # Without values for either, no constraint looks at a new record.
        handovers._check_origin()
        handovers._settle()
        return handovers

    def write(self, vals):
        self._check_promises(vals)
        result = super().write(vals)
        if any(name in vals for name in PROMISES):
            self._settle()
        return result

    def _check_promises(self, vals: dict):
        """Refuse to change what delivery works by.

        :raise HandoverError: taken over
        """
        taken = self.filtered(lambda handover: handover.state == "taken_over")
        if self.env.su or not taken or not any(name in vals for name in PROMISES):
            return
        raise HandoverError(
            self.env._(
                "%(name)s was taken over by delivery and is what they work by. Ask "
                "them to return it, or make a change request on the project.",
                name=taken[0].name,
            )
        )

    @api.ondelete(at_uninstall=False)
    def _unlink_except_in_delivery(self):
        for handover in self:
            if handover.project_id:
                raise HandoverError(
                    self.env._(
                        "%(name)s belongs to the project %(project)s and is kept.",
                        name=handover.name,
                        project=handover.sudo().project_id.name,
                    )
                )

    # ------------------------------------------------------------------
    # Steps
    # ------------------------------------------------------------------
    def _set_state(self, allowed: set, target: str, vals: dict | None = None):
        """Move one handover; its state has no other writer.

        :raise TransitionError: not from here
        """
        self._check_state(allowed, target)
        # sudo: the step was checked, the state is nobody's to write
        self.sudo().write({"state": target, **(vals or {})})

    def action_ready(self) -> bool:
        """Offer complete handovers to delivery; says what is missing of others.

        :return: True
        :raise HandoverError: something that blocks is missing
        """
        self.check_access("write")
        for handover in self:
            if handover.state == "ready":
                continue
            if handover.missing:
                raise HandoverError(
                    self.env._(
                        "%(name)s is not complete:\n%(missing)s",
                        name=handover.name,
                        missing=handover.missing,
                    )
                )
            handover._do_ready()
        return True

    def _do_ready(self):
        self._set_state(
            {"draft"},
            "ready",
            {"date_ready": fields.Datetime.now(), "question": False},
        )
        self.sudo().activity_feedback(["mail.mail_activity_data_todo"])
        self._saas_emit("handover.ready", {"order": self.sudo().order_id.name or ""})

    def action_take_over(self) -> bool:
        """Take ready handovers over for delivery.

        :return: True
        :raise HandoverError: not for the user, or nothing to deliver yet
        :raise TransitionError: not ready
        """
        self._check_delivery()
        for handover in self.filtered(lambda one: one.state != "taken_over"):
            if not handover.project_id:
                raise HandoverError(
                    self.env._(
                        "%(name)s has no onboarding project yet: it comes with the "
                        "confirmed order.",
                        name=handover.name,
                    )
                )
            handover._agree_date()
            handover._set_state(
                {"ready"},
                "taken_over",
                {
                    "taken_over_by_id": self.env.uid,
                    "taken_over_at": fields.Datetime.now(),
                },
            )
            handover._saas_emit(
                "handover.taken_over", {"project": handover.project_id.id}
            )
        return True

    def _agree_date(self):
        """Taking over means agreeing to the day promised to the customer."""
        # sudo: the step was checked; the agreed day is the manager's to change
        project, day = self.sudo().project_id, self.date_go_live
        if day and not project.saas_live_on and project.saas_go_live_planned != day:
            project.saas_go_live_planned = day

    def action_return(self, question: str) -> bool:
        """Return handovers to sales with a question; the salesperson gets a to-do.

        :param str question: what delivery needs to know
        :return: True
        :raise HandoverError: not for the user, no question, nobody to ask
        :raise TransitionError: sales still works on it
        """
        self._check_delivery()
        question = (question or "").strip()
        if not question:
            raise HandoverError(
                self.env._("Write down what you need to know from sales.")
            )
        for handover in self:
            person = handover._get_person_to_ask()
            handover._set_state(
                {"ready", "taken_over"},
                "draft",
                {
                    "question": question,
                    "taken_over_by_id": False,
                    "taken_over_at": False,
                },
            )
            # The to-do must not vanish with the rights of who asks.
            handover.with_user(SUPERUSER_ID).activity_schedule(
                "mail.mail_activity_data_todo",
                summary=self.env._("Delivery asks about the handover"),
                note=plaintext2html(question),
                user_id=person.id,
            )
            handover._saas_emit("handover.returned", {"asked": person.id})
        return True

    def action_open_return(self) -> dict:
        """Open the dialog that asks for the question.

        :return: window action
        """
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Return to Sales"),
            "res_model": "saas.handover.return.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_handover_id": self.id},
        }

    def action_open_project(self) -> dict:
        """Open the onboarding project.

        :return: window action
        """
        self.ensure_one()
        return self.project_id.action_view_tasks()

    def _check_delivery(self):
        """Refuse whoever is not of delivery, or may not see the handover.

        :raise HandoverError: neither project user nor Customer Success
        """
        self.check_access("read")
        user = self.env.user
        if self.env.su or any(user.has_group(group) for group in DELIVERY_GROUPS):
            return
        raise HandoverError(
            self.env._(
                "Handovers are taken over or returned by delivery (users of Project) "
                "or Customer Success. Ask one of them."
            )
        )

    def _get_person_to_ask(self):
        """Return who answers for sales: the salesperson, else the team's leader.

        :raise HandoverError: nobody
        """
        self.ensure_one()
        # sudo: who sells is no secret from delivery
        handover = self.sudo()
        team = handover.order_id.team_id or handover.lead_id.team_id
        people = (handover.user_id | team.user_id)._saas_filter_assignable(
            handover.company_id
        )
        if not people:
            raise HandoverError(
                self.env._(
                    "Nobody of sales can be asked about %(name)s: set a salesperson on "
                    "the order or the opportunity.",
                    name=handover.name,
                )
            )
        return people[0]

    # ------------------------------------------------------------------
    # With the order
    # ------------------------------------------------------------------
    def _link(self, order, project):
        """Tie the handover to a confirmed order and its project, once.

        :param order: ``sale.order``
        :param project: ``project.project``, may be empty
        """
        self.ensure_one()
        vals = {}
        if self.order_id != order:
            vals["order_id"] = order.id
        if project and self.project_id != project:
            vals["project_id"] = project.id
        if vals:
            # sudo: whoever confirms the order starts this, also the customer
            self.sudo().write(vals)
        self._settle()

    def _settle(self):
        """Report what a confirmed order's handover lacks, or that it is complete."""
        for handover in self.sudo():
            order = handover.order_id
            if not order or order.state != "sale" or handover.state != "draft":
                continue
            if not handover.missing:
                order._saas_resolve(INCOMPLETE, self.env._("The handover is complete."))
                if not handover.question:
                    handover._do_ready()
                continue
            order._saas_raise(
                INCOMPLETE,
                self.env._(
                    "%(order)s is confirmed, but delivery lacks facts. Complete the "
                    "handover %(name)s:\n%(missing)s",
                    order=order.name,
                    name=handover.name,
                    missing=handover.missing,
                ),
                queue="sales_ops",
                severity="high",
                retry_method="saas_retry_link_handover",
            )

    def _get_form_action(self) -> dict:
        """Return the window action that opens the handover."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Handover"),
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
        }

    # ------------------------------------------------------------------
    # Hooks
    # ------------------------------------------------------------------
    def _saas_correlation(self):
        """The handover is part of the process of its order, once there is one."""
        self.ensure_one()
        order = self.sudo().order_id
        if order and order.state == "sale":
            return order._saas_correlation()
        return super()._saas_correlation()
