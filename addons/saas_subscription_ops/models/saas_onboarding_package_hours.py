# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The hours of the packages are the allocated time of their project."""

from odoo import api, models


class SaasOnboardingPackage(models.Model):
    _inherit = "saas.onboarding.package"

    @api.model_create_multi
    def create(self, vals_list):
        ids = {vals["project_id"] for vals in vals_list if vals.get("project_id")}
        with self.env["project.project"].browse(ids)._saas_follow_budget():
            return super().create(vals_list)

    def write(self, vals):
        if "hours_budget" not in vals:
            return super().write(vals)
        with self.project_id._saas_follow_budget():
            return super().write(vals)

    def unlink(self):
        with self.project_id._saas_follow_budget():
            return super().unlink()
