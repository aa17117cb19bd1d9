# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class SaasOnboardingDocumentDecideWizard(models.TransientModel):
    """Ask why a document is refused, or not needed."""

    _name = "saas.onboarding.document.decide.wizard"
    _description = "Refuse or Waive a Document"
    _inherit = "saas.record.wizard.mixin"
    _subject_fields = ("document_ids", "version_id")

    document_ids = fields.Many2many(
        "saas.onboarding.document",
        relation="saas_onboarding_document_decide_rel",
        required=True,
    )
    version_id = fields.Many2one(
        "saas.onboarding.document.version", ondelete="cascade", readonly=True
    )
    decision = fields.Selection(
        [("refuse", "Refuse"), ("waive", "Waive")], required=True, readonly=True
    )
    reason = fields.Text(required=True)

    def action_confirm(self) -> dict:
        """Refuse or waive the documents with the reason.

        :return: action closing the dialog
        :raise OnboardingDocumentError: no reason, or a newer version came in
        :raise TransitionError: settled meanwhile
        """
        self.ensure_one()
        if self.decision == "waive":
            self.document_ids._waive(self.reason)
        else:
            for document in self.document_ids:
                document._refuse(self.reason, self.version_id)
        return {"type": "ir.actions.act_window_close"}
