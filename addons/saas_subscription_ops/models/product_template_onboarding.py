# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError


class ProductTemplate(models.Model):
    _inherit = "product.template"

    saas_onboarding_hours = fields.Float(
        string="Onboarding Hours",
        help="Hours of work one unit of this service package includes. Times the "
        "ordered quantity it is the budget of the package.",
    )

    _saas_onboarding_hours_positive = models.Constraint(
        "CHECK (saas_onboarding_hours >= 0)",
        "The hours of a package can't be negative: enter 0 or more.",
    )

    @api.constrains("saas_onboarding_template_id", "service_tracking")
    def _check_saas_onboarding_template(self):
        for template in self.filtered("saas_onboarding_template_id"):
            # Tasks in a project of one's own choice do not compete with it.
            if template.service_tracking in ("task_in_project", "project_only"):
                raise ValidationError(
                    self.env._(
                        "%(product)s would create a second project besides its "
                        "onboarding: set 'Create on Order' to Nothing.",
                        product=template.display_name,
                    )
                )
