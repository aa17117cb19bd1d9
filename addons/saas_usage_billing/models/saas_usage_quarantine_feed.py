# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from dataclasses import replace

from odoo import api, fields, models
from odoo.tools.translate import LazyTranslate

from .usage_json import load_flat
from .usage_origin import FileEvent, Origin, UnmappedPayload
from .usage_said import Said, say_stored

_lt = LazyTranslate(__name__)


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

    upload_id = fields.Many2one(
        "saas.usage.upload",
        string="File",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
        help="The uploaded file it stands in.",
    )
    upload_row = fields.Integer(
        string="Row in the File", readonly=True, help="The header is no row."
    )
    upload_repeat = fields.Integer(
        readonly=True, default=1, help="How many rows like it there were by then."
    )

    said = fields.Json(
        readonly=True, help="The message in parts, to be said in other languages."
    )
    message_text = fields.Char(
        string="Why",
        compute="_compute_message_text",
        help="What was answered to the sender, in the language of the reader where it"
        " is of a mapping.",
    )

    @api.depends("message", "said")
    @api.depends_context("lang")
    def _compute_message_text(self):
        for row in self:
            said = row.said and say_stored(self.env, row.said)
            row.message_text = said or row.message

    # pylint: disable-next=missing-return
    def _replay_group(self, company, seen_at, rows, **options):
        # Age is a matter of the file they stand in.
        late = rows.filtered("upload_id.is_late_feed")
        for part, is_late in ((rows - late, False), (late, True)):
            if part:
                model = self.with_context(saas_usage_late_feed=is_late)
                super(SaasUsageQuarantine, model)._replay_group(
                    company, seen_at, part, **options
                )

    def _get_events(self):
        self.ensure_one()
        if not self.upload_id and not self.feed_source_id:
            return super()._get_events()
        origin = Origin(
            self.source_id.id,
            upload_id=self.upload_id.id or None,
            row=self.upload_row,
            repeat=self.upload_repeat,
        )
        value = load_flat(self.raw)
        if not self.feed_source_id:
            return [FileEvent(value, origin)]
        source = self.feed_source_id
        events = source._map_payloads([value], origin, self.upload_id.mapping_id)
        if events:
            return events
        # What a mapping makes nothing of any more must not vanish.
        origin = replace(origin, mapping_id=self.mapping_id.id or None)
        message = Said(_lt("The mapping makes no event of this payload any more."))
        return [UnmappedPayload(self.raw, message, origin)]

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
