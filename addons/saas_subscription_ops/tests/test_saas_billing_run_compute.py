# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from unittest.mock import patch

from odoo import Command
from odoo.exceptions import AccessError
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.queue_job.tests.common import trap_jobs

from ..exceptions import BillingError, TransitionError
from .common import SubscriptionCase

COMPUTE = "odoo.addons.saas_subscription_ops.models.saas_billing_run_compute"


@tagged("post_install", "-at_install")
class TestSaasBillingRunCompute(SubscriptionCase):
    """Previews: in chunks, resumed, repeated, skipped only when proved, in words."""

    def compute_in_jobs(self, run, chunk=2):
        """Start computing with chunks of a few; return the trapped jobs."""
        with (
            patch(f"{COMPUTE}.COMPUTE_AT_ONCE", 0),
            patch(f"{COMPUTE}.COMPUTE_CHUNK", chunk),
            trap_jobs() as trap,
        ):
            run.with_user(self.operator).action_compute()
        return trap

    def fail_for(self, *subscriptions, error=BillingError):
        """Let the pricing of some subscriptions fail."""
        cls = type(self.env["saas.subscription"])
        origin = cls._get_proposed_charges

        def proposed(subscription, cutoff):
            if subscription in subscriptions:
                raise error("no price")
            return origin(subscription, cutoff)

        return patch.object(cls, "_get_proposed_charges", proposed)

    # Chunks ----------------------------------------------------------
    def test_many_subscriptions_are_computed_by_jobs(self):
        for _number in range(5):
            self.create_subscription()
        run = self.create_run()
        trap = self.compute_in_jobs(run)
        self.assertEqual(run.state, "computing")
        self.assertEqual(set(run.line_ids.mapped("state")), {"pending"})
        trap.assert_jobs_count(3, only=run._job_compute_chunk)
        self.assertEqual((run.progress, run.compute_total), (0, 5))
        run._job_compute_chunk(run.line_ids[:2].ids, run.job_round)
        run.invalidate_recordset()
        self.assertEqual((run.progress, run.state), (40, "computing"))
        with self.assertRaises(TransitionError):
            run.with_user(self.operator).action_review()
        trap.perform_enqueued_jobs()
        run._job_compute_finish()
        self.assertEqual(run.state, "computed")
        self.assertEqual(set(run.line_ids.mapped("state")), {"ok"})
        self.assertEqual(sum(run.line_ids.mapped("amount")), 2500)

    def test_killed_chunk_is_resumed_without_doubles(self):
        for _number in range(4):
            self.create_subscription()
        run = self.create_run()
        self.compute_in_jobs(run)
        first, rest = run.line_ids[:2], run.line_ids[2:]
        run._job_compute_chunk(first.ids, run.job_round)
        # The worker of the second chunk dies; a person restarts the jobs.
        with patch(f"{COMPUTE}.COMPUTE_AT_ONCE", 0), trap_jobs() as trap:
            run.with_user(self.operator).action_resume()
        trap.assert_jobs_count(1, only=run._job_compute_chunk)
        self.assertEqual(trap.enqueued_jobs[0].args[0], rest.ids)
        trap.perform_enqueued_jobs()
        run._job_compute_chunk(run.line_ids.ids, run.job_round)
        run._job_compute_finish()
        self.assertEqual(len(run.line_ids), 4)
        self.assertEqual(len(run.line_ids.charge_ids), 4)

    def test_job_of_an_earlier_round_does_nothing(self):
        self.create_subscription()
        run = self.create_run()
        trap = self.compute_in_jobs(run)
        run.with_user(self.operator).action_reset()
        self.compute_in_jobs(run)
        trap.perform_enqueued_jobs()
        self.assertEqual(run.line_ids.state, "pending")
        run._job_compute_finish()
        self.assertEqual(run.state, "computing")

    def test_reset_while_computing(self):
        self.create_subscription()
        run = self.create_run()
        trap = self.compute_in_jobs(run)
        run.with_user(self.operator).action_reset()
        trap.perform_enqueued_jobs()
        self.assertEqual(run.state, "draft")
        self.assertFalse(run.line_ids)

    def test_lost_jobs_are_queued_again_by_the_cron(self):
        self.create_subscription()
        run = self.create_run()
        self.compute_in_jobs(run)
        Run = self.env["saas.billing.run"]
        self.assertNotIn(run, Run._resume_stalled(run.write_date))
        later = run.write_date.replace(year=run.write_date.year + 1)
        self.assertIn(run, Run._resume_stalled(later))
        self.assertEqual(run.state, "computed")

    # Failures --------------------------------------------------------
    def test_failed_line_is_retried_from_the_exception_queue(self):
        good, bad = self.create_subscription(), self.create_subscription()
        run = self.create_run()
        with self.fail_for(bad, error=ValueError):
            run.action_compute()
        line = run.line_ids.filtered(lambda line: line.subscription_id == bad)
        self.assertEqual((line.state, line.reason), ("failed", "no price"))
        told = self.exceptions("billing.compute_failed")
        self.assertEqual(
            (told.res_id, told.retry_method), (bad.id, "saas_retry_compute")
        )
        with self.fail_for(bad), self.assertRaises(BillingError):
            bad.with_user(self.operator).saas_retry_compute()
        bad.with_user(self.operator).saas_retry_compute()
        self.assertEqual((line.state, line.amount), ("ok", 500))
        self.assertFalse(line.reason)
        self.assertEqual(told.state, "resolved")
        self.assertEqual(run.line_ids.subscription_id, good | bad)

    def test_retry_from_the_exception_queue_is_preparing(self):
        bad = self.create_subscription()
        run = self.create_run()
        with self.fail_for(bad):
            run.action_compute()
        both = self.new_user(
            "sub_both",
            "saas_core.group_saas_core_billing_operator,"
            "saas_core.group_saas_core_billing_approver",
        )
        bad.with_user(both).saas_retry_compute()
        self.assertEqual(run.line_ids.state, "ok")
        run.with_user(self.operator).action_review()
        with self.assertRaises(AccessError):
            run.with_user(both).action_approve()

    @mute_logger("odoo.sql_db")
    def test_a_line_the_database_refuses_fails_alone(self):
        good, bad = self.create_subscription(), self.create_subscription()
        cls = type(bad)
        origin = cls._get_proposed_charges

        def proposed(subscription, cutoff):
            if subscription == bad:
                subscription.env.cr.execute("SELECT 1 / 0")
            return origin(subscription, cutoff)

        run = self.create_run()
        with patch.object(cls, "_get_proposed_charges", proposed):
            run.action_compute()
        states = {line.subscription_id: line.state for line in run.line_ids}
        self.assertEqual(states, {good: "ok", bad: "failed"})

    def test_failed_lines_are_retried_from_the_run(self):
        bad = self.create_subscription()
        run = self.create_run()
        with self.fail_for(bad):
            run.action_compute()
        run.with_user(self.operator).action_retry_failed()
        self.assertEqual(run.line_ids.state, "ok")

    def test_retry_leaves_a_reviewed_run_alone(self):
        bad = self.create_subscription()
        run = self.create_run()
        with self.fail_for(bad):
            run.action_compute()
        run.with_user(self.operator).action_review()
        bad.with_user(self.operator).saas_retry_compute()
        self.assertEqual(run.line_ids.state, "failed")
        with self.assertRaises(TransitionError):
            run.line_ids.with_user(self.operator).action_recompute()

    def test_what_was_never_priced_is_never_posted(self):
        bad = self.create_subscription()
        run = self.create_run()
        with self.fail_for(bad):
            run.action_compute()
        self.post(self.approve(run))
        run.with_user(self.operator).action_retry_failed()
        self.assertEqual((run.state, run.line_ids.state), ("done", "failed"))
        self.assertFalse(bad.charge_ids)

    def test_only_operators_compute_and_retry(self):
        subscription = self.create_subscription()
        run = self.create_run()
        run.action_compute()
        for user in (self.approver, self.auditor, self.manager):
            with self.subTest(user=user.login):
                with self.assertRaises(AccessError):
                    run.line_ids.with_user(user).action_recompute()
                with self.assertRaises(AccessError):
                    subscription.with_user(user).saas_retry_compute()

    def test_one_line_is_computed_again(self):
        subscription, other = self.create_subscription(), self.create_subscription()
        run = self.create_run()
        run.action_compute()
        subscription.line_ids.price_unit = 700
        line = run.line_ids.filtered(lambda ln: ln.subscription_id == subscription)
        line.with_user(self.operator).action_recompute()
        self.assertEqual(line.amount, 700)
        self.assertEqual(len(line.charge_ids), 1)
        subscription.line_ids.date_end = subscription.line_ids.date_start
        line.with_user(self.operator).action_recompute()
        self.assertFalse(line.exists())
        self.assertEqual(run.line_ids.subscription_id, other)

    # Settled subscriptions -------------------------------------------
    def find(self, cutoff=date(2026, 4, 1), **vals):
        """Return the subscriptions a run would compute."""
        run = self.create_run(cutoff, **vals).sudo()
        return self.env["saas.subscription"].browse(run._find_subscription_ids())

    def test_settled_subscription_is_not_computed_again(self):
        subscription = self.create_subscription()
        self.assertIn(subscription, self.find())
        self.bill()
        self.assertNotIn(subscription, self.find())
        run = self.create_run()
        run.action_compute()
        self.assertEqual((run.state, run.compute_total), ("computed", 0))

    def test_settled_until_the_next_charge_is_due(self):
        subscription = self.create_subscription()
        self.bill()
        # The next period starts on 2 April: due before any later day.
        self.assertNotIn(subscription, self.find(date(2026, 4, 2)))
        self.assertIn(subscription, self.find(date(2026, 4, 3)))
        self.assertIn(subscription, self.find(date(2026, 3, 20)))

    def test_arrears_are_settled_until_their_period_ends(self):
        self.plan.write({"timing": "arrears", "grace_days": 3})
        subscription = self.create_subscription()
        self.bill(date(2026, 4, 6))
        self.assertEqual(len(subscription.charge_ids), 1)
        self.assertNotIn(subscription, self.find(date(2026, 5, 4)))
        self.assertIn(subscription, self.find(date(2026, 5, 5)))

    def test_whatever_changes_is_computed(self):
        subscription = self.create_subscription()
        self.bill()
        line = subscription.line_ids
        changes = {
            "end in the past": lambda: line.write({"date_end": date(2026, 3, 10)}),
            "another line": lambda: subscription.write(
                {
                    "line_ids": [
                        Command.create(
                            {"product_id": self.platform.id, "price_unit": 1}
                        )
                    ]
                }
            ),
            "end of the subscription": lambda: subscription.write(
                {"date_end": date(2026, 3, 20)}
            ),
            "proration": lambda: self.plan.write({"proration_policy": "second"}),
            "time zone": lambda: subscription.write({"tz": "Asia/Tokyo"}),
        }
        for name, change in changes.items():
            with self.subTest(change=name):
                self.assertNotIn(subscription, self.find())
                savepoint = self.env.cr.savepoint()
                change()
                self.assertIn(subscription, self.find())
                savepoint.rollback()
                self.env.invalidate_all()

    def test_mrr_of_the_day_changes_nothing(self):
        subscription = self.create_subscription()
        self.bill()
        subscription.sudo().write({"terms_date": date(2026, 9, 1)})
        self.assertNotIn(subscription, self.find())

    def test_excluded_line_is_computed_by_the_next_run(self):
        subscription = self.create_subscription()
        run = self.create_run()
        run.action_compute()
        line = run.line_ids.with_user(self.operator)
        line.comment = "later"
        line.action_exclude()
        self.post(self.approve(run))
        self.assertIn(subscription, self.find())

    def test_rows_booked_ahead_come_into_view(self):
        subscription = self.create_subscription()
        self.bill(date(2026, 6, 10))
        subscription.line_ids.date_end = date(2026, 5, 2)
        run = self.bill(date(2026, 4, 1))
        self.assertFalse(run.line_ids)
        # Booked with an earlier run, given back when a cut-off reaches it.
        self.assertIn(subscription, self.find(date(2026, 5, 20)))

    def test_usage_is_never_skipped(self):
        subscription = self.create_subscription(
            [
                {"product_id": self.platform.id, "price_unit": 500},
                {"product_id": self.calls.id},
            ]
        )
        self.bill()
        self.assertIn(subscription, self.find())

    def test_skipping_never_changes_what_is_due(self):
        plans = [
            self.plan,
            self.create_plan(name="A", timing="arrears"),
            self.create_plan(name="C", alignment="calendar"),
            self.create_plan(name="Q", recurrence_unit="quarter"),
            self.create_plan(name="W", recurrence_unit="week", recurrence_count=2),
        ]
        subscriptions = self.env["saas.subscription"].union(
            *(self.create_subscription(plan_id=plan.id) for plan in plans)
        )
        self.bill(date(2026, 4, 1))
        Mark = self.env["saas.billing.mark"]
        for offset in range(0, 150, 3):
            cutoff = date.fromordinal(date(2026, 3, 15).toordinal() + offset)
            settled = Mark._find_settled(subscriptions.ids, cutoff)
            for subscription in subscriptions:
                due = subscription._get_unbooked_charges(cutoff)
                with self.subTest(plan=subscription.plan_id.name, cutoff=cutoff):
                    if due:
                        self.assertNotIn(subscription.id, settled)

    def test_every_model_of_terms_is_an_input(self):
        """A new model that points to subscriptions is looked at by a person."""
        known = set(self.env["saas.billing.mark"]._get_input_models())
        # No terms: results, documents, evidence, and the prices of usage, which is
        # never skipped.
        known |= {
            "saas.billing.mark",
            "saas.billing.run.charge",
            "saas.billing.run.line",
            "saas.charge",
            "saas.external.id",
            "saas.renewal",
        }
        ours = {
            model._name
            for model in self.env.values()
            if model._module == "saas_subscription_ops"
            and model._auto
            and not model._transient
            and not model._abstract
            and any(
                field.type == "many2one"
                and field.comodel_name == "saas.subscription"
                and field.store
                and field.name == "subscription_id"
                for field in model._fields.values()
            )
        }
        self.assertFalse(ours - known)

    # Reasons ---------------------------------------------------------
    def test_every_amount_says_why(self):
        self.plan.alignment = "calendar"
        subscription = self.create_subscription(
            [
                {"product_id": self.platform.id, "price_unit": 310},
                {"product_id": self.package.id, "price_unit": 1200},
            ]
        )
        run = self.create_run(date(2026, 4, 2))
        run.action_compute()
        reasons = {
            (charge.kind, charge.service_start): charge.reason
            for charge in run.line_ids.charge_ids
        }
        self.assertIn("One-time", reasons["one_time", date(2026, 3, 2)])
        self.assertIn("30 of 31 days", reasons["recurring", date(2026, 3, 2)])
        self.assertIn("Whole period", reasons["recurring", date(2026, 4, 1)])
        self.post(self.approve(run))
        recurring = subscription.line_ids.filtered(lambda ln: ln.kind == "recurring")
        recurring.date_end = date(2026, 3, 12)
        run = self.create_run(date(2026, 4, 2))
        run.action_compute()
        texts = "\n".join(run.line_ids.charge_ids.mapped("reason"))
        self.assertIn("was charged", texts)
        self.assertIn("no longer due", texts)
