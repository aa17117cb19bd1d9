# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import io

from odoo import api, fields, models

from ..exceptions import UsageUploadError

#: What a file is read by; changing it means to check again.
_INPUTS = {"file", "file_name", "source_id", "mapping_id", "format", "is_late_feed"}
#: Written by the steps of the document only.
_RESULTS = {
    "state",
    "row_count",
    "next_row",
    "next_offset",
    "next_line",
    "repeats",
    "preview",
    "stored",
    "duplicate",
    "quarantined",
    "error",
}


class SaasUsageUpload(models.Model):
    """A file of usage: checked, then imported by jobs that go on where one ended."""

    _name = "saas.usage.upload"
    _description = "Usage File"
    _inherit = ["mail.thread", "saas.mixin", "saas.default.guard"]
    _order = "id desc"
    _check_company_auto = True
    _undefaultable = frozenset(_RESULTS)

    name = fields.Char(
        compute="_compute_name",
        store=True,
        precompute=True,
        readonly=False,
        required=True,
    )
    company_id = fields.Many2one(
        "res.company", related="source_id.company_id", store=True, index=True
    )
    source_id = fields.Many2one(
        "saas.usage.source",
        required=True,
        index=True,
        ondelete="restrict",
        tracking=True,
    )
    mapping_id = fields.Many2one(
        "saas.usage.mapping",
        index="btree_not_null",
        ondelete="restrict",
        check_company=True,
        domain="[('source_id', '=', source_id)]",
        context={"active_test": False},
        tracking=True,
        help="Makes the events of the rows; the names of the columns are its paths."
        " Empty: the columns are id, type, subject and time, the others are data.",
    )
    file = fields.Binary(attachment=True, required=True, copy=False)
    file_name = fields.Char(copy=False)
    format = fields.Selection(
        [("csv", "CSV"), ("ndjson", "NDJSON (one JSON object a line)")],
        compute="_compute_format",
        store=True,
        precompute=True,
        readonly=False,
        required=True,
        help="UTF-8, plain or gzipped, at most 200 MB unpacked. CSV has a header and is"
        " separated by comma, semicolon or tab.",
    )
    is_late_feed = fields.Boolean(
        string="Late Feed",
        tracking=True,
        help="Accept events older than the source may send them: usage of invoiced"
        " periods becomes corrections.",
    )
    state = fields.Selection(
        [
            ("draft", "Draft"),
            ("checked", "Checked"),
            ("importing", "Importing"),
            ("done", "Done"),
            ("failed", "Failed"),
        ],
        required=True,
        readonly=True,
        default="draft",
        copy=False,
        index=True,
        tracking=True,
    )
    row_count = fields.Integer(string="Rows", readonly=True, copy=False)
    next_row = fields.Integer(
        string="Rows Read",
        readonly=True,
        copy=False,
        aggregator=None,
        help="What was imported so far; a job that was killed goes on behind it.",
    )
    next_offset = fields.Integer(readonly=True, copy=False, aggregator=None)
    next_line = fields.Integer(readonly=True, copy=False, aggregator=None)
    repeats = fields.Json(
        readonly=True,
        copy=False,
        help="Rows that stand in the file several times, and how often so far.",
    )
    preview = fields.Json(readonly=True, copy=False)
    preview_html = fields.Html(
        string="First Rows", compute="_compute_preview_html", sanitize=False
    )
    progress = fields.Float(compute="_compute_progress", help="Percent of the rows.")
    stored = fields.Integer(readonly=True, copy=False)
    duplicate = fields.Integer(readonly=True, copy=False)
    quarantined = fields.Integer(readonly=True, copy=False)
    error = fields.Char(readonly=True, copy=False, tracking=True)

    @api.depends("file_name")
    def _compute_name(self):
        for upload in self:
            upload.name = upload.file_name or upload.name or self.env._("Usage File")

    @api.depends("file_name")
    def _compute_format(self):
        for upload in self:
            name = (upload.file_name or "").lower().removesuffix(".gz")
            is_lines = name.endswith((".ndjson", ".jsonl", ".json"))
            upload.format = "ndjson" if is_lines else "csv"

    @api.depends("row_count", "next_row")
    def _compute_progress(self):
        for upload in self:
            rows = upload.row_count
            upload.progress = 100 * upload.next_row / rows if rows else 0

    def _compute_preview_html(self):
        for upload in self:
            upload.preview_html = upload._render_preview()

    # ------------------------------------------------------------------
    # CRUD
    # ------------------------------------------------------------------
    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._check_results_untouched(vals)
        return super().create(vals_list)

    def write(self, vals):
        self._check_results_untouched(vals)
        if _INPUTS & vals.keys():
            self._check_not_started()
            checked = self.filtered(lambda upload: upload.state == "checked")
            checked._set_results(state="draft", preview=False)
        return super().write(vals)

    @api.model
    def _check_results_untouched(self, vals):
        if _RESULTS & vals.keys() and not self.env.su:
            raise UsageUploadError(
                self.env._("What became of a file is written by its import only.")
            )

    def _check_not_started(self):
        """Refuse to change what rows were read by.

        :raise UsageUploadError: at least one file is being imported, or was
        """
        if any(upload.state not in ("draft", "checked") for upload in self):
            raise UsageUploadError(
                self.env._(
                    "This file is imported already: its rows are usage now. Upload"
                    " another one."
                )
            )

    @api.ondelete(at_uninstall=False)
    def _unlink_except_started(self):
        self._check_not_started()

    def _set_results(self, **vals):
        """Write what became of the files.

        :param vals: values of the fields that only the import writes
        """
        # sudo: nobody may write these by hand
        self.sudo().write(vals)

    def _saas_company(self):
        return self.company_id or self.env.company

    # ------------------------------------------------------------------
    # Actions
    # ------------------------------------------------------------------
    def action_check(self):
        """Read the whole file, and try its first rows without keeping anything.

        :return: True
        :raise UsageUploadError: the file can't be read; names the line
        """
        self.check_access("write")
        for upload in self:
            upload._check_not_started()
            upload._check_file()
        return True

    def action_import(self):
        """Import the rows by jobs.

        :return: True
        :raise UsageUploadError: not checked
        """
        self.check_access("write")
        for upload in self:
            upload.lock_for_update()
            if upload.state != "checked":
                raise UsageUploadError(
                    self.env._("%(name)s: check the file first.", name=upload.name)
                )
            upload._set_results(state="importing", error=False)
            upload._enqueue_import()
        return True

    def action_resume(self):
        """Go on with an import that failed or whose job is gone.

        Rows are never imported twice: a job that is not gone finds them read.

        :return: True
        """
        self.check_access("write")
        self._resume()
        return True

    def saas_retry_upload(self):
        """Go on with a failed import, from the exception queue."""
        self.check_access("write")
        self._resume()

    def action_view_events(self):
        """Open the events the file brought.

        :return: window action
        """
        return self._open(
            "saas_usage_event_action", [("batch_id", "in", self._get_batches().ids)]
        )

    def action_view_requests(self):
        """Open the requests the file was stored by.

        :return: window action
        """
        return self._open(
            "saas_usage_batch_action", [("id", "in", self._get_batches().ids)]
        )

    def action_view_quarantine(self):
        """Open what waits of the file.

        :return: window action
        """
        return self._open(
            "saas_usage_quarantine_action", [("upload_id", "in", self.ids)]
        )

    def _open(self, action, domain):
        self.ensure_one()
        return {
            **self.env["ir.actions.act_window"]._for_xml_id(
                f"saas_usage_billing.{action}"
            ),
            "domain": domain,
        }

    def _get_batches(self):
        self.ensure_one()
        return self.env["saas.usage.batch"].search(
            [
                ("correlation_id", "=", self._saas_correlation()),
                ("kind", "=", "upload"),
            ]
        )

    # ------------------------------------------------------------------
    # The file
    # ------------------------------------------------------------------
    def _get_stream(self):
        """Return the file as a binary stream that can seek; close it."""
        self.ensure_one()
        # sudo: attachments of fields are read through their document, whose right
        # was checked
        attachment = (
            self.env["ir.attachment"]
            .sudo()
            .search(
                [
                    ("res_model", "=", self._name),
                    ("res_id", "=", self.id),
                    ("res_field", "=", "file"),
                ],
                limit=1,
            )
        )
        if attachment.store_fname:
            return open(attachment._full_path(attachment.store_fname), "rb")
        return io.BytesIO(attachment.raw or b"")
