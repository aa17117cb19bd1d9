# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class SaasSlaEscalationLog(models.Model):
    """What has run for a clock. The database refuses a second run of the same thing."""

    _name = "saas.sla.escalation.log"
    _description = "SLA Escalation Log"
    _inherit = ["saas.default.guard"]
    _order = "run_at desc, id desc"

    clock_id = fields.Many2one(
        "saas.sla.clock", required=True, readonly=True, index=True, ondelete="cascade"
    )
    ticket_id = fields.Many2one(
        related="clock_id.ticket_id", store=True, index=True, precompute=True
    )
    company_id = fields.Many2one(
        related="clock_id.company_id", store=True, index=True, precompute=True
    )
    metric = fields.Selection(related="clock_id.metric", store=True, precompute=True)
    kind = fields.Selection(
        [("warning", "Warning"), ("breach", "Breach"), ("step", "Escalation step")],
        required=True,
        readonly=True,
    )
    step_id = fields.Many2one(
        "saas.sla.escalation",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
    )
    step_ref = fields.Integer(
        readonly=True,
        aggregator=None,
        help="Id of the step, kept when the step is deleted.",
    )
    name = fields.Char(string="What", readonly=True)
    round = fields.Integer(required=True, readonly=True, aggregator=None)
    planned_at = fields.Datetime(readonly=True, help="When it was due, UTC.")
    run_at = fields.Datetime(required=True, readonly=True)
    outcome = fields.Char(readonly=True)

    _once = models.UniqueIndex(
        "(clock_id, kind, step_ref, round)",
        "This step has run for this clock already.",
    )
