# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo import api, fields, models

from ..context_marks import PLANNING

HEALTHS = [
    ("on_track", "On track"),
    ("at_risk", "At risk"),
    ("late", "Late"),
]
# Portal users read projects shared with them, over RPC too: this is not for them.
INTERNAL = "base.group_user"
#: Onboarding projects, as a domain: of an order, and no template.
ONBOARDING = (("saas_order_id", "!=", False), ("is_template", "=", False))
#: Who plans and delivers onboardings.
DELIVERY_GROUPS = (
    "project.group_project_user",
    "saas_core.group_saas_core_customer_success",
)


class ProjectProject(models.Model):
    """Onboarding projects: from a template, for an order, until the account is live."""

    _name = "project.project"
    _inherit = ["project.project", "saas.mixin"]

    saas_order_id = fields.Many2one(
        "sale.order",
        string="Onboarding Order",
        copy=False,
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
        groups=INTERNAL,
    )
    saas_subscription_id = fields.Many2one(
        "saas.subscription",
        string="Subscription",
        copy=False,
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        groups=INTERNAL,
    )
    saas_onboarding_template_id = fields.Many2one(
        "project.project",
        string="Onboarding Template",
        copy=False,
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        groups=INTERNAL,
    )
    saas_is_merged = fields.Boolean(
        string="All Packages of the Order",
        copy=False,
        readonly=True,
        groups=INTERNAL,
        help="The project holds every package of its order. Projects made before "
        "packages were merged have one package each.",
    )
    saas_package_ids = fields.One2many(
        "saas.onboarding.package", "project_id", string="Packages", groups=INTERNAL
    )
    saas_package_count = fields.Integer(
        string="# Packages", compute="_compute_saas_package_count", groups=INTERNAL
    )

    # Dates
    saas_started_on = fields.Date(
        string="Onboarding Start", copy=False, readonly=True, groups=INTERNAL
    )
    saas_kickoff_on = fields.Date(
        string="Kick-off",
        compute="_compute_saas_kickoff_on",
        store=True,
        readonly=False,
        copy=False,
        tracking=True,
        help="Day 0: due days are working days of the company calendar after it. "
        "Change it with 'Move Kick-off', which moves the plan along.",
        groups=INTERNAL,
    )
    saas_go_live_baseline = fields.Date(
        string="Go-Live First Planned", copy=False, readonly=True, groups=INTERNAL
    )
    saas_go_live_planned = fields.Date(
        string="Go-Live Agreed",
        copy=False,
        tracking=True,
        index="btree_not_null",
        help="The day agreed with the customer. The forecast is measured against it.",
        groups=INTERNAL,
    )
    saas_go_live_predicted = fields.Date(
        string="Go-Live Predicted", copy=False, readonly=True, groups=INTERNAL
    )
    saas_go_live_delay = fields.Integer(
        string="Delay (Days)",
        compute="_compute_saas_go_live_delay",
        store=True,
        aggregator="avg",
        groups=INTERNAL,
        help="Calendar days from the agreed go-live to the predicted one.",
    )
    saas_live_on = fields.Date(
        string="Live Since",
        copy=False,
        readonly=True,
        tracking=True,
        groups=INTERNAL,
    )

    # State
    saas_phase_id = fields.Many2one(
        "saas.onboarding.phase",
        string="Phase",
        compute="_compute_saas_phase_id",
        store=True,
        index="btree_not_null",
        group_expand="_read_group_saas_phases",
        groups=INTERNAL,
    )
    saas_health = fields.Selection(
        HEALTHS,
        string="Health",
        copy=False,
        readonly=True,
        tracking=True,
        index="btree_not_null",
        groups=INTERNAL,
    )
    saas_health_reason = fields.Text(
        string="Because", copy=False, readonly=True, groups=INTERNAL
    )
    saas_health_cause = fields.Char(
        string="Because Mainly",
        compute="_compute_saas_health_cause",
        groups=INTERNAL,
        help="The weightiest reason of the health.",
    )
    saas_assessed_on = fields.Date(
        string="Forecast Of", copy=False, readonly=True, groups=INTERNAL
    )

    # Work
    saas_milestone_percent = fields.Integer(
        string="Milestones Reached (%)",
        compute="_compute_saas_milestone_percent",
        groups=INTERNAL,
    )
    saas_milestone_progress = fields.Char(
        string="Milestones Done",
        compute="_compute_saas_milestone_percent",
        groups=INTERNAL,
    )
    saas_hours_budget = fields.Float(
        string="Hours Budget",
        compute="_compute_saas_hours_budget",
        store=True,
        groups=INTERNAL,
    )
    saas_hours_spent = fields.Float(
        string="Hours Spent",
        compute="_compute_saas_hours_spent",
        store=True,
        groups=INTERNAL,
    )
    saas_hours_progress = fields.Float(
        string="Budget Used (%)",
        compute="_compute_saas_hours_progress",
        store=True,
        aggregator="avg",
        groups=INTERNAL,
    )

    # Of templates, copied to what is made of them
    saas_tolerance_days = fields.Integer(
        string="Go-Live Tolerance (Working Days)",
        groups=INTERNAL,
        help="The project is late when the predicted go-live is past the agreed one by "
        "more than this.",
    )
    saas_inactive_days = fields.Integer(
        string="Inactive After (Working Days)",
        groups=INTERNAL,
        help="Alert when nobody worked, wrote or changed a task for so long. 0: as the "
        "company settings say.",
    )
    saas_hypercare_days = fields.Integer(
        string="Hypercare (Days)",
        default=14,
        groups=INTERNAL,
        help="Calendar days of special care after the go-live. 0: none.",
    )

    # One project per order. Those of older databases are not marked, so that an order
    # that has several keeps them.
    _saas_order_uniq = models.UniqueIndex(
        "(saas_order_id) WHERE saas_order_id IS NOT NULL AND saas_is_merged",
        "This order has an onboarding project already.",
    )
    _saas_days_positive = models.Constraint(
        "CHECK (COALESCE(saas_tolerance_days, 0) >= 0"
        " AND COALESCE(saas_inactive_days, 0) >= 0"
        " AND COALESCE(saas_hypercare_days, 0) >= 0)",
        "Tolerance, inactivity and hypercare are numbers of days: enter 0 or more.",
    )

    # ------------------------------------------------------------------
    # Computed
    # ------------------------------------------------------------------
    @api.depends("saas_package_ids")
    def _compute_saas_package_count(self):
        for project in self:
            project.saas_package_count = len(project.saas_package_ids)

    @api.depends("saas_started_on")
    def _compute_saas_kickoff_on(self):
        for project in self:
            project.saas_kickoff_on = project.saas_kickoff_on or project.saas_started_on

    @api.depends("saas_go_live_planned", "saas_go_live_predicted")
    def _compute_saas_go_live_delay(self):
        for project in self:
            planned, predicted = (
                project.saas_go_live_planned,
                project.saas_go_live_predicted,
            )
            project.saas_go_live_delay = (
                (predicted - planned).days if planned and predicted else 0
            )

    @api.depends(
        "milestone_ids.is_reached",
        "milestone_ids.sequence",
        "milestone_ids.deadline",
        "milestone_ids.saas_phase_id",
    )
    def _compute_saas_phase_id(self):
        for project in self:
            milestones = project._saas_get_milestones().filtered("saas_phase_id")
            still_open = milestones.filtered(lambda item: not item.is_reached)
            project.saas_phase_id = (still_open[:1] or milestones[-1:]).saas_phase_id

    @api.model
    def _read_group_saas_phases(self, phases, domain):
        # sudo: columns of a board are not secret
        return phases.sudo().search([])

    @api.depends("saas_health_reason")
    def _compute_saas_health_cause(self):
        for project in self:
            reasons = project.saas_health_reason or ""
            project.saas_health_cause = reasons.split("\n")[0]

    @api.depends("milestone_ids.is_reached")
    def _compute_saas_milestone_percent(self):
        for project in self:
            reached = len(project.milestone_ids.filtered("is_reached"))
            total = len(project.milestone_ids)
            project.saas_milestone_percent = total and 100 * reached // total
            project.saas_milestone_progress = f"{reached} / {total}"

    @api.depends("saas_package_ids.hours_budget")
    def _compute_saas_hours_budget(self):
        for project in self:
            budgets = project.saas_package_ids.mapped("hours_budget")
            project.saas_hours_budget = sum(budgets)

    @api.depends("timesheet_ids.unit_amount")
    def _compute_saas_hours_spent(self):
        spent = dict(
            self.env["account.analytic.line"]._read_group(
                [("project_id", "in", self.ids)], ["project_id"], ["unit_amount:sum"]
            )
        )
        for project in self:
            project.saas_hours_spent = spent.get(project._origin, 0.0)

    @api.depends("saas_hours_budget", "saas_hours_spent")
    def _compute_saas_hours_progress(self):
        for project in self:
            budget = project.saas_hours_budget
            project.saas_hours_progress = (
                budget and 100 * project.saas_hours_spent / budget
            )

    def _saas_get_milestones(self):
        """Return the milestones of a project as they follow each other."""
        self.ensure_one()
        return self.milestone_ids.sorted(
            lambda item: (
                item.sequence,
                item.deadline or date.max,
                item._origin.id or 0,
            )
        )

    def _saas_get_go_live_milestones(self):
        """Return the milestones that mean live: the flagged ones, else the last."""
        self.ensure_one()
        milestones = self._saas_get_milestones()
        return milestones.filtered("saas_is_go_live") or milestones[-1:]

    # ------------------------------------------------------------------
    # CRUD
    # ------------------------------------------------------------------
    @api.onchange("sale_line_id")
    def _onchange_sale_line_id(self):
        # Odoo reads the order first, which who sets up templates may not see.
        if self.sale_line_id:
            return super()._onchange_sale_line_id()
        return None

    def write(self, vals):
        result = super().write(vals)
        day = vals.get("saas_go_live_planned")
        if day and self.env.context.get("saas_planning") is not PLANNING:
            # What is agreed with the customer is the deadline of that milestone.
            for project in self.filtered("saas_order_id"):
                milestones = project._saas_get_go_live_milestones()
                milestones.filtered(lambda item: not item.is_reached).deadline = day
        return result

    # ------------------------------------------------------------------
    # Actions
    # ------------------------------------------------------------------
    def action_view_saas_milestones(self) -> dict:
        """Open the milestones of the project.

        :return: window action
        """
        self.ensure_one()
        return self._saas_open("project.project_milestone_action")

    def action_view_saas_packages(self) -> dict:
        """Open the packages of the project.

        :return: window action
        """
        return self._saas_open("saas_subscription_ops.saas_onboarding_package_action")

    def action_view_saas_alerts(self) -> dict:
        """Open the alerts of the project, the open ones first.

        :return: window action
        """
        return self._saas_open("saas_subscription_ops.saas_onboarding_alert_action")

    def _saas_open(self, xml_id: str) -> dict:
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(xml_id)
        action["domain"] = [("project_id", "=", self.id)]
        action["context"] = {"default_project_id": self.id}
        return action

    # ------------------------------------------------------------------
    # Tools
    # ------------------------------------------------------------------
    def _saas_attach_once(self, attachment):
        """Copy a signed order to the project unless it is there.

        It tells the prices, so it is no file of the chatter: who may read the field
        it belongs to may read it.

        :param attachment: ``ir.attachment``
        """
        self.ensure_one()
        place = {
            "res_model": self._name,
            "res_id": self.id,
            "res_field": "saas_signed_attachment_ids",
        }
        # sudo: who confirms the order need not see what delivery has
        signed = attachment.sudo()
        domain = [(name, "=", value) for name, value in place.items()]
        domain += [("checksum", "=", signed.checksum)]
        if not signed.search_count(domain, limit=1):
            signed.copy(place)
            self.invalidate_recordset([place["res_field"]])
