# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models

from ..exceptions import OnboardingDocumentError
from ..row_lock import lock_rows
from .saas_onboarding_document import OPEN_STATES


class ProjectMilestone(models.Model):
    """Milestones wait for the required documents of the customer."""

    _inherit = "project.milestone"

    saas_document_ids = fields.One2many(
        "saas.onboarding.document", "milestone_id", groups="base.group_user"
    )
    saas_open_document_count = fields.Integer(
        string="Open Documents",
        compute="_compute_saas_open_document_count",
        help="Required documents that are neither accepted nor waived. The milestone "
        "can't be reached before.",
        groups="base.group_user",
    )

    @api.depends("saas_document_ids.state", "saas_document_ids.is_required")
    def _compute_saas_open_document_count(self):
        # sudo: a number, also for those who may not read the documents
        counts = dict(
            self.env["saas.onboarding.document"]
            .sudo()
            ._read_group(
                [*self._get_saas_blocking_domain(), ("milestone_id", "in", self.ids)],
                ["milestone_id"],
                ["__count"],
            )
        )
        counts = {milestone.id: count for milestone, count in counts.items()}
        for milestone in self:
            milestone.saas_open_document_count = counts.get(milestone._origin.id, 0)

    @api.model
    def _get_saas_blocking_domain(self) -> list:
        return [("is_required", "=", True), ("state", "in", OPEN_STATES)]

    @api.constrains("is_reached")
    def _check_saas_documents(self):
        """A milestone is not reached while a required document of it is open.

        :raise OnboardingDocumentError: names the documents
        """
        reached = self.filtered("is_reached")
        if not reached:
            return
        # sudo: who may not read the documents may still not pass them over
        documents = (
            self.env["saas.onboarding.document"]
            .sudo()
            .search(
                [
                    *self._get_saas_blocking_domain(),
                    ("milestone_id", "in", reached.ids),
                ]
            )
        )
        for milestone, missing in documents.grouped("milestone_id").items():
            raise OnboardingDocumentError(
                self.env._(
                    "%(milestone)s can't be reached yet. Open documents: "
                    "%(documents)s. Accept or waive them first.",
                    milestone=milestone.name,
                    documents=", ".join(missing.mapped("name")),
                )
            )

    def _saas_lock(self):
        """Take the row locks of the milestones until the transaction ends.

        See ``row_lock.py``: a milestone can't be reached at the same
        moment in which a required document is put before it.
        """
        lock_rows(self)

    @api.model
    def _get_fields_to_export(self):
        return super()._get_fields_to_export() + ["saas_open_document_count"]

    def action_view_saas_documents(self) -> dict:
        """Open the documents of the milestone.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_subscription_ops.saas_onboarding_document_action"
        )
        action["domain"] = [("milestone_id", "=", self.id)]
        action["context"] = {
            "default_project_id": self.project_id.id,
            "default_milestone_id": self.id,
        }
        return action
