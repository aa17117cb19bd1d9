# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class SaasUsageDrillLine(models.TransientModel):
    """A tier, a day, a day's part of a tier, or a group of dimensions."""

    _name = "saas.usage.drill.line"
    _description = "Part of a Usage Charge"
    _order = "drill_id, id"
    _rec_name = "name"

    drill_id = fields.Many2one(
        "saas.usage.drill", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(
        related="drill_id.company_id", store=True, precompute=True
    )
    currency_id = fields.Many2one(related="drill_id.currency_id")
    kind = fields.Selection(
        [
            ("tier", "Tier"),
            ("tier_day", "Day of a Tier"),
            ("day", "Day"),
            ("group", "Dimension"),
        ],
        required=True,
        readonly=True,
    )
    tier_id = fields.Many2one(
        "saas.usage.drill.line", readonly=True, index=True, ondelete="cascade"
    )
    tier_day_ids = fields.One2many("saas.usage.drill.line", "tier_id")
    name = fields.Char(readonly=True)
    day = fields.Date(readonly=True)
    texts = fields.Json(readonly=True)
    quantity = fields.Float(digits=(16, 6), readonly=True)
    event_count = fields.Integer(string="Events", readonly=True)
    amount = fields.Monetary(readonly=True)

    def action_view_events(self):
        """Open the events behind the line.

        :return: window action
        """
        self.ensure_one()
        charge = self.drill_id._get_charge()
        texts = self.texts if self.kind == "group" else None
        return charge.action_view_usage_events(self.day or None, texts)

    def action_view_days(self):
        """Open the days that used up a tier.

        :return: window action
        """
        self.ensure_one()
        return self.tier_day_ids._get_days_action(self.name)

    def _get_days_action(self, name):
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_usage_billing.saas_usage_drill_line_action_days"
        )
        action["name"] = name
        action["domain"] = [("id", "in", self.ids)]
        return action
