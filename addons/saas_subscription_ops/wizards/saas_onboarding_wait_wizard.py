# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import ValidationError


class SaasOnboardingWaitWizard(models.TransientModel):
    """Say who an onboarding waits for, and for what."""

    _name = "saas.onboarding.wait.wizard"
    _description = "Set an Onboarding as Waiting"
    _inherit = "saas.record.wizard.mixin"
    _subject_fields = ("project_id",)

    project_id = fields.Many2one(
        "project.project", required=True, ondelete="cascade", readonly=True
    )
    side = fields.Selection(
        [("customer", "We wait for the customer"), ("us", "The customer waits for us")],
        string="Who Waits",
        required=True,
        default="customer",
    )
    reason = fields.Char(required=True)
    date_start = fields.Datetime(
        string="Since", required=True, default=fields.Datetime.now
    )

    @api.constrains("date_start")
    def _check_date_start(self):
        now = fields.Datetime.now()
        for wizard in self:
            if wizard.date_start > now:
                raise ValidationError(
                    self.env._(
                        "Waiting can't start in the future. Enter since when it is so."
                    )
                )
            project = wizard.project_id
            begun = project.create_date.date()
            begun = min(begun, project.saas_started_on or begun)
            if wizard.date_start.date() < begun:
                raise ValidationError(
                    self.env._(
                        "%(project)s had not begun yet. Enter a later time.",
                        project=project.name,
                    )
                )

    def action_confirm(self) -> dict:
        """Let the side wait.

        :return: action closing the dialog
        :raise AccessError: the user does no delivery
        :raise OnboardingError: that side is set as waiting already, or all is over
        """
        self.ensure_one()
        self.project_id._saas_set_manual_wait(self.side, self.reason, self.date_start)
        return {"type": "ir.actions.act_window_close"}
