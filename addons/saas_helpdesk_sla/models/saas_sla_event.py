# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models

from ..exceptions import SlaLogError
from .helpdesk_ticket_stage import STAGE_MEANINGS


class SaasSlaEvent(models.Model):
    """One row of a ticket's append-only log; the clocks are computed from it alone."""

    _name = "saas.sla.event"
    _description = "Ticket Log"
    _inherit = ["saas.default.guard"]
    _order = "occurred_at, id"
    _rec_name = "kind"
    _log_access = False

    ticket_id = fields.Many2one(
        "helpdesk.ticket", required=True, readonly=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True, ondelete="restrict"
    )
    kind = fields.Selection(
        [
            ("created", "Created"),
            ("customer_message", "Customer message"),
            ("agent_reply", "Agent reply"),
            ("stage", "Stage"),
            ("reopened", "Reopened"),
            ("policy_changed", "Policy changed"),
        ],
        required=True,
        readonly=True,
        index=True,
    )
    meaning = fields.Selection(
        STAGE_MEANINGS,
        string="SLA Clock",
        readonly=True,
        help="What the stage meant at that moment.",
    )
    occurred_at = fields.Datetime(required=True, readonly=True, help="UTC.")
    stage_id = fields.Many2one(
        "helpdesk.ticket.stage", readonly=True, ondelete="set null"
    )
    message_id = fields.Many2one(
        "mail.message", readonly=True, index="btree_not_null", ondelete="set null"
    )
    user_id = fields.Many2one(
        "res.users",
        string="By",
        required=True,
        readonly=True,
        index=True,
        ondelete="restrict",
    )
    payload = fields.Json(readonly=True)
    detail = fields.Char(compute="_compute_detail")

    _ticket_time_idx = models.Index("(ticket_id, occurred_at, id)")
    # A message is counted once, whatever hooks run twice.
    _message_unique = models.UniqueIndex(
        "(message_id) WHERE message_id IS NOT NULL",
        "This message is in the ticket log already.",
    )

    @api.depends("kind", "stage_id", "payload")
    def _compute_detail(self):
        for event in self:
            payload = event.payload or {}
            event.detail = payload.get("text") or event.stage_id.name or ""

    def _refuse_change(self):
        raise SlaLogError(
            self.env._(
                "The ticket log is append-only: deadlines and breaches are proven by"
                " it. It cannot be changed, copied or deleted; it goes with its ticket."
            )
        )

    def write(self, vals):
        if self and vals:
            self._refuse_change()
        return super().write(vals)

    def unlink(self):
        if self:
            self._refuse_change()
        return super().unlink()

    def copy_data(self, default=None):
        self._refuse_change()
