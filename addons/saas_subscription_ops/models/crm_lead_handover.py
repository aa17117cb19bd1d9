# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models


class CrmLead(models.Model):
    """The opportunity: where sales writes down what it promises."""

    _inherit = "crm.lead"

    saas_handover_ids = fields.One2many("saas.handover", "lead_id")
    saas_handover_id = fields.Many2one(
        "saas.handover", string="Handover", compute="_compute_saas_handover"
    )
    saas_handover_readiness = fields.Integer(
        string="Handover Readiness", compute="_compute_saas_handover"
    )
    saas_handover_missing = fields.Text(
        string="Handover Lacks", compute="_compute_saas_handover"
    )

    @api.depends("saas_handover_ids.readiness", "saas_handover_ids.missing")
    def _compute_saas_handover(self):
        for lead in self:
            # sudo: who sees the opportunity may know what its handover lacks
            handover = lead.sudo().saas_handover_ids[:1]
            lead.saas_handover_id = handover.sudo(False)
            lead.saas_handover_readiness = handover.readiness
            lead.saas_handover_missing = handover.missing

    def action_open_saas_handover(self) -> dict:
        """Open the handover of the opportunity; it is made on first use.

        :return: window action
        """
        self.ensure_one()
        handover = self.saas_handover_id
        if not handover:
            self.check_access("write")
            handover = self.env["saas.handover"].create({"lead_id": self.id})
        return handover._get_form_action()

    def _merge_dependences(self, opportunities):
        """A merged opportunity keeps a handover: its own, else that of another."""
        result = super()._merge_dependences(opportunities)
        # sudo: who may merge opportunities may move what hangs on them
        others = opportunities.sudo().saas_handover_ids
        if others and not self.sudo().saas_handover_ids:
            others[0].lead_id = self
        return result

    def unlink(self):
        # sudo: the handover of an opportunity nobody ordered from goes with it
        orphans = self.sudo().saas_handover_ids.filtered(
            lambda handover: not handover.order_id and not handover.project_id
        )
        result = super().unlink()
        orphans.unlink()
        return result
