# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from unittest.mock import patch

from odoo.exceptions import AccessError
from odoo.tests import tagged

from odoo.addons.queue_job.tests.common import trap_jobs

from ..exceptions import BillingError, TransitionError
from .common import SubscriptionCase

POSTING = "odoo.addons.saas_subscription_ops.models.saas_billing_run_posting"


@tagged("post_install", "-at_install")
class TestSaasBillingRunApproval(SubscriptionCase):
    """Refusal with a reason, pause and resume, and jobs that are never swallowed."""

    def reviewed_run(self, count=1):
        for _number in range(count):
            self.create_subscription()
        run = self.create_run()
        run.with_user(self.operator).action_compute()
        run.with_user(self.operator).action_review()
        return run

    def approved_run(self, count=1):
        run = self.reviewed_run(count)
        run.with_user(self.approver).action_approve()
        return run

    # Refusal ---------------------------------------------------------
    def test_refusal_goes_back_with_the_reason(self):
        run = self.reviewed_run()
        self.assertEqual(len(self.events(run, "approval.requested")), 1)
        action = run.with_user(self.approver).action_ask_refusal()
        wizard = (
            self.env[action["res_model"]]
            .with_user(self.approver)
            .with_context(**action["context"])
            .create({"reason": "Acme is in dispute"})
        )
        wizard.action_confirm()
        self.assertEqual(run.state, "computed")
        self.assertEqual(run.refused_by_id, self.approver)
        self.assertEqual(run.refuse_reason, "Acme is in dispute")
        self.assertEqual(run.activity_ids.user_id, self.operator)
        refused = self.events(run, "approval.refused")
        self.assertEqual(refused.payload["reason"], "Acme is in dispute")
        # Who refused did not prepare: they may approve the corrected run.
        run.with_user(self.operator).action_review()
        self.assertFalse(run.refuse_reason)
        run.with_user(self.approver).action_approve()
        self.assertEqual(len(self.events(run, "approval.granted")), 1)

    def test_approved_run_is_refused_before_it_is_posted(self):
        run = self.approved_run()
        run.with_user(self.approver).action_refuse("Wrong date")
        self.assertFalse(run.approved_by_id)
        with self.assertRaises(TransitionError):
            run.with_user(self.operator).action_post()

    def test_refusal_needs_reason_role_and_state(self):
        run = self.reviewed_run()
        with self.assertRaisesRegex(BillingError, "Write down"):
            run.with_user(self.approver).action_refuse("  ")
        for user in (self.operator, self.auditor):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                run.with_user(user).action_refuse("no")
        run.with_user(self.approver).action_refuse("no")
        with self.assertRaises(TransitionError):
            run.with_user(self.approver).action_refuse("again")

    def test_steps_can_not_be_written(self):
        run = self.approved_run()
        for vals in (
            {"state": "draft"},
            {"is_paused": True},
            {"is_standing_approval": True},
            {"job_round": 0},
            {"refuse_reason": False},
            {"computed_by_id": False},
            {"schedule_id": False},
        ):
            for user in (self.operator, self.approver):
                with self.subTest(vals=vals, user=user.login):
                    with self.assertRaises(AccessError):
                        run.with_user(user).write(vals)

    # Pause and resume ------------------------------------------------
    def test_pause_stops_and_resume_goes_on(self):
        run = self.approved_run(3)
        with patch(f"{POSTING}.CHUNK_SIZE", 1), trap_jobs() as trap:
            run.with_user(self.operator).action_post()
        jobs = [job for job in trap.enqueued_jobs if job.method_name != "_job_finish"]
        jobs[0].perform()
        run.with_user(self.operator).action_pause()
        jobs[1].perform()
        run._job_finish()
        run.invalidate_recordset()
        self.assertEqual((run.done_count, run.left_count), (1, 2))
        self.assertEqual((run.state, run.is_paused), ("posting", True))
        with patch(f"{POSTING}.CHUNK_SIZE", 1), trap_jobs() as again:
            run.with_user(self.approver).action_resume()
        # A job that waited since before the pause does nothing any more.
        jobs[2].perform()
        run.invalidate_recordset()
        self.assertEqual(run.done_count, 1)
        again.perform_enqueued_jobs()
        run._job_finish()
        run.invalidate_recordset()
        self.assertEqual((run.state, run.done_count), ("done", 3))
        self.assertFalse(run.is_paused)

    def test_worker_stops_within_its_chunk(self):
        run = self.approved_run(3)
        with trap_jobs():
            run.with_user(self.operator).action_post()
        answers = iter([False, True])
        cls = type(run)
        with (
            patch(f"{POSTING}.POST_SLICE", 1),
            patch.object(cls, "_is_stopped", lambda run: next(answers)),
            trap_jobs(),
        ):
            run._job_post_chunk(run.line_ids.ids, run.job_round)
        run.invalidate_recordset()
        self.assertEqual((run.done_count, run.left_count), (1, 2))

    def test_pause_needs_role_and_state(self):
        run = self.approved_run()
        with self.assertRaises(TransitionError):
            run.with_user(self.operator).action_pause()
        with self.assertRaises(TransitionError):
            run.with_user(self.operator).action_resume()
        with trap_jobs():
            run.with_user(self.operator).action_post()
        for step in ("pause", "resume"):
            with self.subTest(step=step), self.assertRaises(AccessError):
                getattr(run.with_user(self.auditor), f"action_{step}")()

    def test_paused_run_is_not_woken_by_the_cron(self):
        run = self.approved_run()
        with trap_jobs():
            run.with_user(self.operator).action_post()
        run.with_user(self.operator).action_pause()
        later = run.write_date.replace(year=run.write_date.year + 1)
        self.assertNotIn(run, self.env["saas.billing.run"]._resume_stalled(later))

    # Identity --------------------------------------------------------
    def test_keys_tell_apart_lines_rounds_and_steps(self):
        run = self.approved_run()
        keys = {
            run._get_job_key("post", [1]),
            run._get_job_key("post", [1, 2]),
            run._get_job_key("compute", [1]),
        }
        self.assertEqual(len(keys), 3)
        self.assertEqual(
            run._get_job_key("post", [1, 2]), run._get_job_key("post", [2, 1])
        )
        with trap_jobs():
            run.with_user(self.operator).action_post()
        self.assertNotIn(run._get_job_key("post", [1]), keys)

    def test_pending_jobs_never_swallow_a_new_hand_over(self):
        run = self.approved_run(2)
        run.with_user(self.operator).action_post()
        run.with_user(self.operator).action_pause()
        run.with_user(self.operator).action_resume()
        jobs = (
            self.env["queue.job"]
            .sudo()
            .search([("identity_key", "=like", f"saas_billing_run:{run.id}:post:%")])
        )
        self.assertEqual(len(jobs), 2)
        self.assertEqual(len(set(jobs.mapped("identity_key"))), 2)
        self.assertTrue(run._has_living_job())
