# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models


class AccountMove(models.Model):
    _inherit = "account.move"

    has_saas_usage = fields.Boolean(
        compute="_compute_has_saas_usage", string="Shows Metered Use"
    )

    @api.depends("saas_charge_ids")
    def _compute_has_saas_usage(self):
        charged = self._get_saas_usage_charges().move_id
        for move in self:
            move.has_saas_usage = move._origin in charged

    def _get_saas_usage_charges(self):
        """Return the charges of metered use that the invoices show."""
        # sudo: whether there is usage behind an invoice; opening it needs own rights
        charges = (
            self.env["saas.charge"]
            .sudo()
            .search([("move_id", "in", self.ids), ("base_kind", "=", "usage")])
        )
        return charges.filtered("has_usage")

    def action_drill_saas_usage(self):
        """Open the usage behind the invoice: the charge, or the list of them.

        :return: window action
        """
        self.ensure_one()
        return self._get_saas_usage_charges()._get_drill_action()
