# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import Command, api, fields, models
from odoo.exceptions import ValidationError

#: Delivery reads orders, by Odoo's own rights; what they are worth is not added to it.
VALUE_GROUPS = (
    "sales_team.group_sale_salesman,"
    "account.group_account_readonly,"
    "account.group_account_invoice,"
    "saas_core.group_saas_core_user"
)


class SaleOrder(models.Model):
    """What a quotation says about the subscription it sells."""

    _name = "sale.order"
    _inherit = ["sale.order", "saas.mixin"]

    saas_plan_id = fields.Many2one(
        "saas.plan",
        string="Subscription Plan",
        compute="_compute_saas_plan_id",
        store=True,
        index="btree_not_null",
    )
    saas_order_kind = fields.Selection(
        [
            ("new", "New subscription"),
            ("amendment", "Amendment"),
            ("renewal", "Renewal"),
        ],
        string="Kind of Order",
        default="new",
        required=True,
        readonly=True,
        index=True,
    )
    saas_amended_subscription_id = fields.Many2one(
        "saas.subscription",
        string="Amended Subscription",
        readonly=True,
        check_company=True,
        index="btree_not_null",
        ondelete="restrict",
    )
    saas_start_date = fields.Date(
        string="Subscription Start",
        copy=False,
        help="First day of the subscription. Empty: the day of the confirmation. On "
        "an amendment or renewal: the day it takes effect.",
    )
    saas_term_months = fields.Integer(
        string="Term (months)",
        compute="_compute_saas_term_months",
        store=True,
        readonly=False,
        help="Length of the contract term. 0: open ended.",
    )
    saas_coupon_id = fields.Many2one(
        "saas.coupon",
        string="Coupon",
        compute="_compute_saas_coupon_id",
        store=True,
        readonly=False,
        domain="[('is_redeemable', '=', True), ('company_id', 'in', (False, "
        "company_id))]",
        check_company=True,
        index="btree_not_null",
        copy=False,
    )
    saas_ramp_ids = fields.One2many(
        "saas.order.ramp",
        "order_id",
        string="Ramp Prices",
        copy=False,
        groups=VALUE_GROUPS,
    )
    saas_quote_problem = fields.Text(
        string="Why it can't become a subscription",
        compute="_compute_saas_quote_problem",
        # Who sees the order may know; what it is compared with is not shown.
        compute_sudo=True,
    )
    saas_has_line_problem = fields.Boolean(compute="_compute_saas_has_line_problem")
    saas_subscription_ids = fields.One2many("saas.subscription", "order_id")
    saas_subscription_count = fields.Integer(
        string="Subscriptions", compute="_compute_saas_counts"
    )
    saas_own_project_ids = fields.One2many(
        "project.project", "saas_order_id", string="Projects Made for It"
    )
    saas_package_ids = fields.One2many(
        "saas.onboarding.package", "order_id", string="Onboarding Packages"
    )
    saas_onboarding_project_ids = fields.Many2many(
        "project.project",
        string="Onboarding Projects",
        compute="_compute_saas_onboarding_project_ids",
        compute_sudo=True,
        help="Projects that deliver packages of the order; the project of an earlier "
        "order may deliver those of a later one.",
    )
    saas_onboarding_count = fields.Integer(
        string="Onboarding", compute="_compute_saas_counts"
    )
    saas_signed_attachment_id = fields.Many2one(
        "ir.attachment",
        string="Signed Document",
        readonly=True,
        copy=False,
        ondelete="set null",
        index="btree_not_null",
    )

    _saas_term_not_negative = models.Constraint(
        "CHECK (saas_term_months IS NULL OR saas_term_months >= 0)",
        "The term of a subscription can't be negative. 0: open ended.",
    )
    _saas_kind_known = models.Constraint(
        "CHECK (saas_order_kind = 'new' OR saas_amended_subscription_id IS NOT NULL)",
        "An amendment or renewal is about a subscription: quote it from there.",
    )

    # ------------------------------------------------------------------
    # Computes
    # ------------------------------------------------------------------
    @api.depends(
        "order_line.product_id.saas_plan_id",
        "order_line.display_type",
        "saas_amended_subscription_id",
    )
    def _compute_saas_plan_id(self):
        for order in self:
            amended = order.saas_amended_subscription_id.plan_id
            order.saas_plan_id = amended or order._saas_get_plans()[:1]

    @api.depends("saas_plan_id", "sale_order_template_id", "saas_order_kind")
    def _compute_saas_term_months(self):
        for order in self:
            if order.saas_order_kind == "amendment":
                order.saas_term_months = 0
            elif order.saas_order_kind == "new" or not order.saas_term_months:
                template = order.sale_order_template_id
                order.saas_term_months = (
                    template.saas_term_months or order.saas_plan_id.term_months
                )

    @api.depends("sale_order_template_id")
    def _compute_saas_coupon_id(self):
        for order in self:
            coupon = order.sale_order_template_id.saas_coupon_id
            if order.saas_coupon_id or not coupon:
                order.saas_coupon_id = order.saas_coupon_id
            elif not order._saas_get_coupon_refusal(coupon):
                order.saas_coupon_id = coupon

    @api.depends(
        "order_line.product_id",
        "order_line.product_uom_qty",
        "order_line.price_unit",
        "order_line.discount",
        "order_line.saas_continued_line_id",
        "company_id",
        "partner_id",
        "currency_id",
        "saas_start_date",
        "saas_term_months",
        "saas_date_term_end",
        "saas_coupon_id",
        "saas_ramp_ids.from_month",
        "saas_ramp_ids.order_line_id",
        "saas_ramp_ids.percent",
        "saas_ramp_ids.quantity",
    )
    def _compute_saas_quote_problem(self):
        for order in self:
            order.saas_quote_problem = "\n".join(order._saas_get_quote_problems())

    @api.depends("order_line.saas_problem")
    def _compute_saas_has_line_problem(self):
        for order in self:
            order.saas_has_line_problem = any(order.order_line.mapped("saas_problem"))

    @api.depends("saas_own_project_ids", "saas_package_ids.project_id")
    def _compute_saas_onboarding_project_ids(self):
        for order in self:
            order.saas_onboarding_project_ids = (
                order.saas_own_project_ids | order.saas_package_ids.project_id
            )

    @api.depends(
        "saas_subscription_ids",
        "saas_amended_subscription_id",
        "saas_onboarding_project_ids",
    )
    def _compute_saas_counts(self):
        for order in self:
            # sudo: salespeople without project access still see that there is one
            order_sudo = order.sudo()
            order.saas_subscription_count = len(order_sudo._saas_get_subscription())
            order.saas_onboarding_count = len(order_sudo.saas_onboarding_project_ids)

    @api.constrains("saas_coupon_id")
    def _check_saas_coupon(self):
        for order in self.filtered("saas_coupon_id"):
            refusal = order._saas_get_coupon_refusal(order.saas_coupon_id)
            if refusal and order.state in ("draft", "sent"):
                raise ValidationError(refusal)

    @api.onchange("saas_plan_id", "sale_order_template_id")
    def _onchange_saas_ramp_defaults(self):
        if self.saas_order_kind == "new" and not self._origin.saas_ramp_ids:
            steps = self._saas_get_default_ramps()
            self.saas_ramp_ids = [Command.clear()] + [
                Command.create(step._prepare_order_ramp_vals()) for step in steps
            ]

    # ------------------------------------------------------------------
    # CRUD
    # ------------------------------------------------------------------
    @api.model_create_multi
    def create(self, vals_list):
        orders = super().create(vals_list)
        for order, vals in zip(orders, vals_list, strict=True):
            # The form sends its steps, also when all were deleted.
            if "saas_ramp_ids" not in vals and order.saas_order_kind == "new":
                order._saas_prefill_ramps()
        return orders

    def copy(self, default=None):
        copies = super().copy(default)
        for order, copied in zip(self, copies, strict=True):
            order._saas_copy_ramps(copied)
        return copies

    # ------------------------------------------------------------------
    # Actions
    # ------------------------------------------------------------------
    def action_confirm(self):
        # Two customers sign for the last piece of a coupon: the second one waits
        # here, then sees that it is used up.
        # sudo: a lock, nothing is read or written
        self.saas_coupon_id.sudo()._saas_lock()
        return super().action_confirm()

    def action_quotation_send(self):
        # A customer must not be asked to sign what would be refused afterwards.
        self._saas_check_open_quotes()
        return super().action_quotation_send()

    def action_quotation_sent(self):
        self._saas_check_open_quotes()
        return super().action_quotation_sent()

    def _saas_check_open_quotes(self):
        for order in self.filtered(lambda order: order.state in ("draft", "sent")):
            order._saas_check_quote()

    def action_view_saas_subscriptions(self) -> dict:
        """Open the subscription of the order.

        :return: window action
        """
        self.ensure_one()
        return self._saas_get_subscription()._get_records_action(
            name=self.env._("Subscription"), context={"create": False}
        )

    def action_view_saas_onboarding(self) -> dict:
        """Open the onboarding projects of the order.

        :return: window action
        """
        self.ensure_one()
        action = {
            "type": "ir.actions.act_window",
            "name": self.env._("Onboarding"),
            "res_model": "project.project",
            "view_mode": "list,kanban,form",
            "domain": [("id", "in", self.saas_onboarding_project_ids.ids)],
            "context": {"create": False},
        }
        if len(self.saas_onboarding_project_ids) == 1:
            return self.saas_onboarding_project_ids.action_view_tasks()
        return action

    # ------------------------------------------------------------------
    # Tools
    # ------------------------------------------------------------------
    def _saas_get_subscription_lines(self):
        """Return the order lines a subscription charges."""
        self.ensure_one()
        return self.order_line.filtered(
            lambda line: (
                not line.display_type
                and not line.is_downpayment
                and line.product_id.saas_charge_kind
                and not (line._is_line_optional() and line.product_uom_qty == 0)
            )
        )

    def _saas_get_plans(self):
        """Return the plans the order's products start."""
        self.ensure_one()
        return self._saas_get_subscription_lines().product_id.saas_plan_id

    def _saas_get_onboarding_templates(self):
        """Return the project templates the order brings: products, else the plan."""
        self.ensure_one()
        templates = [template for _line, template in self._saas_get_package_lines()]
        return self.env["project.project"].concat(*templates)

    def _saas_get_package_lines(self) -> list[tuple]:
        """Return (order line, template) of each package the order brings.

        What a subscription has already was delivered before: an amendment or renewal
        brings the packages of added products only. Without any, the plan's template is
        a package without line.

        :return: pairs in the order of the lines
        """
        self.ensure_one()
        lines = self.order_line.filtered(
            lambda line: (
                not line.display_type
                and line.product_uom_qty > 0
                and not line.saas_continued_line_id
                and line.product_id.saas_onboarding_template_id
            )
        ).sorted(lambda line: (line.sequence, line._origin.id or 0))
        pairs = [(line, line.product_id.saas_onboarding_template_id) for line in lines]
        template = self.saas_plan_id.onboarding_template_id
        if pairs or self.saas_order_kind != "new" or not template:
            return pairs
        return [(self.env["sale.order.line"], template)]

    def _saas_get_subscription(self):
        """Return the subscription the order made or amends."""
        self.ensure_one()
        return self.saas_subscription_ids | self.saas_amended_subscription_id

    def _saas_get_form_action(self) -> dict:
        """Return the window action that opens the quotation."""
        self.ensure_one()
        return self._get_records_action(context={})

    def _saas_get_default_ramps(self):
        """Return the ramp steps of the quotation template, else of the plan."""
        self.ensure_one()
        return self.sale_order_template_id.saas_ramp_ids or self.saas_plan_id.ramp_ids

    def _saas_prefill_ramps(self):
        self.ensure_one()
        self.saas_ramp_ids = [
            Command.create(step._prepare_order_ramp_vals())
            for step in self._saas_get_default_ramps()
        ]

    def _saas_copy_ramps(self, copied):
        """Give a copy the ramp steps, those of a line for the copy of that line."""
        lines = self.order_line.filtered(lambda line: not line.is_downpayment)
        twins = dict(zip(lines, copied.order_line, strict=False))
        copied.saas_ramp_ids.unlink()
        for ramp in self.saas_ramp_ids:
            line = twins.get(ramp.order_line_id, ramp.order_line_id.browse())
            vals = ramp.copy_data()[0]
            vals.update(order_id=copied.id, order_line_id=line.id)
            ramp.create(vals)
