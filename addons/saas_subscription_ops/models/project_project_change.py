# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class ProjectProject(models.Model):
    """Changes the customer asked for during delivery."""

    _inherit = "project.project"

    saas_change_request_ids = fields.One2many(
        "saas.change.request",
        "project_id",
        string="Change Requests",
        groups="base.group_user",
    )
    saas_change_request_count = fields.Integer(
        string="# Change Requests",
        compute="_compute_saas_change_request_count",
        groups="base.group_user",
    )

    def _compute_saas_change_request_count(self):
        counts = dict(
            self.env["saas.change.request"]
            # sudo: a number; the list shows what one may see
            .sudo()
            ._read_group([("project_id", "in", self.ids)], ["project_id"], ["__count"])
        )
        for project in self:
            project.saas_change_request_count = counts.get(project, 0)

    def action_view_saas_change_requests(self) -> dict:
        """Open the change requests of the project.

        :return: window action
        """
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Changes of %(project)s", project=self.name),
            "res_model": "saas.change.request",
            "view_mode": "kanban,list,form",
            "domain": [("project_id", "=", self.id)],
            "context": {"default_project_id": self.id},
        }
