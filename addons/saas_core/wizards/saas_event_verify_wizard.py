# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models
from odoo.exceptions import UserError


class SaasEventVerifyWizard(models.TransientModel):
    """Check the event ledger, if wanted against a hash noted elsewhere."""

    _name = "saas.event.verify.wizard"
    _description = "Verify Event Ledger"

    chain_ids = fields.Many2many(
        "saas.event.chain",
        string="Companies",
        default=lambda self: self._default_chain_ids(),
    )
    anchor_seq = fields.Integer(string="Noted Number")
    anchor_hash = fields.Char(string="Noted Hash")
    state = fields.Selection(
        [("none", "To do"), ("ok", "Intact"), ("broken", "Broken")],
        default="none",
        readonly=True,
    )
    finding = fields.Text(readonly=True)
    broken_event_id = fields.Many2one("saas.event", readonly=True)

    @api.model
    def _default_chain_ids(self):
        if self.env.context.get("active_model") == "saas.event.chain":
            return self.env.context.get("active_ids", [])
        return self.env["saas.event.chain"].search(
            [("company_id", "in", self.env.companies.ids)]
        )

    def action_verify(self):
        """Recompute every hash of the chosen chains.

        :return: window action showing the finding in the same dialog
        :raise UserError: half an anchor, or an anchor for several companies
        """
        self.ensure_one()
        if bool(self.anchor_seq) != bool(self.anchor_hash):
            raise UserError(self.env._("Give number and hash together, or neither."))
        if self.anchor_seq and len(self.chain_ids) > 1:
            raise UserError(
                self.env._("A noted hash belongs to one company: choose that one.")
            )
        anchor_hash = (self.anchor_hash or "").strip().lower() or None
        results = self.chain_ids.verify(self.anchor_seq, anchor_hash)
        broken = [result for result in results if not result["ok"]]
        empty = self.env._("No event has been sealed yet.")
        self.write(
            {
                "state": "broken" if broken else "ok",
                "finding": "\n".join(row["message"] for row in results) or empty,
                "broken_event_id": broken[0]["event_id"] if broken else False,
            }
        )
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Verify Event Ledger"),
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "target": "new",
        }
