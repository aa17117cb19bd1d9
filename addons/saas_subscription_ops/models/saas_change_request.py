# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import SUPERUSER_ID, api, fields, models

from ..exceptions import ChangeRequestError
from .project_project import ONBOARDING

STATES = [
    ("draft", "Requested"),
    ("estimated", "Estimated"),
    ("quoted", "Quoted"),
    ("accepted", "Accepted"),
    ("declined", "Declined"),
    ("cancelled", "Cancelled"),
]
#: Whoever works on projects sees the hours, not what they are sold for.
PRICE_GROUPS = (
    "sales_team.group_sale_salesman,"
    "account.group_account_readonly,"
    "account.group_account_invoice,"
    "saas_core.group_saas_core_billing_operator,"
    "saas_core.group_saas_core_subscription_manager,"
    "saas_core.group_saas_core_customer_success,"
    "saas_core.group_saas_core_auditor"
)
#: Fixed once the customer has been given the quotation.
TERMS = ("hours", "product_id", "price", "project_id")
FIXED_STATES = ("quoted", "accepted")


class SaasChangeRequest(models.Model):
    """What the customer wants beyond the scope: estimated, quoted, then delivered."""

    _name = "saas.change.request"
    _description = "Change Request"
    _inherit = [
        "saas.guard.mixin",
        "saas.mixin",
        "saas.state.mixin",
        "mail.thread",
        "mail.activity.mixin",
    ]
    _order = "id desc"
    _check_company_auto = True
    _own_fields = ("state", "order_id", "package_id", "task_id")

    name = fields.Char(string="Change", required=True, tracking=True)
    project_id = fields.Many2one(
        "project.project",
        string="Onboarding Project",
        required=True,
        index=True,
        ondelete="restrict",
        domain=list(ONBOARDING),
    )
    partner_id = fields.Many2one(
        related="project_id.partner_id", string="Customer", store=True, index=True
    )
    company_id = fields.Many2one(
        "res.company",
        compute="_compute_company_id",
        store=True,
        precompute=True,
        required=True,
        index=True,
    )
    currency_id = fields.Many2one(related="company_id.currency_id")
    user_id = fields.Many2one(
        "res.users",
        string="Recorded By",
        default=lambda self: self.env.user,
        readonly=True,
        index=True,
    )
    salesperson_id = fields.Many2one(
        "res.users",
        compute="_compute_salesperson_id",
        store=True,
        index="btree_not_null",
    )
    description = fields.Text(help="What has to be done.")
    reason = fields.Text(help="Why the customer wants it, and why it was not in scope.")
    hours = fields.Float(
        string="Estimated Hours", tracking=True, help="Work it takes, in hours."
    )
    product_id = fields.Many2one(
        "product.product",
        string="Sold As",
        compute="_compute_product_id",
        store=True,
        readonly=False,
        check_company=True,
        domain=[("type", "=", "service"), ("sale_ok", "=", True)],
        index="btree_not_null",
        groups=PRICE_GROUPS,
    )
    price = fields.Monetary(
        compute="_compute_price",
        store=True,
        readonly=False,
        groups=PRICE_GROUPS,
        help="Untaxed, for the whole change. Proposed from the product: per hour if it "
        "is sold by time, else its price.",
    )
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
    order_id = fields.Many2one(
        "sale.order",
        string="Quotation",
        readonly=True,
        copy=False,
        ondelete="set null",
        groups=PRICE_GROUPS,
    )
    order_ids = fields.One2many(
        "sale.order",
        "saas_change_request_id",
        string="All Quotations",
        readonly=True,
        groups=PRICE_GROUPS,
    )
    package_id = fields.Many2one(
        "saas.onboarding.package",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
    )
    task_id = fields.Many2one(
        "project.task",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
    )

    _hours_not_negative = models.Constraint(
        "CHECK (COALESCE(hours, 0) >= 0)", "Enter the estimated hours as 0 or more."
    )
    _price_not_negative = models.Constraint(
        "CHECK (COALESCE(price, 0) >= 0)",
        "A change can't have a negative price: enter 0 or more.",
    )
    _order_uniq = models.UniqueIndex(
        "(order_id) WHERE order_id IS NOT NULL",
        "This quotation belongs to another change request.",
    )

    # ------------------------------------------------------------------
    # Computes
    # ------------------------------------------------------------------
    @api.depends("project_id")
    def _compute_company_id(self):
        for request in self:
            # sudo: the order says the company where the project has none
            project = request.sudo().project_id
            company = project.company_id or project.saas_order_id.company_id
            request.company_id = company or self.env.company

    @api.depends("project_id.saas_order_id.user_id", "project_id.saas_subscription_id")
    def _compute_salesperson_id(self):
        for request in self:
            project = request.sudo().project_id
            request.salesperson_id = (
                project.saas_order_id.user_id or project.saas_subscription_id.user_id
            )

    @api.depends("project_id", "company_id")
    def _compute_product_id(self):
        for request in self:
            if request.state in FIXED_STATES:
                continue
            company = request.company_id
            request.product_id = (
                company.saas_change_product_id
                if request._get_subscription()
                else company.saas_change_order_product_id
            )

    @api.depends("product_id", "hours")
    def _compute_price(self):
        for request in self:
            if request.state in FIXED_STATES:
                continue
            product = request.product_id.with_company(request.company_id)
            price = product.lst_price * request._get_quantity()
            request.price = request.currency_id.round(price) if product else 0

    def _get_quantity(self) -> float:
        """Return the quantity to sell: the hours if the product is sold by time."""
        self.ensure_one()
        hour = self.env.ref("uom.product_uom_hour", raise_if_not_found=False)
        unit = self.product_id.uom_id
        if not hour or not unit or not unit._has_common_reference(hour):
            return 1.0
        return hour._compute_quantity(self.hours, unit, round=False)

    # ------------------------------------------------------------------
    # CRUD
    # ------------------------------------------------------------------
    @api.model_create_multi
    def create(self, vals_list):
        requests = super().create(vals_list)
        for request in requests:
            request._saas_emit(
                "onboarding.change_requested", {"project": request.project_id.id}
            )
            request._plan_activity(
                request.project_id.user_id, self.env._("Estimate the change")
            )
        return requests

    def write(self, vals):
        fixed = self.filtered(lambda request: request.state in FIXED_STATES)
        if fixed and not self.env.su and any(name in vals for name in TERMS):
            raise ChangeRequestError(
                self.env._(
                    "%(name)s is quoted, its terms are those of the quotation. Cancel "
                    "the quotation to change the estimate.",
                    name=fixed[0].name,
                )
            )
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_quoted(self):
        for request in self:
            # sudo: whether there is a quotation, no more
            if request.sudo().order_id or request.package_id:
                raise ChangeRequestError(
                    self.env._(
                        "%(name)s was quoted and is kept. Cancel it instead.",
                        name=request.name,
                    )
                )

    # ------------------------------------------------------------------
    # Steps
    # ------------------------------------------------------------------
    def action_estimate(self) -> bool:
        """Offer the estimate to sales.

        :return: True
        :raise ChangeRequestError: no hours
        :raise TransitionError: quoted or closed
        """
        self.check_access("write")
        for request in self:
            if request.hours <= 0:
                raise ChangeRequestError(
                    self.env._(
                        "%(name)s: enter the estimated hours first.", name=request.name
                    )
                )
            request._set_state({"draft"}, "estimated")
            request.sudo().activity_feedback(["mail.mail_activity_data_todo"])
            request._plan_activity(
                request.salesperson_id, self.env._("Quote the change")
            )
        return True

    def action_cancel(self) -> bool:
        """Give changes up that nobody has agreed to.

        :return: True
        :raise ChangeRequestError: a quotation is out
        :raise TransitionError: accepted
        """
        self.check_access("write")
        for request in self:
            # sudo: the state of the quotation, no more
            order = request.sudo().order_id
            if order and order.state in ("draft", "sent"):
                raise ChangeRequestError(
                    self.env._(
                        "Quotation %(order)s of %(name)s is open: cancel it, then the "
                        "change.",
                        order=order.name,
                        name=request.name,
                    )
                )
            request._set_state({"draft", "estimated", "declined"}, "cancelled")
            request.sudo().activity_unlink(["mail.mail_activity_data_todo"])
        return True

    def action_reset(self) -> bool:
        """Estimate again what was declined or given up.

        :return: True
        :raise TransitionError: still open, or accepted
        """
        self.check_access("write")
        for request in self:
            request._set_state({"estimated", "declined", "cancelled"}, "draft")
        return True

    def _plan_activity(self, user, summary: str):
        """Give somebody a to-do, unless it is their own doing."""
        self.ensure_one()
        people = user._saas_filter_assignable(self.company_id)
        if people and people != self.env.user:
            self.with_user(SUPERUSER_ID).activity_schedule(
                "mail.mail_activity_data_todo", summary=summary, user_id=people.id
            )

    # ------------------------------------------------------------------
    # Hooks
    # ------------------------------------------------------------------
    def _get_subscription(self):
        """Return the running subscription the change can be charged by, or none."""
        self.ensure_one()
        # sudo: delivery need not see subscriptions to have its change quoted
        subscription = self.sudo().project_id.saas_subscription_id
        return subscription.filtered(
            lambda own: own.state in ("trial", "active", "paused")
        )

    def _saas_correlation(self):
        """A change is part of the process of its project."""
        self.ensure_one()
        return self.project_id._saas_correlation()
