# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import base64
import io
import zipfile
from datetime import date, datetime
from unittest.mock import patch

from psycopg2.errors import ForeignKeyViolation, UniqueViolation

from odoo import Command
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import freeze_time, tagged
from odoo.tools import mute_logger

from ..exceptions import OnboardingDocumentError, TransitionError
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
class TestOnboardingDocuments(DocumentCase):
    """From the template to the accepted version, and what is refused on the way."""

    # From the template -----------------------------------------------
    def test_copies_are_drafts_with_their_milestone_and_due_day(self):
        self.assertEqual(
            self.project.saas_document_ids.mapped("state"), ["draft", "draft"]
        )
        self.assertEqual(self.agreement.milestone_id, self.first)
        self.assertEqual(self.brand_book.milestone_id, self.last)
        # Monday 2 March 2026 plus five working days
        self.assertEqual(self.agreement.due_date, date(2026, 3, 9))
        self.assertFalse(self.brand_book.due_date)
        self.assertEqual(self.agreement.package_id.template_id, self.template)
        self.assertFalse(self.agreement.is_template)

    def test_copying_again_adds_nothing(self):
        self.order.saas_retry_create_onboarding()
        self.assertEqual(len(self.project.saas_document_ids), 2)

    def test_merged_template_brings_its_documents(self):
        second = self.env["project.project"].create(
            {
                "name": "Migration",
                "is_template": True,
                "allow_milestones": True,
                "company_id": self.company.id,
            }
        )
        milestone = self.env["project.milestone"].create(
            {"name": "Data migrated", "project_id": second.id}
        )
        self.env["saas.onboarding.document"].create(
            {
                "project_id": second.id,
                "name": "Old data",
                "milestone_id": milestone.id,
                "saas_day_offset": 3,
            }
        )
        product = self.create_product(
            "Migration",
            900.0,
            saas_charge_kind="one_time",
            saas_onboarding_template_id=second.id,
        )
        order = self.create_order([(self.platform, 1), (self.package, 1), (product, 1)])
        order.action_confirm()
        project = order.saas_onboarding_project_ids
        self.assertEqual(
            sorted(project.saas_document_ids.mapped("name")),
            ["Brand book", "Data agreement", "Old data"],
        )
        old = project.saas_document_ids.filtered(lambda one: one.name == "Old data")
        self.assertEqual(old.milestone_id.name, "Data migrated")
        self.assertEqual(old.milestone_id.project_id, project)
        self.assertEqual(old.package_id.template_id, second)
        self.assertEqual(old.due_date, date(2026, 3, 5))

    def test_a_copied_template_keeps_documents_and_milestones(self):
        copy = self.template.copy()
        self.assertEqual(len(copy.saas_document_ids), 2)
        self.assertEqual(copy.saas_document_ids.milestone_id, copy.milestone_ids)
        self.assertNotIn("milestone_mapping", copy.env.context)

    def test_moving_the_kickoff_moves_what_is_open(self):
        self.as_delivery(self.agreement)._add_version("a.pdf", PDF)
        self.as_delivery(self.agreement).action_accept()
        self.brand_book.due_date = date(2026, 3, 10)
        self.as_delivery(self.project).action_saas_reschedule(date(2026, 3, 9))
        self.assertEqual(self.brand_book.due_date, date(2026, 3, 17))
        self.assertEqual(self.agreement.due_date, date(2026, 3, 9))

    # The milestone waits ---------------------------------------------
    def test_open_required_documents_hold_their_milestone(self):
        self.assertEqual(self.first.saas_open_document_count, 1)
        with self.assertRaisesRegex(OnboardingDocumentError, "Data agreement"):
            self.as_delivery(self.first).is_reached = True
        with self.assertRaisesRegex(OnboardingDocumentError, "Data agreement"):
            self.as_delivery(self.first).toggle_is_reached(True)
        self.as_delivery(self.agreement)._add_version("a.pdf", PDF)
        with self.assertRaises(OnboardingDocumentError):
            self.as_delivery(self.first).is_reached = True
        self.as_delivery(self.agreement).action_accept()
        self.assertEqual(self.first.saas_open_document_count, 0)
        self.as_delivery(self.first).is_reached = True
        self.assertTrue(self.first.is_reached)

    def test_optional_and_waived_documents_hold_nothing(self):
        self.waive(self.agreement)
        self.as_delivery(self.project.milestone_ids).is_reached = True
        self.assertTrue(all(self.project.milestone_ids.mapped("is_reached")))
        self.assertEqual(self.agreement.waive_reason, "Not in this country")

    def test_who_may_not_read_documents_can_not_pass_them_over(self):
        boss = self.new_user("doc_manager", "project.group_project_manager")
        self.first.with_user(boss).check_access("write")
        with self.assertRaises(OnboardingDocumentError):
            self.first.with_user(boss).is_reached = True

    def test_no_required_document_behind_a_reached_milestone(self):
        self.waive(self.agreement)
        self.first.is_reached = True
        vals = {"project_id": self.project.id, "milestone_id": self.first.id}
        Document = self.as_delivery(self.env["saas.onboarding.document"])
        with self.assertRaisesRegex(ValidationError, "reached already"):
            Document.create({**vals, "name": "Late idea"})
        Document.create({**vals, "name": "Nice to have", "is_required": False})
        self.as_delivery(self.brand_book).milestone_id = self.first
        with self.assertRaisesRegex(ValidationError, "reached already"):
            self.as_delivery(self.brand_book).is_required = True

    def test_milestone_of_another_project_is_refused(self):
        with self.assertRaisesRegex(ValidationError, "another project"):
            self.as_delivery(self.brand_book).milestone_id = self.kickoff

    # Request, upload, decision ---------------------------------------
    def test_the_whole_way_with_its_events(self):
        agreement = self.as_delivery(self.agreement)
        agreement.action_request()
        agreement.action_request()
        first = agreement._add_version("agreement.pdf", PDF)
        self.refuse(self.agreement)
        self.assertEqual(self.agreement.state, "refused")
        self.assertEqual(self.agreement.refuse_reason, "Page 3 is missing")
        second = agreement._add_version("agreement (2).pdf", NEWER_PDF)
        agreement.action_accept()
        agreement.action_accept()
        self.assertEqual(self.agreement.state, "accepted")
        self.assertEqual(
            [(one.number, one.state) for one in (first, second)],
            [(1, "refused"), (2, "accepted")],
        )
        self.assertEqual(first.reason, "Page 3 is missing")
        self.assertEqual(first.attachment_id.sudo().raw, PDF)
        names = self.events(self.project).mapped("name")
        for name, times in (
            ("requested", 1),
            ("received", 2),
            ("refused", 1),
            ("accepted", 1),
        ):
            self.assertEqual(names.count(f"onboarding.document_{name}"), times, name)

    def test_requesting_all_is_one_mail_with_link_and_names(self):
        self.as_delivery(self.project).action_saas_request_documents()
        mail = self.mails()
        self.assertEqual(len(mail), 1)
        self.assertEqual(mail.recipient_ids, self.partner)
        for part in (
            "Data agreement",
            "Brand book",
            f"/my/onboarding/{self.project.id}",
        ):
            self.assertIn(part, mail.body_html)
        with self.assertRaisesRegex(OnboardingDocumentError, "no document left"):
            self.as_delivery(self.project).action_saas_request_documents()

    def test_mail_is_in_the_customers_language(self):
        self.env["res.lang"]._activate_lang("fr_FR")
        self.partner.lang = "fr_FR"
        template = self.env.ref(
            "saas_subscription_ops.mail_template_onboarding_document_request"
        )
        template.with_context(lang="fr_FR").subject = "Vos documents"
        self.agreement.with_context(lang="fr_FR").name = "Accord de données"
        self.as_delivery(self.agreement).action_request()
        self.assertEqual(self.mails().subject, "Vos documents")
        self.assertIn("Accord de données", self.mails().body_html)

    def test_nobody_to_write_to(self):
        self.partner.email = False
        with self.assertRaisesRegex(OnboardingDocumentError, "no e-mail address"):
            self.as_delivery(self.agreement).action_request()
        self.assertEqual(self.agreement.state, "draft")

    def test_templates_are_not_requested(self):
        document = self.template.saas_document_ids[0]
        for step in ("action_request", "action_accept"):
            with self.assertRaisesRegex(OnboardingDocumentError, "is a template"):
                getattr(self.as_delivery(document), step)()
        with self.assertRaisesRegex(OnboardingDocumentError, "is a template"):
            self.as_delivery(document)._add_version("a.pdf", PDF)

    def test_state_chart(self):
        agreement = self.as_delivery(self.agreement)
        with self.assertRaises(TransitionError):
            agreement.action_accept()
        with self.assertRaises(TransitionError):
            self.refuse(self.agreement)
        agreement._add_version("a.pdf", PDF)
        with self.assertRaises(TransitionError):
            agreement.action_request()
        agreement.action_accept()
        with self.assertRaises(TransitionError):
            agreement._add_version("b.pdf", NEWER_PDF)
        with self.assertRaises(TransitionError):
            self.waive(self.agreement)
        self.waive(self.brand_book)
        with self.assertRaises(TransitionError):
            self.as_delivery(self.brand_book)._add_version("b.pdf", PDF)

    def test_reasons_are_needed(self):
        self.as_delivery(self.agreement)._add_version("a.pdf", PDF)
        for step in (self.refuse, self.waive):
            with self.assertRaises(OnboardingDocumentError):
                step(self.agreement, reason="   ")
        self.assertEqual(self.agreement.state, "received")

    def test_nothing_is_accepted_unseen(self):
        agreement = self.as_delivery(self.agreement)
        seen = agreement._add_version("a.pdf", PDF)
        agreement._add_version("b.pdf", NEWER_PDF)
        with self.assertRaisesRegex(OnboardingDocumentError, "newer version"):
            agreement.with_context(saas_version_id=seen.id).action_accept()
        self.assertEqual(agreement.state, "received")
        self.assertEqual(seen.state, "superseded")
        agreement.with_context(
            saas_version_id=agreement.current_version_id.id
        ).action_accept()

    def test_project_manager_gets_one_todo_until_it_is_decided(self):
        agreement = self.as_delivery(self.agreement)
        agreement._add_version("a.pdf", PDF)
        agreement._add_version("b.pdf", NEWER_PDF)
        todo = self.agreement.activity_ids
        self.assertEqual(todo.user_id, self.project.user_id)
        self.assertEqual(len(todo), 1)
        self.refuse(self.agreement)
        self.assertFalse(self.agreement.activity_ids)

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

    # Reminders -------------------------------------------------------
    def _request_on_monday(self):
        with freeze_time("2026-03-02 10:00:00"):
            self.as_delivery(self.agreement).action_request()
        self.mails().unlink()

    def _check(self, day):
        self.project._saas_on_daily_check(date(2026, 3, day))

    def test_three_reminders_then_the_customer_is_silent(self):
        self._request_on_monday()
        for day in range(2, 21):
            for _repeat in range(2):
                self.project._saas_check_day(date(2026, 3, day))
            is_silent = "customer_silent" in self.project._saas_get_open_alerts()
            self.assertEqual(is_silent, day >= 12, day)
        self.assertEqual(self.agreement.reminder_count, 3)
        # every two working days: Wednesday, Friday, Tuesday
        self.assertEqual(self.agreement.reminded_on, date(2026, 3, 10))
        self.assertEqual(len(self.mails()), 3)
        silent = self.project.saas_alert_ids.filtered(
            lambda alert: alert.code == "customer_silent"
        )
        self.assertEqual(len(silent), 1)
        self.assertIn("Data agreement", silent.message)
        with freeze_time("2026-03-23 10:00:00"):
            self.as_delivery(self.agreement)._add_version("a.pdf", PDF)
        self.project._saas_check_day(date(2026, 3, 23))
        self.assertNotIn("customer_silent", self.project._saas_get_open_alerts())

    def test_after_an_outage_one_reminder_only(self):
        self._request_on_monday()
        self._check(20)
        self.assertEqual(self.agreement.reminder_count, 1)
        self.assertEqual(len(self.mails()), 1)

    def test_nobody_is_reminded_of_what_came_in(self):
        self._request_on_monday()
        self.as_delivery(self.agreement)._add_version("a.pdf", PDF)
        self._check(20)
        self.assertFalse(self.mails())

    def test_an_answer_starts_the_count_anew(self):
        self._request_on_monday()
        self._check(5)
        with freeze_time("2026-03-06 10:00:00"):
            self.as_delivery(self.agreement)._add_version("a.pdf", PDF)
            self.refuse(self.agreement)
        self.assertEqual(self.agreement.reminder_count, 0)
        self._check(9)
        self.assertEqual(self.agreement.reminder_count, 0)
        self._check(10)
        self.assertEqual(self.agreement.reminder_count, 1)

    def test_a_failing_reminder_is_an_exception_with_a_retry(self):
        self._request_on_monday()
        self.partner.email = False
        self._check(9)
        self.assertEqual(self.agreement.reminder_count, 0)
        failed = self.exceptions("onboarding.reminder_failed")
        self.assertIn("no e-mail address", failed.name)
        self.partner.email = "acme@example.com"
        with freeze_time("2026-03-09 12:00:00"):
            self.as_delivery(self.project).saas_retry_reminders()
        self.assertEqual(self.agreement.reminder_count, 1)

    # Access ----------------------------------------------------------
    def test_nobody_sets_states_by_hand(self):
        for vals in (
            {"state": "accepted"},
            {"state": "draft"},
            {"reminder_count": 0},
            {"refuse_reason": False},
            {"version_ids": [Command.clear()]},
        ):
            with self.assertRaises(AccessError, msg=str(vals)):
                self.as_delivery(self.agreement).write(vals)
        with self.assertRaises(AccessError):
            self.as_delivery(self.env["saas.onboarding.document"]).create(
                {"project_id": self.project.id, "name": "x", "state": "accepted"}
            )

    def test_auditor_reads_and_does_nothing(self):
        document = self.agreement.with_user(self.auditor)
        self.assertEqual(document.name, "Data agreement")
        for step in ("action_request", "action_accept"):
            with self.assertRaises(AccessError):
                getattr(document, step)()
        with self.assertRaises(AccessError):
            document._add_version("a.pdf", PDF)
        with self.assertRaises(AccessError):
            document._waive("no")

    def test_customer_success_may_do_all_of_it(self):
        success = self.new_user(
            "doc_success", "saas_core.group_saas_core_customer_success"
        )
        agreement = self.agreement.with_user(success)
        agreement.action_request()
        agreement._add_version("a.pdf", PDF)
        agreement._refuse("Unreadable")
        agreement._add_version("b.pdf", NEWER_PDF)
        agreement.action_accept()
        self.brand_book.with_user(success)._waive("None yet")
        self.assertTrue(agreement.current_version_id.action_download())

    def test_portal_access_of_the_customer_is_known(self):
        self.assertFalse(self.project.saas_has_portal_user)
        self.create_portal_users()
        self.project.invalidate_recordset(["saas_has_portal_user"])
        self.assertTrue(self.project.saas_has_portal_user)

    def test_what_the_customer_sends_is_activity(self):
        with freeze_time("2026-04-01 10:00:00"):
            self.as_delivery(self.agreement)._add_version("a.pdf", PDF)
        self.assertIn(date(2026, 4, 1), self.project._saas_get_activity_days())

    def test_settings(self):
        settings = self.env["res.config.settings"].create({})
        self.assertEqual(settings.saas_document_max_mb, 25)
        settings.write({"saas_document_max_mb": 3, "saas_document_extensions": "pdf"})
        settings.execute()
        self.assertEqual(self.agreement._get_max_bytes(), 3 * 1024 * 1024)
        self.assertEqual(self.agreement._get_extensions(), ["pdf"])

    def test_salespeople_do_not_read_documents(self):
        version = self.as_delivery(self.agreement)._add_version("a.pdf", PDF)
        for record in (self.agreement, version, version.sudo().attachment_id):
            with self.assertRaises(AccessError):
                record.with_user(self.salesperson).read(["display_name"])
            record.with_user(self.csm).read(["display_name"])

    def test_delivery_writes_no_versions_and_no_files(self):
        version = self.as_delivery(self.agreement)._add_version("a.pdf", PDF)
        with self.assertRaises(AccessError):
            version.write({"state": "accepted"})
        with self.assertRaises(UserError):
            version.attachment_id.write({"raw": NEWER_PDF})
        with self.assertRaises(AccessError):
            self.env["ir.attachment"].with_user(self.delivery).create(
                {
                    "name": "slipped in.pdf",
                    "raw": PDF,
                    "res_model": version._name,
                    "res_id": version.id,
                }
            )

    def test_documents_belong_to_their_company(self):
        other = self.env["res.company"].create({"name": "Other company"})
        stranger = self.new_user("doc_stranger", "project.group_project_user", other)
        theirs = self.agreement.with_user(stranger)
        theirs = theirs.with_context(allowed_company_ids=other.ids)
        with self.assertRaises(AccessError):
            theirs.read(["name"])
        self.assertFalse(theirs.search([("project_id", "=", self.project.id)]))

    def test_documents_of_private_projects_are_private(self):
        self.project.privacy_visibility = "followers"
        with self.assertRaises(AccessError):
            self.as_delivery(self.agreement).read(["name"])
        self.project.message_subscribe(self.delivery.partner_id.ids)
        self.as_delivery(self.agreement).read(["name"])

    def test_received_moment_is_kept(self):
        with freeze_time("2026-03-04 09:30:00"):
            self.as_delivery(self.agreement)._add_version("a.pdf", PDF)
        self.assertEqual(self.agreement.received_at, datetime(2026, 3, 4, 9, 30))
        with freeze_time("2026-03-05 09:30:00"):
            self.as_delivery(self.agreement)._add_version("b.pdf", NEWER_PDF)
        self.assertEqual(self.agreement.received_at, datetime(2026, 3, 5, 9, 30))
