# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import base64
import io
import zipfile
from unittest.mock import patch

from psycopg2.errors import ForeignKeyViolation, UniqueViolation

from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..exceptions import OnboardingDocumentError
from .common_onboarding_documents import NEWER_PDF, PDF, DocumentCase


def archive(*names, first=None):
    """Return a ZIP file with some members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as target:
        if first:
            target.writestr("mimetype", first)
        for name in names:
            target.writestr(name, "x")
    return stream.getvalue()


@tagged("post_install", "-at_install")
class TestOnboardingDocumentFiles(DocumentCase):
    """What may be sent, and the versions it becomes: facts, kept for ever."""

    # Versions are facts ----------------------------------------------
    def test_the_same_content_is_the_same_version(self):
        agreement = self.as_delivery(self.agreement)
        first = agreement._add_version("a.pdf", PDF)
        self.assertEqual(agreement._add_version("other name.pdf", PDF), first)
        self.assertEqual(agreement.version_count, 1)
        self.refuse(self.agreement)
        with self.assertRaisesRegex(OnboardingDocumentError, "Page 3 is missing"):
            agreement._add_version("a.pdf", PDF)
        self.assertEqual(agreement.state, "refused")

    def test_versions_and_files_are_kept_for_ever(self):
        version = self.as_delivery(self.agreement)._add_version("a.pdf", PDF).sudo()
        with self.assertRaises(OnboardingDocumentError):
            version.unlink()
        with self.assertRaises(OnboardingDocumentError):
            version.file_name = "other.pdf"
        file = version.attachment_id
        for vals in (
            {"raw": NEWER_PDF},
            {"public": True},
            {"access_token": "guess"},
            {"res_id": False},
            {"mimetype": "text/html"},
        ):
            with self.assertRaises(OnboardingDocumentError, msg=str(vals)):
                file.write(vals)
        file.write({"raw": PDF, "mimetype": "application/pdf"})
        with self.assertRaises(OnboardingDocumentError):
            file.unlink()
        with self.assertRaises(OnboardingDocumentError):
            self.agreement.unlink()
        with self.assertRaises(OnboardingDocumentError):
            self.project.unlink()
        with (
            mute_logger("odoo.sql_db"),
            self.assertRaises(ForeignKeyViolation),
            self.env.cr.savepoint(),
        ):
            self.env.cr.execute(
                "DELETE FROM saas_onboarding_document WHERE id = %s",
                [self.agreement.id],
            )

    def test_only_drafts_are_deleted(self):
        self.as_delivery(self.brand_book).unlink()
        self.as_delivery(self.agreement).action_request()
        with self.assertRaisesRegex(OnboardingDocumentError, "Waive it"):
            self.as_delivery(self.agreement).unlink()

    def test_one_version_at_a_time_waits_for_review(self):
        version = self.as_delivery(self.agreement)._add_version("a.pdf", PDF).sudo()
        with (
            mute_logger("odoo.sql_db"),
            self.assertRaises(UniqueViolation),
            self.env.cr.savepoint(),
        ):
            version.copy({"number": 2})

    # What is taken ---------------------------------------------------
    def test_good_files(self):
        office = "[Content_Types].xml"
        files = {
            "a.pdf": PDF,
            "A.PNG": b"\x89PNG\r\n\x1a\n...",
            "photo.jpeg": b"\xff\xd8\xff\xe0...",
            "letter.docx": archive(office, "word/document.xml"),
            "sheet.xlsx": archive(office, "xl/workbook.xml"),
            "text.odt": archive(first="application/vnd.oasis.opendocument.text"),
            "users.csv": "name;mail\nJosé;j@example.com\n".encode(),
            "all.zip": archive("a.pdf", "b.pdf"),
        }
        for name, content in files.items():
            with self.subTest(name):
                self.assertTrue(self.agreement._check_file(name, content))

    def test_bad_files(self):
        html = b"<html><script>alert(1)</script></html>"
        svg = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
        files = {
            "page.html": html,
            "drawing.svg": svg,
            "page.pdf": html,
            "page.txt": html,
            "late.csv": b"name\n" + html,
            "drawing.png": svg,
            "tool.exe": b"MZ",
            "tool.pdf.exe": b"MZ",
            "binary.txt": b"a\0b",
            "letter.docx": archive("word/document.xml"),
            "sheet.xlsx": archive("[Content_Types].xml", "word/document.xml"),
            "macro.docm": archive("[Content_Types].xml", "word/document.xml"),
            "text.odt": archive("content.xml"),
            "broken.zip": b"PK\x03\x04broken",
            "none": PDF,
            ".pdf": PDF,
            "": PDF,
            "empty.pdf": b"",
        }
        for name, content in files.items():
            with self.subTest(name), self.assertRaises(OnboardingDocumentError):
                self.as_delivery(self.agreement)._add_version(name, content)
        self.assertFalse(self.agreement.version_ids)
        self.assertEqual(self.agreement.state, "draft")

    def test_size_limit_is_a_parameter(self):
        parameters = self.env["ir.config_parameter"].sudo()
        self.assertEqual(self.agreement._get_max_bytes(), 25 * 1024 * 1024)
        parameters.set_param("saas_subscription_ops.document_max_mb", "0.00001")
        with self.assertRaisesRegex(OnboardingDocumentError, "too large"):
            self.as_delivery(self.agreement)._add_version("a.pdf", PDF)
        for nonsense in ("many", "-1", "0", ""):
            parameters.set_param("saas_subscription_ops.document_max_mb", nonsense)
            self.assertEqual(self.agreement._get_max_bytes(), 25 * 1024 * 1024)

    def test_allowed_types_are_a_parameter_of_what_can_be_checked(self):
        parameters = self.env["ir.config_parameter"].sudo()
        parameters.set_param("saas_subscription_ops.document_extensions", "PNG, .exe")
        self.assertEqual(self.agreement._get_extensions(), ["png"])
        with self.assertRaisesRegex(OnboardingDocumentError, "Possible are: png"):
            self.as_delivery(self.agreement)._add_version("a.pdf", PDF)

    def test_names_are_harmless(self):
        names = {
            "../../etc/passwd.pdf": "passwd.pdf",
            "C:\\Users\\me\\contract.pdf": "contract.pdf",
            "a\r\nSet-Cookie: b.pdf": "aSet-Cookie b.pdf",
            "invoice\u202efdp.pdf": "invoicefdp.pdf",
            'x"><script>.pdf': "xscript.pdf",
            "Vertrag (Entwurf) ä.pdf": "Vertrag (Entwurf) ä.pdf",
            "n" * 300 + ".pdf": "n" * 120 + ".pdf",
        }
        for given, wanted in names.items():
            self.assertEqual(self.agreement._sanitise_name(given), wanted)

    def test_staff_upload_dialog(self):
        wizard = (
            self.env["saas.onboarding.document.upload.wizard"]
            .with_user(self.delivery)
            .create({"document_id": self.agreement.id, "file_name": "a.pdf"})
        )
        self.assertIn("25 MB", wizard.limits)
        with self.assertRaisesRegex(OnboardingDocumentError, "empty"):
            wizard.action_confirm()
        wizard.content = base64.b64encode(PDF)
        wizard.action_confirm()
        self.assertEqual(self.agreement.state, "received")
        self.assertFalse(self.agreement.version_ids.is_from_portal)

    def test_an_upload_that_fails_halfway_leaves_nothing(self):
        cls = type(self.env["ir.attachment"])
        with (
            patch.object(cls, "create", side_effect=UserError("disk is full")),
            self.assertRaises(UserError),
            self.env.cr.savepoint(),
        ):
            self.as_delivery(self.agreement)._add_version("a.pdf", PDF)
        self.assertFalse(self.agreement.version_ids)
        self.assertEqual(self.agreement.state, "draft")
