# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import datetime
from decimal import Decimal

import psycopg2

from odoo.tests import tagged
from odoo.tools import mute_logger

from ..exceptions import EventNameError, LedgerError
from ..models.saas_event import json_safe
from .common import SaasCoreCase


@tagged("post_install", "-at_install")
class TestSaasEvent(SaasCoreCase):
    """Append-only ledger, seals and verification."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.Chain = cls.env["saas.event.chain"]

    def emit(self, number=1, name="subscription.activated", company=None):
        record = self.account.with_company(company or self.other_company)
        events = self.env["saas.event"]
        for index in range(number):
            events |= record._saas_emit(name, {"index": index})
        return events

    def seal(self):
        return self.Chain._seal_batch(self.other_company.id)

    def chain(self):
        return self.Chain.search([("company_id", "=", self.other_company.id)])

    def tamper(self, query, *params):
        """Change the ledger as somebody with full access to the database would."""
        self.env.flush_all()
        self.env.cr.execute("ALTER TABLE saas_event DISABLE TRIGGER USER")
        self.env.cr.execute(query, params)
        self.env.cr.execute("ALTER TABLE saas_event ENABLE TRIGGER USER")
        self.env.invalidate_all()

    # -- writing -------------------------------------------------------
    def test_emit_stores_the_facts(self):
        payload = {
            "amount": Decimal("10.50"),
            "day": datetime.date(2026, 1, 31),
            "partner": self.account,
        }
        first = self.contact._saas_emit("invoice.paid", payload)
        self.assertEqual(first.account_id, self.account)
        self.assertEqual(
            (first.res_model, first.res_id), ("res.partner", self.contact.id)
        )
        self.assertEqual(first.noun, "invoice")
        self.assertEqual(
            first.payload,
            {"amount": "10.50", "day": "2026-01-31", "partner": self.account.ids},
        )
        second = self.contact._saas_emit("invoice.credited", causation=first)
        self.assertEqual(second.causation_id, first)
        self.assertEqual(second.correlation_id, first.correlation_id)
        self.assertEqual(first.effect_ids, second)
        self.assertEqual(
            self.env["saas.event"].search(first.action_view_correlation()["domain"]),
            second | first,
        )

    def test_emit_takes_the_correlation_of_the_process(self):
        event = self.account.with_context(saas_correlation_id="f" * 32)._saas_emit(
            "account.lifecycle_changed"
        )
        self.assertEqual(event.correlation_id, "f" * 32)

    def test_json_safe_is_stable(self):
        self.assertEqual(json_safe({"b", "a"}), ["a", "b"])
        self.assertEqual(json_safe({1: (Decimal("0.10"), None)}), {"1": ["0.10", None]})

    def test_bad_names_are_refused(self):
        for name in (
            "",
            "paid",
            "Invoice.paid",
            "invoice.",
            "invoice.paid.twice",
            "a b.c",
        ):
            with self.subTest(name=name), self.assertRaises(EventNameError):
                self.account._saas_emit(name)

    def test_nobody_changes_an_event(self):
        event = self.emit()
        for act in (
            lambda: event.write({"name": "invoice.paid"}),
            lambda: event.sudo().write({"payload": {}}),
            lambda: event._write({"name": "invoice.paid"}),
            lambda: setattr(event, "name", "invoice.paid"),
            event.unlink,
            event.copy,
            event.copy_data,
        ):
            with self.assertRaises(LedgerError):
                act()
        event.invalidate_recordset()
        self.assertEqual(event.name, "subscription.activated")

    def test_forged_seal_is_refused(self):
        vals = self.account._prepare_saas_event_vals("invoice.paid", {}, None, None)
        for forged in (
            {"seq": 1},
            {"hash": "a"},
            {"prev_hash": "a"},
            {"account_ref": 1},
        ):
            with self.subTest(forged), self.assertRaises(LedgerError):
                self.env["saas.event"].create({**vals, **forged})

    @mute_logger("odoo.sql_db")
    def test_database_refuses_too(self):
        self.emit(2)
        self.seal()
        self.env.flush_all()
        for query in (
            "UPDATE saas_event SET name = 'x.y'",
            "UPDATE saas_event SET payload = '{}'",
            "UPDATE saas_event SET seq = seq + 1",
            "UPDATE saas_event SET hash = NULL",
            "UPDATE saas_event SET account_id = NULL",
            "DELETE FROM saas_event",
            "TRUNCATE saas_event CASCADE",
            "INSERT INTO saas_event (name, correlation_id, actor_id, company_id,"
            " occurred_at, seq, hash, prev_hash) SELECT name, correlation_id, actor_id,"
            " company_id, occurred_at, 99, 'a', 'b' FROM saas_event LIMIT 1",
        ):
            with (
                self.subTest(query),
                self.assertRaises(psycopg2.errors.RestrictViolation),
                self.env.cr.savepoint(),
            ):
                self.env.cr.execute(query)

    @mute_logger("odoo.sql_db")
    def test_sealing_changes_nothing_else(self):
        event = self.emit()
        with (
            self.assertRaises(psycopg2.errors.RestrictViolation),
            self.env.cr.savepoint(),
        ):
            self.env.cr.execute(
                "UPDATE saas_event SET seq = 1, hash = 'a', prev_hash = 'b',"
                " name = 'x.y' WHERE id = %s",
                [event.id],
            )
        with (
            self.assertRaises(psycopg2.errors.RestrictViolation),
            self.env.cr.savepoint(),
        ):
            self.env.cr.execute(
                "UPDATE saas_event SET seq = 1 WHERE id = %s", event.ids
            )

    # -- sealing -------------------------------------------------------
    def test_seal_numbers_without_gaps_per_company(self):
        events = self.emit(3).sorted("id")
        self.emit(2, company=self.company)
        self.assertEqual(self.seal(), 3)
        self.assertEqual(events.mapped("seq"), [1, 2, 3])
        self.assertEqual(events[0].prev_hash, "0" * 64)
        self.assertEqual(events[1].prev_hash, events[0].hash)
        self.assertEqual((self.chain().seq, self.chain().hash), (3, events[2].hash))
        self.assertEqual(self.seal(), 0, "sealing again seals nothing")
        more = self.emit()
        self.assertEqual(self.chain().pending_count, 1)
        self.seal()
        self.assertEqual(more.seq, 4)
        self.assertTrue(more.is_sealed)
        result = self.chain().verify()[0]
        self.assertTrue(result["ok"], result)
        self.assertEqual(result["checked"], 4)

    def test_seal_in_batches(self):
        self.emit(5)
        sizes = []
        while size := self.Chain._seal_batch(self.other_company.id, limit=2):
            sizes.append(size)
        self.assertEqual(sizes, [2, 2, 1])
        self.assertTrue(self.chain().verify()[0]["ok"])

    def test_cron_seals_and_verifies(self):
        self.emit(2)
        self.env.flush_all()
        with self.enter_registry_test_mode():
            self.env.ref("saas_core.ir_cron_saas_event_seal").method_direct_trigger()
            self.env.ref("saas_core.ir_cron_saas_event_verify").method_direct_trigger()
        self.env.invalidate_all()
        self.assertEqual(self.chain().seq, 2)
        self.assertEqual(self.chain().verify_state, "ok")

    def test_numbers_survive_the_database(self):
        self.account.with_company(self.other_company)._saas_emit(
            "usage.late",
            {"float": 0.1, "big": 10**20, "text": "1.0", "e": 1e22, "ü": [1.0, -0.0]},
        )
        self.seal()
        self.env.invalidate_all()
        self.assertTrue(self.chain().verify()[0]["ok"])

    # -- verification --------------------------------------------------
    def broken(self):
        result = self.chain().verify()[0]
        self.assertFalse(result["ok"])
        self.assertEqual(self.chain().verify_state, "broken")
        self.assertEqual(self.chain().broken_event_id.id or None, result["event_id"])
        return result

    def test_changed_payload_is_found(self):
        events = self.emit(4).sorted("id")
        self.seal()
        self.tamper(
            "UPDATE saas_event SET payload = '{\"index\": 9}' WHERE id = %s",
            events[2].id,
        )
        result = self.broken()
        self.assertEqual(result["event_id"], events[2].id)
        self.assertEqual(result["checked"], 2)
        self.assertIn("changed after it was sealed", result["message"])
        exception = self.env["saas.exception"].search(
            [
                ("code", "=", "ledger.chain_broken"),
                ("company_id", "=", self.other_company.id),
            ]
        )
        self.assertEqual(exception.severity, "critical")

    def test_every_fact_is_covered(self):
        for assignment in (
            "name = 'invoice.paid'",
            "correlation_id = 'x'",
            "account_ref = 1",
            "res_id = 1",
            "res_model = 'res.users'",
            "actor_id = 2",
            "occurred_at = occurred_at + interval '1 second'",
            "hash = repeat('a', 64)",
        ):
            with self.subTest(assignment), self.env.cr.savepoint() as savepoint:
                event = self.emit(2).sorted("id")[0]
                self.seal()
                self.tamper(
                    f"UPDATE saas_event SET {assignment} WHERE id = %s", event.id
                )
                self.assertEqual(self.broken()["event_id"], event.id)
                savepoint.rollback()
                self.env.invalidate_all()

    def test_changed_hash_alone_is_told_apart(self):
        event = self.emit(2).sorted("id")[0]
        self.seal()
        self.tamper("UPDATE saas_event SET hash = 'x' WHERE id = %s", event.id)
        self.assertIn("stored hash", self.broken()["message"])

    def test_missing_row_is_found(self):
        events = self.emit(4).sorted("id")
        self.seal()
        self.tamper("DELETE FROM saas_event WHERE id = %s", events[1].id)
        result = self.broken()
        self.assertEqual((result["kind"], result["seq"]), ("missing", 2))
        self.assertIn("number 2 is missing", result["message"])

    def test_missing_end_is_found(self):
        events = self.emit(3).sorted("id")
        self.seal()
        self.tamper("DELETE FROM saas_event WHERE id IN %s", tuple(events[1:].ids))
        result = self.broken()
        self.assertEqual((result["kind"], result["seq"]), ("missing", 2))
        self.assertIn("everything after it", result["message"])

    def test_cut_chain_is_found(self):
        events = self.emit(3).sorted("id")
        self.seal()
        self.tamper(
            "UPDATE saas_event SET prev_hash = repeat('b', 64) WHERE id = %s",
            events[1].id,
        )
        self.assertEqual(self.broken()["kind"], "cut")

    def test_moved_account_is_found(self):
        event = self.emit()
        self.seal()
        thief = self.env["res.partner"].create({"name": "Thief"})
        self.tamper(
            "UPDATE saas_event SET account_id = %s WHERE id = %s", thief.id, event.id
        )
        self.assertEqual(self.broken()["kind"], "account")

    def test_rewritten_chain_is_found_by_a_noted_hash(self):
        self.emit(3)
        self.seal()
        noted = self.chain().hash
        self.tamper("UPDATE saas_event SET seq = NULL, hash = NULL, prev_hash = NULL")
        self.env.cr.execute("DELETE FROM saas_event_chain")
        self.tamper("UPDATE saas_event SET payload = '{}'")
        self.seal()
        self.assertTrue(
            self.chain().verify()[0]["ok"], "consistent, but not the original"
        )
        self.assertFalse(self.chain().verify(3, noted)[0]["ok"])
        wizard = self.env["saas.event.verify.wizard"].create(
            {"chain_ids": self.chain().ids, "anchor_seq": 3, "anchor_hash": noted}
        )
        wizard.action_verify()
        self.assertEqual(wizard.state, "broken")
        self.assertIn("you noted", wizard.finding)

    def test_auditor_verifies_without_writing(self):
        self.emit(2, company=self.company)
        self.Chain._seal_batch(self.company.id)
        chain = self.Chain.search([("company_id", "=", self.company.id)])
        chain = chain.with_user(self.users["auditor"])
        wizard = self.env["saas.event.verify.wizard"].with_user(self.users["auditor"])
        self.assertIn(chain, wizard.create({}).chain_ids)
        self.assertTrue(chain.verify()[0]["ok"])
        self.assertEqual(chain.action_verify()["params"]["type"], "success")

    # -- merge and deletion --------------------------------------------
    def test_merge_moves_links_and_keeps_the_chain(self):
        event = self.emit()
        self.seal()
        target = self.env["res.partner"].create(
            {"name": "Target", "is_company": True, "email": "core@example.com"}
        )
        source_id = self.account.id
        self.env["base.partner.merge.automatic.wizard"]._merge(
            (self.account | target).ids, target
        )
        self.env.invalidate_all()
        self.assertEqual(event.account_id, target)
        self.assertEqual(event.account_ref, source_id)
        merged = self.events("account.merged", account_id=target.id)
        self.assertEqual(merged.payload, {"from": [source_id], "into": target.id})
        self.seal()
        result = self.chain().verify()[0]
        self.assertTrue(result["ok"], result)

    def test_account_in_the_ledger_is_not_deleted(self):
        self.emit()
        with self.assertRaisesRegex(Exception, "Archive"):
            self.account.unlink()

    def test_open_record_respects_rights(self):
        event = self.emit()
        action = event.action_open_record()
        self.assertEqual(
            (action["res_model"], action["res_id"]), (event.res_model, event.res_id)
        )

    def test_open_record_gone(self):
        partner = self.env["res.partner"].create({"name": "Gone"})
        event = partner._saas_emit("account.merged", account=self.account)
        partner.unlink()
        with self.assertRaisesRegex(Exception, "deleted"):
            event.action_open_record()
