# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class AccountMoveLine(models.Model):
    _inherit = "account.move.line"

    has_saas_usage = fields.Boolean(
        compute="_compute_has_saas_usage", string="Shows Metered Use"
    )

    def _compute_has_saas_usage(self):
        charged = self.move_id._get_saas_usage_charges().move_line_id
        for line in self:
            line.has_saas_usage = line._origin in charged

    def action_drill_saas_usage(self):
        """Open the usage behind the invoice line.

        :return: window action
        """
        return self._get_saas_usage_charges()._get_drill_action()

    def action_dispute_saas_usage(self):
        """Dispute the usage behind the invoice line, or open its dispute.

        :return: window action
        """
        charges = self._get_saas_usage_charges().sudo(False)
        if len(charges) > 1:
            return charges._get_drill_action()
        return charges.action_dispute_usage()

    def _get_saas_usage_charges(self):
        """Return the charges of metered use the line shows."""
        self.ensure_one()
        charges = self.move_id._get_saas_usage_charges()
        return charges.filtered(lambda charge: charge.move_line_id == self)
