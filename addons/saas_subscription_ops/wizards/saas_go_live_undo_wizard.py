# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class SaasGoLiveUndoWizard(models.TransientModel):
    """Ask why a go-live was none."""

    _name = "saas.go.live.undo.wizard"
    _description = "Take a Go-Live Back"
    _inherit = "saas.record.wizard.mixin"
    _subject_fields = ("project_id",)

    project_id = fields.Many2one("project.project", required=True, readonly=True)
    reason = fields.Text(required=True)

    def action_undo(self):
        """Take the go-live back.

        :return: action that closes the dialog
        """
        self.ensure_one()
        self.project_id.action_saas_undo_go_live(self.reason)
        return {"type": "ir.actions.act_window_close"}
