# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models

from ..exceptions import QuoteError


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
    saas_start_date = fields.Date(
        string="Subscription Start",
        copy=False,
        help="First day of the subscription. Empty: the day of the confirmation.",
    )
    saas_mrr = fields.Monetary(
        string="Monthly Recurring",
        compute="_compute_saas_mrr",
        store=True,
        help="Untaxed recurring lines, converted to months.",
    )
    saas_quote_problem = fields.Text(
        string="Why it can't become a subscription",
        compute="_compute_saas_quote_problem",
    )
    saas_subscription_ids = fields.One2many("saas.subscription", "order_id")
    saas_subscription_count = fields.Integer(
        string="Subscriptions", compute="_compute_saas_counts"
    )
    saas_onboarding_project_ids = fields.One2many("project.project", "saas_order_id")
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

    # ------------------------------------------------------------------
    # Computes
    # ------------------------------------------------------------------
    @api.depends("order_line.product_id.saas_plan_id", "order_line.display_type")
    def _compute_saas_plan_id(self):
        for order in self:
            order.saas_plan_id = order._saas_get_plans()[:1]

    @api.depends(
        "order_line.price_subtotal",
        "order_line.product_id.saas_charge_kind",
        "saas_plan_id.recurrence_unit",
        "saas_plan_id.recurrence_count",
    )
    def _compute_saas_mrr(self):
        for order in self:
            mrr = 0.0
            if order.saas_plan_id:
                months = order.saas_plan_id._get_months_per_period()
                lines = order.order_line.filtered(
                    lambda line: line.product_id.saas_charge_kind == "recurring"
                )
                total = sum(lines.mapped("price_subtotal"))
                mrr = total * months.denominator / months.numerator
            order.saas_mrr = order.currency_id.round(mrr) if order.currency_id else mrr

    @api.depends(
        "order_line.product_id",
        "order_line.product_uom_qty",
        "order_line.price_unit",
        "company_id",
        "partner_id",
    )
    def _compute_saas_quote_problem(self):
        for order in self:
            order.saas_quote_problem = "\n".join(order._saas_get_quote_problems())

    @api.depends("saas_subscription_ids", "saas_onboarding_project_ids")
    def _compute_saas_counts(self):
        for order in self:
            # sudo: salespeople without project access still see that there is one
            order_sudo = order.sudo()
            order.saas_subscription_count = len(order_sudo.saas_subscription_ids)
            order.saas_onboarding_count = len(order_sudo.saas_onboarding_project_ids)

    # ------------------------------------------------------------------
    # Actions
    # ------------------------------------------------------------------
    def action_quotation_send(self):
        # A customer must not be asked to sign what would be refused afterwards.
        for order in self.filtered(lambda order: order.state in ("draft", "sent")):
            order._saas_check_quote()
        return super().action_quotation_send()

    def action_view_saas_subscriptions(self) -> dict:
        """Open the subscription of the order.

        :return: window action
        """
        self.ensure_one()
        action = {
            "type": "ir.actions.act_window",
            "name": self.env._("Subscription"),
            "res_model": "saas.subscription",
            "view_mode": "list,form",
            "domain": [("order_id", "=", self.id)],
            "context": {"create": False},
        }
        if len(self.saas_subscription_ids) == 1:
            action.update(view_mode="form", res_id=self.saas_subscription_ids.id)
        return action

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
            "domain": [("saas_order_id", "=", self.id)],
            "context": {"create": False},
        }
        if len(self.saas_onboarding_project_ids) == 1:
            return self.saas_onboarding_project_ids.action_view_tasks()
        return action

    # ------------------------------------------------------------------
    # Validation
    # ------------------------------------------------------------------
    def _confirmation_error_message(self):
        message = super()._confirmation_error_message()
        if message:
            return message
        return "\n".join(self._saas_get_quote_problems()) or False

    def _prepare_confirmation_values(self):
        values = super()._prepare_confirmation_values()
        for order in self:
            if order.saas_plan_id and not order.saas_start_date:
                order.saas_start_date = fields.Date.context_today(order)
        return values

    def _saas_check_quote(self):
        """Refuse a quote that can't become a valid subscription.

        :raise QuoteError: all reasons at once
        """
        problems = self._saas_get_quote_problems()
        if problems:
            raise QuoteError("\n".join(problems))

    def _saas_get_quote_problems(self) -> list[str]:
        """Return why the quote can't become a valid subscription.

        Extend it to add a rule: call ``super()`` and append a sentence that names the
        line and the cure.

        :return: one sentence per problem; empty for an ordinary order
        """
        self.ensure_one()
        lines = self._saas_get_subscription_lines()
        if not lines:
            return []
        plans = self._saas_get_plans()
        if not plans:
            return [
                self.env._(
                    "%(products)s can only be charged by a subscription: add a "
                    "product that starts a plan.",
                    products=", ".join(lines.product_id.mapped("display_name")),
                )
            ]
        problems = []
        if len(plans) > 1:
            problems.append(
                self.env._(
                    "The products belong to several plans (%(plans)s): make one quote "
                    "per plan.",
                    plans=", ".join(plans.mapped("name")),
                )
            )
        problems += self._saas_get_plan_problems(plans)
        for line in lines:
            problems += self._saas_get_line_problems(line)
        return problems + self._saas_get_template_problems()

    def _saas_get_plan_problems(self, plans) -> list[str]:
        problems = []
        for plan in plans:
            if not plan.active:
                problems.append(
                    self.env._(
                        "Plan %(plan)s is archived: choose a product with a current "
                        "plan.",
                        plan=plan.name,
                    )
                )
            if plan.company_id and plan.company_id != self.company_id:
                problems.append(
                    self.env._(
                        "Plan %(plan)s belongs to %(company)s: choose a plan of "
                        "%(own)s.",
                        plan=plan.name,
                        company=plan.company_id.name,
                        own=self.company_id.name,
                    )
                )
        return problems

    def _saas_get_line_problems(self, line) -> list[str]:
        kind = line.product_id.saas_charge_kind
        name = line.product_id.display_name
        problems = []
        if kind == "recurring" and line.product_uom_qty <= 0:
            problems.append(
                self.env._(
                    "%(line)s: a recurring line needs a quantity above zero.", line=name
                )
            )
        if kind in ("recurring", "one_time") and line.price_unit < 0:
            problems.append(
                self.env._(
                    "%(line)s: a subscription can't charge a negative price. Use a "
                    "discount.",
                    line=name,
                )
            )
        if not 0 <= line.discount <= 100:
            problems.append(
                self.env._(
                    "%(line)s: the discount lies between 0 and 100 percent.", line=name
                )
            )
        return problems

    def _saas_get_template_problems(self) -> list[str]:
        problems = []
        # sudo: the salesperson need not see the projects of delivery
        for template in self.sudo()._saas_get_onboarding_templates():
            if not template.is_template or not template.active:
                problems.append(
                    self.env._(
                        "%(template)s is no project template any more: set another "
                        "onboarding template on the product or plan.",
                        template=template.name,
                    )
                )
            elif template.company_id not in (self.company_id, self.env["res.company"]):
                problems.append(
                    self.env._(
                        "The onboarding template %(template)s belongs to "
                        "%(company)s: use one of %(own)s or without company.",
                        template=template.name,
                        company=template.company_id.name,
                        own=self.company_id.name,
                    )
                )
        return problems

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
        lines = self.order_line.filtered(
            lambda line: not line.display_type and line.product_uom_qty > 0
        )
        templates = lines.product_id.saas_onboarding_template_id
        return templates or self.saas_plan_id.onboarding_template_id
