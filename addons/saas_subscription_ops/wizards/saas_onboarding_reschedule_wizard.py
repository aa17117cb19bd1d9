# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models


class SaasOnboardingRescheduleWizard(models.TransientModel):
    """Ask for the new kick-off of an onboarding and say what it moves."""

    _name = "saas.onboarding.reschedule.wizard"
    _description = "Move Kick-off"
    _inherit = "saas.record.wizard.mixin"
    _subject_fields = ("project_id",)

    project_id = fields.Many2one(
        "project.project", required=True, readonly=True, ondelete="cascade"
    )
    kickoff_before = fields.Date(
        related="project_id.saas_kickoff_on",
        related_sudo=False,
        string="Kick-off So Far",
    )
    go_live_before = fields.Date(
        related="project_id.saas_go_live_planned",
        related_sudo=False,
        string="Go-Live So Far",
    )
    kickoff = fields.Date(
        string="New Kick-off",
        required=True,
        compute="_compute_kickoff",
        compute_sudo=False,
        store=True,
        readonly=False,
    )

    @api.depends("project_id")
    def _compute_kickoff(self):
        for wizard in self:
            wizard.kickoff = wizard.project_id.saas_kickoff_on

    def action_move(self) -> dict:
        """Move the kick-off and close the dialog.

        :return: action that closes the dialog
        :raise OnboardingError: no running onboarding
        """
        self.ensure_one()
        self.project_id.action_saas_reschedule(self.kickoff)
        return {"type": "ir.actions.act_window_close"}
