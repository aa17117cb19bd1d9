# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError

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
