# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import logging
from datetime import timedelta, timezone

from psycopg2 import OperationalError

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import format_datetime

from ..engine.errors import EngineError, HorizonError
from ..exceptions import SlaCalendarError
from .saas_sla_policy_target import METRICS

_logger = logging.getLogger(__name__)

#: Clocks worked on between two commits of the cron.
BATCH = 100
#: A clock that fails is tried again after 1, 2, 4 ... at most 64 minutes.
MAX_BACKOFF = 6


class SaasSlaClock(models.Model):
    """The clock of one ticket and metric, as last computed from the ticket log.

    Nothing here is the truth but an index of it: state, deadline and warning are
    computed by the engine from ``saas.sla.event``; ``next_action_at`` is what the cron
    looks for.
    """

    _name = "saas.sla.clock"
    _description = "SLA Clock"
    _inherit = ["saas.default.guard"]
    _order = "due_at, id"
    _rec_name = "ticket_id"

    ticket_id = fields.Many2one(
        "helpdesk.ticket", required=True, readonly=True, index=True, ondelete="cascade"
    )
    metric = fields.Selection(METRICS, required=True, readonly=True)
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True, ondelete="restrict"
    )
    state = fields.Selection(
        [
            ("running", "Running"),
            ("paused", "Paused"),
            ("met", "Met"),
            ("breached", "Breached"),
            ("cancelled", "Cancelled"),
        ],
        required=True,
        readonly=True,
        default="running",
        index=True,
    )
    is_open = fields.Boolean(
        string="Open",
        readonly=True,
        help="The target is still to be reached, in time or late.",
    )
    is_warned = fields.Boolean(string="Warned", readonly=True)
    round = fields.Integer(
        readonly=True,
        default=1,
        aggregator=None,
        help="How often the clock has started: replies and updates start anew.",
    )
    policy_id = fields.Many2one(
        "saas.sla.policy", readonly=True, index="btree_not_null", ondelete="restrict"
    )
    target_text = fields.Char(string="Target", readonly=True)
    calendar_text = fields.Char(string="Working Time", readonly=True)
    started_at = fields.Datetime(string="Started", readonly=True)
    due_at = fields.Datetime(
        string="Due",
        readonly=True,
        index="btree_not_null",
        help="Empty while the clock is paused.",
    )
    warn_at = fields.Datetime(string="Warning", readonly=True)
    stopped_at = fields.Datetime(string="Reached", readonly=True)
    breached_at = fields.Datetime(readonly=True)
    elapsed_minutes = fields.Float(
        string="Used (Minutes)",
        readonly=True,
        aggregator="avg",
        help="Working time used when the clock was last computed.",
    )
    overdue_minutes = fields.Float(
        string="Late (Minutes)",
        readonly=True,
        aggregator="sum",
        help="Working time past the deadline.",
    )
    next_action_at = fields.Datetime(string="Next Action", readonly=True)
    failure_count = fields.Integer(readonly=True, aggregator=None)
    remaining = fields.Char(compute="_compute_remaining")
    account_id = fields.Many2one(
        related="ticket_id.commercial_partner_id",
        string="Account",
        store=True,
        index="btree_not_null",
    )
    team_id = fields.Many2one(related="ticket_id.team_id", store=True)
    user_id = fields.Many2one(
        related="ticket_id.user_id",
        string="Assignee",
        store=True,
        index="btree_not_null",
    )
    priority = fields.Selection(related="ticket_id.priority", store=True)
    tier_id = fields.Many2one("saas.support.tier", readonly=True)
    log_ids = fields.One2many("saas.sla.escalation.log", "clock_id", string="Has Run")
    result_ids = fields.One2many("saas.sla.result", "clock_id", string="Results")

    _ticket_metric_unique = models.Constraint(
        "UNIQUE (ticket_id, metric)", "The ticket has a clock for this metric already."
    )
    # The cron reads this index and nothing else: its cost follows what is due, not how
    # many clocks are open.
    _next_action_idx = models.Index(
        "(next_action_at, id) WHERE next_action_at IS NOT NULL"
    )

    @api.depends("due_at", "is_open", "state")
    def _compute_remaining(self):
        now = self.env["helpdesk.ticket"]._saas_now()
        for clock in self:
            due = clock.due_at if clock.is_open else False
            clock.remaining = self._format_remaining(due, now)

    @api.depends("ticket_id.number", "metric")
    def _compute_display_name(self):
        for clock in self:
            clock.display_name = (
                f"{clock.ticket_id.number}: {clock._get_metric_label()}"
            )

    # ------------------------------------------------------------------
    # Texts
    # ------------------------------------------------------------------
    def _get_metric_label(self):
        """Return the metric in the user's language."""
        self.ensure_one()
        labels = dict(self._fields["metric"]._description_selection(self.env))
        return labels[self.metric]

    def _format_due(self):
        """Return the deadline for messages, in the zone of the ticket's company."""
        self.ensure_one()
        return self._format_moment(self.due_at)

    @api.model
    def _format_moment(self, moment):
        """Write a moment with its time zone.

        :param moment: naive UTC or False
        :return: text
        """
        if not moment:
            return self.env._("when the ticket goes on")
        company = self.company_id or self.env.company
        tz = company.resource_calendar_id.tz or "UTC"
        text = format_datetime(self.env, moment, tz=tz, dt_format="yyyy-MM-dd HH:mm")
        return f"{text} ({tz})"

    @api.model
    def _format_remaining(self, due, now):
        """Say how long until a deadline, by the clock on the wall.

        :param due: naive UTC datetime or False
        :param now: naive UTC datetime
        :return: text such as ``2 h 15 min`` or ``12 min late``, False without deadline
        """
        if not due:
            return False
        late = due < now
        minutes = int(abs((due - now).total_seconds()) // 60)
        days, minutes = divmod(minutes, 1440)
        hours, minutes = divmod(minutes, 60)
        if days:
            text = self.env._("%(days)s d %(hours)s h", days=days, hours=hours)
        elif hours:
            text = self.env._(
                "%(hours)s h %(minutes)s min", hours=hours, minutes=minutes
            )
        else:
            text = self.env._("%(minutes)s min", minutes=minutes)
        return self.env._("%(time)s late", time=text) if late else text

    def _get_status(self):
        """Return what the clock means for its ticket's status."""
        self.ensure_one()
        if self.state == "running":
            return "warning" if self.is_warned else "on_track"
        return self.state

    # ------------------------------------------------------------------
    # Computing
    # ------------------------------------------------------------------
    @api.model
    def _refresh_ticket(self, ticket, at, cache=None):
        """Compute the clocks of one ticket and store what changed.

        :param ticket: one helpdesk.ticket, sudo
        :param datetime at: naive UTC
        :param dict cache: working time read before, see ``saas.sla.calendar``
        :raise SlaCalendarError: no working time to count in
        """
        history = self.env["saas.sla.history"]._read_ticket(ticket, cache)
        clocks = {clock.metric: clock for clock in ticket.saas_clock_ids}
        for metric, _label in METRICS:
            states = self._evaluate(history, metric, at)
            clock = clocks.get(metric)
            if not states and not clock:
                continue
            if not clock:
                clock = self._create_clock(history, metric)
            clock._store(history, states, at)
            clock._plan(history)

    @api.model
    def _create_clock(self, history, metric):
        ticket = history.ticket
        return self.create(
            {
                "ticket_id": ticket.id,
                "metric": metric,
                "company_id": ticket.company_id.id,
            }
        )

    @api.model
    def _evaluate(self, history, metric, at):
        """Ask the engine, and translate its refusals.

        :return: engine states of all rounds, empty when nothing is promised
        :raise SlaCalendarError: no working time within the horizon
        """
        try:
            return history.evaluate(metric, at.replace(tzinfo=timezone.utc))
        except HorizonError as error:
            raise SlaCalendarError(
                self.env._(
                    "No deadline for ticket %(ticket)s: working time “%(calendar)s” has"
                    " too few hours for “%(target)s”. Add hours to the calendar or"
                    " choose another one, then retry.",
                    ticket=history.ticket.number,
                    calendar=history.calendar_text,
                    target=history.target_text(metric),
                )
            ) from error
        except EngineError as error:
            raise SlaCalendarError(
                self.env._(
                    "No deadline for ticket %(ticket)s: %(reason)s",
                    ticket=history.ticket.number,
                    reason=str(error),
                )
            ) from error

    def _store(self, history, states, at):
        """Write what the engine found and record the rounds that are decided.

        :param history: what the clock was computed from
        :param list states: engine states, one per round; empty: nothing promised
        :param datetime at: naive UTC
        """
        self.ensure_one()
        for number, state in enumerate(states, 1):
            self._record_result(history, number, state)
        # What changes with every minute alone is not worth a write.
        vals = self._prepare_state_vals(history, states)
        changed = {
            name: value
            for name, value in vals.items()
            if self._fields[name].convert_to_write(self[name], self) != value
        }
        if changed.keys() - {"elapsed_minutes"}:
            self.write(changed)

    def _prepare_state_vals(self, history, states):
        if not states:
            return {
                "state": self.state
                if self.state in ("met", "breached")
                else "cancelled",
                "is_open": False,
                "due_at": False,
                "warn_at": False,
            }
        last, number = states[-1], len(states)
        is_same = number == self.round
        breached = bool(self._get_result(number, "breached"))
        is_open = last.met_at is None and last.state != "cancelled"
        if last.state in ("running", "paused", "met") and breached:
            # what was recorded as a breach stays one in this round
            state = "breached"
        else:
            state = last.state
        if state == "breached" and not breached and is_open:
            # the cron says so, when it runs for this clock: each breach is told once
            state = "running"
        return {
            "state": state,
            "is_open": is_open,
            "round": number,
            "is_warned": self.is_warned and is_same,
            "policy_id": history.policy.id,
            "tier_id": history.ticket.saas_support_tier_id.id,
            "target_text": history.target_text(self.metric),
            "calendar_text": history.calendar_text,
            "started_at": _naive(last.started_at),
            "due_at": _naive(last.due_at),
            "warn_at": _naive(last.warn_at),
            "stopped_at": _naive(last.met_at),
            "breached_at": _naive(last.breached_at) if breached else False,
            "elapsed_minutes": _minutes(last.elapsed),
            "overdue_minutes": _minutes(-last.remaining) if breached else 0,
        }

    def _get_result(self, number, outcome=None):
        """Return the recorded result of a round, of an outcome if given."""
        self.ensure_one()
        return self.result_ids.filtered(
            lambda result: (
                result.round == number and (not outcome or result.outcome == outcome)
            )
        )[:1]

    def _record_result(self, history, number, state):
        """Keep the result of a round that ended; take back that of one that goes on.

        :param history: what the clock was computed from
        :param int number: round, from 1
        :param state: engine state of the round
        """
        self.ensure_one()
        result = self._get_result(number)
        is_ended = state.met_at is not None
        if is_ended and state.state == "breached" and not result:
            # It was reached late before the cron could tell.
            result = self._record_breach(history, number, state, _naive(state.met_at))
        if is_ended and not result:
            self._create_result(history, number, state, "met")
        elif is_ended and result.reached_at != _naive(state.met_at):
            result.write(self._prepare_reached_vals(state, result))
        elif not is_ended and result.outcome == "met":
            # The ticket was opened again and the round goes on.
            result.unlink()
        elif not is_ended and result.reached_at:
            result.write({"reached_at": False, "overdue_minutes": 0})

    def _prepare_reached_vals(self, state, result):
        late = result.outcome == "breached" and state.remaining
        return {
            "reached_at": _naive(state.met_at),
            "elapsed_minutes": _minutes(state.elapsed),
            "overdue_minutes": max(_minutes(-state.remaining), 0) if late else 0,
        }

    def _create_result(self, history, number, state, outcome):
        ticket = history.ticket
        is_met = outcome == "met"
        return self.env["saas.sla.result"].create(
            {
                "clock_id": self.id,
                "round": number,
                "ticket_id": ticket.id,
                "company_id": self.company_id.id,
                "metric": self.metric,
                "outcome": outcome,
                "account_id": ticket.commercial_partner_id.id,
                "tier_id": ticket.saas_support_tier_id.id,
                "policy_id": history.policy.id,
                "team_id": ticket.team_id.id,
                "user_id": ticket.user_id.id,
                "priority": ticket.priority,
                "target_text": history.target_text(self.metric),
                "started_at": _naive(state.started_at),
                "due_at": _naive(state.due_at),
                "decided_at": _naive(state.met_at if is_met else state.breached_at),
                "reached_at": _naive(state.met_at),
                "elapsed_minutes": _minutes(state.elapsed),
                "overdue_minutes": 0 if is_met else _minutes(-state.remaining),
            }
        )

    # ------------------------------------------------------------------
    # Cron
    # ------------------------------------------------------------------
    @api.model
    def _cron_process_due(self):
        """Warn, breach and escalate what is due; commit after each batch."""
        at = fields.Datetime.now()
        cron = self.env["ir.cron"]
        cron._commit_progress(remaining=self.search_count(self._get_due_domain(at)))
        while True:
            processed = self._process_due(at, limit=BATCH)
            if not processed or not cron._commit_progress(processed):
                break

    @api.model
    def _process_due(self, at, limit=None):
        """Do what is due at a moment. Safe to run twice, late, or at the same time.

        Clocks another process works on are left to it. One that fails is rolled back
        alone, reported as an exception and tried again later.

        :param datetime at: naive UTC
        :param int limit: most clocks to work on; default all
        :return: number of clocks worked on
        """
        # Mail goes out by the mail queue: a slow mail server must not slow the clocks.
        self = self.with_context(mail_notify_force_send=False)
        cache, processed = {}, 0
        while limit is None or processed < limit:
            batch = min(BATCH, limit - processed) if limit else BATCH
            clocks = self.search(
                self._get_due_domain(at), order="next_action_at, id", limit=batch
            ).try_lock_for_update(allow_referencing=True)
            if not clocks:
                break
            for clock in clocks:
                clock._process_one(at, cache)
            processed += len(clocks)
        return processed

    def _process_one(self, at, cache):
        self.ensure_one()
        try:
            with self.env.cr.savepoint():
                self._run_due(at, cache)
                if self.failure_count:
                    self.failure_count = 0
                    self.ticket_id._saas_resolve("sla.clock_failed")
        except OperationalError:
            # Lost against another transaction: the whole run is repeated.
            raise
        except Exception as error:  # noqa: BLE001 any fault stays with its clock
            _logger.info("SLA clock %s failed", self.id, exc_info=True)
            self.env.invalidate_all(flush=False)
            cache.clear()
            self._fail(error, at)

    def _fail(self, error, at):
        """Put a failing clock off and tell a person.

        :param Exception error: what went wrong
        :param datetime at: naive UTC
        """
        count = self.failure_count + 1
        delay = timedelta(minutes=2 ** min(count - 1, MAX_BACKOFF))
        self.write({"failure_count": count, "next_action_at": at + delay})
        self.ticket_id._saas_raise(
            "sla.clock_failed",
            self.env._(
                "SLA escalation of %(clock)s failed: %(error)s. Cure the cause and"
                " retry.",
                clock=self.display_name,
                error=str(error) or type(error).__name__,
            ),
            severity="high",
            retry_method="saas_retry_clocks",
        )

    @api.model
    def _get_due_domain(self, at):
        return Domain("next_action_at", "<=", at)

    @api.model
    def _get_unrecorded_breach_domain(self, company, date_start, date_end):
        """Select open targets that passed their deadline in a period unrecorded.

        :param company: one res.company
        :param date date_start: first day, UTC
        :param date date_end: day after the last, UTC
        :return: Domain
        """
        end = min(fields.Datetime.to_datetime(date_end), fields.Datetime.now())
        return (
            Domain("company_id", "=", company.id)
            & Domain("is_open", "=", True)
            & Domain("state", "=", "running")
            & Domain("due_at", ">=", fields.Datetime.to_datetime(date_start))
            & Domain("due_at", "<", end)
        )


def _naive(moment):
    """Turn an engine instant into the database's naive UTC; None into False."""
    return moment.astimezone(timezone.utc).replace(tzinfo=None) if moment else False


def _minutes(duration):
    """Return a duration in minutes, two digits."""
    return round(duration.total_seconds() / 60, 2) if duration is not None else 0.0
