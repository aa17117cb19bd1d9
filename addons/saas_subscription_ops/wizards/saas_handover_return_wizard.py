# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class SaasHandoverReturnWizard(models.TransientModel):
    """Ask sales before taking a handover over."""

    _name = "saas.handover.return.wizard"
    _description = "Return a Handover to Sales"
    _inherit = "saas.record.wizard.mixin"
    _subject_fields = ("handover_id",)

    handover_id = fields.Many2one("saas.handover", required=True, readonly=True)
    question = fields.Text(required=True)

    def action_return(self):
        """Return the handover with the question.

        :return: action that closes the dialog
        """
        self.ensure_one()
        self.handover_id.action_return(self.question)
        return {"type": "ir.actions.act_window_close"}
