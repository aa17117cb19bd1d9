# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models


class SaasOnboardingPackage(models.Model):
    """Hours that a change request has added."""

    _inherit = "saas.onboarding.package"

    change_request_id = fields.Many2one(
        "saas.change.request",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
    )

    _change_request_uniq = models.UniqueIndex(
        "(change_request_id) WHERE change_request_id IS NOT NULL",
        "This change request is part of the project already.",
    )

    @api.depends("change_request_id.name")
    def _compute_name(self):
        result = super()._compute_name()
        for package in self.filtered("change_request_id"):
            package.name = package.change_request_id.name
        return result
