# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models

#: What a stage means for the clocks; the codes are those of the engine.
STAGE_MEANINGS = [
    ("run", "Running"),
    ("pause_customer", "Waiting for the customer"),
    ("pause_vendor", "Waiting for a vendor"),
    ("stop_solved", "Solved"),
    ("stop_cancelled", "Cancelled"),
]
STOPPED = ("stop_solved", "stop_cancelled")
#: Meaning of the stages helpdesk_mgmt ships, where it is not what ``closed`` implies.
PRESET = {
    "helpdesk_mgmt.helpdesk_ticket_stage_new": "run",
    "helpdesk_mgmt.helpdesk_ticket_stage_in_progress": "run",
    "helpdesk_mgmt.helpdesk_ticket_stage_awaiting": "pause_customer",
    "helpdesk_mgmt.helpdesk_ticket_stage_done": "stop_solved",
    "helpdesk_mgmt.helpdesk_ticket_stage_cancelled": "stop_cancelled",
    "helpdesk_mgmt.helpdesk_ticket_stage_rejected": "stop_cancelled",
}


class HelpdeskTicketStage(models.Model):
    """Say what a stage means for the SLA clocks."""

    _inherit = "helpdesk.ticket.stage"

    saas_clock = fields.Selection(
        STAGE_MEANINGS,
        string="SLA Clock",
        compute="_compute_saas_clock",
        store=True,
        readonly=False,
        precompute=True,
        required=True,
        help="Running: the clocks count. Waiting: they pause, working time does not"
        " count. Solved: the resolution target is decided. Cancelled: open targets are"
        " neither met nor missed. A change applies to tickets that enter the stage from"
        " now on.",
    )

    @api.depends("closed")
    def _compute_saas_clock(self):
        for stage in self:
            if stage.closed and stage.saas_clock not in STOPPED:
                stage.saas_clock = "stop_solved"
            elif not stage.closed and (
                not stage.saas_clock or stage.saas_clock in STOPPED
            ):
                stage.saas_clock = "run"

    @api.model
    def _saas_preset_meanings(self):
        """Give the stages of helpdesk_mgmt their meaning, where they still exist."""
        for xmlid, meaning in PRESET.items():
            stage = self.env.ref(xmlid, raise_if_not_found=False)
            if stage:
                stage.saas_clock = meaning
