# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import re
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.tests import HttpCase, tagged
from odoo.tools import mute_logger

from .common_onboarding_documents import NEWER_PDF, PDF, DocumentCase


@tagged("post_install", "-at_install")
class TestOnboardingPortal(DocumentCase, HttpCase):
    """The customer's pages: what they show, what they take, whom they keep out."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.create_portal_users()
        cls.url = f"/my/onboarding/{cls.project.id}"
        cls.agreement.with_user(cls.delivery).action_request()

    def _login(self, user="doc_buyer"):
        self.authenticate(user, user)

    def _token(self):
        page = self.url_open(self.url if self.session.uid == self.buyer.id else "/my")
        found = re.search(r'csrf_token: "(\w+)"', page.text)
        return found and found[1]

    def _upload(self, name="agreement.pdf", content=PDF, document=None, token=None):
        document = document or self.agreement
        return self.url_open(
            f"{self.url}/documents/{document.id}",
            data={"csrf_token": token or self._token()},
            files={"file": (name, content, "application/octet-stream")},
        )

    def _click(self, task):
        return self.url_open(
            f"{self.url}/tasks/{task.id}/done", data={"csrf_token": self._token()}
        )

    # What is shown ---------------------------------------------------
    def test_home_list_and_page(self):
        self._login()
        counters = self.make_jsonrpc_request(
            "/my/counters", {"counters": ["saas_onboarding_count"]}
        )
        self.assertEqual(counters["saas_onboarding_count"], 1)
        self.assertIn("Your Onboarding", self.url_open("/my").text)
        self.assertIn(self.project.name, self.url_open("/my/onboarding").text)
        page = self.url_open(self.url).text
        for shown in (
            "Kick-off held",
            "Go-live",
            "03/16/2026",
            "Data agreement",
            "Signed on every page",
            "Invite your people",
            self.csm.name,
        ):
            self.assertIn(shown, page)

    def test_milestones_follow_each_other_as_in_the_plan(self):
        first, last = self.project._saas_get_milestones()[:2]
        last.sequence = first.sequence
        last.deadline = "2026-03-01"
        self.assertEqual(self.project._saas_get_milestones()[:2], last + first)
        shown = self.project._saas_portal_get_values()["milestones"]
        self.assertEqual(shown, self.project._saas_get_milestones())

    def test_nothing_internal_is_shown(self):
        self.project.message_post(body="They are difficult")
        self.project.write(
            {"saas_health": "late", "saas_health_reason": "Nobody knows why"}
        )
        self._login()
        page = self.url_open(self.url).text
        for hidden in (
            "They are difficult",
            "Nobody knows why",
            "Configure",  # an internal task
            "Brand book",  # not requested yet
            "1,200",
            "1200.0",
        ):
            self.assertNotIn(hidden, page, hidden)

    def test_a_project_that_is_live_says_so(self):
        self.project.saas_live_on = "2026-03-20"
        self._login()
        self.assertIn("o_saas_live", self.url_open(self.url).text)

    # Upload ----------------------------------------------------------
    def test_upload_refusal_and_second_upload(self):
        self._login()
        page = self._upload()
        self.assertIn("your file arrived", page.text)
        self.assertEqual(self.agreement.state, "received")
        version = self.agreement.version_ids
        self.assertTrue(version.is_from_portal)
        self.assertEqual(version.uploaded_by_id, self.buyer)
        self.assertEqual(version.attachment_id.raw, PDF)
        self.assertEqual(self.agreement.activity_ids.user_id, self.csm)
        self.refuse(self.agreement, "Page 3 is missing")
        page = self.url_open(self.url).text
        self.assertIn("Page 3 is missing", page)
        page = self._upload()
        self.assertIn("very file that was refused", page.text)
        page = self._upload(content=NEWER_PDF)
        self.assertIn("your file arrived", page.text)
        self.assertEqual(self.agreement.version_count, 2)
        self.as_delivery(self.agreement).action_accept()
        page = self._upload(content=PDF + b"%more")
        self.assertIn("alert-danger", page.text)
        self.assertEqual(self.agreement.version_count, 2)

    def test_the_same_click_twice_is_one_version(self):
        self._login()
        self._upload()
        page = self._upload()
        self.assertEqual(page.status_code, 200)
        self.assertIn("your file arrived", page.text)
        self.assertEqual(self.agreement.version_count, 1)

    def test_bad_uploads_are_told_and_leave_nothing(self):
        self._login()
        token = self._token()
        self.env["ir.config_parameter"].sudo().set_param(
            "saas_subscription_ops.document_max_mb", "0.01"
        )
        cases = (
            ("page.html", b"<html></html>", "can&#39;t be taken"),
            ("page.pdf", b"<html></html>", "is not that of a PDF file"),
            ("empty.pdf", b"", "is empty"),
            ("large.pdf", PDF + b"x" * 20000, "too large: at most 0.01 MB"),
        )
        for name, content, words in cases:
            with self.subTest(name):
                page = self._upload(name, content, token=token)
                self.assertEqual(page.status_code, 200)
                self.assertIn(words, page.text.replace("'", "&#39;"))
        page = self.url_open(
            f"{self.url}/documents/{self.agreement.id}", data={"csrf_token": token}
        )
        self.assertIn("Choose a file first", page.text)
        self.assertFalse(self.agreement.version_ids)
        self.assertEqual(self.agreement.state, "requested")
        self.assertNotIn(
            "saas.onboarding.document.version",
            self.env["ir.attachment"]
            .sudo()
            .search([("create_uid", "=", self.buyer.id)])
            .mapped("res_model"),
        )

    def test_an_upload_that_breaks_leaves_nothing(self):
        self._login()
        token = self._token()
        cls = type(self.agreement)
        with patch.object(cls, "_emit", side_effect=UserError("The disk is full")):
            page = self._upload(token=token)
        self.assertIn("The disk is full", page.text)
        self.assertFalse(self.agreement.version_ids)
        self.assertEqual(self.agreement.state, "requested")

    def test_what_was_not_requested_is_not_taken(self):
        self._login()
        page = self._upload(document=self.brand_book)
        self.assertIn("not asked for any more", page.text)
        page = self._upload(document=self.template.saas_document_ids[:1])
        self.assertIn("not asked for any more", page.text)
        self.assertFalse(self.brand_book.version_ids)

    def test_upload_needs_a_csrf_token(self):
        self._login()
        with mute_logger("odoo.http"):
            answer = self._upload(token="forged")
        self.assertEqual(answer.status_code, 400)
        self.assertFalse(self.agreement.version_ids)

    # Files -----------------------------------------------------------
    def test_own_file_is_saved_never_shown(self):
        self._login()
        self._upload()
        version = self.agreement.version_ids
        answer = self.url_open(f"{self.url}/files/{version.id}")
        self.assertEqual(answer.content, PDF)
        self.assertIn("attachment", answer.headers["Content-Disposition"])
        self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")

    def test_files_of_others_are_out_of_reach(self):
        self._login()
        self._upload()
        version = self.agreement.version_ids
        file = version.attachment_id
        self.assertFalse(file.access_token)
        self.assertFalse(file.public)
        guesses = (
            f"{self.url}/files/{version.id}",
            f"/web/content/{file.id}",
            f"/web/content/{file.id}?access_token={version.checksum}",
            f"/web/content/saas.onboarding.document.version/{version.id}/attachment_id",
            f"/web/image/{file.id}",
            f"/my/onboarding/{self.project.id + 1}/files/{version.id}",
        )
        for login in ("doc_other", None):
            self.authenticate(login, login)
            for guess in guesses:
                with self.subTest(f"{login} {guess}"), mute_logger("odoo.http"):
                    answer = self.url_open(guess)
                    self.assertNotIn(PDF, answer.content)
        for user in (self.buyer, self.other):
            for record in (version, file, self.agreement):
                with self.assertRaises(AccessError):
                    record.with_user(user).read(["display_name"])

    # Tasks -----------------------------------------------------------
    def test_own_tasks_are_done_at_a_click_in_their_order(self):
        invite, train = (
            self.get_task("Invite your people"),
            self.get_task("Train your people"),
        )
        self._login()
        page = self._click(train)
        self.assertIn("Finish that first", page.text)
        self.assertFalse(train.is_closed)
        for _repeat in range(2):
            page = self._click(invite)
            self.assertIn("the task is done", page.text)
            self.assertEqual(invite.state, "1_done")
        self._click(train)
        self.assertEqual(train.state, "1_done")

    def test_internal_tasks_and_those_of_others_are_not_theirs(self):
        self._login()
        configure = self.get_task("Configure")
        page = self._click(configure)
        self.assertIn("not yours any more", page.text)
        page = self._click(self.template.tasks.filtered("saas_is_customer_task")[:1])
        self.assertIn("not yours any more", page.text)
        self.assertFalse(configure.is_closed)
        cancelled = self.get_task("Invite your people")
        cancelled.state = "1_canceled"
        self.assertIn("no longer needed", self._click(cancelled).text)

    # Isolation -------------------------------------------------------
    def test_others_find_nothing(self):
        task = self.get_task("Invite your people")
        self._login("doc_other")
        self.assertNotIn(self.project.name, self.url_open("/my/onboarding").text)
        with mute_logger("odoo.http"):
            self.assertEqual(self.url_open(self.url).status_code, 404)
            self.assertEqual(self._upload().status_code, 404)
            self.assertEqual(self._click(task).status_code, 404)
        self.assertFalse(self.agreement.version_ids)
        self.assertFalse(task.is_closed)

    def test_visitors_have_to_log_in(self):
        self.authenticate(None, None)
        self.assertIn("/web/login", self.url_open(self.url).url)

    def test_templates_and_plain_projects_are_no_onboarding(self):
        self.template.partner_id = self.partner
        plain = self.env["project.project"].create(
            {"name": "Plain", "partner_id": self.partner.id}
        )
        Project = self.env["project.project"].with_user(self.buyer)
        for project in (self.template, plain):
            self.assertFalse(Project._saas_portal_find(project.id))
        self.assertEqual(Project._saas_portal_find(self.project.id), self.project)

    def test_no_right_on_records_behind_the_page(self):
        for model in (
            "saas.onboarding.document",
            "saas.onboarding.document.version",
            "saas.onboarding.wait",
        ):
            self.assertFalse(self.env[model].with_user(self.buyer).has_access("read"))
        found = self.env["project.task"].with_user(self.buyer).search([])
        self.assertFalse(found & self.project.tasks)

    # The screens -----------------------------------------------------
    def test_tour_upload_refuse_upload_accept(self):
        self.new_user("doc_staff", "project.group_project_manager")
        self.start_tour(
            "/my/onboarding", "saas_onboarding_portal_upload", login="doc_buyer"
        )
        self.assertEqual(self.agreement.state, "received")
        self.start_tour(
            f"/odoo/saas-onboarding-documents/{self.agreement.id}",
            "saas_onboarding_document_refuse",
            login="doc_staff",
        )
        self.assertEqual(self.agreement.state, "refused")
        self.start_tour(self.url, "saas_onboarding_portal_again", login="doc_buyer")
        self.assertEqual(self.agreement.version_count, 2)
        self.start_tour(
            f"/odoo/saas-onboarding-documents/{self.agreement.id}",
            "saas_onboarding_document_accept",
            login="doc_staff",
        )
        self.assertEqual(self.agreement.state, "accepted")
        self.as_delivery(self.first).is_reached = True
        self.assertTrue(self.first.is_reached)
