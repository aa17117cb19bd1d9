# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import logging

from odoo import fields, models
from odoo.tools import SQL, split_every

from .saas_billing_run import NOT_APPROVED

_logger = logging.getLogger(__name__)

# Up to so many subscriptions the preview is there when the button comes back.
COMPUTE_AT_ONCE = 200
COMPUTE_CHUNK = 100


class SaasBillingRun(models.Model):
    """Computing: one pending line per subscription, taken off in chunks of jobs."""

    _inherit = "saas.billing.run"

    def action_compute(self) -> bool:
        """Build the preview: what every subscription in scope still has to be charged.

        A few subscriptions are computed at once, many by the job queue.

        :return: True
        :raise TransitionError: the run was approved already
        """
        self._check_role("operator")
        for run in self:
            run._check_state({"draft", "computed", "reviewed"})
            run._start_computing()
        return True

    # ------------------------------------------------------------------
    # Start
    # ------------------------------------------------------------------
    def _start_computing(self):
        """Drop the preview and compute a fresh one."""
        self.ensure_one()
        # sudo: preview lines are written by the run, their readers only read
        run = self.sudo()
        run.line_ids.unlink()
        run._create_pending_lines(run._find_subscription_ids())
        self._set_state(
            {"draft", "computed", "reviewed"},
            "computing",
            **NOT_APPROVED,
            computed_by_id=self.env.uid,
            computed_at=fields.Datetime.now(),
            compute_total=run.pending_count,
            is_paused=False,
            job_round=run.job_round + 1,
        )
        self._continue_computing()

    def _continue_computing(self):
        """Compute the pending lines: at once, or in chunks of jobs."""
        self.ensure_one()
        pending = self.line_ids.filtered(lambda line: line.state == "pending")
        if len(pending) <= COMPUTE_AT_ONCE:
            pending._compute_preview()
            self._job_compute_finish()
            return
        for chunk in split_every(COMPUTE_CHUNK, pending.ids):
            self.with_delay(
                description=self.env._(
                    "%(run)s: compute %(count)s subscriptions",
                    run=self.name,
                    count=len(chunk),
                ),
                identity_key=self._get_job_key("compute", chunk),
            )._job_compute_chunk(list(chunk), self.job_round)

    def _get_scope_domain(self) -> list:
        """Return the domain of the subscriptions the run looks at."""
        self.ensure_one()
        domain = [
            ("company_id", "=", self.company_id.id),
            ("state", "!=", "draft"),
            ("date_start", "<", self.date_cutoff),
        ]
        if self.plan_ids:
            domain.append(("plan_id", "in", self.plan_ids.ids))
        if self.partner_ids:
            accounts = self.partner_ids.commercial_partner_id
            domain.append(("commercial_partner_id", "in", accounts.ids))
        return domain

    def _get_settled_domain(self) -> list:
        """Hook: return the domain of the run lines that this run stands in for.

        What one of them could not bill, this run has billed, or found not to be due.

        :return: domain of ``saas.billing.run.line``; all of them by default
        """
        self.ensure_one()
        return []

    def _bills_everything(self) -> bool:
        """Hook: return whether subscriptions are settled by what this run bills.

        A run that leaves out charges of some kind proves nothing: the next one has to
        compute its subscriptions, see ``saas.billing.mark``.

        :return: True by default
        """
        self.ensure_one()
        return True

    def _find_subscription_ids(self) -> list:
        """Return the subscriptions to compute: in scope, not proved to be settled."""
        self.ensure_one()
        Subscription = self.env["saas.subscription"]
        scope = Subscription.search(self._get_scope_domain(), order="id").ids
        marks = self.env["saas.billing.mark"]
        settled = marks._find_settled(scope, self.date_cutoff)
        self.line_ids._resolve_changed(list(settled), self)
        return [record_id for record_id in scope if record_id not in settled]

    def _create_pending_lines(self, subscription_ids: list):
        """Create the empty lines in one statement: a run may have very many."""
        self.ensure_one()
        if not subscription_ids:
            return
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO saas_billing_run_line
                    (run_id, subscription_id, company_id, partner_id, plan_id, state,
                     amount, amount_company, create_uid, write_uid, create_date,
                     write_date)
                SELECT %(run)s, id, company_id, commercial_partner_id, plan_id,
                       'pending', 0, 0, %(uid)s, %(uid)s, %(now)s, %(now)s
                  FROM saas_subscription
                 WHERE id = ANY(%(ids)s)
                 ORDER BY id
                """,
                run=self.id,
                uid=self.env.uid,
                now=fields.Datetime.now(),
                ids=list(subscription_ids),
            )
        )
        self.invalidate_recordset()

    # ------------------------------------------------------------------
    # Jobs
    # ------------------------------------------------------------------
    def _job_compute_chunk(self, line_ids: list, job_round: int | None = None):
        """Compute some lines; repeated or late, it finds nothing to do.

        :param list line_ids: ids of ``saas.billing.run.line``
        :param int job_round: round it was queued in
        """
        self.ensure_one()
        if self.state != "computing" or self._is_stale(job_round):
            _logger.info("%s: chunk of an earlier round left alone", self.name)
            return
        lines = self.env["saas.billing.run.line"].browse(line_ids).exists()
        lines.filtered(lambda line: line.state == "pending")._compute_preview()
        # Every chunk queues one: the last to commit sees all the others.
        self.with_delay(
            description=self.env._("%(run)s: preview complete", run=self.name),
            priority=20,
        )._job_compute_finish()

    def _job_compute_finish(self):
        """Show the preview when no line is left to compute."""
        self.ensure_one()
        left = self.env["saas.billing.run.line"].search_count(
            [("run_id", "=", self.id), ("state", "=", "pending")], limit=1
        )
        if left or self.state != "computing":
            return
        self._set_state({"computing"}, "computed")
        self._on_computed()

    def _on_computed(self):
        """Hook: the preview is complete."""
        self.ensure_one()
