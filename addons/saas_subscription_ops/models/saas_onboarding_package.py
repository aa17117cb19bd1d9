# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models


class SaasOnboardingPackage(models.Model):
    """A service package sold, delivered in an onboarding project.

    Several packages of an order share one project; each keeps its own budget of hours
    and the tasks and milestones that came from its template.
    """

    _name = "saas.onboarding.package"
    _description = "Onboarding Package"
    _inherit = ["saas.guard.mixin"]
    _order = "project_id, id"
    _check_company_auto = True
    # What was sold is what was sold; only the budget of hours is planned anew.
    _own_fields = (
        "name",
        "project_id",
        "order_id",
        "order_line_id",
        "template_id",
        "product_id",
        "date_start",
        "hours_spent",
        "task_ids",
        "milestone_ids",
        "change_request_id",
    )

    name = fields.Char(compute="_compute_name", store=True)
    project_id = fields.Many2one(
        "project.project",
        required=True,
        readonly=True,
        index=True,
        ondelete="cascade",
    )
    company_id = fields.Many2one(related="project_id.company_id", store=True)
    order_id = fields.Many2one(
        "sale.order",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
        groups="sales_team.group_sale_salesman,saas_core.group_saas_core_user",
    )
    order_line_id = fields.Many2one(
        "sale.order.line",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        groups="sales_team.group_sale_salesman,saas_core.group_saas_core_user",
    )
    template_id = fields.Many2one(
        "project.project",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
    )
    product_id = fields.Many2one(
        "product.product", readonly=True, index="btree_not_null", ondelete="restrict"
    )
    date_start = fields.Date(
        string="Counted From",
        readonly=True,
        help="Day from which the due days of the template were counted.",
    )
    hours_budget = fields.Float()
    hours_spent = fields.Float(compute="_compute_hours_spent", store=True)
    hours_progress = fields.Float(
        string="Budget Used (%)", compute="_compute_hours_progress"
    )
    task_ids = fields.One2many("project.task", "saas_package_id", string="Tasks")
    milestone_ids = fields.One2many(
        "project.milestone", "saas_package_id", string="Milestones"
    )

    _project_line_template_uniq = models.UniqueIndex(
        "(project_id, COALESCE(order_line_id, 0), COALESCE(template_id, 0))"
        " WHERE order_line_id IS NOT NULL OR template_id IS NOT NULL",
        "This package is part of the project already.",
    )
    _hours_budget_positive = models.Constraint(
        "CHECK (hours_budget >= 0)",
        "The hours of a package can't be negative: enter 0 or more.",
    )

    @api.depends("product_id", "template_id")
    def _compute_name(self):
        for package in self:
            package.name = package.product_id.display_name or package.template_id.name

    @api.depends("task_ids.effective_hours")
    def _compute_hours_spent(self):
        for package in self:
            tasks = package.with_context(active_test=False).task_ids
            package.hours_spent = sum(tasks.mapped("effective_hours"))

    @api.depends("hours_budget", "hours_spent")
    def _compute_hours_progress(self):
        for package in self:
            budget = package.hours_budget
            package.hours_progress = budget and 100 * package.hours_spent / budget
