# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import threading

import psycopg2

from odoo import SUPERUSER_ID, api
from odoo.modules.registry import Registry
from odoo.sql_db import db_connect
from odoo.tests import BaseCase, get_db_name, tagged
from odoo.tools import mute_logger

CODE = "core.race"
CORRELATION = "c0ffee" * 5 + "00"


@tagged("post_install", "-at_install")
class TestConcurrency(BaseCase):
    """Two real transactions at a time; everything they leave is removed."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.dbname = get_db_name()
        Registry(cls.dbname)

    def setUp(self):
        super().setUp()
        with self.open() as env:
            self.company_id = env.company.id
            env.cr.execute(
                "SELECT seq, hash FROM saas_event_chain WHERE company_id = %s",
                [self.company_id],
            )
            self.chain = env.cr.fetchone()
        self.addCleanup(self.remove_traces)

    def open(self):
        """Return a context manager for an environment on a real cursor."""
        return _Environment(self.dbname)

    def remove_traces(self):
        with self.open() as env:
            cr = env.cr
            cr.execute("SELECT id FROM saas_exception WHERE code LIKE 'core.race%'")
            ids = [row[0] for row in cr.fetchall()] or [0]
            cr.execute("ALTER TABLE saas_event DISABLE TRIGGER USER")
            cr.execute(
                "DELETE FROM saas_event WHERE correlation_id = %s"
                " OR (res_model = 'saas.exception' AND res_id = ANY(%s))",
                [CORRELATION, ids],
            )
            cr.execute(
                "UPDATE saas_event SET seq = NULL, hash = NULL, prev_hash = NULL"
                " WHERE company_id = %s AND seq > %s",
                [self.company_id, self.chain[0] if self.chain else 0],
            )
            cr.execute("ALTER TABLE saas_event ENABLE TRIGGER USER")
            if self.chain:
                cr.execute(
                    "UPDATE saas_event_chain SET seq = %s, hash = %s"
                    " WHERE company_id = %s",
                    [*self.chain, self.company_id],
                )
            else:
                cr.execute(
                    "DELETE FROM saas_event_chain WHERE company_id = %s",
                    [self.company_id],
                )
            env["saas.exception"].browse(i for i in ids if i).unlink()

    def raise_in(self, env, code=CODE):
        return env["saas.exception"]._saas_raise_for(env.company, code, "race")

    def stored(self, code=CODE):
        with self.open() as env:
            rows = env["saas.exception"].search([("code", "=", code)])
            return rows.mapped("occurrences")

    # -- exceptions ----------------------------------------------------
    def test_two_raises_are_one_row(self):
        """The second waits for the first, loses, and is counted after its commit."""
        results = []
        first = db_connect(self.dbname).cursor()
        second = db_connect(self.dbname).cursor()
        self.addCleanup(first.close)
        self.addCleanup(second.close)
        env_one = api.Environment(first, SUPERUSER_ID, {})
        env_two = api.Environment(second, SUPERUSER_ID, {})
        second.execute("SELECT 1 FROM saas_exception LIMIT 1")  # takes its snapshot
        self.raise_in(env_one)
        env_one.flush_all()
        thread = threading.Thread(
            target=lambda: results.append(len(self.raise_in(env_two)))
        )
        thread.start()
        first.commit()
        thread.join(timeout=30)
        self.assertEqual(results, [0], "nothing to return yet")
        second.commit()
        self.assertEqual(self.stored(), [2])

    def test_stale_snapshot_counts_up_too(self):
        with self.open() as env:
            self.raise_in(env)
        with self.open() as late:
            late.cr.execute("SELECT 1 FROM saas_exception LIMIT 1")
            with self.open() as env:
                self.raise_in(env)
            self.raise_in(late)
        self.assertEqual(self.stored(), [3])

    def test_lost_race_goes_with_a_rollback(self):
        cr = db_connect(self.dbname).cursor()
        env = api.Environment(cr, SUPERUSER_ID, {})
        cr.execute("SELECT 1 FROM saas_exception LIMIT 1")
        with self.open() as other:
            self.raise_in(other)
        self.raise_in(env)
        cr.rollback()
        cr.close()
        self.assertEqual(self.stored(), [1])

    @mute_logger("odoo.sql_db")
    def test_database_refuses_a_second_open_row(self):
        with self.open() as env:
            row = self.raise_in(env)
            env.flush_all()
            with (
                self.assertRaises(psycopg2.errors.UniqueViolation),
                env.cr.savepoint(),
            ):
                row.copy({"code": row.code, "company_id": row.company_id.id})
                env.flush_all()

    def test_raise_survives_the_rollback(self):
        cr = db_connect(self.dbname).cursor()
        env = api.Environment(cr, SUPERUSER_ID, {})
        partner = env["res.partner"].create({"name": "Never stored"})
        partner._saas_raise("core.race_lost", "goes with the transaction")
        partner._saas_raise_on_rollback("core.race_kept", "the import broke")
        cr.rollback()
        cr.close()
        self.assertEqual(self.stored("core.race_lost"), [])
        self.assertEqual(self.stored("core.race_kept"), [1])
        with self.open() as env:
            row = env["saas.exception"].search([("code", "=", "core.race_kept")])
            self.assertFalse(row.res_id, "the record is gone, the message is not")

    def test_raise_on_rollback_is_silent_after_a_commit(self):
        with self.open() as env:
            env["saas.exception"]._saas_raise_on_rollback(
                env.company, "core.race_silent", "never"
            )
        self.assertEqual(self.stored("core.race_silent"), [])

    # -- ledger --------------------------------------------------------
    def emit(self, env):
        return env.company.partner_id.with_context(
            saas_correlation_id=CORRELATION
        )._saas_emit("account.lifecycle_changed", {"race": True})

    def seal(self, env):
        size = env["saas.event.chain"]._seal_batch(self.company_id, limit=100000)
        return size

    def test_lower_id_that_commits_later_is_sealed_later(self):
        slow = db_connect(self.dbname).cursor()
        self.addCleanup(slow.close)
        slow_event = self.emit(api.Environment(slow, SUPERUSER_ID, {}))
        slow.execute("SELECT 1")
        with self.open() as env:
            quick_event = self.emit(env)
        self.assertLess(slow_event.id, quick_event.id)
        with self.open() as env:
            self.seal(env)
        slow.commit()
        with self.open() as env:
            self.assertEqual(self.seal(env), 1)
            low = env["saas.event"].browse(slow_event.id)
            high = env["saas.event"].browse(quick_event.id)
            self.assertEqual(low.seq, high.seq + 1)
            chain = env["saas.event.chain"].search(
                [("company_id", "=", self.company_id)]
            )
            result = chain.verify()[0]
            self.assertTrue(result["ok"], result)

    def test_one_process_seals_at_a_time(self):
        with self.open() as env:
            self.emit(env)
        with self.open() as env:
            self.assertGreater(self.seal(env), 0)
            with self.open() as other:
                self.assertEqual(self.seal(other), 0, "the lock is taken")

    @mute_logger("odoo.sql_db")
    def test_stale_sealer_is_stopped(self):
        with self.open() as env:
            self.emit(env)
            self.seal(env)
        stale = db_connect(self.dbname).cursor()
        stale.execute("SELECT 1 FROM saas_event LIMIT 1")
        with self.open() as env:
            self.emit(env)
            self.seal(env)
        with self.assertRaises(psycopg2.errors.SerializationFailure):
            self.seal(api.Environment(stale, SUPERUSER_ID, {}))
        stale.rollback()
        stale.close()


class _Environment:
    """A superuser environment that commits at the end, or rolls back on an error."""

    def __init__(self, dbname):
        self.cr = db_connect(dbname).cursor()

    def __enter__(self):
        return api.Environment(self.cr, SUPERUSER_ID, {})

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self.cr.commit()
        finally:
            self.cr.close()
