# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


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
