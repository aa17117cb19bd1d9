# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from odoo import Command
from odoo.tests import new_test_user

from .common import SubscriptionCase

PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
NEWER_PDF = PDF + b"% with the signature\n"


class DocumentCase(SubscriptionCase):
    """An onboarding with two documents behind milestones and two customer tasks."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.delivery = cls.new_user("doc_delivery", "project.group_project_user")
        cls.kickoff, cls.go_live = cls.template.milestone_ids.sorted("sequence")
        cls.create_template_documents()
        cls.create_customer_tasks()
        cls.order = cls.create_order()
        cls.order.action_confirm()
        cls.project = cls.order.saas_onboarding_project_ids
        # What automation did at creation is not what the tests look at.
        cls.project.invalidate_recordset()
        cls.first, cls.last = cls.project.milestone_ids.sorted("sequence")
        cls.agreement = cls.get_document("Data agreement")
        cls.brand_book = cls.get_document("Brand book")

    @classmethod
    def create_template_documents(cls):
        cls.env["saas.onboarding.document"].create(
            [
                {
                    "project_id": cls.template.id,
                    "name": "Data agreement",
                    "description": "Signed on every page",
                    "milestone_id": cls.kickoff.id,
                    "saas_day_offset": 5,
                    "reminder_days": 2,
                },
                {
                    "project_id": cls.template.id,
                    "name": "Brand book",
                    "is_required": False,
                    "milestone_id": cls.go_live.id,
                },
            ]
        )

    @classmethod
    def create_customer_tasks(cls):
        cls.template.allow_task_dependencies = True
        invite = cls.env["project.task"].create(
            {
                "name": "Invite your people",
                "project_id": cls.template.id,
                "saas_is_customer_task": True,
            }
        )
        cls.env["project.task"].create(
            {
                "name": "Train your people",
                "project_id": cls.template.id,
                "saas_is_customer_task": True,
                "depend_on_ids": [Command.link(invite.id)],
            }
        )

    @classmethod
    def create_portal_users(cls):
        contact = cls.env["res.partner"].create(
            {
                "name": "Jane Buyer",
                "parent_id": cls.partner.id,
                "email": "j@example.com",
            }
        )
        other = cls.env["res.partner"].create({"name": "Other Ltd", "is_company": True})
        for login, partner in (("doc_buyer", contact), ("doc_other", other)):
            user = new_test_user(
                cls.env,
                login=login,
                groups="base.group_portal",
                partner_id=partner.id,
                company_id=cls.company.id,
                company_ids=[Command.set(cls.company.ids)],
            )
            setattr(cls, login.removeprefix("doc_"), user)

    @classmethod
    def get_document(cls, name):
        return cls.project.saas_document_ids.filtered(lambda one: one.name == name)

    def get_task(self, name):
        return self.project.tasks.filtered(lambda task: task.name == name)

    def as_delivery(self, record):
        return record.with_user(self.delivery)

    def refuse(self, document, reason="Page 3 is missing"):
        wizard = self.env["saas.onboarding.document.decide.wizard"]
        wizard.with_user(self.delivery).create(
            {
                "document_ids": [Command.set(document.ids)],
                "decision": "refuse",
                "reason": reason,
            }
        ).action_confirm()

    def waive(self, document, reason="Not in this country"):
        wizard = self.env["saas.onboarding.document.decide.wizard"]
        wizard.with_user(self.delivery).create(
            {
                "document_ids": [Command.set(document.ids)],
                "decision": "waive",
                "reason": reason,
            }
        ).action_confirm()

    def mails(self):
        return (
            self.env["mail.mail"]
            .sudo()
            .search(
                [("model", "=", "project.project"), ("res_id", "=", self.project.id)]
            )
            .filtered(lambda mail: mail.recipient_ids == self.partner)
        )
