# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import base64
import gzip
import io
import json
from functools import partial
from unittest.mock import patch

from odoo import Command
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import BaseCase, tagged
from odoo.tools import mute_logger
from odoo.tools.translate import code_translations

from odoo.addons.queue_job.tests.common import trap_jobs

from ..exceptions import UsageUploadError
from ..models import saas_usage_upload_import, saas_usage_upload_rows
from ..models.usage_file import MAX_COLUMNS, Place, UsageFileError, read_rows
from ..models.usage_origin import BrokenRow
from ..models.usage_path import Budget
from .common import UsageCase

HEADER = "id;type;subject;time;bytes"


def rows_of(text, kind="csv", place=None):
    data = text if isinstance(text, bytes) else text.encode()
    return list(read_rows(io.BytesIO(data), kind, place or Place()))


@tagged("post_install", "-at_install")
class TestUsageFile(BaseCase):
    """Files are read from any place on; what is broken is named by its line."""

    def test_csv_by_any_delimiter_from_any_place(self):
        for delimiter in ",;\t":
            text = (
                "\ufeff"
                + delimiter.join(["id", "note"])
                + "\r\n"
                + delimiter.join(["1", '"two\nlines"'])
                + "\n\n"
                + delimiter.join(["2", ""])
            )
            for data in (text.encode(), gzip.compress(text.encode())):
                first, second = rows_of(data)
                self.assertEqual(first.value, {"id": "1", "note": "two\nlines"})
                self.assertEqual((second.number, second.value), (2, {"id": "2"}))
                self.assertEqual(rows_of(data, "csv", first.after), [second])
                self.assertEqual(rows_of(data, "csv", second.after), [])

    def test_broken_rows_are_rows(self):
        rows = rows_of("a,b\n1,2\n1,2,3\n4,5")
        self.assertIsInstance(rows[1].value, BrokenRow)
        self.assertIn("Row 2, line 3: 3 columns", rows[1].value.error)
        self.assertEqual(rows[2].value, {"a": "4", "b": "5"})
        rows = rows_of('{"a": 1.10}\n\n{"a"\n', "ndjson")
        self.assertEqual(str(rows[0].value["a"]), "1.10")
        self.assertIn("Row 2, line 3", rows[1].value.error)

    def test_broken_files_name_the_line(self):
        for data, words in (
            (b"", "Line 1: the header"),
            (b"a,,b\n", "Line 1: column 2 has no name"),
            (b"a,a\n", "Line 1: column 2"),
            ("a,b\n1,ä\n".encode("latin-1"), "Line 2: byte 3 is not UTF-8"),
            (b'a,b\n1,2\n"open,2\n', "Line 3: this is no CSV"),
            (b"a,b\n1,\x00\n", "Line 2"),
            (gzip.compress(b"a,b\n" + b"1,2\n" * 999)[:-20], "cut off"),
            (b"a\n" + b"x" * 1_100_000, "Line 2: longer"),
        ):
            with self.assertRaises(UsageFileError) as caught:
                rows_of(data)
            self.assertIn(words, str(caught.exception))

    def test_headers_of_any_width(self):
        names = [f"c{number}" for number in range(MAX_COLUMNS)]
        [row] = rows_of(",".join(names) + "\n" + "1," * (MAX_COLUMNS - 1) + "1")
        self.assertEqual(len(row.value), MAX_COLUMNS)
        with self.assertRaises(UsageFileError) as caught:
            rows_of(",".join([*names, "more"]))
        self.assertIn("Line 1: 1001 columns", str(caught.exception))

    def test_what_is_wrong_is_said_in_any_language(self):
        with self.assertRaises(UsageFileError) as caught:
            rows_of(b"a,b\n1,\x00\n")
        words = {
            "Line %(line)s: %(reason)s": "Zeile %(line)s: %(reason)s",
            "has NUL characters: this is no text.": "hat NUL-Zeichen.",
        }
        with patch.object(
            code_translations, "get_python_translations", lambda *_args: words
        ):
            text = caught.exception.text._translate("de_DE")
        self.assertEqual(text, "Zeile 2: hat NUL-Zeichen.")


@tagged("post_install", "-at_install")
class TestUpload(UsageCase):
    """Files are checked, imported by jobs, and never twice."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.operator = cls.new_user("upload_operator", "billing_operator")

    def upload(self, text, name="march.csv", **vals):
        data = text if isinstance(text, bytes) else text.encode()
        return (
            self.env["saas.usage.upload"]
            .with_user(self.operator)
            .create(
                {
                    "source_id": self.source.id,
                    "file": base64.b64encode(data),
                    "file_name": name,
                    **vals,
                }
            )
        )

    def csv(self, *rows):
        return "\n".join([HEADER, *rows])

    def row(self, event_id, subject="client-1", size=5, day="2026-04-01"):
        return f"{event_id};test.request;{subject};{day}T10:00:00Z;{size}"

    def run_import(self, upload, size=2):
        with (
            patch.object(saas_usage_upload_import, "CHUNK_ROWS", size),
            trap_jobs() as trap,
        ):
            upload.action_import()
            while trap.enqueued_jobs:
                trap.perform_enqueued_jobs()
        upload.invalidate_recordset()

    def counts(self, upload):
        return upload.stored, upload.duplicate, upload.quarantined

    def test_check_keeps_nothing_and_shows_the_rows(self):
        upload = self.upload(self.csv(self.row("a"), self.row("b", "<b>nobody")))
        upload.action_check()
        self.assertEqual((upload.state, upload.row_count), ("checked", 2))
        self.assertIn("&lt;b&gt;nobody", upload.preview_html)
        self.assertIn("1 events would be stored", upload.preview_html)
        self.assertFalse(self.events_of())
        upload.source_id = self.source
        self.assertEqual(upload.state, "draft")

    def test_import_by_chunks_and_again(self):
        text = self.csv(*(self.row(f"e{n}") for n in range(5)), self.row("x", "no"))
        upload = self.upload(gzip.compress(text.encode()), "march.csv.gz")
        with self.assertRaises(UsageUploadError):
            upload.action_import()
        upload.action_check()
        self.run_import(upload)
        self.assertEqual((upload.state, upload.next_row), ("done", 6))
        self.assertEqual(self.counts(upload), (5, 0, 1))
        self.assertEqual(upload.progress, 100)
        batches = upload._get_batches()
        self.assertEqual(batches.mapped("received"), [2, 2, 2])
        self.assertEqual(set(batches.mapped("kind")), {"upload"})
        waiting = self.env["saas.usage.quarantine"].search(
            upload.action_view_quarantine()["domain"]
        )
        self.assertEqual((waiting.upload_row, waiting.event_id), (6, "x"))
        again = self.upload(text)
        again.action_check()
        self.run_import(again)
        self.assertEqual(self.counts(again), (0, 5, 1))
        self.tie("no", self.subscription)
        waiting.action_replay()
        self.assertEqual(waiting.state, "replayed")
        with self.assertRaises(UsageUploadError):
            upload.source_id = self.source

    def map_items(self):
        return self.env["saas.usage.mapping"].create(
            {
                "name": "Items",
                "source_id": self.source.id,
                "items": "items",
                "id_path": "id",
                "type_path": "'test.request'",
                "subject_path": "'client-1'",
                "time_path": "'2026-04-01T10:00:00Z'",
                "data_ids": [Command.create({"key": "bytes", "path": "size"})],
            }
        )

    def items(self, rows, each):
        return "\n".join(
            json.dumps(
                {"items": [{"id": f"{row}-{n}", "size": 1} for n in range(each)]}
            )
            for row in range(rows)
        )

    def run_items(self, rows=4, each=3, **bounds):
        upload = self.upload(
            self.items(rows, each), "items.ndjson", mapping_id=self.map_items().id
        )
        for name, value in bounds.items():
            self.patch(saas_usage_upload_rows, name, value)
        upload.action_check()
        self.run_import(upload, size=100)
        self.assertEqual((upload.state, self.counts(upload)), ("done", (12, 0, 0)))
        return upload._get_batches().sorted("id").mapped("received")

    def test_chunks_are_bounded_by_their_events(self):
        self.assertEqual(self.run_items(MAX_EVENTS=4), [6, 6])

    def test_chunks_are_bounded_by_their_bytes(self):
        self.assertEqual(self.run_items(CHUNK_BYTES=10), [3, 3, 3, 3])

    def test_each_row_has_steps_of_its_own(self):
        # Enough for a row, too few for two.
        chunks = self.run_items(MAX_STEPS=30, Budget=partial(Budget, 30))
        self.assertEqual(sum(chunks), 12)
        self.assertGreater(len(chunks), 1)

    def test_problem_of_a_mapping_in_the_language_of_the_user(self):
        self.env["res.lang"]._activate_lang("de_DE")
        mapping = self.map_items().with_context(lang="de_DE")
        words = {"This path has too many parts.": "Der Pfad hat zu viele Teile."}
        with (
            patch.object(
                code_translations, "get_python_translations", lambda *_args: words
            ),
            self.assertRaises(ValidationError) as caught,
        ):
            mapping.id_path = "||".join(["a"] * 120)
        self.assertIn("Der Pfad hat zu viele Teile.", str(caught.exception))

    def test_killed_and_repeated_jobs(self):
        upload = self.upload(self.csv(*(self.row(f"e{n}") for n in range(5))))
        upload.action_check()
        with (
            patch.object(saas_usage_upload_import, "CHUNK_ROWS", 2),
            trap_jobs() as trap,
        ):
            upload.action_import()
            upload._job_import(0)
            # Done, but its end was not noted: the queue runs it again.
            upload._job_import(0)
            self.assertEqual((upload.next_row, self.counts(upload)), (2, (2, 0, 0)))
            # Killed: what it did is rolled back with it.
            with self.env.cr.savepoint() as savepoint:
                upload._job_import(2)
                savepoint.rollback()
            upload.invalidate_recordset()
            self.assertEqual(upload.next_row, 2)
            trap.enqueued_jobs.clear()
            # Nobody goes on by itself: a person does.
            upload.action_resume()
            while trap.enqueued_jobs:
                trap.perform_enqueued_jobs()
        upload.invalidate_recordset()
        self.assertEqual((upload.state, self.counts(upload)), ("done", (5, 0, 0)))
        self.assertEqual(len(self.events_of()), 5)

    def test_failure_is_an_exception_with_retry(self):
        upload = self.upload(self.csv(*(self.row(f"e{n}") for n in range(4))))
        upload.action_check()
        broken = patch.object(
            type(self.env["saas.usage.event"]), "_ingest", side_effect=OSError("disk")
        )
        with broken, mute_logger(saas_usage_upload_import.__name__):
            self.run_import(upload)
        self.assertEqual((upload.state, upload.error), ("failed", "disk"))
        issue = self.env["saas.exception"].search(
            [("code", "=", "usage.upload_failed"), ("res_id", "=", upload.id)]
        )
        self.assertEqual(
            (issue.state, issue.retry_method), ("open", "saas_retry_upload")
        )
        with (
            patch.object(saas_usage_upload_import, "CHUNK_ROWS", 3),
            trap_jobs() as trap,
        ):
            upload.saas_retry_upload()
            while trap.enqueued_jobs:
                trap.perform_enqueued_jobs()
        upload.invalidate_recordset()
        self.assertEqual((upload.state, self.counts(upload)), ("done", (4, 0, 0)))
        self.assertEqual(issue.state, "resolved")

    def test_rows_without_an_id_are_told_apart(self):
        text = "type,subject,time,bytes\n" + (
            "test.request,client-1,2026-04-01T10:00:00Z,7\n" * 3
            + "test.request,client-1,2026-04-01T10:00:00Z,8\n"
        )
        for wanted in ((4, 0, 0), (0, 4, 0)):
            upload = self.upload(text)
            upload.action_check()
            self.run_import(upload)
            self.assertEqual(self.counts(upload), wanted)

    def test_repeated_rows_survive_the_quarantine(self):
        mapping = self.env["saas.usage.mapping"].create(
            {
                "name": "Export",
                "source_id": self.source.id,
                "type_path": "'test.request'",
                "subject_path": "who",
                "time_path": "at",
                "time_format": "pattern",
                "time_pattern": "%d.%m.%Y",
                "data_ids": [Command.create({"key": "bytes", "path": "size"})],
            }
        )
        upload = self.upload(
            "who,at,size\n" + "new,01.04.2026,7\n" * 3 + "new,1 April,7\n",
            mapping_id=mapping.id,
        )
        upload.action_check()
        self.run_import(upload)
        self.assertEqual(self.counts(upload), (0, 0, 4))
        rows = self.env["saas.usage.quarantine"].search([("upload_id", "=", upload.id)])
        self.assertEqual(sorted(rows.mapped("upload_row")), [1, 2, 3, 4])
        failed = rows.filtered(lambda row: row.reason == "mapping_failed")
        self.assertIn("1 April", failed.message)
        self.tie("new", self.subscription)
        (rows - failed).action_replay()
        self.assertEqual(len(self.events_of()), 3)

    def test_broken_rows_wait_broken_files_are_refused(self):
        upload = self.upload(self.csv(self.row("a"), "too;few", self.row("b")))
        upload.action_check()
        self.run_import(upload)
        self.assertEqual(self.counts(upload), (2, 0, 1))
        row = self.env["saas.usage.quarantine"].search([("upload_id", "=", upload.id)])
        self.assertEqual((row.reason, row.is_rejected), ("broken_row", True))
        self.assertIn("line 3", row.message)
        with self.assertRaisesRegex(UsageUploadError, "Line 2: byte 1"):
            self.upload(b"id\n\xff\xff\n").action_check()
        with self.assertRaisesRegex(UsageUploadError, "no rows"):
            self.upload(HEADER).action_check()

    def test_late_feed_lifts_the_accepted_age(self):
        self.source.max_age_days = 30
        text = self.csv(self.row("old", day="2026-03-05"))
        upload = self.upload(text)
        upload.action_check()
        self.run_import(upload)
        self.assertEqual(self.counts(upload), (0, 0, 1))
        late = self.upload(text, is_late_feed=True)
        late.action_check()
        self.run_import(late)
        self.assertEqual(self.counts(late), (1, 0, 0))

    def test_ndjson_events(self):
        lines = [
            json.dumps(self.event(id="n1", source=None)),
            json.dumps(self.event(id="n2")),
            '"text"',
        ]
        upload = self.upload("\n".join(lines), "events.ndjson")
        self.assertEqual(upload.format, "ndjson")
        upload.action_check()
        self.run_import(upload)
        self.assertEqual(self.counts(upload), (2, 0, 1))

    @mute_logger("odoo.addons.base.models.ir_model", "odoo.addons.base.models.ir_rule")
    def test_operators_upload_others_look(self):
        upload = self.upload(self.csv(self.row("a")))
        auditor = self.new_user("upload_auditor", "auditor")
        self.assertEqual(upload.with_user(auditor).name, "march.csv")
        for call in ("action_check", "action_import", "action_resume"):
            with self.assertRaises(AccessError):
                getattr(upload.with_user(auditor), call)()
        with self.assertRaises(UsageUploadError):
            upload.write({"state": "checked"})
        other = self.create_company("Elsewhere Ltd")
        stranger = self.new_user("upload_stranger", "billing_operator", other)
        with self.assertRaises(AccessError):
            upload.with_user(stranger).with_context(allowed_company_ids=other.ids).read(
                ["name"]
            )
