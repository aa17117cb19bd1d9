# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models


class SaasCancelReason(models.Model):
    """Why customers leave: one list for staff and portal, so that it can be counted."""

    _name = "saas.cancel.reason"
    _description = "Cancellation Reason"
    _order = "sequence, id"

    name = fields.Char(required=True, translate=True)
    code = fields.Char(help="Short reference used in reports.")
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    is_portal = fields.Boolean(
        string="On the Portal", default=True, help="Customers may choose it."
    )
    amendment_ids = fields.One2many("saas.amendment", "reason_id")
    amendment_count = fields.Integer(compute="_compute_amendment_count")

    _code_uniq = models.UniqueIndex(
        "(code) WHERE code IS NOT NULL", "Another reason already uses this code."
    )

    def _compute_amendment_count(self):
        counts = dict(
            self.env["saas.amendment"]._read_group(
                [("reason_id", "in", self.ids)], ["reason_id"], ["__count"]
            )
        )
        for reason in self:
            reason.amendment_count = counts.get(reason, 0)
