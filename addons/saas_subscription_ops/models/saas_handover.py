# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
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
    # Hooks
    # ------------------------------------------------------------------
    def _saas_correlation(self):
        """The handover is part of the process of its order, once there is one."""
        self.ensure_one()
        order = self.sudo().order_id
        if order and order.state == "sale":
            return order._saas_correlation()
        return super()._saas_correlation()
