# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import logging

from odoo import models

from .usage_file import Place

_logger = logging.getLogger(__name__)

CHUNK_ROWS = 5_000
FAILED = "usage.upload_failed"


class SaasUsageUpload(models.Model):
    """Import a file chunk by chunk, each in a transaction of its own."""

    _inherit = "saas.usage.upload"

    def _enqueue_import(self):
        self.ensure_one()
        # With the process in the context, and no key: the job that queues the next one
        # is still there, and one too many finds its rows read.
        self.with_delay(
            description=self.env._(
                "%(name)s: import from row %(row)s",
                name=self.name,
                row=self.next_row + 1,
            ),
        )._job_import(self.next_row)

    def _job_import(self, next_row: int):
        """Import a chunk and queue the next one.

        :param int next_row: rows read when it was queued; it does nothing when others
            have gone on since
        """
        self.ensure_one()
        self.lock_for_update()
        if self.state != "importing" or self.next_row != next_row:
            _logger.info("%s: the rows from %s on are read", self, next_row)
            return
        error = self._saas_try(lambda upload: upload._import_chunk())
        if error:
            self._fail(error)
        elif self.state == "importing":
            self._enqueue_import()

    def _import_chunk(self):
        place = Place(self.next_offset, self.next_line, self.next_row)
        repeats = dict(self.repeats or {})
        with self._get_stream() as stream:
            taken = self._take(stream, place, repeats, CHUNK_ROWS)
        after = taken.after
        names = ("stored", "duplicate", "quarantined")
        counts = dict.fromkeys(names, 0)
        if taken.events:
            counts = self._ingest_events(taken.events).counts
        self._set_results(
            next_row=after.row,
            next_offset=after.offset,
            next_line=after.line,
            repeats=repeats,
            **{name: self[name] + counts[name] for name in names},
        )
        if taken.is_end:
            self._finish()

    def _finish(self):
        self._set_results(state="done", error=False, repeats=False)
        self._saas_resolve(FAILED, self.env._("The file is imported."))
        self.message_post(
            body=self.env._(
                "%(stored)s events stored, %(duplicate)s known already, %(quarantined)s"
                " in the quarantine.",
                stored=self.stored,
                duplicate=self.duplicate,
                quarantined=self.quarantined,
            )
        )

    def _fail(self, error):
        message = str(error) or repr(error)
        self._set_results(state="failed", error=message[:500])
        self._saas_raise(
            FAILED,
            self.env._(
                "The import of “%(name)s” stopped behind row %(row)s: %(error)s What"
                " was read is stored. Go on after the cause is mended, or upload a"
                " corrected file: what is stored already is a duplicate.",
                name=self.name,
                row=self.next_row,
                error=message,
            ),
            queue="integration",
            severity="high",
            retry_method="saas_retry_upload",
        )

    def _resume(self):
        for upload in self.filtered(lambda one: one.state in ("importing", "failed")):
            upload.lock_for_update()
            upload._set_results(state="importing", error=False)
            upload._enqueue_import()
