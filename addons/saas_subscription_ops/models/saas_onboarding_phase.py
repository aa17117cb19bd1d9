# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class SaasOnboardingPhase(models.Model):
    """A column of the onboarding board; milestones name theirs."""

    _name = "saas.onboarding.phase"
    _description = "Onboarding Phase"
    _order = "sequence, id"

    name = fields.Char(required=True, translate=True)
    sequence = fields.Integer(default=10)
    fold = fields.Boolean(string="Folded in Kanban")

    _name_uniq = models.Constraint(
        "UNIQUE (name)", "There is a phase of this name already: choose another name."
    )
