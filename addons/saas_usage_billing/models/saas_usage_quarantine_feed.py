# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import fields, models

from .usage_json import load_flat
from .usage_origin import Origin, UnmappedPayload


class SaasUsageQuarantine(models.Model):
    """Events of feeds and files: what is kept is the payload they are made of."""

    _inherit = "saas.usage.quarantine"

    feed_source_id = fields.Many2one(
        "saas.usage.source",
        string="Feed",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
        help="Sent in a shape of this source's own: its mappings make the event again"
        " when it is replayed.",
    )
    mapping_id = fields.Many2one(
        "saas.usage.mapping",
        readonly=True,
        index="btree_not_null",
        ondelete="set null",
        help="Made the event, or failed to.",
    )

    def _get_events(self):
        self.ensure_one()
        if not self.feed_source_id:
            return super()._get_events()
        events = self.feed_source_id._map_payloads([load_flat(self.raw)])
        if events:
            return events
        # What a mapping makes nothing of any more must not vanish.
        return [
            UnmappedPayload(
                self.raw,
                "The mapping makes no event of this payload any more.",
                Origin(self.feed_source_id.id, self.mapping_id.id or None),
            )
        ]

    def _close_mapped(self, result):
        numbers = set(result.batch_ids.values())
        self.env.flush_all()
        self.invalidate_recordset()
        # A row that failed again was noted with the number of the replay. The event of
        # any other one is stored, or waits in a row of the id it has by now.
        self.filtered(
            lambda row: (
                row.feed_source_id
                and row.state == "open"
                and row.batch_id.id not in numbers
            )
        )._close("replayed")

    def action_open_mapping(self):
        """Open the mapping of the row, or those of its source.

        :return: window action
        """
        self.ensure_one()
        if not self.mapping_id:
            return self.feed_source_id.action_view_mappings()
        return {
            "type": "ir.actions.act_window",
            "res_model": "saas.usage.mapping",
            "res_id": self.mapping_id.id,
            "view_mode": "form",
        }
