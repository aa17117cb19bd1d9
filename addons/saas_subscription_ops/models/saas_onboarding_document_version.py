# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models

from ..exceptions import OnboardingDocumentError

# What a decision adds; everything else of a version is a fact.
DECISION_FIELDS = frozenset({"state", "reason", "decided_by_id", "decided_at"})


class SaasOnboardingDocumentVersion(models.Model):
    """One file that was handed in. It is kept for ever, also when refused."""

    _name = "saas.onboarding.document.version"
    _description = "Version of an Onboarding Document"
    _inherit = ["saas.default.guard"]
    _order = "document_id, number desc"
    _rec_name = "file_name"

    document_id = fields.Many2one(
        "saas.onboarding.document",
        required=True,
        readonly=True,
        index=True,
        ondelete="restrict",
    )
    project_id = fields.Many2one(
        related="document_id.project_id", store=True, index=True
    )
    company_id = fields.Many2one(related="document_id.company_id", store=True)
    number = fields.Integer(required=True, readonly=True)
    attachment_id = fields.Many2one(
        "ir.attachment", readonly=True, ondelete="restrict", string="File"
    )
    file_name = fields.Char(required=True, readonly=True)
    file_size = fields.Integer(readonly=True, help="In bytes.")
    checksum = fields.Char(required=True, readonly=True, help="SHA-1 of the content.")
    uploaded_by_id = fields.Many2one("res.users", required=True, readonly=True)
    uploaded_at = fields.Datetime(required=True, readonly=True)
    is_from_portal = fields.Boolean(string="By the Customer", readonly=True)
    state = fields.Selection(
        [
            ("pending", "To Review"),
            ("accepted", "Accepted"),
            ("refused", "Refused"),
            ("superseded", "Replaced"),
        ],
        default="pending",
        required=True,
        readonly=True,
    )
    reason = fields.Text(readonly=True)
    decided_by_id = fields.Many2one("res.users", readonly=True)
    decided_at = fields.Datetime(readonly=True)

    _number_uniq = models.Constraint(
        "UNIQUE (document_id, number)", "There is a version of this number already."
    )
    _pending_uniq = models.UniqueIndex(
        "(document_id) WHERE state = 'pending'",
        "Another version of this document waits for review already.",
    )

    def write(self, vals):
        if vals.keys() - DECISION_FIELDS - {"attachment_id"} or (
            "attachment_id" in vals and any(self.mapped("attachment_id"))
        ):
            raise OnboardingDocumentError(
                self.env._("A version is kept as it came in. Upload another one.")
            )
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise OnboardingDocumentError(
            self.env._("Versions of documents are kept for ever.")
        )

    def _decide(self, state: str, reason: str | None = None):
        """Note what was decided about the version, once.

        :param str state: ``accepted``, ``refused`` or ``superseded``
        :param str reason: why it was refused
        :raise OnboardingDocumentError: decided already
        """
        self.ensure_one()
        if self.state != "pending":
            raise OnboardingDocumentError(
                self.env._(
                    "Version %(number)s of %(name)s was decided already.",
                    number=self.number,
                    name=self.document_id.name,
                )
            )
        # sudo: versions are written by the steps of their document only
        self.sudo().write(
            {
                "state": state,
                "reason": reason,
                "decided_by_id": self.env.uid,
                "decided_at": fields.Datetime.now(),
            }
        )
        # Before a newer one is inserted: one at a time waits for review.
        self.flush_recordset(["state"])

    def _supersede(self):
        """Note that a newer version came in before these were looked at."""
        for version in self:
            version._decide("superseded")

    def action_download(self) -> dict:
        """Download the file, never shown in the browser.

        :return: action
        """
        self.ensure_one()
        self.check_access("read")
        return {
            "type": "ir.actions.act_url",
            "url": f"/web/content/{self.attachment_id.id}?download=true",
            "target": "new",
        }
