# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, timedelta
from decimal import Decimal

from odoo import Command
from odoo.exceptions import AccessError, UserError
from odoo.tests import HttpCase, freeze_time, tagged

from .common import SubscriptionCase

START = "2026-03-02"


@tagged("post_install", "-at_install")
class TestOnboardingLive(SubscriptionCase):
    """Live with the needed milestones, hypercare, survey, and the way back."""

    @classmethod
    @freeze_time(START)
    def setUpClass(cls):
        super().setUpClass()
        cls.delivery = cls.new_user("sub_delivery", "project.group_project_user")
        cls.order = cls.create_order()
        cls.order.action_confirm()
        cls.project = cls.order.saas_onboarding_project_ids
        cls.first, cls.last = cls.project.milestone_ids.sorted("sequence")

    def _go_live(self, project=None, day="2026-03-20"):
        with freeze_time(day):
            (project or self.project).milestone_ids.with_user(
                self.csm
            ).is_reached = True

    # Live ------------------------------------------------------------
    def test_needed_milestones_decide_others_may_follow(self):
        review = self.env["project.milestone"].create(
            {
                "name": "Review",
                "project_id": self.project.id,
                "sequence": 9,
                "saas_is_required": False,
            }
        )
        self.last.saas_is_go_live = True
        self.last.is_reached = True
        self.assertFalse(self.project.saas_live_on)
        self.first.is_reached = True
        self.assertTrue(self.project.saas_live_on)
        review.is_reached = True
        review.with_user(self.csm).is_reached = False
        self.assertEqual(len(self.events(self.project, "onboarding.live")), 1)

    def test_days_are_calendar_days_without_the_first(self):
        lead = self.env["crm.lead"].create({"name": "Acme", "type": "opportunity"})
        self.env.cr.execute(
            "UPDATE crm_lead SET create_date = '2026-02-10 22:00' WHERE id = %s",
            [lead.id],
        )
        lead.invalidate_recordset()
        self.order.opportunity_id = lead
        self.project.saas_kickoff_on = date(2026, 3, 4)
        self._go_live()
        self.assertEqual(self.project.saas_days_lead_to_live, 38)
        self.assertEqual(self.project.saas_days_kickoff_to_live, 16)
        event = self.events(self.project, "onboarding.live")
        self.assertEqual(event.payload["days_lead_to_live"], 38)

    def test_without_opportunity_the_confirmation_counts(self):
        self._go_live()
        self.assertEqual(self.project.saas_days_lead_to_live, 18)

    def test_by_hand_says_what_is_missing(self):
        mine = self.project.with_user(self.delivery)
        with self.assertRaisesRegex(UserError, "Kick-off held is not reached"):
            mine.action_saas_go_live()
        self.assertFalse(self.last.is_reached)
        self.first.saas_is_required = False
        with freeze_time("2026-03-20"):
            mine.action_saas_go_live()
            mine.action_saas_go_live()
        self.assertTrue(self.last.is_reached)
        self.assertEqual(self.project.saas_live_on, date(2026, 3, 20))
        self.assertEqual(self.partner.saas_lifecycle, "live")
        self.assertEqual(len(self.events(self.project, "onboarding.live")), 1)

    def test_by_hand_without_milestones_and_without_order(self):
        self.project.milestone_ids.unlink()
        self.project.with_user(self.delivery).action_saas_go_live()
        self.assertTrue(self.project.saas_live_on)
        with self.assertRaisesRegex(UserError, "project of an order"):
            self.template.action_saas_go_live()
        with self.assertRaises(AccessError):
            self.project.with_user(self.auditor).action_saas_go_live()

    # Back ------------------------------------------------------------
    def test_before_live_a_milestone_is_taken_back_and_recorded(self):
        mine = self.first.with_user(self.delivery)
        for _round in range(2):
            mine.is_reached = True
            mine.is_reached = False
            self.first.saas_record_taken_back()
        names = self.events(self.project).sorted("id").mapped("name")
        self.assertEqual(names.count("onboarding.milestone_reached"), 2)
        self.assertEqual(names.count("onboarding.milestone_reopened"), 2)

    def test_after_live_only_the_go_live_is_taken_back(self):
        self._go_live()
        for milestone in (self.first, self.last):
            with self.assertRaisesRegex(UserError, "Take Go-Live Back"):
                milestone.with_user(self.csm).is_reached = False
        with self.assertRaisesRegex(UserError, "Project Administrators"):
            self.project.with_user(self.delivery).action_saas_undo_go_live("Wrong")
        mine = self.project.with_user(self.csm)
        with self.assertRaisesRegex(UserError, "why it was no go-live"):
            mine.action_saas_undo_go_live(" ")
        mine.action_saas_undo_go_live("The data were wrong")
        self.assertFalse(self.project.saas_live_on)
        self.assertFalse(self.project.saas_hypercare_until)
        self.assertFalse(self.project.saas_days_lead_to_live)
        self.assertTrue(self.first.is_reached)
        self.assertFalse(self.last.is_reached)
        self.assertEqual(self.partner.saas_lifecycle, "onboarding")
        self.assertEqual(len(self.events(self.project, "onboarding.live_undone")), 1)
        with self.assertRaisesRegex(UserError, "is not live"):
            mine.action_saas_undo_go_live("Again")
        self._go_live(day="2026-03-25")
        self.assertEqual(self.project.saas_live_on, date(2026, 3, 25))
        self.assertEqual(self.partner.saas_lifecycle, "live")
        self.assertEqual(len(self.project.saas_survey_ids), 1, "asked once")

    # Hypercare -------------------------------------------------------
    def test_hypercare_begins_and_ends_once(self):
        self.project.saas_hypercare_days = 10
        self._go_live()
        last = date(2026, 3, 30)
        self.assertEqual(self.project.saas_hypercare_until, last)
        started = self.events(self.project, "onboarding.hypercare_started")
        self.assertEqual(started.payload["last_day"], str(last))
        Project = self.env["project.project"]
        Project._check_onboarding(last)
        self.assertFalse(self.project.saas_hypercare_ended_on)
        for days in (1, 1, 5):
            Project._check_onboarding(last + timedelta(days=days))
        self.assertEqual(self.project.saas_hypercare_ended_on, date(2026, 3, 31))
        self.assertEqual(
            len(self.events(self.project, "onboarding.hypercare_ended")), 1
        )

    def test_no_hypercare_without_days(self):
        self.project.saas_hypercare_days = 0
        self._go_live()
        self.assertFalse(self.project.saas_hypercare_until)
        self.assertFalse(self.events(self.project, "onboarding.hypercare_started"))

    # Survey ----------------------------------------------------------
    def test_customer_is_asked_once_in_their_language(self):
        self.env["res.lang"]._activate_lang("fr_FR")
        self.env.ref(
            "saas_subscription_ops.mail_template_onboarding_survey"
        ).with_context(lang="fr_FR").subject = "Votre lancement"
        contact = self.env["res.partner"].create(
            {
                "name": "Nadia",
                "email": "nadia@example.com",
                "lang": "fr_FR",
                "parent_id": self.partner.id,
            }
        )
        self.env["saas.handover"].create(
            {
                "order_id": self.order.id,
                "contact_ids": [
                    Command.create({"partner_id": contact.id, "role": "lead"})
                ],
            }
        )
        self.order.saas_link_handover()
        self._go_live()
        survey = self.project.saas_survey_ids
        self.assertEqual(survey.partner_id, contact)
        self.assertEqual(survey.user_id, self.csm)
        mails = self.env["mail.mail"].search(
            [("model", "=", survey._name), ("res_id", "=", survey.id)]
        )
        self.assertEqual(mails.mapped("subject"), ["Votre lancement"])
        self.assertIn("/rate/", mails.body_html)
        self.project.saas_send_survey()
        self.assertEqual(len(self.project.saas_survey_ids), 1)
        self.assertEqual(len(self.events(survey, "onboarding.survey_sent")), 1)

    def test_customer_without_address_is_an_exception_with_a_cure(self):
        self.partner.email = False
        self._go_live()
        self.assertTrue(self.project.saas_live_on)
        failed = self.exceptions("onboarding.survey_failed")
        self.assertIn("Acme GmbH has no e-mail address", failed.name)
        with self.assertRaises(UserError):
            self.project.saas_retry_survey()
        self.partner.email = "acme@example.com"
        failed.action_retry()
        self.assertEqual(failed.state, "resolved")
        self.assertTrue(self.project.saas_survey_ids.sent_on)

    def test_answer_reaches_project_and_an_unhappy_customer_is_called(self):
        self._go_live()
        survey = self.project.saas_survey_ids
        token = survey._rating_get_access_token()
        survey.rating_apply(1, token=token, feedback="Too slow")
        survey.rating_apply(1, token=token, feedback="Far too slow")
        self.assertEqual(survey.state, "answered")
        self.assertEqual(survey.rating_last_feedback, "Far too slow")
        self.assertEqual(self.project.saas_survey_rating, 1)
        self.assertEqual(survey.activity_ids.user_id, self.csm)
        answers = self.events(survey, "onboarding.survey_answered")
        self.assertEqual(
            answers.mapped("payload"), [{"project": self.project.id, "rating": 1}]
        )

    def test_survey_access(self):
        self._go_live()
        survey = self.project.saas_survey_ids
        self.assertTrue(survey.with_user(self.delivery).read(["name"]))
        for user in (self.delivery, self.auditor, self.csm):
            with self.assertRaises(AccessError):
                survey.with_user(user).sent_on = False
        company = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = self.new_user("sub_else", "project.group_project_manager", company)
        with self.assertRaises(AccessError):
            survey.with_user(stranger).read(["name"])

    # KPI -------------------------------------------------------------
    def test_kpi_is_the_median_of_the_month(self):
        Project = self.env["project.project"]

        def rows(month):
            return Project._saas_kpi_onboarding_lead_to_live(
                None, self.company, date(2026, month, 1), date(2026, month + 1, 1)
            )

        self._go_live()
        for day in ("2026-03-12", "2026-03-27"):
            with freeze_time(START):
                order = self.create_order()
                order.action_confirm()
            self._go_live(order.saas_onboarding_project_ids, day)
        [row] = rows(3)
        self.assertEqual(row["value"], Decimal("18"))
        self.assertEqual(row["inputs"], {"projects": 3, "days": [10, 18, 25]})
        self.assertEqual(Project.search_count(row["domain"]), 3)
        self.assertFalse(rows(4))


@tagged("post_install", "-at_install")
class TestSurveyPage(SubscriptionCase, HttpCase):
    """The customer answers on Odoo's own rating page, without a login."""

    def test_customer_answers(self):
        order = self.create_order()
        order.action_confirm()
        project = order.saas_onboarding_project_ids
        project.milestone_ids.is_reached = True
        survey = project.saas_survey_ids
        token = survey._rating_get_access_token()
        page = self.url_open(f"/rate/{token}/5")
        self.assertEqual(page.status_code, 200)
        answer = self.url_open(
            f"/rate/{token}/submit_feedback",
            data={
                "rate": 5,
                "feedback": "Fast",
                "csrf_token": page.text.split('name="csrf_token" value="')[1].split(
                    '"'
                )[0],
            },
        )
        self.assertEqual(answer.status_code, 200)
        survey.invalidate_recordset()
        self.assertEqual(survey.rating_last_value, 5)
        self.assertEqual(survey.state, "answered")
        self.assertEqual(self.url_open("/rate/nonsense/5").status_code, 404)
