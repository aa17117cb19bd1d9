# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models


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
    lost_reason_id = fields.Many2one(
        "crm.lost.reason",
        ondelete="set null",
        index="btree_not_null",
        help="Why the renewal and its opportunity are lost when a customer cancels "
        "for this reason.",
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

    @api.model
    def _map_lost_reasons(self, *codes):
        """Give shipped reasons the lost reason of the same name; made when absent.

        Those that have one keep it. Called when the module is installed or updated.

        :param codes: codes of the shipped reasons
        """
        LostReason = self.env["crm.lost.reason"].with_context(
            active_test=False, lang="en_US"
        )
        reasons = self.with_context(active_test=False, lang="en_US").search(
            [("code", "in", codes), ("lost_reason_id", "=", False)]
        )
        for reason in reasons:
            lost = LostReason.search([("name", "=", reason.name)], limit=1)
            reason.lost_reason_id = lost or LostReason.create({"name": reason.name})
