# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from unittest.mock import patch

from psycopg2.errors import CheckViolation

from odoo import Command
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import SQL, mute_logger

from odoo.addons.queue_job.tests.common import trap_jobs

from ..exceptions import BillingError, TransitionError
from .common import SubscriptionCase


@tagged("post_install", "-at_install")
class TestSaasBillingRun(SubscriptionCase):
    """Runs: preview equals result, four eyes, failures apart, repeats book nothing."""

    # Preview and result ----------------------------------------------
    def test_preview_equals_result(self):
        subscription = self.create_subscription(
            [
                {"product_id": self.platform.id, "quantity": 3, "price_unit": 33.33},
                {"product_id": self.package.id, "price_unit": 1200},
            ]
        )
        run = self.create_run(date(2026, 5, 3))
        run.action_compute()
        line = run.line_ids
        self.assertEqual(line.state, "ok")
        self.assertEqual(line.amount, 3 * 99.99 + 1200)
        self.post(self.approve(run))
        self.assertEqual(run.state, "done")
        self.assertEqual(line.move_id.amount_untaxed, line.amount)
        self.assertEqual(sum(subscription.charge_ids.mapped("amount")), line.amount)
        self.assertEqual((run.done_count, run.total_count, run.progress), (1, 1, 100))

    def test_invoice_carries_dates_words_and_terms(self):
        term = self.env.ref("account.account_payment_term_30days")
        self.partner.property_payment_term_id = term
        subscription = self.create_subscription()
        self.bill()
        move = subscription.charge_ids.move_id
        line = move.invoice_line_ids
        self.assertEqual(move.state, "posted")
        self.assertEqual(move.invoice_date, date(2026, 3, 31))
        self.assertEqual(move.invoice_payment_term_id, term)
        self.assertEqual(move.invoice_origin, subscription.name)
        self.assertEqual(line.start_date, date(2026, 3, 2))
        self.assertEqual(line.end_date, date(2026, 4, 1))
        self.assertIn("Platform", line.name)
        self.assertIn(subscription.name, line.name)
        self.assertEqual(len(self.events(move, "invoice.posted")), 1)

    def test_prorated_period_is_explained(self):
        self.plan.alignment = "calendar"
        subscription = self.create_subscription()
        self.bill()
        charge = subscription.charge_ids
        self.assertEqual(charge.amount, 483.87)  # 30 of 31 days of March
        self.assertIn("Prorated: 30 of 31 days", charge.move_line_id.name)
        self.assertEqual(charge.move_id.amount_untaxed, 483.87)

    def test_taxes_follow_the_fiscal_position(self):
        tax, exempt = self.env["account.tax"].create(
            [
                {"name": "VAT 20", "amount": 20, "company_id": self.company.id},
                {"name": "Export 0", "amount": 0, "company_id": self.company.id},
            ]
        )
        position = self.env["account.fiscal.position"].create(
            {"name": "Export", "company_id": self.company.id}
        )
        exempt.write(
            {
                "fiscal_position_ids": [Command.link(position.id)],
                "original_tax_ids": [Command.link(tax.id)],
            }
        )
        self.platform.taxes_id = tax
        home = self.create_subscription()
        abroad = self.env["res.partner"].create(
            {
                "name": "Abroad",
                "is_company": True,
                "property_account_position_id": position.id,
            }
        )
        export = self.create_subscription(partner_id=abroad.id)
        self.bill()
        self.assertEqual(home.charge_ids.move_id.amount_tax, 100)
        self.assertEqual(export.charge_ids.move_id.amount_tax, 0)

    def test_negative_total_becomes_a_credit_note(self):
        subscription = self.create_subscription()
        self.bill()
        subscription.line_ids.date_end = date(2026, 3, 12)
        run = self.create_run(date(2026, 4, 1))
        run.action_compute()
        line = run.line_ids
        self.assertLess(line.amount, 0)
        self.post(self.approve(run))
        adjustment = subscription.charge_ids.filtered(
            lambda charge: charge.kind == "adjustment"
        )
        self.assertEqual(adjustment.move_id.move_type, "out_refund")
        self.assertEqual(adjustment.revision, 1)
        self.assertEqual(adjustment.move_id.amount_untaxed, -line.amount)
        self.assertEqual(adjustment.amount, -338.71)  # 10 of 31 days stay charged
        self.assertIn("Correction", adjustment.move_line_id.name)
        again = self.create_run(date(2026, 4, 1))
        again.action_compute()
        self.assertFalse(again.line_ids)

    def test_accounts_may_share_an_invoice(self):
        self.plan.invoicing_policy = "account"
        subscriptions = self.create_subscription() | self.create_subscription()
        other = self.create_subscription(
            partner_id=self.env["res.partner"].create({"name": "Solo"}).id
        )
        self.bill()
        self.assertEqual(len(subscriptions.charge_ids.move_id), 1)
        self.assertEqual(subscriptions.charge_ids.move_id.amount_untaxed, 1000)
        self.assertNotEqual(other.charge_ids.move_id, subscriptions.charge_ids.move_id)

    # Scope -----------------------------------------------------------
    def test_scope_limits_plans_accounts_and_company(self):
        other_plan = self.create_plan(name="Other")
        by_plan = self.create_subscription(plan_id=other_plan.id)
        here = self.create_subscription()
        draft = self.create_subscription(activate=False)
        future = self.create_subscription(date_start=date(2026, 8, 1))
        for vals, expected in (
            ({}, by_plan | here),
            ({"plan_ids": [Command.set(other_plan.ids)]}, by_plan),
            ({"partner_ids": [Command.set(self.partner.ids)]}, by_plan | here),
        ):
            run = self.create_run(**vals)
            run.action_compute()
            self.assertEqual(run.line_ids.subscription_id, expected)
            self.assertFalse(run.line_ids.subscription_id & (draft | future))

    def test_empty_run_ends(self):
        run = self.bill()
        self.assertEqual(run.state, "done")
        self.assertFalse(run.line_ids)

    def test_scope_is_fixed_after_computing(self):
        run = self.create_run()
        run.action_compute()
        with self.assertRaisesRegex(BillingError, "Reset"):
            run.date_cutoff = date(2026, 6, 1)
        run.action_reset()
        run.date_cutoff = date(2026, 6, 1)

    def test_absurd_cutoff_is_refused(self):
        with self.assertRaisesRegex(UserError, "more than a year"):
            self.create_run(date(2062, 4, 1))

    # Repeats ---------------------------------------------------------
    def test_second_run_books_nothing(self):
        subscription = self.create_subscription()
        self.bill()
        before = subscription.charge_ids
        run = self.create_run()
        run.action_compute()
        self.assertFalse(run.line_ids)
        self.post(self.approve(run))
        subscription.invalidate_recordset()
        self.assertEqual(subscription.charge_ids, before)

    def test_repeated_chunk_posts_nothing(self):
        subscription = self.create_subscription()
        run = self.bill()
        run._job_post_chunk(run.line_ids.ids)
        run._set_state({"done"}, "posting")
        run._job_post_chunk(run.line_ids.ids)
        run.with_user(self.operator).action_retry_failed()
        self.assertEqual(len(subscription.charge_ids), 1)

    def test_two_runs_over_the_same_scope(self):
        subscription = self.create_subscription()
        first, second = self.create_run(), self.create_run()
        for run in (first, second):
            run.action_compute()
            self.approve(run)
        self.post(first)
        self.post(second)
        self.assertEqual(len(subscription.charge_ids), 1)
        self.assertEqual(second.line_ids.state, "held")
        waiting = self.exceptions("billing.preview_changed")
        self.assertEqual(waiting.mapped("state"), ["open"])
        self.assertEqual(second.state, "done")
        # A run that finds nothing due any more closes what waits for it.
        self.create_run().action_compute()
        self.assertEqual(waiting.state, "resolved")

    def test_change_after_approval_is_held(self):
        subscription = self.create_subscription()
        run = self.create_run()
        run.action_compute()
        self.approve(run)
        subscription.line_ids.price_unit = 600
        self.post(run)
        self.assertEqual(run.line_ids.state, "held")
        self.assertFalse(subscription.charge_ids)
        self.assertIn("changed since the approval", run.line_ids.reason)

    # Failures --------------------------------------------------------
    def test_failing_subscription_among_good_ones(self):
        good = self.create_subscription() | self.create_subscription()
        bad = self.create_subscription()
        run = self.create_run()
        run.action_compute()
        self.approve(run)
        cls = type(bad)
        origin = cls._prepare_charge_vals

        def broken(subscription, charge):
            if subscription == bad:
                raise ValueError("boom")
            return origin(subscription, charge)

        with patch.object(cls, "_prepare_charge_vals", broken):
            self.post(run)
        self.assertEqual(len(good.charge_ids.move_id), 2)
        self.assertFalse(bad.charge_ids)
        self.assertEqual((run.done_count, run.failed_count), (2, 1))
        self.assertEqual(run.state, "done")
        failed = self.exceptions("billing.post_failed")
        self.assertEqual(failed.queue, "finance")
        line = run.line_ids.filtered(lambda ln: ln.subscription_id == bad)
        self.assertEqual(failed.res_id, line.id)
        line.with_user(self.operator).saas_retry_post()
        self.assertEqual(line.state, "posted")
        self.assertEqual(len(bad.charge_ids), 1)
        self.assertEqual(failed.state, "resolved")

    def test_failing_one_of_a_shared_invoice_is_left_out(self):
        self.plan.invoicing_policy = "account"
        good = self.create_subscription() | self.create_subscription()
        bad = self.create_subscription()
        run = self.create_run()
        run.action_compute()
        self.approve(run)
        cls = type(bad)
        origin = cls._prepare_charge_vals

        def broken(subscription, charge):
            if subscription == bad:
                raise UserError("boom")
            return origin(subscription, charge)

        with patch.object(cls, "_prepare_charge_vals", broken):
            self.post(run)
        self.assertEqual(len(good.charge_ids.move_id), 1)
        self.assertEqual(run.failed_count, 1)
        with trap_jobs() as trap:
            run.with_user(self.operator).action_retry_failed()
            trap.assert_jobs_count(1, only=run._job_post_chunk)

    def test_locked_period_is_a_clear_exception(self):
        subscription = self.create_subscription()
        run = self.create_run()
        run.action_compute()
        self.approve(run)
        self.company.sale_lock_date = date(2026, 3, 31)
        self.post(run)
        self.assertEqual(run.line_ids.state, "failed")
        self.assertIn("is locked", run.line_ids.reason)
        self.assertFalse(subscription.charge_ids)
        self.company.sale_lock_date = date(2026, 2, 28)
        run.line_ids.saas_retry_post()
        self.assertEqual(run.line_ids.state, "posted")

    def test_terms_the_engine_refuses_fail_alone(self):
        good, bad = self.create_subscription(), self.create_subscription()
        cls = type(bad)
        origin = cls._get_proposed_charges

        def proposed(subscription, cutoff):
            if subscription == bad:
                raise BillingError("no price")
            return origin(subscription, cutoff)

        run = self.create_run()
        with patch.object(cls, "_get_proposed_charges", proposed):
            run.action_compute()
        states = {ln.subscription_id: ln.state for ln in run.line_ids}
        self.assertEqual(states, {good: "ok", bad: "failed"})
        told = self.exceptions("billing.compute_failed")
        self.assertEqual((told.res_id, told.queue), (bad.id, "finance"))
        run.action_compute()
        self.assertEqual(set(run.line_ids.mapped("state")), {"ok"})
        self.assertEqual(told.state, "resolved")

    # Checks ----------------------------------------------------------
    def test_unusual_amount_is_held_and_released_with_a_comment(self):
        subscription = self.create_subscription()
        for month in (4, 5, 6):
            self.bill(date(2026, month, 1))
        subscription.line_ids = [
            Command.create(
                {
                    "product_id": self.platform.id,
                    "price_unit": 5000,
                    "date_start": date(2026, 6, 2),
                }
            )
        ]
        run = self.create_run(date(2026, 7, 1))
        run.action_compute()
        line = run.line_ids
        self.assertEqual(line.state, "held")
        self.assertIn("far from the usual", line.check_results)
        line = line.with_user(self.operator)
        with self.assertRaisesRegex(BillingError, "comment"):
            line.action_release()
        line.comment = "New module sold"
        line.action_release()
        self.assertEqual(line.state, "ok")
        self.post(self.approve(run))
        self.assertEqual(line.state, "posted")

    def test_held_and_excluded_lines_wait_for_a_later_run(self):
        subscription = self.create_subscription()
        run = self.create_run()
        run.action_compute()
        line = run.line_ids.with_user(self.operator)
        line.comment = "Contract under discussion"
        line.action_exclude()
        self.post(self.approve(run))
        self.assertFalse(subscription.charge_ids)
        self.assertEqual(run.state, "done")
        self.bill()
        self.assertEqual(len(subscription.charge_ids), 1)

    def test_free_subscription_is_held_for_a_person(self):
        self.create_subscription([{"product_id": self.platform.id, "price_unit": 0}])
        run = self.create_run()
        run.action_compute()
        self.assertEqual(run.line_ids.state, "held")

    def test_missing_rate_is_held(self):
        # A currency nobody in this company has a rate for.
        currency = self.env["res.currency"].create({"name": "XTC", "symbol": "x"})
        self.create_subscription(currency_id=currency.id)
        run = self.create_run()
        run.action_compute()
        self.assertEqual(run.line_ids.state, "held")
        self.assertIn("exchange rate", run.line_ids.check_results)

    # Four eyes -------------------------------------------------------
    def test_preparer_never_approves(self):
        self.create_subscription()
        both = self.new_user(
            "sub_both",
            "saas_core.group_saas_core_billing_operator,"
            "saas_core.group_saas_core_billing_approver",
        )
        roles = {"created": 0, "computed": 1, "reviewed": 2}
        for role, step in roles.items():
            with self.subTest(role=role):
                who = [self.operator] * 3
                who[step] = both
                run = self.create_run(user=who[0])
                run.with_user(who[1]).action_compute()
                run.with_user(who[2]).action_review()
                self.assertFalse(run.with_user(both).can_approve)
                with self.assertRaisesRegex(AccessError, "somebody else"):
                    run.with_user(both).action_approve()
                self.assertTrue(run.with_user(self.approver).can_approve)
                run.with_user(self.approver).action_approve()

    def test_deciding_on_a_line_is_preparing(self):
        self.create_subscription()
        run = self.create_run()
        run.action_compute()
        both = self.new_user(
            "sub_both2",
            "saas_core.group_saas_core_billing_operator,"
            "saas_core.group_saas_core_billing_approver",
        )
        line = run.line_ids.with_user(both)
        line.comment = "wait"
        line.action_hold()
        run.with_user(self.operator).action_review()
        with self.assertRaises(AccessError):
            run.with_user(both).action_approve()

    def test_setting_the_scope_is_preparing(self):
        self.create_subscription()
        for vals in ({"date_cutoff": date(2026, 5, 1)}, {"variance_tolerance": 1e6}):
            with self.subTest(vals=vals):
                run = self.create_run()
                run.with_user(self.approver).write(vals)
                run.with_user(self.operator).action_compute()
                run.with_user(self.operator).action_review()
                self.assertFalse(run.with_user(self.approver).can_approve)
                with self.assertRaisesRegex(AccessError, "somebody else"):
                    run.with_user(self.approver).action_approve()

    def test_approval_needs_the_role_and_the_state(self):
        run = self.create_run()
        run.action_compute()
        with self.assertRaises(TransitionError):
            run.with_user(self.approver).action_approve()
        run.action_review()
        with self.assertRaises(AccessError):
            run.with_user(self.manager).action_approve()
        with self.assertRaises(TransitionError):
            run.action_post()

    def test_approval_can_not_be_written(self):
        run = self.create_run()
        for user in (self.operator, self.approver):
            for vals in (
                {"state": "approved"},
                {"approved_by_id": user.id},
                {"preparer_ids": [Command.clear()]},
            ):
                with self.subTest(user=user.login, vals=vals):
                    with self.assertRaises(AccessError):
                        run.with_user(user).write(vals)
        with self.assertRaises(AccessError):
            self.create_run(state="approved")

    @mute_logger("odoo.sql_db")
    def test_the_database_refuses_a_preparers_approval(self):
        run = self.create_run()
        for query in (
            "UPDATE saas_billing_run SET approved_by_id = create_uid WHERE id = %s",
            "UPDATE saas_billing_run SET state = 'approved' WHERE id = %s",
        ):
            with self.subTest(query=query), self.assertRaises(CheckViolation):
                with self.env.cr.savepoint():
                    self.env.cr.execute(SQL(query, run.id))

    def test_computing_again_takes_the_review_back(self):
        self.create_subscription()
        run = self.create_run()
        run.action_compute()
        run.action_review()
        run.action_compute()
        self.assertEqual(run.state, "computed")
        self.assertFalse(run.reviewed_by_id)

    # Jobs ------------------------------------------------------------
    def test_posting_is_queued_in_chunks(self):
        for _number in range(3):
            self.create_subscription()
        run = self.create_run()
        run.action_compute()
        self.approve(run)
        module = "odoo.addons.saas_subscription_ops.models.saas_billing_run_posting"
        with patch(f"{module}.CHUNK_SIZE", 2), trap_jobs() as trap:
            run.action_post()
            trap.assert_jobs_count(2, only=run._job_post_chunk)
            self.assertEqual(run.state, "posting")
            trap.perform_enqueued_jobs()
        self.assertEqual(run.done_count, 3)
        run._job_finish()
        self.assertEqual(run.state, "done")

    def test_run_killed_between_chunks_is_resumed(self):
        subscriptions = self.create_subscription() | self.create_subscription()
        run = self.create_run()
        run.action_compute()
        self.approve(run)
        with trap_jobs():
            run.action_post()
        # The first chunk is done, the worker dies, somebody presses Resume.
        run.line_ids[0]._post_group()
        run._job_finish()
        self.assertEqual(run.state, "posting")
        self.post(run)
        self.assertEqual(run.state, "done")
        self.assertEqual(len(subscriptions.charge_ids), 2)
