# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import datetime

from odoo.tests import Form, freeze_time, tagged

from .common_onboarding_documents import DocumentCase


@tagged("post_install", "-at_install")
class TestOnboardingButtons(DocumentCase):
    """The project opens for all who find it; its buttons show when they can succeed."""

    def test_form_opens_for_readers(self):
        seller = self.new_user("form_seller", "sales_team.group_sale_salesman")
        for user in (self.auditor, self.delivery, seller):
            for project in (self.project, self.template):
                form = Form(project.with_user(user), "project.edit_project")
                self.assertEqual(form.name, project.name)

    def test_buttons_are_shown_when_there_is_something_to_do(self):
        project = self.as_delivery(self.project)
        self.assertTrue(project.saas_has_draft_document)
        self.assertFalse(project.saas_has_manual_wait)
        with freeze_time("2026-03-02 09:00:00"):
            project.action_saas_request_documents()
            self.assertEqual(project.saas_waiting_on, "customer")
            self.assertFalse(project.saas_has_manual_wait, "documents are waited for")
            project._saas_set_manual_wait("us", "Rooms", datetime(2026, 3, 2, 9))
        self.assertFalse(project.saas_has_draft_document)
        self.assertTrue(project.saas_has_manual_wait)
        with freeze_time("2026-03-02 11:00:00"):
            project.action_saas_end_waiting()
        self.assertFalse(project.saas_has_manual_wait)
