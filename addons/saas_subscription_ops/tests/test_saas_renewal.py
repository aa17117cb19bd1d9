# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from unittest.mock import patch

from freezegun import freeze_time
from psycopg2.errors import UniqueViolation

from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from ..exceptions import QuoteError
from .common_renewal import RenewalCase

END = date(2027, 3, 1)
WINDOW = date(2026, 11, 1)  # 120 days before


@tagged("post_install", "-at_install")
class TestRenewal(RenewalCase):
    """Terms that end: records, steps, opportunity and what became of them."""

    # Windows ---------------------------------------------------------
    def test_window_opens_once_on_its_day(self):
        subscription = self.contract()
        self.run_day(date(2026, 10, 31))
        self.assertFalse(subscription.renewal_ids)
        self.run_day(WINDOW, WINDOW, date(2026, 11, 2))
        renewal = subscription.renewal_ids
        self.assertEqual(len(renewal), 1)
        self.assertEqual(renewal.outcome, "open")
        self.assertEqual(
            (renewal.term_start, renewal.term_end), (date(2026, 3, 1), END)
        )
        self.assertEqual(renewal.date_window, WINDOW)
        self.assertEqual(renewal.date_notice, date(2027, 1, 30))
        self.assertEqual(renewal.amount_available, 6000.0)
        self.assertEqual(len(self.events(renewal, "renewal.opened")), 1)
        self.assertEqual(
            self.results(renewal),
            {("opportunity", 120): "done", ("activity", 120): "done"},
        )
        lead = renewal.lead_id
        self.assertEqual(lead.saas_lead_kind, "renewal")
        self.assertEqual((lead.expected_revenue, lead.date_deadline), (6000.0, END))
        self.assertEqual(lead.user_id, self.salesperson)
        self.assertEqual(lead.saas_subscription_ids, subscription)
        self.assertEqual(len(lead.activity_ids), 1)

    def test_record_is_unique(self):
        subscription = self.contract()
        self.run_day(WINDOW)
        with (
            mute_logger("odoo.sql_db"),
            self.assertRaises(UniqueViolation),
            self.env.cr.savepoint(),
        ):
            self.env["saas.renewal"].create(
                {"subscription_id": subscription.id, "term_end": END}
            )
        log = subscription.renewal_ids.step_log_ids[0]
        with (
            mute_logger("odoo.sql_db"),
            self.assertRaises(UniqueViolation),
            self.env.cr.savepoint(),
        ):
            log.copy()

    def test_available_counts_ramps_and_ignores_pauses(self):
        subscription = self.contract()
        subscription.amend(
            "ramp",
            date_effective=date(2026, 12, 1),
            lines=[{"line_id": subscription.line_ids.id, "price_unit": 600.0}],
        )
        subscription.pause(date_effective=date(2027, 2, 20), date_resume=END)
        self.run_day(WINDOW)
        self.assertEqual(subscription.renewal_ids.amount_available, 7200.0)

    def test_terms_that_ended_without_record_are_made_up_for(self):
        subscription = self.contract()
        with patch.object(type(subscription), "_settle_renewals", lambda self: None):
            self.env["saas.subscription"]._process_lifecycle(date(2028, 3, 2))
        self.assertFalse(subscription.renewal_ids)
        self.env["saas.renewal"]._process_renewals(date(2028, 3, 2))
        outcomes = subscription.renewal_ids.mapped(lambda r: (r.term_end, r.outcome))
        self.assertEqual(outcomes, [(END, "renewed"), (date(2028, 3, 1), "renewed")])
        self.assertFalse(subscription.renewal_ids.lead_id)

    def test_open_ended_and_cancelled_have_no_window(self):
        self.contract(term_end=False)
        ended = self.contract()
        ended.cancel(effective="date", date_effective=date(2026, 6, 1))
        self.run_day(date(2026, 6, 1), WINDOW)
        self.assertEqual(ended.renewal_ids.outcome, "cancelled")
        self.assertEqual(ended.renewal_ids.amount_lost, 6000.0)
        self.assertFalse(ended.renewal_ids.lead_id)

    # Decisions -------------------------------------------------------
    def test_automatic_renewal_wins_the_opportunity(self):
        subscription = self.contract()
        self.run_day(WINDOW, date(2027, 1, 31), END, END)
        renewal = self.renewal(subscription)
        self.assertEqual(
            (renewal.outcome, renewal.decided_by), ("renewed", "automatic")
        )
        self.assertEqual((renewal.date_decided, renewal.is_on_time), (END, True))
        self.assertEqual((renewal.amount_renewed, renewal.amount_pure), (6000, 6000))
        self.assertEqual(renewal.lead_id.won_status, "won")
        self.assertFalse(renewal.lead_id.activity_ids)
        self.assertEqual(len(self.events(renewal, "renewal.decided")), 1)
        self.assertEqual(len(self.events(renewal, "renewal.notice_passed")), 1)
        self.assertTrue(renewal.is_final)

    def test_expiry_loses_it(self):
        subscription = self.ending()
        self.run_day(WINDOW, date(2026, 12, 1), END)
        renewal = subscription.renewal_ids
        self.assertEqual((renewal.outcome, renewal.decided_by), ("expired", "expiry"))
        self.assertFalse(renewal.is_on_time)
        self.assertEqual((renewal.amount_lost, renewal.amount_pure), (6000, 0))
        self.assertEqual(renewal.lead_id.won_status, "lost")

    def test_expansion_and_contraction_are_told_apart(self):
        for price, expansion, contraction in ((600.0, 1200, 0), (400.0, 0, 1200)):
            with self.subTest(price=price):
                subscription = self.contract()
                subscription.renew(
                    lines=[{"line_id": subscription.line_ids.id, "price_unit": price}]
                )
                renewal = self.renewal(subscription)
                self.assertEqual(renewal.outcome, "renewed")
                self.assertEqual(renewal.decided_by, "staff")
                self.assertEqual(renewal.amount_expansion, expansion)
                self.assertEqual(renewal.amount_contraction, contraction)
                self.assertEqual(renewal.amount_lost, 0)
                self.assertEqual(renewal.amount_pure, min(6000, price * 12))

    def test_decision_that_is_taken_back_opens_it_again(self):
        subscription = self.contract()
        self.run_day(WINDOW)
        renewal = subscription.renewal_ids
        stage = renewal.lead_id.stage_id
        for decide, outcome, status in (
            (lambda: subscription.cancel(), "cancelled", "lost"),
            (lambda: subscription.renew(uplift=5), "renewed", "won"),
        ):
            with self.subTest(outcome=outcome):
                amendment = decide()
                self.assertEqual(renewal.outcome, outcome)
                self.assertEqual(renewal.lead_id.won_status, status)
                amendment.action_undo()
                self.assertEqual(renewal.outcome, "open")
                self.assertFalse(renewal.date_decided)
                self.assertEqual(renewal.lead_id.won_status, "pending")
                self.assertEqual(renewal.lead_id.stage_id, stage)
                self.assertEqual(renewal.amount_renewed + renewal.amount_lost, 0)

    def test_lost_opportunity_cancels_nothing(self):
        subscription = self.ending()
        self.run_day(WINDOW)
        renewal = subscription.renewal_ids
        reason = self.env["crm.lost.reason"].create({"name": "Competitor"})
        renewal.lead_id.with_user(self.salesperson).action_set_lost(
            lost_reason_id=reason.id
        )
        self.assertEqual((renewal.category, renewal.outcome), ("lost", "open"))
        self.assertEqual(renewal.lost_reason_id, reason)
        # Nobody reminds a customer who is lost.
        self.run_day(date(2026, 12, 31), END)
        self.assertEqual(self.results(renewal)[("remind", 60)], "skipped")
        self.assertEqual(renewal.outcome, "expired")
        self.assertTrue(renewal.is_on_time)

    def test_restored_opportunity_is_no_longer_lost(self):
        subscription = self.contract()
        self.run_day(WINDOW)
        renewal = subscription.renewal_ids
        renewal.lead_id.action_set_lost()
        self.assertEqual(renewal.category, "lost")
        renewal.lead_id.action_restore()
        self.assertNotEqual(renewal.category, "lost")
        self.assertFalse(renewal.is_manual_category)

    # Steps -----------------------------------------------------------
    def test_expiring_contract_gets_quotation_and_reminders(self):
        subscription = self.ending()
        self.run_day(WINDOW, date(2026, 12, 1), date(2026, 12, 31), date(2027, 1, 30))
        renewal = subscription.renewal_ids
        self.assertEqual(set(self.results(renewal).values()), {"done"})
        self.assertEqual(len(renewal.step_log_ids), 5)
        order = renewal.order_id
        self.assertEqual((order.state, order.saas_start_date), ("draft", END))
        self.assertEqual(order.opportunity_id, renewal.lead_id)
        # It can be signed until the term is over.
        self.assertEqual(order.validity_date, date(2027, 2, 28))
        self.assertEqual(order.user_id, self.salesperson)
        mails = self.env["mail.mail"].search(
            [("model", "=", "saas.renewal"), ("res_id", "=", renewal.id)]
        )
        self.assertEqual(len(mails), 2)
        self.assertIn(subscription.access_url, mails[0].body_html)
        todo = renewal.quote_activity_id
        self.assertIn(todo, renewal.lead_id.activity_ids)
        order.action_quotation_sent()
        self.assertFalse(todo.filtered("active"))
        order.action_confirm()
        self.assertEqual(renewal.quote_activity_id, todo)

    def test_after_an_outage_only_the_last_reminder_is_sent(self):
        subscription = self.ending()
        self.run_day(date(2027, 2, 5), date(2027, 2, 6))
        results = self.results(subscription.renewal_ids)
        self.assertEqual(
            results,
            {
                ("opportunity", 120): "done",
                ("activity", 120): "done",
                ("quote", 90): "done",
                ("remind", 60): "skipped",
                ("remind", 30): "done",
            },
        )

    def test_failing_step_stops_nothing_and_is_repeated(self):
        subscription = self.ending()
        other = self.ending()
        self.partner.email = False
        self.run_day(WINDOW, date(2026, 12, 31))
        renewal = subscription.renewal_ids
        self.assertEqual(self.results(renewal)[("remind", 60)], "failed")
        self.assertTrue(other.renewal_ids.order_id)
        failed = self.exceptions("renewal.step_failed")
        self.assertEqual(len(failed), 2)
        self.assertIn("no e-mail address", failed[0].name)
        # Twice fails once.
        self.run_day(date(2027, 1, 1))
        self.assertEqual(len(self.exceptions("renewal.step_failed")), 2)
        self.partner.email = "acme@example.com"
        mine = failed.filtered(lambda e: e.res_id == renewal.id)
        with freeze_time("2027-01-02"):
            mine.with_user(self.manager).action_retry()
        self.assertEqual(mine.state, "resolved")
        self.assertEqual(self.results(renewal)[("remind", 60)], "done")

    def test_language_of_the_customer(self):
        self.env["res.lang"]._activate_lang("fr_FR")
        template = self.env.ref(
            "saas_subscription_ops.mail_template_saas_renewal_reminder"
        )
        template.with_context(lang="fr_FR").subject = "Votre contrat"
        self.partner.lang = "fr_FR"
        subscription = self.ending()
        self.run_day(WINDOW, date(2026, 12, 31))
        mail = self.env["mail.mail"].search(
            [
                ("res_id", "=", subscription.renewal_ids.id),
                ("model", "=", "saas.renewal"),
            ]
        )
        self.assertEqual(mail.subject, "Votre contrat")

    def test_steps_of_the_plan_replace_those_for_all(self):
        self.plan.renewal_step_ids = [
            (0, 0, {"days_before": 500, "action": "opportunity", "summary": "Big"}),
        ]
        self.assertIn("fall on its first day", self.plan.renewal_warning)
        subscription = self.contract()
        self.run_day(date(2026, 3, 1))
        renewal = subscription.renewal_ids
        self.assertEqual(renewal.date_window, date(2026, 3, 1))
        self.assertEqual(self.results(renewal), {("opportunity", 500): "done"})
        self.assertIn("Big", renewal.lead_id.name)

    def test_plan_says_what_is_missing(self):
        plan = self.create_plan(name="Bare")
        self.assertIn("set a renewal owner", plan.renewal_warning)
        plan.renewal_user_id = self.csm
        self.assertFalse(plan.renewal_warning)
        self.env["saas.renewal.step"].search([("plan_id", "=", False)]).active = False
        plan.invalidate_recordset(["renewal_warning"])
        self.assertIn("no renewal steps", plan.renewal_warning)
        with self.assertRaisesRegex(UserError, "does not fit into a"):
            plan.write({"term_months": 1, "notice_days": 31})

    def test_owner_who_left_is_replaced_and_it_is_said(self):
        subscription = self.contract()
        gone = self.new_user("sub_gone", "sales_team.group_sale_salesman")
        subscription.user_id = gone
        gone.active = False
        self.run_day(WINDOW)
        renewal = subscription.renewal_ids
        self.assertEqual(renewal.user_id, self.csm)
        self.partner.saas_csm_id = False
        other = self.contract(user_id=False)
        self.run_day(WINDOW)
        self.assertFalse(other.renewal_ids.user_id)
        self.assertEqual(self.results(other.renewal_ids)[("activity", 120)], "failed")
        self.assertIn(
            "Nobody looks after", self.exceptions("renewal.step_failed")[-1].name
        )
        self.company.saas_renewal_user_id = self.manager
        self.run_day(date(2026, 11, 2))
        self.assertEqual(other.renewal_ids.user_id, self.manager)
        self.assertEqual(self.results(other.renewal_ids)[("activity", 120)], "done")

    def test_paused_contract_waits_for_its_quotation(self):
        subscription = self.ending()
        subscription.pause(
            date_effective=date(2026, 11, 20),
            date_resume=date(2026, 12, 10),
            pause_mode="credit",
        )
        self.run_day(WINDOW, date(2026, 11, 20), date(2026, 12, 1))
        renewal = subscription.renewal_ids
        self.assertEqual(subscription.state, "paused")
        self.assertTrue(renewal.lead_id)
        self.assertIn("12/10/2026", renewal.problem)
        self.assertFalse(renewal.order_id)
        with self.assertRaisesRegex(QuoteError, "resumes on 12/10/2026"):
            subscription.action_quote_renewal()
        with self.assertRaisesRegex(UserError, "resumes on 12/10/2026"):
            subscription.renew()
        self.run_day(date(2026, 12, 10))
        self.assertFalse(renewal.problem)
        self.assertTrue(renewal.order_id)

    def test_contract_that_runs_on_is_flagged(self):
        plan = self.create_plan(name="No term", term_months=0)
        subscription = self.contract(plan_id=plan.id)
        self.run_day(WINDOW, END, date(2027, 3, 2))
        renewal = subscription.renewal_ids
        self.assertEqual(renewal.outcome, "open")
        flagged = self.exceptions("renewal.undecided")
        self.assertEqual((len(flagged), flagged.res_id), (1, renewal.id))
        subscription.renew(term_months=12)
        self.assertEqual((renewal.outcome, flagged.state), ("renewed", "resolved"))
        self.assertTrue(renewal.is_on_time is False or renewal.date_decided <= END)

    # Access ----------------------------------------------------------
    def test_who_may_read_and_write(self):
        subscription = self.contract()
        self.run_day(WINDOW)
        renewal = subscription.renewal_ids
        lead = renewal.lead_id.with_user(self.salesperson)
        self.assertEqual(lead.saas_renewal_ids, renewal)
        self.assertTrue(lead.read(["saas_subscription_ids", "saas_lead_kind"]))
        for user in (self.manager, self.csm, self.salesperson):
            with self.subTest(user=user.login):
                renewal.with_user(user).amount_target = 7000.0
                with self.assertRaises(AccessError):
                    renewal.with_user(user).outcome = "renewed"
                with self.assertRaises(AccessError):
                    renewal.with_user(user).unlink()
        other = self.new_user("sub_other", "sales_team.group_sale_salesman")
        for user in (other, self.auditor, self.operator):
            with self.subTest(user=user.login):
                self.assertTrue(renewal.with_user(user).display_name)
                with self.assertRaises(AccessError):
                    renewal.with_user(user).amount_target = 1.0
                with self.assertRaises(AccessError):
                    renewal.step_log_ids[0].with_user(user).note = "x"
        self.plan.with_user(self.manager).renewal_uplift = 3.0
        with self.assertRaises(AccessError):
            self.env["saas.renewal.step"].with_user(self.salesperson).create(
                {"days_before": 5, "action": "opportunity"}
            )

    def test_others_see_nothing(self):
        subscription = self.contract()
        self.run_day(WINDOW)
        renewal = subscription.renewal_ids
        company = self.env["res.company"].create({"name": "Other Ltd"})
        stranger = self.new_user(
            "sub_stranger", "saas_core.group_saas_core_subscription_manager", company
        )
        self.assertFalse(
            self.env["saas.renewal"]
            .with_user(stranger)
            .with_context(allowed_company_ids=company.ids)
            .search([])
        )
        portal = new_test_user(
            self.env,
            login="sub_portal",
            groups="base.group_portal",
            company_id=self.company.id,
            company_ids=[(6, 0, self.company.ids)],
        )
        portal.partner_id.parent_id = self.partner
        for record in (renewal, renewal.step_log_ids, renewal.lead_id):
            with self.assertRaises(AccessError):
                record.with_user(portal).read(["id", "display_name"])
