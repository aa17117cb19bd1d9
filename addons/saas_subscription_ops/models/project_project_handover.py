# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models

from .saas_change_request import PRICE_GROUPS
from .saas_handover import STATES


class ProjectProject(models.Model):
    """What sales promised, at the project that delivers it."""

    _inherit = "project.project"

    saas_handover_ids = fields.One2many(
        "saas.handover", "project_id", groups="base.group_user"
    )
    saas_handover_state = fields.Selection(
        STATES,
        string="Handover",
        compute="_compute_saas_handover",
        groups="base.group_user",
    )
    saas_promised_on = fields.Date(
        string="Promised Go-Live",
        compute="_compute_saas_handover",
        help="The go-live sales told the customer, from the handover.",
        groups="base.group_user",
    )

    saas_signed_attachment_ids = fields.Many2many(
        "ir.attachment",
        string="Signed Orders",
        compute="_compute_saas_signed_attachment_ids",
        help="What the customer signed, with its prices: for sales, finance and "
        "Customer Success.",
        groups=PRICE_GROUPS,
    )

    def _compute_saas_signed_attachment_ids(self):
        attachments = self.env["ir.attachment"].search(
            [
                ("res_model", "=", self._name),
                ("res_id", "in", self.ids),
                ("res_field", "=", "saas_signed_attachment_ids"),
            ],
            order="id",
        )
        for project in self:
            project.saas_signed_attachment_ids = attachments.filtered(
                lambda one, own=project: one.res_id == own.id
            )

    @api.depends("saas_handover_ids.state", "saas_handover_ids.date_go_live")
    def _compute_saas_handover(self):
        for project in self:
            # sudo: who sees the project may know whether it was handed over
            handover = project.sudo().saas_handover_ids[:1]
            project.saas_handover_state = handover.state
            project.saas_promised_on = handover.date_go_live

    def action_open_saas_handover(self) -> dict:
        """Open what sales handed over.

        :return: window action
        """
        self.ensure_one()
        handovers = self.saas_handover_ids
        if len(handovers) == 1:
            return handovers._get_form_action()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Handovers"),
            "res_model": "saas.handover",
            "view_mode": "list,form",
            "domain": [("project_id", "=", self.id)],
            "context": {"create": False},
        }
