# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import hashlib
import logging

from odoo import api, fields, models
from odoo.tools import SQL, split_every

from ..exceptions import TransitionError

_logger = logging.getLogger(__name__)

CHUNK_SIZE = 50
# Invoices posted as one batch; between two batches a worker looks for a pause.
POST_SLICE = 50
# A run without a living job for so long goes on by itself.
STALLED_MINUTES = 15
LIVING_JOB_STATES = ("wait_dependencies", "pending", "enqueued", "started")


class SaasBillingRun(models.Model):
    """Posting in chunks of jobs: pause, resume, retry, and runs that lost theirs."""

    _inherit = "saas.billing.run"

    # ------------------------------------------------------------------
    # Steps
    # ------------------------------------------------------------------
    def action_post(self) -> bool:
        """Hand the approved lines to the job queue, in chunks.

        :return: True
        :raise TransitionError: not approved
        """
        self._check_role("operator", "approver")
        for run in self:
            if run.state == "done":
                _logger.info("%s is done already, nothing to post", run.name)
                continue
            run._start_posting()
        return True

    def action_pause(self) -> bool:
        """Let the workers stop after the invoices at hand; what is posted stays posted.

        :return: True
        :raise TransitionError: not posting
        """
        self._check_role("operator", "approver")
        for run in self:
            run._check_state({"posting"})
            run._set_state({"posting"}, "posting", is_paused=True)
        return True

    def action_resume(self) -> bool:
        """Go on with computing or posting after a pause, or after jobs were lost.

        :return: True
        :raise TransitionError: neither computing nor posting
        """
        self._check_role("operator", "approver")
        for run in self:
            run._check_state({"computing", "posting"})
            run._resume()
        return True

    def action_retry_failed(self) -> bool:
        """Repeat what failed: computing in a preview, posting in an approved run.

        :return: True
        :raise TransitionError: not computed, posting or done
        """
        self._check_role("operator", "approver")
        for run in self:
            run._check_state({"computed", "posting", "done"})
            failed = run.line_ids.filtered(lambda line: line.state == "failed")
            if run.state == "computed":
                failed.action_recompute()
                continue
            # What could not be priced was never approved: a later run bills it.
            failed = failed.filtered("charge_ids")
            if failed:
                failed._set_line_state("ok")
                run._start_posting()
        return True

    def _start_posting(self):
        self.ensure_one()
        self._set_state(
            {"approved", "posting", "done"},
            "posting",
            is_paused=False,
            job_round=self.job_round + 1,
        )
        self._enqueue(self.line_ids.filtered(lambda line: line.state == "ok"))

    def _resume(self):
        self.ensure_one()
        self._cancel_dead_jobs()
        if self.state == "posting":
            self._start_posting()
            return
        self._set_state(
            {"computing"}, "computing", is_paused=False, job_round=self.job_round + 1
        )
        self._continue_computing()

    # ------------------------------------------------------------------
    # Jobs
    # ------------------------------------------------------------------
    def _enqueue(self, lines):
        """Queue chunks of lines; lines that share an invoice stay together.

        :param lines: ``saas.billing.run.line`` to post
        """
        self.ensure_one()
        chunk = self.env["saas.billing.run.line"]
        for group in lines._get_invoice_groups():
            chunk |= group
            if len(chunk) >= CHUNK_SIZE:
                self._enqueue_chunk(chunk)
                chunk = chunk.browse()
        if chunk:
            self._enqueue_chunk(chunk)
        self._enqueue_finish()

    def _enqueue_chunk(self, lines):
        self.with_delay(
            description=self.env._(
                "%(run)s: post %(count)s subscriptions",
                run=self.name,
                count=len(lines),
            ),
            identity_key=self._get_job_key("post", lines.ids),
        )._job_post_chunk(lines.ids, self.job_round)

    def _enqueue_finish(self):
        # Every chunk queues one: the last to commit sees all the others.
        self.with_delay(
            description=self.env._("%(run)s: finish", run=self.name), priority=20
        )._job_finish()

    def _get_job_key(self, step: str, line_ids) -> str:
        """Return the identity of a job: its run, its round and all of its lines.

        A job of an earlier round must not stand in for this one: it does nothing.

        :param str step: ``compute`` or ``post``
        :param line_ids: ids of ``saas.billing.run.line``
        """
        self.ensure_one()
        text = ",".join(str(line_id) for line_id in sorted(line_ids))
        digest = hashlib.sha256(text.encode()).hexdigest()
        return f"saas_billing_run:{self.id}:{step}:{self.job_round}:{digest}"

    def _is_stale(self, job_round: int | None) -> bool:
        return job_round is not None and job_round != self.job_round

    def _job_post_chunk(self, line_ids: list, job_round: int | None = None):
        """Post some lines; a line that fails goes to the exception queue.

        Running it twice posts nothing new: the ledger knows what is booked.

        :param list line_ids: ids of ``saas.billing.run.line``
        :param int job_round: round it was queued in
        """
        self.ensure_one()
        if self.state != "posting" or self.is_paused or self._is_stale(job_round):
            _logger.info("%s is not posting, chunk left alone", self.name)
            return
        lines = self.env["saas.billing.run.line"].browse(line_ids).exists()
        lines = lines.filtered(lambda line: line.state == "ok")
        for groups in split_every(POST_SLICE, lines._get_invoice_groups()):
            if self._is_stopped():
                break
            lines.browse().union(*groups)._post_chunk()
        self._enqueue_finish()

    def _is_stopped(self) -> bool:
        """Return whether somebody paused the run since this transaction began.

        A transaction sees the run as it was at its start, so a short one of its own
        has to ask.
        """
        self.ensure_one()
        with self.env.registry.cursor() as cr:
            cr.execute(
                SQL("SELECT is_paused FROM saas_billing_run WHERE id = %s", self.id)
            )
            row = cr.fetchone()
        return bool(row and row[0])

    def _job_finish(self):
        """Close the run when no line is left to post."""
        self.ensure_one()
        left = self.env["saas.billing.run.line"].search_count(
            [("run_id", "=", self.id), ("state", "=", "ok")], limit=1
        )
        if left or self.state != "posting":
            return
        self._set_state({"posting"}, "done", is_paused=False)
        self._saas_emit(
            "billing_run.finished",
            {"run": self.name, "posted": self.done_count, "failed": self.failed_count},
        )

    # ------------------------------------------------------------------
    # Runs whose jobs are gone
    # ------------------------------------------------------------------
    @api.model
    def _resume_stalled(self, at):
        """Queue the open lines of runs again that no living job works on.

        :param datetime at: now, UTC
        :return: the ``saas.billing.run`` that were resumed
        """
        since = fields.Datetime.subtract(at, minutes=STALLED_MINUTES)
        runs = self.search(
            [
                ("state", "in", ("computing", "posting")),
                ("is_paused", "=", False),
                ("write_date", "<", since),
            ]
        )
        stalled = runs.filtered(lambda run: not run._has_living_job())
        for run in stalled:
            try:
                run._resume()
            except TransitionError:
                _logger.info("%s moved on meanwhile", run.name)
        return stalled

    def _cancel_dead_jobs(self):
        """Cancel the jobs of this run that killed workers have left behind.

        They are called started, and take up the capacity of the queue until its
        runner misses them: for a minute nothing would go on. A living job holds its
        lock.
        """
        self.ensure_one()
        # sudo: jobs are read and changed by nobody but their administrators
        jobs = (
            self.env["queue.job"]
            .sudo()
            .search(
                [
                    ("model_name", "=", self._name),
                    ("state", "in", ("enqueued", "started")),
                ]
            )
            .filtered(lambda job: self in job.records)
        )
        rows = self.env.execute_query(
            SQL(
                """
                SELECT job.id FROM queue_job job
                 WHERE job.id = ANY(%s)
                   AND (job.id IN (SELECT held.queue_job_id FROM queue_job_lock held
                                    WHERE held.queue_job_id = job.id
                                      FOR NO KEY UPDATE SKIP LOCKED)
                        OR NOT EXISTS (SELECT FROM queue_job_lock held
                                        WHERE held.queue_job_id = job.id))
                """,
                jobs.ids,
            )
        )
        dead = jobs.browse([job_id for (job_id,) in rows])
        dead._change_job_state("cancelled", self.env._("Its worker was killed."))

    def _has_living_job(self) -> bool:
        self.ensure_one()
        # sudo: jobs are read by nobody but their administrators
        Job = self.env["queue.job"].sudo()
        return bool(
            Job.search_count(
                [
                    ("identity_key", "=like", f"saas_billing_run:{self.id}:%"),
                    ("state", "in", LIVING_JOB_STATES),
                ],
                limit=1,
            )
        )
