# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import json
import uuid
from collections import defaultdict
from contextlib import closing, nullcontext
from dataclasses import replace
from datetime import datetime, timezone
from operator import itemgetter

from psycopg2.extensions import TRANSACTION_STATUS_IDLE

from odoo import api, fields, models
from odoo.tools import SQL, ormcache

from ..exceptions import UsageStoreError
from .usage_fields import BigMany2one
from .usage_plain import as_sent
from .usage_result import DUPLICATE, QUARANTINED, REJECTED, IngestResult, Outcome
from .usage_schema import create_store
from .usage_screen import (
    dump_storable,
    make_source_rule,
    refuse_good,
    screen,
)
from .usage_store_api import Intake, get_store

#: Kinds of requests that come from a sender, not from a person.
SENT = ("api", "feed")
_UNRESOLVED = {
    "unknown_subject": (
        "No external id names the subject “{subject}” of this source. Add one that"
        " leads to a subscription, then replay."
    ),
    "no_subscription": (
        "The account of the subject “{subject}” has no running subscription with a"
        " meter for this event."
    ),
    "ambiguous_subject": (
        "The account of the subject “{subject}” has several subscriptions with a meter"
        " for this event. Name the subscription in the external id."
    ),
    "unknown_event": (
        "No event “{target}” of this source is stored. This is stored as soon as that"
        " one is."
    ),
    "already_corrected": (
        "The event “{target}” was taken back already, or is itself a void. An event is"
        " corrected once: correct the one that replaced it."
    ),
    "too_old": "The event “{target}” is older than what the source may correct.",
}


class SaasUsageEvent(models.Model):
    """Metering evidence: what a product system reported, one row per event.

    The ORM only reads: the model is a view over a table partitioned by month, and
    ``_ingest`` is the one way in. A correction is another event.
    """

    _name = "saas.usage.event"
    _description = "Usage Event"
    _auto = False
    _log_access = False
    _order = "event_time desc, id desc"
    _rec_name = "event_id"

    event_time = fields.Datetime(
        string="Time", readonly=True, help="When it happened, as the source says; UTC."
    )
    stored_at = fields.Datetime(readonly=True, help="When it arrived; UTC.")
    company_id = fields.Many2one("res.company", readonly=True)
    source_id = fields.Many2one("saas.usage.source", readonly=True)
    subscription_id = fields.Many2one("saas.subscription", readonly=True)
    account_id = fields.Many2one("res.partner", readonly=True)
    batch_id = BigMany2one("saas.usage.batch", string="Request", readonly=True)
    event_type = fields.Char(string="Type", readonly=True)
    event_id = fields.Char(string="Event ID", readonly=True)
    subject = fields.Char(readonly=True)
    data = fields.Json(string="Payload", readonly=True)
    data_text = fields.Char(string="Data", compute="_compute_data_text")

    def init(self):
        """Create the partitioned store and its guards."""
        create_store(self.env.cr)

    def _compute_data_text(self):
        for event in self:
            event.data_text = json.dumps(event.data, ensure_ascii=False)

    # ------------------------------------------------------------------
    # Append only
    # ------------------------------------------------------------------
    def _refuse_change(self):
        raise UsageStoreError(
            self.env._(
                "Usage events are evidence: they arrive through the usage API and are"
                " never changed or deleted. Send a correcting event instead."
            )
        )

    @api.model_create_multi
    def create(self, vals_list):  # pylint: disable=method-required-super
        self._refuse_change()

    def write(self, vals):  # pylint: disable=method-required-super
        self._refuse_change()

    def unlink(self):
        if self:
            self._refuse_change()
        return super().unlink()

    def copy(self, default=None):  # pylint: disable=method-required-super
        self._refuse_change()

    @api.model
    def _has_events(self, field_name, ids):
        """Return whether the store has an event of one of the records.

        :param str field_name: indexed column, ``source_id`` or ``subscription_id``
        :param ids: ids of the records
        """
        table = (
            "saas_usage_event_key"
            if field_name == "source_id"
            else "saas_usage_event_store"
        )
        if not ids:
            return False
        query = SQL(
            "SELECT EXISTS (SELECT 1 FROM %s WHERE %s IN %s)",
            SQL.identifier(table),
            SQL.identifier(field_name),
            tuple(ids),
        )
        return self.env.execute_query(query)[0][0]

    # ------------------------------------------------------------------
    # Ingest
    # ------------------------------------------------------------------
    @api.model
    def _start_ingest(self):
        """Begin the transaction of an ingest request.

        Under Odoo's repeatable read, two requests with the same new ids end in a
        serialization failure and a repeat after seconds. Read committed lets the
        second one wait for the first and find its keys. Only a transaction that has
        not begun can be switched; any other one just repeats.
        """
        cr = self.env.cr
        cr.rollback()
        if cr.connection.info.transaction_status == TRANSACTION_STATUS_IDLE:
            cr.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")

    @api.model
    def _ingest(
        self,
        events,
        correlation_id=None,
        kind="api",
        at=None,
        dry_run=False,
        is_follow_up=False,
    ):
        """Store a batch of events: each is stored, a duplicate, or quarantined.

        Never all-or-nothing: one bad event does not touch the others.

        :param list events: decoded JSON values, numbers as int or ``Decimal``
        :param str correlation_id: id of the process, kept with the request
        :param str kind: of ``saas.usage.batch``, for the log of requests
        :param at: aware datetime the age of the events is measured from; default now
        :param bool dry_run: tell what would become of the events, and keep nothing
        :param bool is_follow_up: they waited for events of this transaction
        :return: ``IngestResult``
        """
        self.env.flush_all()
        now = datetime.now(timezone.utc)
        stamp = now.replace(tzinfo=None)
        result = IngestResult(correlation_id or uuid.uuid4().hex, dry_run, is_follow_up)
        result.events = events
        guard = nullcontext()
        if dry_run:
            # Left by rolling back: the same statements, and nothing remains of them.
            guard = closing(self.env.cr.savepoint(flush=False))
        with guard:
            waiting = self._take_in(result, kind, at or now, stamp)
        if not dry_run:
            self._log_request(result, kind, stamp)
            self._keep_waiting(waiting, result, stamp, kind)
            if not is_follow_up:
                self._store_waiting(result)
        # What billing has read of the store in this transaction is outdated.
        self.env.cr.cache.pop("saas_usage_billing", None)
        self.invalidate_model()
        return result

    @api.model
    def _take_in(self, result, kind, at, now):
        """Screen and store the events of a request and note what became of each.

        :return: problems that belong in quarantine
        """
        sources, types = self._get_rules(at, kind)
        screened = screen(result.events, sources, types, at)
        screened.problems = self._disown_foreign(screened.problems, kind)
        data = self._take_out_unstorable(screened, result.events)
        self._count_received(screened, sources, result)
        if not result.is_dry_run:
            self._number_request(sources, result)
        if screened.rows or screened.voids:
            self._store(screened, sources, data, result, now)
        self._sort_duplicates(screened, sources, result)
        return self._sort_problems(screened.problems, result)

    @api.model
    def _count_received(self, screened, sources, result):
        """Count what each source sent."""
        received = result.received
        received.update(map(itemgetter(2), screened.rows))
        received.update(map(itemgetter(2), screened.voids))
        received.update(problem.source_id for problem in screened.problems)
        received.update(
            sources[result.events[index]["source"]].source_id
            for index, _first in screened.duplicates
        )

    @api.model
    def _number_request(self, sources, result):
        """Draw a number for each source of a request.

        A request is logged per source, so that control, watermark and evidence are
        exact per source; one with no event at all is logged, too.
        """
        senders = list(result.received) or [None]
        query = SQL(
            "SELECT nextval('saas_usage_batch_id_seq'), e.last_value"
            " FROM generate_series(1, %s), saas_usage_event_id_seq e",
            len(senders),
        )
        numbers, rows = zip(*sorted(self.env.execute_query(query)), strict=True)
        result.batch_ids = dict(zip(senders, numbers, strict=True))
        result.row_min = min(rows)
        result.codes = {
            rule.source_id: code
            for code, rule in sources.items()
            if rule.source_id in result.batch_ids
        }

    @api.model
    def _get_rules(self, now, kind="api"):
        """Return what may be sent now: sources by code, and types with their values.

        Through the API only the senders of a source may use it; for everybody else it
        does not exist.
        """
        company = self.env.company
        sources, types = self._get_cached_rules(company.id)
        rules = {
            code: make_source_rule(source_id, now, max_age, max_future)
            for code, source_id, max_age, max_future, senders, is_active in sources
            if is_active and self._may_send(senders, kind)
        }
        return rules, types

    @api.model
    @ormcache("company_id")
    def _get_cached_rules(self, company_id):
        # sudo: the sending user may neither read sources nor meters
        sources = (
            self.env["saas.usage.source"]
            .sudo()
            .search([("company_id", "=", company_id), ("active", "in", (True, False))])
        )
        meters = (
            self.env["saas.meter"]
            .sudo()
            .search([("company_id", "in", (company_id, False))])
        )
        types = {}
        for meter in meters:
            needs = types.setdefault(meter.event_type, {})
            need = meter._get_need()
            if need:
                needs[need] = None
        return (
            [
                (
                    source.code,
                    source.id,
                    source.max_age_days,
                    source.max_future_minutes,
                    frozenset(source.user_ids.ids),
                    source.active,
                )
                for source in sources
            ],
            {event_type: tuple(needs) for event_type, needs in types.items()},
        )

    @api.model
    def _take_out_unstorable(self, screened, events):
        """Move events whose text PostgreSQL cannot keep to the problems.

        :return: JSON texts of the data of all others
        """
        texts, bad = dump_storable([row[-1] for row in screened.rows])
        for position in bad:
            index, _event_id, source_id, *_rest = screened.rows[position]
            message = "The data has NUL characters or unpaired surrogates."
            screened.problems.append(
                refuse_good(index, events[index], source_id, "bad_data", message)
            )
        if bad:
            screened.drop(bad)
        return texts

    @api.model
    def _store(self, screened, sources, data, result, now):
        """Store the good events; note duplicates and those that cannot be stored."""
        normalise = self.env["saas.external.id"]._normalise_key
        intake = Intake(
            self.env.company.id,
            {rule.source_id: normalise(code) for code, rule in sources.items()},
            screened.rows,
            data,
            self._get_corrections(screened, sources),
            result.is_follow_up,
        )
        batch_ids = result.batch_ids or dict.fromkeys(result.received, 0)
        left = dict(get_store(self.env).store(intake, batch_ids, now))
        rows = screened.rows + screened.voids
        for position, reason in left.items():
            self._note_left(screened, rows[position], reason, result)
        self._note_times(screened.rows, left, result)
        result.stored_ids = [row[1] for n, row in enumerate(rows) if n not in left]
        event_ids = [row[1] for row in rows]
        result.is_waiting = self.env["saas.usage.quarantine"]._close_stored(
            event_ids, now
        )

    @api.model
    def _note_times(self, rows, left, result):
        """Note the first and last time stored per source; ISO text sorts by time."""
        if left:
            rows = [row for n, row in enumerate(rows) if n not in left]
        for source_id in set(map(itemgetter(2), rows)):
            own = [row[5] for row in rows if row[2] == source_id]
            result.times[source_id] = min(own), max(own)

    @api.model
    def _note_left(self, screened, row, reason, result):
        """Note an event the statement did not store: a duplicate, or unresolved."""
        index, event_id, source_id = row[:3]
        if reason is None:
            message = "An event with this source and id is stored already."
            result.outcomes.append(
                Outcome(index, event_id, DUPLICATE, DUPLICATE, message, source_id)
            )
            return
        event = as_sent(result.events[index])
        message = _UNRESOLVED[reason].format(
            subject=event.get("subject"), target=screened.get_target(row)
        )
        screened.problems.append(refuse_good(index, event, source_id, reason, message))

    @api.model
    def _sort_duplicates(self, screened, sources, result):
        """Give repeats within the request the fate of the first one."""
        failed = {problem.index: problem for problem in screened.problems}
        for index, first in screened.duplicates:
            if first in failed:
                screened.problems.append(replace(failed[first], index=index))
                continue
            event = result.events[index]
            result.outcomes.append(
                Outcome(
                    index,
                    event["id"],
                    DUPLICATE,
                    DUPLICATE,
                    "The same event is in this request already.",
                    sources[event["source"]].source_id,
                )
            )

    @api.model
    def _sort_problems(self, problems, result):
        """Note what becomes of the problems.

        :return: those to quarantine; repeats of stored events are duplicates
        """
        known = self._find_stored(problems)
        waiting = []
        for problem in problems:
            event_id = problem.attribute("id")
            if (problem.source_id, event_id) in known:
                status, code = DUPLICATE, DUPLICATE
                message = "An event with this source and id is stored already."
            else:
                status = REJECTED if problem.is_rejected else QUARANTINED
                code, message = problem.code, problem.message
                waiting.append(problem)
            result.outcomes.append(
                Outcome(
                    problem.index, event_id, status, code, message, problem.source_id
                )
            )
        return waiting

    @api.model
    def _find_stored(self, problems):
        """Return the (source id, event id) of the problems that are stored already."""
        wanted = {
            (problem.source_id, problem.attribute("id"))
            for problem in problems
            if problem.source_id and not problem.is_rejected
        }
        if not wanted:
            return set()
        query = SQL(
            "SELECT source_id, event_id FROM saas_usage_event_key"
            " WHERE (source_id, event_id) IN %s",
            tuple(wanted),
        )
        return set(self.env.execute_query(query))

    @api.model
    def _log_request(self, result, kind, now):
        """Write the rows of the request log, one per source."""
        rows = []
        for source_id, counts in result.counts_by_source.items():
            first, last = result.times.get(source_id, (None, None))
            rows.append(
                (
                    result.batch_ids[source_id],
                    now,
                    self.env.company.id,
                    self.env.uid,
                    source_id,
                    result.correlation_id,
                    kind,
                    counts["received"],
                    counts["stored"],
                    counts["duplicate"],
                    counts["quarantined"],
                    counts["rejected"],
                    first,
                    last,
                    result.row_min,
                )
            )
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO saas_usage_batch (
                    id, received_at, company_id, user_id, source_id, correlation_id,
                    kind, received, stored, duplicate, quarantined, rejected, time_min,
                    time_max, row_min, row_max
                ) VALUES %s
                """,
                SQL(", ").join(
                    SQL(
                        "(%s, (SELECT last_value FROM saas_usage_event_id_seq))",
                        SQL(", ").join(row),
                    )
                    for row in rows
                ),
            )
        )

    @api.model
    def _keep_waiting(self, waiting, result, now, kind):
        """Quarantine problems with the number their source has in the request."""
        groups = defaultdict(list)
        for problem in waiting:
            groups[problem.source_id].append(problem)
        for source_id, problems in groups.items():
            self.env["saas.usage.quarantine"]._keep(
                problems, result.batch_ids[source_id], now, count=kind != "replay"
            )
