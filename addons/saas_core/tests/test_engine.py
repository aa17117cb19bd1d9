# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from dataclasses import replace
from datetime import date
from decimal import Decimal

from odoo.tests import BaseCase, tagged

from ..engine import kpi, ledger


@tagged("post_install", "-at_install")
class TestEngine(BaseCase):
    """The rules without a database."""

    def test_canonical_has_one_spelling(self):
        value = {"b": [1, Decimal("1.50"), None, True], "a": "ü"}
        text = '{"a":"ü","b":[1,1.5,null,true]}'
        self.assertEqual(ledger.canonical(value), text)
        self.assertEqual(ledger.canonical(ledger.parse(text)), text)
        for number, text in (("-0.0", "0"), ("1E+3", "1000"), ("0.0010", "0.001")):
            self.assertEqual(ledger.canonical(Decimal(number)), text)
        with self.assertRaises(TypeError):
            ledger.canonical({"a": 1.5})

    def _chain(self, size=4):
        facts = [(10 + n, {"n": n}) for n in range(size)]
        return list(ledger.seal(ledger.GENESIS, 0, facts))

    def test_chain_is_gap_free_and_holds(self):
        rows = self._chain()
        self.assertEqual([row.seq for row in rows], [1, 2, 3, 4])
        self.assertIsNone(ledger.find_break(rows))
        self.assertIsNone(ledger.find_break(rows[2:], rows[1].hash, 2))

    def test_break_is_named(self):
        rows = self._chain()
        changed = [*rows[:1], replace(rows[1], facts={"n": 9}), *rows[2:]]
        self.assertEqual(ledger.find_break(changed).kind, ledger.PAYLOAD_CHANGED)
        self.assertEqual(ledger.find_break(changed).row_id, 11)
        missing = [rows[0], *rows[2:]]
        self.assertEqual(ledger.find_break(missing).kind, ledger.ROW_MISSING)
        self.assertEqual(ledger.find_break(missing).seq, 2)
        forged = ledger.row_hash("f" * 64, 3, {"n": 2})
        cut = [*rows[:2], replace(rows[2], prev_hash="f" * 64, hash=forged)]
        self.assertEqual(ledger.find_break(cut).kind, ledger.CHAIN_CUT)

    def test_periods(self):
        days = kpi.periods("day", date(2026, 2, 27), date(2026, 3, 1))
        self.assertEqual(len(days), 3)
        self.assertEqual(days[1], (date(2026, 2, 28), date(2026, 3, 1)))
        months = kpi.periods("month", date(2025, 12, 31), date(2026, 1, 31))
        self.assertEqual(
            months,
            [
                (date(2025, 12, 1), date(2026, 1, 1)),
                (date(2026, 1, 1), date(2026, 2, 1)),
            ],
        )
        self.assertEqual(kpi.periods("day", date(2026, 1, 2), date(2026, 1, 1)), [])
        with self.assertRaises(ValueError):
            kpi.periods("week", date(2026, 1, 2), date(2026, 1, 1))

    def test_status(self):
        def up(value):
            return kpi.status(
                Decimal(value), True, Decimal(95), Decimal(90), Decimal(80)
            )

        self.assertEqual([up(95), up(90), up(89)], ["on_target"] * 2 + ["warning"])
        self.assertEqual([up(80), up(79)], ["warning", "critical"])
        zero = Decimal(0)
        self.assertEqual(kpi.status(zero, False, zero, zero, zero), "on_target")
        self.assertEqual(kpi.status(Decimal(1), False, zero, zero, zero), "warning")
        self.assertEqual(
            kpi.status(Decimal(6), False, zero, zero, Decimal(5)), "critical"
        )
