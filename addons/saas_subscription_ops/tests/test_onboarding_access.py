# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo import Command
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import freeze_time, tagged
from odoo.tools import mute_logger

from ..models.saas_onboarding_document_upload import MAX_PORTAL_VERSIONS
from .common_onboarding_documents import NEWER_PDF, PDF, DocumentCase
from .test_saas_handover import HandoverMixin

PRIVATE = ("saas.onboarding.package", "saas.onboarding.alert")


@tagged("post_install", "-at_install")
@freeze_time("2026-03-02 09:00:00")
class TestOnboardingAccess(HandoverMixin, DocumentCase):
    """Who learns of an onboarding, and what nobody gets around."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.project_manager = cls.new_user("acc_pm", "project.group_project_manager")
        cls.colleague = cls.new_user("acc_sales", "sales_team.group_sale_salesman")
        cls.create_portal_users()
        cls.alert = cls.env["saas.onboarding.alert"].create(
            {
                "project_id": cls.project.id,
                "code": "inactive",
                "message": "Nobody <b>works</b> & waits",
                "date_opened": "2026-03-02",
            }
        )

    def find(self, model, user):
        domain = [("project_id", "=", self.project.id)]
        return self.env[model].with_user(user).search(domain)

    def hide(self):
        self.project.privacy_visibility = "followers"
        self.project.message_unsubscribe(self.delivery.partner_id.ids)

    # Private projects ------------------------------------------------
    def test_packages_and_alerts_of_private_projects_are_private(self):
        for model in PRIVATE:
            self.assertTrue(self.find(model, self.delivery), model)
        self.hide()
        for model in PRIVATE:
            with self.subTest(model):
                self.assertFalse(self.find(model, self.delivery))
                self.assertTrue(self.find(model, self.project_manager))
                self.assertTrue(self.find(model, self.auditor))
        self.assertFalse(self.find(PRIVATE[0], self.salesperson))
        self.project.message_subscribe(self.delivery.partner_id.ids)
        for model in PRIVATE:
            self.assertTrue(self.find(model, self.delivery), model)

    # Dialogs ---------------------------------------------------------
    def get_dialogs(self):
        project, document = self.project.id, self.agreement.id
        return {
            "saas.onboarding.reschedule.wizard": {
                "project_id": project,
                "kickoff": "2026-03-09",
            },
            "saas.go.live.undo.wizard": {"project_id": project, "reason": "Why"},
            "saas.onboarding.wait.wizard": {"project_id": project, "reason": "Why"},
            "saas.onboarding.document.upload.wizard": {"document_id": document},
            "saas.onboarding.document.decide.wizard": {
                "document_ids": [Command.set([document])],
                "decision": "waive",
                "reason": "Why",
            },
        }

    def test_dialogs_open_for_what_one_may_read(self):
        user = self.new_user("acc_both", "project.group_project_manager")
        opened = []
        for model, vals in self.get_dialogs().items():
            with self.subTest(model):
                if self.env[model].with_user(user).has_access("create"):
                    opened.append(self.env[model].with_user(user).create(vals))
        self.assertEqual(len(opened), len(self.get_dialogs()))

    def test_dialogs_tell_nothing_of_what_one_may_not_read(self):
        self.hide()
        other = self.env["res.company"].create({"name": "Other Ltd"})
        foreign = self.new_user(
            "acc_foreign", "project.group_project_manager", company=other
        )
        for user in (self.delivery, foreign):
            for model, vals in self.get_dialogs().items():
                with self.subTest(model, user=user.login):
                    Wizard = self.env[model].with_user(user)
                    with self.assertRaises(AccessError):
                        Wizard.create(vals)
                    context = {f"default_{name}": vals[name] for name in vals}
                    with self.assertRaises(AccessError):
                        Wizard.with_context(**context).create({})

    def test_the_days_of_a_foreign_project_are_not_computed(self):
        self.hide()
        Wizard = self.env["saas.onboarding.reschedule.wizard"]
        with self.assertRaises(AccessError):
            Wizard.with_user(self.delivery).onchange(
                {"project_id": self.project.id},
                ["project_id"],
                {"project_id": {}, "kickoff": {}, "kickoff_before": {}},
            )

    # Handovers -------------------------------------------------------
    def test_handovers_hang_on_what_one_may_change(self):
        Handover = self.env["saas.handover"].with_user(self.colleague)
        lead = self.create_lead()
        own = self.create_handover(
            self.create_lead(user_id=self.colleague.id), user=self.colleague
        )
        other = self.create_order()
        for vals in ({"order_id": other.id}, {"lead_id": lead.id}):
            with self.subTest(**vals):
                with self.assertRaises(AccessError):
                    Handover.create(vals)
                with self.assertRaises(AccessError):
                    Handover.with_context(
                        **{f"default_{name}": vals[name] for name in vals}
                    ).create({})
                with self.assertRaises(AccessError):
                    own.write(vals)
        mine = self.create_order(user_id=self.colleague.id)
        own.order_id = mine
        self.assertEqual(own.order_id, mine)

    def test_an_order_of_a_colleagues_opportunity_gets_its_own_handover(self):
        lead = self.create_lead()
        order = self.create_order(
            user_id=self.colleague.id, opportunity_id=lead.id
        ).with_user(self.colleague)
        action = order.action_open_saas_handover()
        handover = self.env["saas.handover"].browse(action["res_id"])
        self.assertEqual(handover.order_id.id, order.id)
        self.assertFalse(handover.lead_id)

    def test_a_second_handover_is_refused_in_words(self):
        lead = self.create_lead()
        first = self.create_handover(lead)
        with self.assertRaisesRegex(UserError, "has a handover already"):
            self.create_handover(lead)
        second = self.create_handover(self.create_lead())
        with self.assertRaisesRegex(UserError, "has a handover already"):
            second.lead_id = lead
        first.lead_id = lead  # its own

    # Templates -------------------------------------------------------
    def test_no_context_switches_the_hundred_percent_off(self):
        marks = self.template.milestone_ids.with_user(self.project_manager)
        for context in (
            {},
            {"milestone_mapping": {}},
            {"saas_project_copy": True},
        ):
            with self.subTest(**context), self.assertRaises(ValidationError):
                marks.with_context(**context).write({"saas_billing_percent": 80})

    def test_templates_that_bill_all_are_copied_by_their_managers(self):
        self.template.milestone_ids.saas_billing_percent = 50
        copy = self.template.with_user(self.project_manager).copy()
        self.assertEqual(copy.milestone_ids.mapped("saas_billing_percent"), [50, 50])
        with self.assertRaises(ValidationError):
            copy.milestone_ids.saas_billing_percent = 51

    def test_a_customers_onboarding_does_not_become_a_template(self):
        project = self.project.with_user(self.project_manager)
        for name in (
            "action_toggle_project_template_mode",
            "action_create_template_from_project",
        ):
            with self.subTest(name), self.assertRaisesRegex(UserError, "duplicate it"):
                getattr(project, name)()
        with self.assertRaisesRegex(ValidationError, "duplicate it"):
            project.is_template = True
        self.assertTrue(project.active)
        plain = self.env["project.project"].create({"name": "Plain"})
        action = plain.with_user(self.project_manager)
        action = action.action_create_template_from_project()
        template = plain.browse(action["params"]["project_id"])
        self.assertTrue(template.is_template)

    # Plain text ------------------------------------------------------
    def test_what_an_alert_says_is_no_markup(self):
        self.project.user_id = self.project_manager
        self.alert.activity_id = False
        activity = self.alert._create_activity()
        self.assertIn("&lt;b&gt;works&lt;/b&gt; &amp; waits", activity.note)

    def test_what_a_change_asks_for_is_no_markup(self):
        request = self.env["saas.change.request"].create(
            {
                "project_id": self.project.id,
                "name": "Import",
                "description": "<b>Old</b> & new",
            }
        )
        description = request._prepare_task_vals()["description"]
        self.assertIn("&lt;b&gt;Old&lt;/b&gt; &amp; new", description)

    # Portal ----------------------------------------------------------
    def share(self):
        self.project.privacy_visibility = "portal"
        self.project.write(
            {
                "collaborator_ids": [
                    Command.create({"partner_id": self.buyer.partner_id.id})
                ]
            }
        )
        self.project.message_subscribe(self.buyer.partner_id.ids)

    def test_portal_users_of_shared_projects_read_nothing_internal(self):
        self.share()
        records = (
            self.project,
            self.project.milestone_ids[:1],
            self.project.tasks[:1],
        )
        for record in records:
            self.assertTrue(record.with_user(self.buyer).read(["name"]))
            names = [name for name in record._fields if name.startswith("saas_")]
            self.assertTrue(names)
            for name in names:
                with self.subTest(name), self.assertRaises(AccessError):
                    record.with_user(self.buyer).read([name])
        self.assertTrue(self.project.with_user(self.delivery).read(["saas_kickoff_on"]))

    def test_portal_collaborators_still_add_tasks(self):
        self.share()
        task = (
            self.env["project.task"]
            .with_user(self.buyer)
            .with_context(default_project_id=self.project.id)
            .create({"name": "Ours"})
        )
        self.assertEqual(task.sudo().saas_duration_days, 1)
        task.name = "Ours too"

    def test_the_portal_takes_only_so_many_versions_a_day(self):
        self.agreement.action_request()
        project = self.project.with_user(self.buyer).sudo()
        for number in range(MAX_PORTAL_VERSIONS):
            content = PDF + b"%% %d\n" % number
            project._saas_portal_upload(self.agreement.id, "a.pdf", content)
        again = project._saas_portal_upload(self.agreement.id, "a.pdf", content)
        self.assertEqual(again.number, MAX_PORTAL_VERSIONS, "the same file is no new")
        with self.assertRaisesRegex(UserError, "tomorrow"):
            project._saas_portal_upload(self.agreement.id, "a.pdf", NEWER_PDF)
        self.as_delivery(self.agreement)._add_version("staff.pdf", PDF + b"%s\n")
        with freeze_time("2026-03-03 09:00:01"):
            project._saas_portal_upload(self.agreement.id, "a.pdf", NEWER_PDF)

    # Documents -------------------------------------------------------
    def test_a_requested_document_leaves_only_by_waive(self):
        document = self.as_delivery(self.agreement)
        document.is_required = False
        document.is_required = True
        self.agreement.action_request()
        changes = (
            {"is_required": False},
            {"milestone_id": False},
            {"milestone_id": self.last.id},
        )
        for state in ("requested", "received", "refused"):
            self.agreement.sudo().state = state
            for vals in changes:
                with self.subTest(state, **vals):
                    with self.assertRaisesRegex(UserError, "use Waive"):
                        document.write(vals)
            document.write({"is_required": True, "milestone_id": self.first.id})
        self.waive(self.agreement)
        document.is_required = False

    # Figures ---------------------------------------------------------
    @mute_logger("odoo.addons.base.models.ir_rule")
    def test_the_kpi_is_the_same_for_everybody(self):
        self.agreement.action_request()
        self.hide()
        Project = self.env["project.project"]
        period = (self.company, date(2026, 3, 1), date(2026, 4, 1))
        rows = [
            Project.with_user(user)._saas_kpi_onboarding_wait_customer(
                self.env["saas.kpi"], *period
            )[0]["inputs"]
            for user in (self.env.user, self.delivery)
        ]
        self.assertTrue(rows[0]["intervals"])
        self.assertEqual(rows[0], rows[1])
