# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo.exceptions import ValidationError
from odoo.tests import tagged

from ..exceptions import OnboardingDocumentError, TransitionError
from .common_onboarding_documents import NEWER_PDF, PDF, DocumentCase


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
