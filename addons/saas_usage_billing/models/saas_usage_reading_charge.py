# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import api, fields, models

from ..exceptions import UsageStoreError


class SaasUsageReading(models.Model):
    """Readings that stand for events which are detached: they are evidence."""

    _inherit = "saas.usage.reading"

    charge_id = fields.Many2one(
        "saas.charge",
        readonly=True,
        index="btree_not_null",
        ondelete="cascade",
        help="What was charged. The events behind it, or what a level comes from, are"
        " no longer kept: this says what they came to.",
    )
    days = fields.Json(string="By Day", readonly=True)
    parts = fields.Json(string="By Dimension", readonly=True)

    @api.ondelete(at_uninstall=False)
    def _unlink_except_evidence(self):
        for reading in self:
            if reading.charge_id:
                raise UsageStoreError(
                    self.env._(
                        "“%(name)s” stands for events that are no longer kept: it is"
                        " what an invoice rests on and cannot be deleted.",
                        name=reading.display_name,
                    )
                )
