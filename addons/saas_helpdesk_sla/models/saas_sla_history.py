# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""A ticket's log in the words of the engine."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from odoo import api, models

from ..engine import clock as engine
from ..engine.deadline import elapsed, shift
from .helpdesk_ticket_stage import STOPPED
from .saas_sla_policy_target import METRICS, UNIT_MINUTES

PAUSES = ("pause_customer", "pause_vendor")


class SaasSlaHistory(models.AbstractModel):
    """Reads what happened on a ticket and what was promised when."""

    _name = "saas.sla.history"
    _description = "SLA History"

    @api.model
    def _read_ticket(self, ticket, cache=None):
        """Read the log of one ticket.

        :param ticket: one helpdesk.ticket, sudo
        :param dict cache: working time read before, see ``saas.sla.calendar``
        :return: :class:`TicketHistory`
        """
        log = ticket.saas_sla_event_ids.sorted(
            lambda event: (event.occurred_at, event.id)
        )
        promises = [
            Promise(self, ticket, event, cache)
            for event in log
            if event.kind == "policy_changed"
        ]
        return TicketHistory(ticket, translate_log(log), promises)

    @api.model
    def _prepare_promise(self, ticket):
        """Freeze what the ticket's policy promises now, as kept in the log.

        Later changes of the policy do not touch tickets that run under it; a ticket
        that is evaluated again gets a promise of its own.

        :param ticket: one helpdesk.ticket, sudo
        :return: payload of a ``policy_changed`` event, without its text
        :raise SlaCalendarError: no working calendar at all
        """
        policy = ticket.saas_policy_id
        targets = {}
        for metric, _label in METRICS:
            target = policy._get_target(metric, ticket.priority)
            if target:
                targets[metric] = {
                    "id": target.id,
                    "duration": target.duration,
                    "unit": target.unit,
                    "warn_percent": target.warn_percent,
                    "is_pausable": target.is_pausable,
                }
        calendar, calendar_text = self.env["resource.calendar"], ""
        if targets:
            calendar, calendar_text = ticket._saas_working_calendar()
        return {
            "policy_id": policy.id,
            "priority": ticket.priority,
            "calendar_id": calendar.id or 0,
            "calendar": calendar_text,
            "targets": targets,
        }


class Promise:
    """What holds for a ticket from one moment on."""

    def __init__(self, model, ticket, event, cache) -> None:
        """Read one ``policy_changed`` row.

        :param model: the saas.sla.history model
        :param ticket: one helpdesk.ticket
        :param event: one saas.sla.event
        :param dict cache: working time read before
        """
        payload = event.payload or {}
        calendar = model.env["resource.calendar"].browse(payload.get("calendar_id"))
        if payload.get("calendar_id") and not calendar.exists():
            calendar, _text = ticket._saas_working_calendar()
        self.since = _aware(event.occurred_at)
        self.calendar_text = payload.get("calendar") or ""
        self.targets = payload.get("targets") or {}
        self.working_time = model.env["saas.sla.calendar"]._get_working_time(
            calendar, ticket.company_id, cache
        )

    def span(self, metric: str) -> engine.PolicySpan:
        """Return the promise for one metric in the engine's words."""
        target = self.targets.get(metric)
        return engine.PolicySpan(
            self.since, self.working_time, build_target(target) if target else None
        )


class TicketHistory:
    """Everything the clocks of one ticket are computed from."""

    def __init__(self, ticket, events, promises) -> None:
        """Keep what was read.

        :param ticket: one helpdesk.ticket
        :param list events: engine events
        :param list promises: :class:`Promise`, oldest first
        """
        self.ticket, self.events, self.promises = ticket, events, promises

    @property
    def policy(self):
        """Return the policy of the ticket."""
        return self.ticket.saas_policy_id

    @property
    def working_time(self):
        """Return the working time that counts now."""
        return self.promises[-1].working_time

    @property
    def calendar_text(self) -> str:
        """Return whose working time counts now."""
        return self.promises[-1].calendar_text if self.promises else ""

    def target(self, metric: str) -> dict | None:
        """Return the frozen target of a metric that holds now."""
        return self.promises[-1].targets.get(metric) if self.promises else None

    def target_text(self, metric: str) -> str:
        """Return the target of a metric as text, for example ``8 hours``."""
        target = self.target(metric)
        if not target:
            return ""
        field = self.ticket.env["saas.sla.policy.target"]._fields["unit"]
        units = dict(field._description_selection(self.ticket.env))
        return f"{target['duration']} {units[target['unit']].lower()}"

    def evaluate(self, metric: str, at: datetime) -> list:
        """Compute the rounds of a metric.

        :param str metric: code of the metric
        :param datetime at: aware
        :return: engine states, one per round; empty when nothing is promised now
        :raise EngineError: the engine refuses
        """
        target = self.target(metric)
        if not target or not self.events:
            return []
        spans = [promise.span(metric) for promise in self.promises]
        states = engine.evaluate_rounds(metric, self.events, spans, at)
        if target["unit"] == "days" and target["warn_percent"]:
            states = [self._warn_days(state, target) for state in states]
        return [
            state
            if state.state != engine.IDLE
            else replace(state, state=engine.DROPPED)
            for state in states
        ]

    def _warn_days(self, state, target):
        """Add the warning of a target in days: the share of its working time."""
        if not state.due_at:
            return state
        whole = elapsed(self.working_time, state.started_at, state.due_at)
        left = whole * (100 - target["warn_percent"]) / 100
        left = timedelta(seconds=int(left.total_seconds()))
        return replace(state, warn_at=shift(self.working_time, state.due_at, -left))


def build_target(target: dict) -> engine.Target:
    """Build the engine's target from a frozen one.

    :param dict target: as kept in the ticket log
    :return: engine target
    """
    warn = Decimal(target["warn_percent"]) if target["warn_percent"] else None
    if target["unit"] == "days":
        return engine.Target(days=target["duration"], pausable=target["is_pausable"])
    minutes = target["duration"] * UNIT_MINUTES[target["unit"]]
    return engine.Target(
        duration=timedelta(minutes=minutes),
        pausable=target["is_pausable"],
        warn_percent=warn,
    )


def translate_log(log) -> list:
    """Translate a ticket log: stage meanings become pauses, solutions, reopenings.

    :param log: saas.sla.event in order
    :return: engine events in the same order
    """
    events, meaning = [], "run"
    for row in log:
        at = _aware(row.occurred_at)
        if row.kind in ("customer_message", "agent_reply"):
            events.append(engine.TicketEvent(at, row.kind))
        if row.kind == "created":
            events.append(engine.TicketEvent(at, engine.CREATED))
        if row.kind in ("created", "stage", "reopened"):
            kinds = stage_events(meaning, row.meaning)
            events.extend(engine.TicketEvent(at, kind) for kind in kinds)
            meaning = row.meaning
    return events


def stage_events(before: str, after: str) -> list[str]:
    """Name what a change of stage meaning means for the clocks.

    :param str before: meaning of the stage that was left
    :param str after: meaning of the stage that was entered
    :return: kinds of engine events, in order
    """
    if before == after or (before in PAUSES and after in PAUSES):
        return []
    kinds = []
    if before in STOPPED:
        if after in STOPPED:
            return []
        kinds.append(engine.REOPENED)
    elif before in PAUSES and after == "run":
        kinds.append(engine.RESUMED)
    if after in PAUSES:
        kinds.append(engine.PAUSED)
    elif after == "stop_solved":
        kinds.append(engine.SOLVED)
    elif after == "stop_cancelled":
        kinds.append(engine.CANCELLED)
    return kinds


def _aware(moment: datetime) -> datetime:
    """Read a naive datetime of the database as UTC."""
    return moment.replace(tzinfo=timezone.utc)
