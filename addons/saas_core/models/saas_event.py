# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import datetime
import json
import re
from collections.abc import Mapping
from decimal import Decimal

from odoo import api, fields, models
from odoo.fields import Domain

from ..exceptions import EventNameError, LedgerError

EVENT_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*\.[a-z][a-z0-9]*(_[a-z0-9]+)*")
SEAL_FIELDS = ("seq", "hash", "prev_hash")

#: The only UPDATE that passes is sealing: seq, hash and prev_hash, all three at once,
#: from null. The one thing besides is ``account_id``, the link that follows a merge of
#: contacts; it is no evidence (``account_ref`` is) and moves in a merge only.
_GUARD_SQL = """
CREATE OR REPLACE FUNCTION saas_event_guard() RETURNS trigger AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.seq IS NOT NULL OR NEW.hash IS NOT NULL OR NEW.prev_hash IS NOT NULL THEN
            RAISE EXCEPTION 'saas_event: rows are sealed by the ledger, not by INSERT'
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        IF OLD.seq IS NULL AND OLD.hash IS NULL AND OLD.prev_hash IS NULL
            AND NEW.seq IS NOT NULL AND NEW.hash IS NOT NULL
            AND NEW.prev_hash IS NOT NULL
            AND to_jsonb(NEW) - ARRAY['seq', 'hash', 'prev_hash']
                = to_jsonb(OLD) - ARRAY['seq', 'hash', 'prev_hash']
        THEN
            RETURN NEW;
        END IF;
        IF NEW.account_id IS NOT NULL AND OLD.account_id IS NOT NULL
            AND NEW.account_id::text
                = current_setting('saas_core.merge_into', true)
            AND to_jsonb(NEW) - 'account_id' = to_jsonb(OLD) - 'account_id'
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'saas_event is append-only: % refused', TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$ LANGUAGE plpgsql;
DROP TRIGGER IF EXISTS saas_event_guard_row ON saas_event;
CREATE TRIGGER saas_event_guard_row BEFORE INSERT OR UPDATE OR DELETE ON saas_event
    FOR EACH ROW EXECUTE FUNCTION saas_event_guard();
DROP TRIGGER IF EXISTS saas_event_guard_truncate ON saas_event;
CREATE TRIGGER saas_event_guard_truncate BEFORE TRUNCATE ON saas_event
    FOR EACH STATEMENT EXECUTE FUNCTION saas_event_guard();
"""


def drop_ledger_guard(cr):
    """Remove the database guard, for the removal of the module.

    :param cr: database cursor
    """
    cr.execute("DROP FUNCTION IF EXISTS saas_event_guard() CASCADE")


def check_event_name(env, name):
    """Check an event name.

    :param env: environment, for the language of the message
    :param str name: the name
    :raise EventNameError: when it is not ``<noun>.<past participle>``
    """
    if not name or not EVENT_NAME.fullmatch(name):
        raise EventNameError(
            env._(
                "“%(name)s” is not an event name. Use <noun>.<past participle> in"
                " small letters, for example subscription.activated.",
                name=name or "",
            )
        )


def json_safe(value):
    """Turn a payload into plain JSON values.

    Decimals become text so that no digit is lost; dates become ISO 8601 text; records
    become their ids.

    :param value: any value of a payload
    :return: None, bool, int, float, str, list or dict
    """
    if isinstance(value, models.BaseModel):
        return value.ids
    if isinstance(value, Mapping):
        return {str(key): json_safe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value) if isinstance(value, (set, frozenset)) else value
        return [json_safe(item) for item in items]
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, (datetime.date, datetime.datetime, datetime.time)):
        return value.isoformat()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


class SaasEvent(models.Model):
    """One row of the append-only event ledger."""

    _name = "saas.event"
    _description = "Event"
    _inherit = ["saas.default.guard"]
    _order = "id desc"
    # No create/write columns: users could not be deleted from the ledger's rows, and
    # actor and time are facts of their own.
    _log_access = False

    name = fields.Char(required=True, readonly=True, index=True)
    noun = fields.Char(
        compute="_compute_noun",
        store=True,
        precompute=True,  # else the ORM would UPDATE the new row, which is refused
        index=True,
    )
    correlation_id = fields.Char(
        required=True,
        readonly=True,
        index=True,
        help="Shared by everything that one business process caused.",
    )
    causation_id = fields.Many2one(
        "saas.event",
        string="Caused By",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
    )
    account_id = fields.Many2one(
        "res.partner",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
        help="Follows when contacts are merged; the original is part of the hash.",
    )
    account_ref = fields.Integer(
        string="Original Account", readonly=True, aggregator=None
    )
    res_model = fields.Char(string="Model", readonly=True)
    res_id = fields.Many2oneReference(
        string="Record", model_field="res_model", readonly=True
    )
    actor_id = fields.Many2one(
        "res.users", required=True, readonly=True, index=True, ondelete="restrict"
    )
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True, ondelete="restrict"
    )
    occurred_at = fields.Datetime(
        required=True, readonly=True, index=True, help="Business time, UTC."
    )
    payload = fields.Json(readonly=True)
    payload_text = fields.Text(string="Payload (JSON)", compute="_compute_payload_text")
    effect_ids = fields.One2many(
        "saas.event", "causation_id", string="Caused Events", readonly=True
    )
    is_sealed = fields.Boolean(compute="_compute_is_sealed", search="_search_is_sealed")
    seq = fields.Integer(
        string="Number", readonly=True, aggregator=None, help="Gap-free per company."
    )
    hash = fields.Char(readonly=True)
    prev_hash = fields.Char(string="Previous Hash", readonly=True)

    _record_idx = models.Index("(res_model, res_id)")
    _unsealed_idx = models.Index("(company_id, id) WHERE seq IS NULL")
    _chain_unique = models.UniqueIndex(
        "(company_id, seq) WHERE seq IS NOT NULL",
        "Another process sealed the same row of the ledger. Try again.",
    )

    def init(self):
        """Install the database guard."""
        self.env.cr.execute(_GUARD_SQL)

    @api.depends("name")
    def _compute_noun(self):
        for event in self:
            event.noun = (event.name or "").partition(".")[0]

    @api.depends("payload")
    def _compute_payload_text(self):
        for event in self:
            event.payload_text = json.dumps(
                event.payload or {}, indent=2, sort_keys=True, ensure_ascii=False
            )

    @api.depends("hash")
    def _compute_is_sealed(self):
        for event in self:
            event.is_sealed = bool(event.hash)

    def _search_is_sealed(self, operator, value):
        if operator != "in":
            return NotImplemented
        sealed = Domain("hash", "!=", False)
        return Domain.OR(sealed if wanted else ~sealed for wanted in value)

    # ------------------------------------------------------------------
    # Append only
    # ------------------------------------------------------------------
    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._check_new_row(vals)
            if "payload" in vals:
                vals["payload"] = json_safe(vals["payload"])
            vals["account_ref"] = vals.get("account_id") or 0
        return super().create(vals_list)

    def _check_new_row(self, vals):
        check_event_name(self.env, vals.get("name"))
        forged = [name for name in (*SEAL_FIELDS, "account_ref") if name in vals]
        if forged:
            raise LedgerError(
                self.env._(
                    "The ledger numbers and seals rows itself. Leave out %(names)s.",
                    names=", ".join(forged),
                )
            )

    def _refuse_change(self):
        raise LedgerError(
            self.env._(
                "The event ledger is append-only: an event cannot be changed, copied or"
                " deleted by anybody. Emit a new event that corrects the old one."
            )
        )

    def write(self, vals):
        if self and vals:
            self._refuse_change()
        return super().write(vals)

    def _write_multi(self, vals_list):
        self._refuse_change()

    def unlink(self):
        if self:
            self._refuse_change()
        return super().unlink()

    def copy(self, default=None):  # pylint: disable=method-required-super
        self._refuse_change()

    def copy_data(self, default=None):
        self._refuse_change()

    # ------------------------------------------------------------------
    # Actions
    # ------------------------------------------------------------------
    @api.depends("name", "occurred_at")
    def _compute_display_name(self):
        for event in self:
            event.display_name = f"#{event.id} {event.name}" if event.id else event.name

    def action_open_record(self):
        """Open the record the event is about, under the user's own rights.

        :return: window action
        :raise UserError: the record is gone
        :raise AccessError: the user may not read it
        """
        self.ensure_one()
        return self.env["saas.mixin"]._get_saas_record_action(
            self.res_model, self.res_id
        )

    def action_view_correlation(self):
        """Open every event of the same business process, oldest first.

        :return: window action
        """
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "saas_core.saas_event_action"
        )
        action["name"] = self.env._("Same Process")
        action["domain"] = [("correlation_id", "=", self.correlation_id)]
        action["context"] = {"create": False}
        return action
