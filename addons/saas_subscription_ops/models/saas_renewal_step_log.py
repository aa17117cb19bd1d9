# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class SaasRenewalStepLog(models.Model):
    """That a step was taken for a renewal, once and for all."""

    _name = "saas.renewal.step.log"
    _description = "Renewal Step Taken"
    _inherit = ["saas.default.guard"]
    _order = "done_on, id"

    renewal_id = fields.Many2one(
        "saas.renewal", required=True, readonly=True, index=True, ondelete="cascade"
    )
    step_id = fields.Many2one(
        "saas.renewal.step",
        required=True,
        readonly=True,
        index=True,
        ondelete="restrict",
    )
    company_id = fields.Many2one(
        related="renewal_id.company_id", store=True, index=True, precompute=True
    )
    done_on = fields.Date(required=True, readonly=True)
    result = fields.Selection(
        [("done", "Done"), ("skipped", "Skipped"), ("failed", "Failed")],
        required=True,
        readonly=True,
    )
    note = fields.Char(readonly=True, help="What was made, or why nothing was.")
    order_id = fields.Many2one(
        "sale.order",
        string="Signed Order",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        help="The order because of which the step was left out.",
    )

    _renewal_step_uniq = models.Constraint(
        "UNIQUE (renewal_id, step_id)", "A step is taken once for a renewal."
    )
