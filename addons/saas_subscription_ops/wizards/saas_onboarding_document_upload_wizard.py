# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import base64
import binascii

from odoo import fields, models

from ..exceptions import OnboardingDocumentError


class SaasOnboardingDocumentUploadWizard(models.TransientModel):
    """Take in a file that reached staff by other ways than the portal."""

    _name = "saas.onboarding.document.upload.wizard"
    _description = "Upload an Onboarding Document"
    _inherit = "saas.record.wizard.mixin"
    _subject_fields = ("document_id",)

    document_id = fields.Many2one(
        "saas.onboarding.document", required=True, ondelete="cascade", readonly=True
    )
    file_name = fields.Char()
    content = fields.Binary(string="File", attachment=False)
    limits = fields.Char(compute="_compute_limits")

    def _compute_limits(self):
        for wizard in self:
            document = wizard.document_id
            wizard.limits = self.env._(
                "At most %(limit)d MB: %(allowed)s",
                limit=document._get_max_bytes() // (1024 * 1024),
                allowed=", ".join(document._get_extensions()),
            )

    def action_confirm(self) -> dict:
        """Take in the file as the newest version.

        :return: action closing the dialog
        :raise OnboardingDocumentError: no file, or one that can't be taken
        :raise TransitionError: the document is settled
        """
        self.ensure_one()
        try:
            content = base64.b64decode(self.content or b"", validate=True)
        except binascii.Error as error:
            raise OnboardingDocumentError(
                self.env._("The file arrived damaged. Choose it again.")
            ) from error
        self.document_id._add_version(self.file_name, content)
        return {"type": "ir.actions.act_window_close"}
