# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import models
from odoo.tools import split_every

from ..exceptions import UsageReplayError

#: Rows a person may wait for; more are replayed by jobs.
AT_ONCE = 500
CHUNK_ROWS = 2_000
#: Reasons that another external id may mend.
UNMAPPED = ("unknown_subject", "no_subscription", "ambiguous_subject")


class SaasUsageQuarantine(models.Model):
    """Mend and replay thousands of rows that wait for the same thing."""

    _inherit = "saas.usage.quarantine"

    def action_replay(self):
        if len(self) <= AT_ONCE:
            return super().action_replay()
        self.check_access("write")
        rows = self.filtered(lambda row: row.state == "open" and not row.is_rejected)
        if len(rows) <= AT_ONCE:
            return super(SaasUsageQuarantine, rows).action_replay()
        chunks = list(split_every(CHUNK_ROWS, sorted(rows.ids)))
        for number, ids in enumerate(chunks, 1):
            self.browse(ids).with_delay(
                description=self.env._(
                    "Replay of quarantined usage: part %(number)s of %(parts)s",
                    number=number,
                    parts=len(chunks),
                ),
            )._job_replay(number, len(chunks))
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "info",
                "message": self.env._(
                    "%(count)s events are replayed by jobs, %(size)s each. You are"
                    " told when one is done.",
                    count=len(rows),
                    size=CHUNK_ROWS,
                ),
            },
        }

    def _job_replay(self, number: int, parts: int):
        """Replay some rows and tell the user who asked; repeats store nothing again.

        :param int number: of this part
        :param int parts: how many there are
        """
        rows = self.exists()
        try:
            self._replay_now()
        except UsageReplayError:
            # A repeat, or somebody else was faster: there is nothing left to do.
            rows.invalidate_recordset()
        stored = len(rows.filtered(lambda row: row.state == "replayed"))
        left = len(rows.filtered(lambda row: row.state == "open"))
        self.env.user._bus_send(
            "simple_notification",
            {
                "type": "warning" if left else "success",
                "title": self.env._(
                    "Replay, part %(number)s of %(parts)s", number=number, parts=parts
                ),
                "message": self.env._(
                    "%(stored)s stored, %(left)s still quarantined.",
                    stored=stored,
                    left=left,
                ),
                "sticky": number == parts,
            },
        )

    def action_map_alike(self):
        """Open the mapping of all distinct subjects of the rows.

        :return: window action
        :raise UsageReplayError: no open row waits for an external id
        """
        self.check_access("read")
        rows = self.filtered(
            lambda row: row.state == "open" and row.reason in UNMAPPED and row.subject
        )
        if not rows:
            raise UsageReplayError(
                self.env._("Choose open events whose subject leads to no subscription.")
            )
        wizard = self.env["saas.usage.map.subject"]._create_for(rows)
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Map All Alike"),
            "res_model": wizard._name,
            "res_id": wizard.id,
            "view_mode": "form",
            "target": "new",
        }
