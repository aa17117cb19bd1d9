# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models
from odoo.exceptions import UserError


class SaasExceptionIgnoreWizard(models.TransientModel):
    """Ask why exceptions may be ignored."""

    _name = "saas.exception.ignore.wizard"
    _description = "Ignore Exceptions"

    exception_ids = fields.Many2many("saas.exception", required=True)
    reason = fields.Text(required=True)

    def action_confirm(self):
        """Ignore the exceptions with the reason given.

        :return: action closing the dialog
        :raise UserError: no reason
        """
        self.ensure_one()
        if not self.reason.strip():
            raise UserError(self.env._("Write down why this may be ignored."))
        self.exception_ids._ignore(self.reason.strip())
        return {"type": "ir.actions.act_window_close"}
