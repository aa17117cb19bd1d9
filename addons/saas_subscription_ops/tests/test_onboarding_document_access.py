# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, datetime

from odoo import Command
from odoo.exceptions import AccessError, UserError
from odoo.tests import freeze_time, tagged

from .common_onboarding_documents import NEWER_PDF, PDF, DocumentCase


@tagged("post_install", "-at_install")
class TestOnboardingDocumentAccess(DocumentCase):
    """Who reads documents, who takes their steps, and what nobody types in."""

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
