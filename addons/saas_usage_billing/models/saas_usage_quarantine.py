# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import json
from datetime import timezone
from decimal import Decimal

from odoo import api, fields, models
from odoo.tools import SQL

from ..exceptions import UsageReplayError, UsageStoreError
from .usage_fields import BigMany2one
from .usage_origin import get_origin_vals, get_raw
from .usage_screen import get_corrected

#: What an open row takes over when its event is sent again.
_CONTENT = (
    *("reason", "message", "event_type", "subject", "event_time_text", "raw"),
    *("feed_source_id", "mapping_id", "upload_id", "upload_row", "upload_repeat"),
    *("corrects", "said"),
)
#: Somebody decided about the content of a closed one, and no row loses its source.
_TAKEN_OVER = ",\n       ".join(
    f"{name} = CASE WHEN q.state = 'open' THEN {value} ELSE q.{name} END"
    for name, value in (
        ("source_id", "COALESCE(EXCLUDED.source_id, q.source_id)"),
        *((name, f"EXCLUDED.{name}") for name in _CONTENT),
    )
)
_KEPT = (
    """
INSERT INTO saas_usage_quarantine AS q (
    company_id, source_id, batch_id, dedupe_key, reason, message, source_code, event_id,
    event_type, subject, event_time_text, raw, is_rejected, corrects, feed_source_id,
    mapping_id, upload_id, upload_row, upload_repeat, said, state, occurrences,
    first_seen_at, last_seen_at, create_uid, create_date, write_uid, write_date
)
SELECT %(company)s, r.source_id, %(batch)s, r.dedupe_key, r.reason, r.message,
       r.source_code, r.event_id, r.event_type, r.subject, r.event_time_text, r.raw,
       r.is_rejected, r.corrects, r.feed_source_id, r.mapping_id, r.upload_id,
       r.upload_row, r.upload_repeat, r.said, 'open', r.occurrences, %(now)s, %(now)s,
       %(user)s, %(now)s, %(user)s, %(now)s
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(
           source_id integer, dedupe_key text, reason text, message text,
           source_code text, event_id text, event_type text, subject text,
           event_time_text text, raw text, is_rejected boolean, corrects text,
           feed_source_id integer, mapping_id integer, upload_id integer,
           upload_row integer, upload_repeat integer, said jsonb, occurrences integer
       )
 ORDER BY r.dedupe_key
ON CONFLICT (company_id, dedupe_key) DO UPDATE
   SET occurrences = q.occurrences
           + CASE WHEN %(count)s THEN EXCLUDED.occurrences ELSE 0 END,
       batch_id = EXCLUDED.batch_id,
       """
    + _TAKEN_OVER
    + """,
       last_seen_at = EXCLUDED.last_seen_at,
       write_uid = EXCLUDED.write_uid,
       write_date = EXCLUDED.write_date
"""
)


class SaasUsageQuarantine(models.Model):
    """An event that could not be stored, kept until somebody decided about it."""

    _name = "saas.usage.quarantine"
    _description = "Quarantined Usage Event"
    _order = "last_seen_at desc, id desc"
    _rec_name = "event_id"

    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True, ondelete="restrict"
    )
    source_id = fields.Many2one(
        "saas.usage.source", readonly=True, index=True, ondelete="restrict"
    )
    batch_id = BigMany2one(
        "saas.usage.batch",
        string="Last Request",
        readonly=True,
        index=True,
        ondelete="restrict",
    )
    dedupe_key = fields.Char(
        required=True,
        readonly=True,
        help="Identity of the event, or of its content when it has none: the same event"
        " sent again is counted here, not listed twice.",
    )
    reason = fields.Selection(
        [
            ("unknown_subject", "Unknown subject"),
            ("no_subscription", "Account without a matching subscription"),
            ("ambiguous_subject", "Several subscriptions match"),
            ("unknown_source", "Unknown source"),
            ("unknown_type", "Unknown event type"),
            ("unknown_event", "Corrects an event that is not there yet"),
            ("already_corrected", "Corrects an event that was taken back"),
            ("bad_voids", "Unusable void"),
            ("bad_replaces", "Unusable replacement"),
            ("too_old", "Too old"),
            ("in_future", "In the future"),
            ("missing_time", "No time"),
            ("bad_time", "Unreadable time"),
            ("missing_value", "No value"),
            ("bad_value", "Value is no number"),
            ("negative_value", "Negative value"),
            ("value_out_of_range", "Value out of range"),
            ("bad_data", "Unusable data"),
            ("bad_specversion", "Unknown version of CloudEvents"),
            ("too_many_properties", "Too many properties"),
            ("missing_id", "No id"),
            ("bad_id", "Unusable id"),
            ("missing_source", "No source"),
            ("bad_source", "Unusable source"),
            ("missing_type", "No type"),
            ("bad_type", "Unusable type"),
            ("missing_subject", "No subject"),
            ("bad_subject", "Unusable subject"),
            ("too_long", "Attribute too long"),
            ("not_an_object", "Not an object"),
            ("broken_json", "Broken JSON"),
            ("broken_row", "Unreadable row of a file"),
            ("mapping_failed", "No mapping made an event of it"),
        ],
        required=True,
        readonly=True,
        index=True,
    )
    message = fields.Char(readonly=True, help="What was answered to the sender.")
    source_code = fields.Char(string="Source (As Sent)", readonly=True)
    event_id = fields.Char(string="Event ID", readonly=True)
    event_type = fields.Char(string="Type", readonly=True)
    subject = fields.Char(readonly=True)
    event_time_text = fields.Char(string="Time (As Sent)", readonly=True)
    raw = fields.Text(
        string="Event",
        readonly=True,
        help="Exactly what was sent; of a feed, the payload that makes this event"
        " alone.",
    )
    is_rejected = fields.Boolean(
        string="Without Identity",
        readonly=True,
        help="Has no source and id, so it cannot be stored: the sender has to correct"
        " it.",
    )
    state = fields.Selection(
        [("open", "Open"), ("replayed", "Stored"), ("ignored", "Ignored")],
        required=True,
        readonly=True,
        default="open",
        index=True,
    )
    occurrences = fields.Integer(
        readonly=True, default=1, help="How often it was sent while quarantined."
    )
    first_seen_at = fields.Datetime(readonly=True)
    last_seen_at = fields.Datetime(readonly=True)
    closed_at = fields.Datetime(readonly=True)
    closed_by_id = fields.Many2one("res.users", readonly=True, ondelete="restrict")

    _key_unique = models.Constraint(
        "UNIQUE (company_id, dedupe_key)", "This event is quarantined already."
    )
    _open_event_idx = models.Index("(source_id, event_id) WHERE state = 'open'")

    @api.depends("event_id", "reason")
    def _compute_display_name(self):
        labels = dict(self._fields["reason"]._description_selection(self.env))
        for row in self:
            name = row.event_id or self.env._("(no id)")
            row.display_name = f"{name} - {labels.get(row.reason, row.reason)}"

    @api.model_create_multi
    def create(self, vals_list):  # pylint: disable=method-required-super
        raise UsageStoreError(
            self.env._("Quarantined events come from the usage API only.")
        )

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise UsageStoreError(
            self.env._("A quarantined event is evidence: ignore it instead.")
        )

    # ------------------------------------------------------------------
    # Written by the ingest
    # ------------------------------------------------------------------
    @api.model
    def _keep(self, problems, batch_id, now, count=True):
        """Keep events that could not be stored; the same one again is counted.

        :param problems: list of ``Problem``
        :param bool count: count another occurrence of those kept already
        """
        rows = {}
        for problem in problems:
            row = self._prepare_row(problem)
            if problem.key in rows:
                row["occurrences"] += rows[problem.key]["occurrences"]
            rows[problem.key] = row
        if not rows:
            return
        self.env.cr.execute(
            _KEPT,
            {
                "rows": json.dumps(list(rows.values())),
                "company": self.env.company.id,
                "batch": batch_id,
                "user": self.env.uid,
                "now": now,
                "count": count,
            },
        )
        self.invalidate_model()

    @api.model
    def _prepare_row(self, problem):
        raw = get_raw(problem.event)
        known = dict(self._fields["reason"].selection)
        return {
            "source_id": problem.source_id,
            "dedupe_key": problem.key,
            "reason": problem.code if problem.code in known else "bad_data",
            "message": problem.message.replace("\x00", "�"),
            "source_code": problem.attribute("source"),
            "event_id": problem.attribute("id"),
            "event_type": problem.attribute("type"),
            "subject": problem.attribute("subject"),
            "event_time_text": problem.attribute("time"),
            "raw": raw.replace("\x00", "�"),
            "is_rejected": problem.is_rejected,
            "corrects": get_corrected(problem),
            **get_origin_vals(problem.event),
            "occurrences": 1,
        }

    @api.model
    def _close_stored(self, event_ids, now):
        """Close the open rows of events that are stored by now.

        :return: whether anything was waiting
        """
        query = SQL(
            """
            UPDATE saas_usage_quarantine q
               SET state = 'replayed', closed_at = %(now)s, closed_by_id = %(user)s
              FROM saas_usage_event_key k
             WHERE q.state = 'open' AND q.company_id = %(company)s
               AND q.event_id = ANY(%(ids)s)
               AND k.source_id = q.source_id AND k.event_id = q.event_id
            """,
            now=now,
            user=self.env.uid,
            company=self.env.company.id,
            ids=event_ids,
        )
        # Most companies have nothing waiting most of the time.
        waiting = SQL(
            "SELECT EXISTS (SELECT 1 FROM saas_usage_quarantine"
            " WHERE state = 'open' AND company_id = %s AND event_id IS NOT NULL)",
            self.env.company.id,
        )
        [[is_waiting]] = self.env.execute_query(waiting)
        if is_waiting:
            self.env.cr.execute(query)
            self.invalidate_model()
        return is_waiting

    # ------------------------------------------------------------------
    # Decided by people
    # ------------------------------------------------------------------
    def action_replay(self):
        """Try to store the events again, after a mapping or a meter was mended.

        Their age is measured from the day they arrived.

        :return: notification with the figures
        :raise UsageReplayError: none of the rows can be replayed
        """
        self.check_access("write")
        return self._replay_now()

    def _replay_now(self):
        """Replay the rows in this transaction; see ``action_replay``."""
        rows = self.filtered(lambda row: row.state == "open" and not row.is_rejected)
        if not rows:
            raise UsageReplayError(
                self.env._(
                    "Choose open events that have a source and an id. Events without"
                    " them have to be sent again by the source."
                )
            )
        for company, seen_at, group in rows._get_groups():
            self._replay_group(company, seen_at, group)
        rows.invalidate_recordset()
        stored = len(rows.filtered(lambda row: row.state == "replayed"))
        return self._notify_replayed(stored, len(rows) - stored)

    def _get_groups(self):
        """Return (company, when they came, rows): what is replayed as one request."""
        return [
            (company, seen_at, group)
            for company, own in self.grouped("company_id").items()
            for seen_at, group in own.grouped("first_seen_at").items()
        ]

    def _replay_group(self, company, seen_at, rows, is_follow_up=False):
        events = [event for row in rows for event in row._get_events()]
        at = fields.Datetime.to_datetime(seen_at)
        result = (
            self.env["saas.usage.event"]
            .with_company(company)
            ._ingest(
                events,
                kind="replay",
                at=at.replace(tzinfo=timezone.utc),
                is_follow_up=is_follow_up,
            )
        )
        rows._close_mapped(result)

    def _get_events(self):
        """Hook: return what is to be stored in place of the row.

        :return: list for ``saas.usage.event._ingest``
        """
        self.ensure_one()
        return [json.loads(self.raw, parse_float=Decimal)]

    def _close_mapped(self, result):
        """Hook: close rows whose event is stored, or waits under another id by now.

        :param result: ``IngestResult`` of their replay
        """

    def _notify_replayed(self, stored, left):
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "warning" if left else "success",
                "message": self.env._(
                    "%(stored)s stored, %(left)s still quarantined.",
                    stored=stored,
                    left=left,
                ),
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    def action_ignore(self):
        """Close the rows without storing the events.

        :return: True
        """
        self._close("ignored")
        return True

    def action_reopen(self):
        """Open ignored rows again.

        :return: True
        """
        self.filtered(lambda row: row.state == "ignored").write(
            {"state": "open", "closed_at": False, "closed_by_id": False}
        )
        return True

    def _close(self, state):
        self.filtered(lambda row: row.state == "open").write(
            {
                "state": state,
                "closed_at": fields.Datetime.now(),
                "closed_by_id": self.env.uid,
            }
        )

    def action_map_subject(self):
        """Open a new external id for the subject of the event.

        :return: window action
        """
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Map Subject"),
            "res_model": "saas.external.id",
            "view_mode": "form",
            "target": "new",
            "context": {
                "default_source": self.source_code,
                "default_kind": "subject",
                "default_value": self.subject,
                "default_company_id": self.company_id.id,
            },
        }
