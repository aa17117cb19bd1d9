# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Warnings, breaches and the steps of the ladder, each once."""

from datetime import timedelta, timezone

from odoo import models

from ..engine.deadline import escalation_at
from .saas_sla_clock import _minutes, _naive

MINUTE = timedelta(minutes=1)


class SaasSlaClock(models.Model):
    _inherit = "saas.sla.clock"

    # ------------------------------------------------------------------
    # Warnings, breaches, escalation
    # ------------------------------------------------------------------
    def _plan(self, history):
        """Store when the cron has something to do for this clock."""
        self.ensure_one()
        plan = self._get_plan(history)
        next_at = plan[0][0] if plan else False
        if self.next_action_at != next_at:
            self.next_action_at = next_at

    def _get_plan(self, history):
        """List what is still to be done in this round, in order of time.

        :param history: what the clock was computed from
        :return: list of (moment naive UTC, rank, kind, step)
        """
        self.ensure_one()
        if not self.is_open or not self.due_at:
            return []
        done = {
            (log.kind, log.step_ref) for log in self.log_ids if log.round == self.round
        }
        plan = []
        if self.warn_at and ("warning", 0) not in done:
            plan.append((self.warn_at, 0, "warning", None))
        if ("breach", 0) not in done:
            plan.append((self.due_at, 1, "breach", None))
        for rank, step in enumerate(self._get_steps(history), 2):
            if ("step", step.id) not in done:
                plan.append((self._get_step_at(history, step), rank, "step", step))
        return sorted(plan, key=lambda action: action[:2])

    def _get_steps(self, history):
        return history.policy.escalation_ids.filtered(
            lambda step: step.metric == self.metric
        )

    def _get_step_at(self, history, step):
        """Return when a step is due; one that lies before the start is due at once.

        :return: naive UTC
        """
        sign = -1 if step.direction == "before" else 1
        at = escalation_at(
            history.working_time,
            self.due_at.replace(tzinfo=timezone.utc),
            sign * step.offset_minutes * MINUTE,
            working=step.is_working_time,
        )
        return max(_naive(at), self.started_at)

    def _run_due(self, at, cache=None):
        """Do everything that is due for one clock, each thing once and in order.

        :param datetime at: naive UTC
        :param dict cache: working time read before
        """
        self.ensure_one()
        ticket = self.ticket_id
        history = self.env["saas.sla.history"]._read_ticket(ticket, cache)
        self._store(history, self._evaluate(history, self.metric, at), at)
        pending = {}
        while (plan := self._get_plan(history)) and plan[0][0] <= at:
            pending |= self._run_action(history, plan[0], at)
            if plan[0][2] == "step":
                # A step may change the ticket and with it the deadline: look again.
                history = self.env["saas.sla.history"]._read_ticket(ticket, cache)
        # One write, so that the shipped rule runs once and sees everything.
        pending["next_action_at"] = plan[0][0] if plan else False
        self.write(pending)
        ticket._saas_store_status()

    def _run_action(self, history, action, at):
        """Do one thing of the plan.

        :param history: what the clock was computed from
        :param tuple action: row of ``_get_plan``
        :param datetime at: naive UTC
        :return: values to write on the clock
        """
        planned, _rank, kind, step = action
        if kind == "breach":
            state = self._evaluate(history, self.metric, at)[-1]
            self._record_breach(history, self.round, state, at)
            late = max(_minutes(-state.remaining), 0)
            return {
                "state": "breached",
                "breached_at": planned,
                "overdue_minutes": late,
            }
        # The clock's row is locked, so nobody else can be doing the same. Should it
        # happen all the same, the unique index of the log rolls everything back.
        log = self._log_action(kind, planned, at, step)
        if kind == "warning":
            self._emit("ticket.sla_warning", planned)
            return {"is_warned": True}
        log.outcome = step._run(self, at)
        self._emit(
            "ticket.escalated",
            planned,
            {"step": step.name, "action": step.action, "outcome": log.outcome},
        )
        return {}

    def _record_breach(self, history, number, state, at):
        """Log a breach, keep its result, tell the ledger. Once per round.

        :param history: what the clock was computed from
        :param int number: round
        :param state: engine state of the round
        :param datetime at: naive UTC, when it is recorded
        :return: the saas.sla.result
        """
        due = _naive(state.breached_at)
        self._log_action("breach", due, at, number=number)
        result = self._create_result(history, number, state, "breached")
        self._emit("ticket.sla_breached", due, {"minutes": result.overdue_minutes})
        return result

    def _log_action(self, kind, planned, at, step=None, number=None):
        names = dict(self.log_ids._fields["kind"]._description_selection(self.env))
        return self.env["saas.sla.escalation.log"].create(
            {
                "clock_id": self.id,
                "kind": kind,
                "step_id": step.id if step else False,
                "step_ref": step.id if step else 0,
                "name": step.name if step else names[kind],
                "round": number or self.round,
                "planned_at": planned,
                "run_at": at,
            }
        )

    def _emit(self, name, planned, extra=None):
        self.ticket_id._saas_emit(
            name,
            {
                "metric": self.metric,
                "policy": self.policy_id.name,
                "round": self.round,
                "due_at": planned,
                **(extra or {}),
            },
        )

    def saas_notify_breach(self):
        """Open the exception that says a target was missed. Idempotent.

        Called by the shipped rule when a clock turns to breached.

        :return: True
        :raise AccessError: called by a user; clocks belong to the system
        """
        self.check_access("write")
        for clock in self.filtered(lambda clock: clock.state == "breached"):
            ticket = clock.ticket_id
            message = self.env._(
                "%(metric)s missed: ticket %(ticket)s was due %(due)s. Answer it or"
                " hand it over.",
                metric=clock._get_metric_label(),
                ticket=ticket.display_name,
                due=clock._format_moment(clock.breached_at),
            )
            # The exception says it all; a "created" note on it would only cost time.
            ticket.with_context(mail_create_nolog=True)._saas_raise(
                "sla.breached",
                message,
                queue="customer_success",
                severity="critical" if ticket.priority == "3" else "high",
            )
        return True
