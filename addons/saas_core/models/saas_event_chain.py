# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import logging
from dataclasses import replace

from odoo import api, fields, models
from odoo.tools import SQL

from ..engine import ledger

_logger = logging.getLogger(__name__)

SEAL_BATCH = 2000
VERIFY_BATCH = 5000
#: First key of the advisory lock; the second one is the company.
LOCK_SPACE = 0x5AA5E7E

_FACTS = SQL(
    """
    id, name, correlation_id, causation_id, account_ref, res_model, res_id, actor_id,
    company_id, to_char(occurred_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS occurred_at,
    payload::text AS payload
    """
)


class SaasEventChain(models.Model):
    """The sealed end of one company's event chain, and what the last check found."""

    _name = "saas.event.chain"
    _description = "Event Chain"
    _rec_name = "company_id"
    _order = "company_id"

    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, ondelete="restrict"
    )
    seq = fields.Integer(
        string="Sealed Events",
        readonly=True,
        aggregator=None,
        help="Last number given.",
    )
    hash = fields.Char(
        string="Last Hash",
        readonly=True,
        help="Note it outside this database: whoever rewrites the whole chain cannot"
        " change your note.",
    )
    sealed_at = fields.Datetime(readonly=True)
    pending_count = fields.Integer(
        string="Not Yet Sealed", compute="_compute_pending_count"
    )
    verified_at = fields.Datetime(string="Last Checked", readonly=True)
    verify_state = fields.Selection(
        [("none", "Never Checked"), ("ok", "Intact"), ("broken", "Broken")],
        string="Result",
        default="none",
        required=True,
        readonly=True,
    )
    verify_message = fields.Text(string="Finding", readonly=True)
    broken_event_id = fields.Many2one(
        "saas.event", string="First Broken Event", readonly=True, ondelete="restrict"
    )

    _company_unique = models.Constraint(
        "UNIQUE (company_id)", "This company has a chain already."
    )

    def _compute_pending_count(self):
        counts = dict(
            self.env["saas.event"]._read_group(
                [("company_id", "in", self.company_id.ids), ("seq", "=", False)],
                ["company_id"],
                ["__count"],
            )
        )
        for chain in self:
            chain.pending_count = counts.get(chain.company_id, 0)

    # ------------------------------------------------------------------
    # Sealing
    # ------------------------------------------------------------------
    @api.model
    def _cron_seal(self):
        """Seal the events that are committed, company by company, in batches."""
        for company_id in self._get_unsealed_company_ids():
            while sealed := self._seal_batch(company_id):
                left = self.env["ir.cron"]._commit_progress(
                    sealed, remaining=self._count_unsealed()
                )
                if not left:
                    return

    @api.model
    def _get_unsealed_company_ids(self):
        rows = self.env.execute_query(
            SQL("SELECT DISTINCT company_id FROM saas_event WHERE seq IS NULL")
        )
        return sorted(company_id for (company_id,) in rows)

    @api.model
    def _count_unsealed(self):
        query = SQL("SELECT count(*) FROM saas_event WHERE seq IS NULL")
        return self.env.execute_query(query)[0][0]

    @api.model
    def _seal_batch(self, company_id, limit=SEAL_BATCH):
        """Number and hash the next events of a company, without committing.

        Rows are sealed by ascending id among those that are committed; a transaction
        that drew a lower id and commits later gets a later number. One process at a
        time seals a company; a process that read the chain before another one changed
        it is stopped by the database (serialization failure) and runs again.

        :param int company_id: the company
        :param int limit: most rows to seal
        :return: number of rows sealed, 0 also when another process is sealing
        """
        cr = self.env.cr
        self.env["saas.event"].flush_model()
        cr.execute(
            SQL("SELECT pg_try_advisory_xact_lock(%s, %s)", LOCK_SPACE, company_id)
        )
        if not cr.fetchone()[0]:
            _logger.info("Chain of company %s is being sealed elsewhere", company_id)
            return 0
        seq, last_hash = self._lock_chain_end(company_id)
        cr.execute(
            SQL(
                "SELECT %s FROM saas_event WHERE company_id = %s AND seq IS NULL"
                " ORDER BY id LIMIT %s",
                _FACTS,
                company_id,
                limit,
            )
        )
        pending = [(row["id"], self._prepare_facts(row)) for row in cr.dictfetchall()]
        rows = list(ledger.seal(last_hash, seq, pending))
        if rows:
            self._store_seals(company_id, rows)
        return len(rows)

    @api.model
    def _lock_chain_end(self, company_id):
        self.env.cr.execute(
            SQL(
                "INSERT INTO saas_event_chain (company_id, seq, hash, verify_state)"
                " VALUES (%s, 0, %s, 'none') ON CONFLICT (company_id) DO NOTHING",
                company_id,
                ledger.GENESIS,
            )
        )
        query = SQL(
            "SELECT seq, hash FROM saas_event_chain WHERE company_id = %s FOR UPDATE",
            company_id,
        )
        return self.env.execute_query(query)[0]

    @api.model
    def _store_seals(self, company_id, rows):
        self.env.cr.execute(
            SQL(
                """
                UPDATE saas_event
                   SET seq = sealed.seq, hash = sealed.hash, prev_hash = sealed.prev
                  FROM unnest(%s, %s, %s, %s) AS sealed (id, seq, hash, prev)
                 WHERE saas_event.id = sealed.id
                """,
                [row.row_id for row in rows],
                [row.seq for row in rows],
                [row.hash for row in rows],
                [row.prev_hash for row in rows],
            )
        )
        self.env.cr.execute(
            SQL(
                "UPDATE saas_event_chain SET seq = %s, hash = %s,"
                " sealed_at = now() AT TIME ZONE 'UTC' WHERE company_id = %s",
                rows[-1].seq,
                rows[-1].hash,
                company_id,
            )
        )
        self.env["saas.event"].invalidate_model(["seq", "hash", "prev_hash"])
        self.invalidate_model(["seq", "hash", "sealed_at"])

    @api.model
    def _prepare_facts(self, row):
        """Pick what the hash of an event covers.

        :param dict row: columns of :data:`_FACTS`
        :return: dict for ``engine.ledger.canonical``
        """
        facts = {name: row[name] for name in row if name != "payload"}
        facts["account_ref"] = row["account_ref"] or 0
        facts["payload"] = ledger.parse(row["payload"] or "null")
        return facts

    # ------------------------------------------------------------------
    # Verification
    # ------------------------------------------------------------------
    def verify(self, anchor_seq=0, anchor_hash=None):
        """Recompute the chains and store what was found.

        Any SaaS user may ask; the result is written by the system.

        :param int anchor_seq: number of an event whose hash was noted elsewhere, or 0
        :param str anchor_hash: the hash noted for it
        :return: list of dicts, one per chain: ``company_id, ok, checked, kind, seq,
            event_id, message``
        """
        self.check_access("read")
        results = []
        # An auditor reads everything and writes nothing; the finding is the system's.
        for chain in self.sudo():
            result = chain._verify_one(anchor_seq, anchor_hash)
            chain._store_result(result)
            results.append(result)
        return results

    def action_verify(self):
        """Check the chain and tell the result.

        :return: notification that reloads the form
        """
        results = self.verify()
        broken = [result for result in results if not result["ok"]]
        message = "\n".join(result["message"] for result in broken or results)
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "title": self.env._("Ledger broken")
                if broken
                else self.env._("Ledger intact"),
                "message": message,
                "type": "danger" if broken else "success",
                "sticky": bool(broken),
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    @api.model
    def _cron_verify(self):
        """Check every chain; a broken one becomes a critical exception."""
        for chain in self.search([]):
            chain.verify()
            self.env["ir.cron"]._commit_progress(1)

    def _verify_one(self, anchor_seq, anchor_hash):
        self.ensure_one()
        self.env.cr.execute(
            SQL("SELECT seq, hash FROM saas_event_chain WHERE id = %s", self.id)
        )
        end_seq, end_hash = self.env.cr.fetchone()
        seq, prev_hash = 0, ledger.GENESIS
        moves = self._get_account_moves()
        while True:
            batch = self._get_sealed_batch(seq)
            if not batch:
                break
            rows = [row for row, _account_id in batch]
            found = ledger.find_break(rows, prev_hash, seq)
            good = len(rows) if not found else max(found.seq - seq - 1, 0)
            moved = self._find_moved_account(batch[:good], moves)
            if moved or found:
                return self._prepare_break(moved or found, rows)
            anchored = next((row for row in rows if row.seq == anchor_seq), None)
            if anchor_hash and anchored and anchored.hash != anchor_hash:
                found = ledger.Break(
                    "anchor", anchor_seq, anchored.row_id, anchor_hash, anchored.hash
                )
                return self._prepare_break(found, rows)
            seq, prev_hash = rows[-1].seq, rows[-1].hash
        wanted = max(end_seq, anchor_seq if anchor_hash else 0)
        if seq < wanted:
            return self._prepare_break(
                ledger.Break(ledger.ROW_MISSING, seq + 1, None, "", ""), []
            )
        if (seq, prev_hash) != (end_seq, end_hash):
            found = ledger.Break("end", seq, None, end_hash, prev_hash)
            return self._prepare_break(found, [])
        return self._prepare_result(
            True,
            checked=seq,
            message=self.env._(
                "%(company)s: all %(count)s sealed events are intact. Last hash:"
                " %(hash)s",
                company=self.company_id.name,
                count=seq,
                hash=prev_hash,
            ),
        )

    def _get_sealed_batch(self, seq):
        self.env.cr.execute(
            SQL(
                "SELECT %s, seq, hash, prev_hash, account_id FROM saas_event"
                " WHERE company_id = %s AND seq > %s ORDER BY seq, id LIMIT %s",
                _FACTS,
                self.company_id.id,
                seq,
                VERIFY_BATCH,
            )
        )
        batch = []
        for row in self.env.cr.dictfetchall():
            account_id = row.pop("account_id") or 0
            sealed = ledger.SealedRow(
                row["id"], row.pop("seq"), row.pop("prev_hash"), row.pop("hash"), {}
            )
            sealed = replace(sealed, facts=self._prepare_facts(row))
            batch.append((sealed, account_id))
        return batch

    @api.model
    def _get_account_moves(self):
        """Return where merged contacts went: dict of old id to new id."""
        query = SQL("SELECT payload FROM saas_event WHERE name = 'account.merged'")
        moves = {}
        for (payload,) in self.env.execute_query(query):
            for merged_id in payload.get("from", []):
                moves[merged_id] = payload.get("into")
        return moves

    @api.model
    def _find_moved_account(self, batch, moves):
        """Find the first event linked to an account no merge accounts for."""
        for row, account_id in batch:
            expected = row.facts["account_ref"]
            seen = set()
            while expected != account_id and expected in moves and expected not in seen:
                seen.add(expected)
                expected = moves[expected]
            if expected != account_id:
                return ledger.Break(
                    "account", row.seq, row.row_id, str(expected), str(account_id)
                )
        return None

    def _prepare_break(self, found, rows):
        event = self.env["saas.event"].browse(found.row_id or []).exists()
        values = {
            "company": self.company_id.name,
            "number": found.seq,
            "event": event.display_name or "",
            "expected": found.expected,
            "found": found.found,
        }
        if found.kind == ledger.ROW_MISSING and event:
            message = self.env._(
                "%(company)s: event number %(number)s is missing; the next one there is"
                " %(event)s with number %(found)s.",
                **values,
            )
        elif found.kind == ledger.ROW_MISSING:
            message = self.env._(
                "%(company)s: event number %(number)s and everything after it is"
                " missing.",
                **values,
            )
        elif found.kind == ledger.CHAIN_CUT:
            message = self.env._(
                "%(company)s: the chain is cut before number %(number)s (%(event)s). It"
                " names %(found)s as the hash before it, the event there has"
                " %(expected)s.",
                **values,
            )
        elif found.kind == "anchor":
            message = self.env._(
                "%(company)s: number %(number)s (%(event)s) has the hash %(found)s, you"
                " noted %(expected)s. The chain was rewritten from the start or before"
                " this event.",
                **values,
            )
        elif found.kind == "end":
            message = self.env._(
                "%(company)s: the end of the chain does not match. Event %(number)s has"
                " %(found)s, the seal recorded %(expected)s.",
                **values,
            )
        elif found.kind == "account":
            message = self.env._(
                "%(company)s: number %(number)s (%(event)s) was moved to account"
                " %(found)s; its own account is %(expected)s and no merge explains it.",
                **values,
            )
        else:
            message = self._get_changed_message(found, rows, values)
        return self._prepare_result(
            False,
            checked=max(found.seq - 1, 0),
            kind=found.kind,
            seq=found.seq,
            event_id=found.row_id,
            message=message,
        )

    def _get_changed_message(self, found, rows, values):
        following = next((row for row in rows if row.seq == found.seq + 1), None)
        if following and following.prev_hash == found.expected:
            return self.env._(
                "%(company)s: the stored hash of number %(number)s (%(event)s) was"
                " changed; its payload and its facts are the original ones.",
                **values,
            )
        return self.env._(
            "%(company)s: number %(number)s (%(event)s) was changed after it was"
            " sealed: its payload or its facts give %(expected)s, sealed was %(found)s."
            " Compare it with a backup.",
            **values,
        )

    def _prepare_result(self, ok, checked, message, kind="", seq=0, event_id=None):
        return {
            "company_id": self.company_id.id,
            "ok": ok,
            "checked": checked,
            "kind": kind,
            "seq": seq,
            "event_id": event_id,
            "message": message,
        }

    def _store_result(self, result):
        self.write(
            {
                "verified_at": fields.Datetime.now(),
                "verify_state": "ok" if result["ok"] else "broken",
                "verify_message": result["message"],
                "broken_event_id": result["event_id"] or False,
            }
        )
        Exceptions = self.env["saas.exception"]
        if not result["ok"]:
            Exceptions._saas_raise_for(
                self.company_id,
                "ledger.chain_broken",
                result["message"],
                queue="integration",
                severity="critical",
            )
