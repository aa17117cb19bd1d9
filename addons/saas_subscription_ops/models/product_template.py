# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .saas_plan import RECURRENCE_UNITS

CHARGE_KINDS = [
    ("recurring", "Recurring"),
    ("one_time", "One-time"),
    ("usage", "Usage"),
]


class ProductTemplate(models.Model):
    _inherit = "product.template"

    saas_charge_kind = fields.Selection(
        CHARGE_KINDS,
        string="Subscription Charge",
        compute="_compute_saas_charge_kind",
        store=True,
        readonly=False,
        help="How a subscription charges this product. Empty: an ordinary product, "
        "invoiced from the sales order.",
    )
    saas_plan_id = fields.Many2one(
        "saas.plan",
        string="Subscription Plan",
        index="btree_not_null",
        help="Selling this product starts a subscription on this plan.",
    )
    saas_onboarding_template_id = fields.Many2one(
        "project.project",
        string="Onboarding Template",
        domain="[('is_template', '=', True)]",
        index="btree_not_null",
        help="Selling this product creates a project from this template.",
    )

    saas_timing = fields.Selection(
        [("advance", "In advance"), ("arrears", "In arrears")],
        string="Charged",
        help="When the product is charged. Empty: as the plan says.",
    )
    saas_recurrence_unit = fields.Selection(
        RECURRENCE_UNITS,
        string="Billing Period",
        help="A period of the product's own, for example a yearly fee within a monthly "
        "plan. Empty: as the plan says.",
    )
    saas_recurrence_count = fields.Integer(
        string="Bills Every",
        help="Number of units of the product's own billing period.",
    )

    _saas_recurrence_count_positive = models.Constraint(
        "CHECK (saas_recurrence_unit IS NULL OR saas_recurrence_count > 0)",
        "A billing period lasts at least one unit: set 'Bills Every' to 1 or more.",
    )

    @api.depends("saas_plan_id")
    def _compute_saas_charge_kind(self):
        for template in self:
            if template.saas_plan_id and not template.saas_charge_kind:
                template.saas_charge_kind = "recurring"

    @api.constrains("saas_plan_id", "saas_charge_kind", "type")
    def _check_saas_charge_kind(self):
        for template in self:
            if template.saas_charge_kind and template.type != "service":
                raise ValidationError(
                    self.env._(
                        "%(product)s is charged by subscriptions: set its product "
                        "type to Service.",
                        product=template.display_name,
                    )
                )
            if template.saas_plan_id and template.saas_charge_kind != "recurring":
                raise ValidationError(
                    self.env._(
                        "%(product)s starts a plan: set its subscription charge to "
                        "Recurring.",
                        product=template.display_name,
                    )
                )

    @api.constrains("saas_charge_kind", "saas_timing", "saas_recurrence_unit")
    def _check_saas_terms(self):
        for template in self:
            kind = template.saas_charge_kind
            if kind == "usage" and template.saas_timing == "advance":
                raise ValidationError(
                    self.env._(
                        "%(product)s is usage, which is charged after it happened: "
                        "leave the timing empty or set it to In arrears.",
                        product=template.display_name,
                    )
                )
            if template.saas_recurrence_unit and kind != "recurring":
                raise ValidationError(
                    self.env._(
                        "%(product)s has a billing period of its own, which only a "
                        "recurring product can have: clear the period or set the "
                        "subscription charge to Recurring.",
                        product=template.display_name,
                    )
                )

    @api.onchange("saas_recurrence_unit")
    def _onchange_saas_recurrence_unit(self):
        if not self.saas_recurrence_unit:
            self.saas_recurrence_count = 0
        elif self.saas_recurrence_count < 1:
            self.saas_recurrence_count = 1

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            if vals.get("saas_recurrence_unit"):
                vals.setdefault("saas_recurrence_count", 1)
        return super().create(vals_list)
