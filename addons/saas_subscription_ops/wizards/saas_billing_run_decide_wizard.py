# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models

STEPS = {"held": "action_hold", "ok": "action_release", "excluded": "action_exclude"}


class SaasBillingRunDecideWizard(models.TransientModel):
    """One comment for a decision on many lines."""

    _name = "saas.billing.run.decide.wizard"
    _description = "Decide on Billing Run Lines"

    line_ids = fields.Many2many("saas.billing.run.line", required=True)
    line_count = fields.Integer(compute="_compute_line_count")
    decision = fields.Selection(
        [("held", "Hold"), ("ok", "Release"), ("excluded", "Exclude")],
        required=True,
        help="Held lines wait for a decision, released ones are posted, excluded ones "
        "are left to a later run.",
    )
    comment = fields.Char(required=True)

    def _compute_line_count(self):
        for wizard in self:
            wizard.line_count = len(wizard.line_ids)

    def action_confirm(self) -> dict:
        """Write the comment on the lines and decide on them.

        :return: action closing the dialog
        :raise TransitionError: a line can't be decided on any more
        """
        self.ensure_one()
        self.line_ids.comment = self.comment.strip()
        getattr(self.line_ids, STEPS[self.decision])()
        return {"type": "ir.actions.act_window_close"}
