# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import json
import random
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count

from odoo.tests import BaseCase, tagged

from ..engine.event import ValidEvent, validate
from ..models.usage_json import _parse_slowly, load
from ..models.usage_plain import PlainEvent, accept_plain, as_sent, read_plain
from ..models.usage_screen import (
    Need,
    dump,
    dump_storable,
    make_source_rule,
    screen,
)
from .common import NOW, UsageFixture

TYPES = {
    "test.request": (Need("bytes", True),),
    "login": (Need("user", False),),
    "ping": (),
}
ODD = [
    None,
    "",
    " ",
    "x" * 256,
    "a\x00b",
    "a\x1fb",
    "\ud800",
    "naïve",
    0,
    -1,
    5,
    10**20,
    Decimal("1.5"),
    Decimal("1E+30"),
    "12",
    "1e5",
    "abc",
    True,
    {},
    {"a": 1},
    [],
    [1],
]
TIMES = [
    "2026-04-01T10:00:00Z",
    "2026-04-01T10:00:00.5Z",
    "2026-04-01t10:00:00z",
    "2026-04-01 10:00:00Z",
    "2026-04-01T10:00:00+02:00",
    "2026-04-01T10:00:00",
    "2026-04-01",
    "2026-W14-3T10:00:00Z",
    "20260401T100000Z",
    "2026-02-30T10:00:00Z",
    "2026-04-01T24:00:00Z",
    "2026-04-01T10:00:60Z",
    "2026-04-01T10:00:00,5Z",
    "2026-04-01T10:00:00.123456789Z",
    "2026-04-01T10:00:00.Z",
    "2026-04-01T10:00:00.\u0661Z",
    "2026-04-01T1\u0660:00:00Z",
    "2026-04-01T10:00:0Z",
    "2026-04-01T10:00",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z",
    "2099-01-01T00:00:00Z",
    "1970-01-01T00:00:00Z",
    "yesterday",
]


@tagged("post_install", "-at_install")
class TestUsageScreen(UsageFixture, BaseCase):
    """The quick check accepts nothing the engine would not, and says the same."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.numbers = count(1)
        cls.sources = {"weblog": make_source_rule(7, NOW, 35, 5)}

    def screen(self, events):
        return screen(events, self.sources, TYPES, NOW)

    def test_quick_check_is_narrower_than_the_engine(self):
        pick = random.Random(20260401)
        limits = self.sources["weblog"].limits
        accepted, keys = 0, set()
        for _number in range(20_000):
            event = self.event(type=pick.choice(list(TYPES)), data={"bytes": 1})
            for _change in range(pick.randrange(3)):
                self._disturb(event, pick)
            found = accept_plain(event, self.sources, TYPES, keys)
            # Text PostgreSQL cannot keep is looked for in the whole batch at once.
            if found is None or dump_storable([found[-1]])[1]:
                continue
            accepted += 1
            judged = validate(event, NOW, limits)
            self.assertIsInstance(judged, ValidEvent, event)
            self.assertEqual(
                (*found[:4], datetime.fromisoformat(f"{found[4]}+00:00")),
                (judged.id, 7, judged.type, judged.subject, judged.time),
            )
        self.assertGreater(accepted, 2000)

    def test_what_is_read_at_once_is_what_is_read_slowly(self):
        pick = random.Random(20260403)
        typed, keys = 0, set()
        for _number in range(10_000):
            event = self.event(type=pick.choice(list(TYPES)), data={"bytes": 1})
            for _change in range(pick.randrange(3)):
                self._disturb(event, pick)
            if pick.random() < 0.2:
                event["datacontenttype"] = "application/json"
            text = dump([event])
            plain = read_plain(text)
            [slow] = load(text)
            if plain is None:
                continue
            typed += 1
            self.assertIsInstance(plain[0], PlainEvent)
            self.assertEqual(as_sent(plain[0]), slow)
            at_once, slowly = self.screen(plain), self.screen([slow])
            self.assertEqual(at_once, slowly)
            found = accept_plain(slow, self.sources, TYPES, keys)
            if found:
                self.assertEqual(at_once.rows, [(0, *found)])
        self.assertGreater(typed, 2000)

    def _disturb(self, event, pick):
        name = pick.choice(["id", "source", "type", "subject", "time", "data", "value"])
        if name == "time":
            event[name] = pick.choice([*TIMES, *ODD])
        elif name == "data" and pick.random() < 0.7:
            event["data"] = {
                pick.choice(["bytes", "user", "value", "x", "", "k" * 300, "\x00"]): (
                    pick.choice(ODD)
                )
                for _key in range(3)
            }
        else:
            event[name] = pick.choice(ODD)

    def test_engine_values_come_out_of_the_slow_side(self):
        event = self.event(
            time="2026-04-01T12:00:00+02:00", data={"bytes": Decimal("1.50")}
        )
        result = self.screen([event])
        [row] = result.rows
        self.assertEqual(row[5:], ("2026-04-01T10:00:00", {"bytes": Decimal("1.50")}))

    def test_value_beside_the_attributes_is_data(self):
        result = self.screen([self.event(type="ping", data=None, value="2.5")])
        self.assertEqual(result.rows[0][-1], {"value": Decimal("2.5")})

    def test_limits_of_age_are_inclusive(self):
        oldest = (NOW - timedelta(days=35)).isoformat()
        newest = (NOW + timedelta(minutes=5)).isoformat()
        good = [self.event(time=oldest), self.event(time=newest)]
        self.assertFalse(self.screen(good).problems)
        late = (NOW + timedelta(minutes=5, microseconds=1)).isoformat()
        early = (NOW - timedelta(days=35, microseconds=1)).isoformat()
        codes = [
            problem.code
            for problem in self.screen(
                [self.event(time=late), self.event(time=early)]
            ).problems
        ]
        self.assertEqual(codes, ["in_future", "too_old"])

    def test_digits_behind_microseconds_are_cut_off(self):
        # PostgreSQL would round them, here into the next month.
        event = self.event(time="2026-03-31T23:59:59.9999999Z")
        for events in ([event], read_plain(dump([event]))):
            [row] = self.screen(events).rows
            self.assertEqual(row[5], "2026-03-31T23:59:59.999999")

    def test_limits_cut_through_a_minute(self):
        self.sources = {"weblog": make_source_rule(7, NOW, 35, 0)}
        times = [NOW + timedelta(seconds=seconds) for seconds in (-90, -1, 0, 1, 70)]
        events = [
            self.event(time=at.isoformat().replace("+00:00", "Z")) for at in times
        ]
        screened = self.screen(read_plain(dump(events)))
        self.assertEqual([row[0] for row in screened.rows], [0, 1, 2])
        self.assertEqual([one.code for one in screened.problems], ["in_future"] * 2)

    def test_first_of_equal_ids_counts(self):
        events = [self.event(id="a"), self.event(id="a", data={"bytes": 2})]
        result = self.screen(events)
        self.assertEqual([row[0] for row in result.rows], [0])
        self.assertEqual(result.duplicates, [(1, 0)])

    def test_json_keeps_every_digit(self):
        text = '{"n":0.1000000000000000000000000001,"t":"\\u0001","i":123}'
        self.assertEqual(json.loads(dump(load(text))), json.loads(text))
        self.assertIn("0.1000000000000000000000000001", dump(load(text)))

    def test_json_is_read_the_same_fast_and_slowly(self):
        pick = random.Random(20260402)
        signs = [
            *'{}[]",:019.eE+- tn',
            '"a"',
            "true",
            "null",
            "\\u00e9",
            "\\ud800",
            "é",
        ]
        texts = [
            "".join(pick.choices(signs, k=pick.randrange(9))) for _n in range(9999)
        ]
        read = 0
        for text in texts + ["-0", "9" * 401, '"\\ud800"', '"\ud800"', '{"a":1,"a":2}']:
            try:
                expected = repr(_parse_slowly(text))
            except ValueError:
                with self.assertRaises(ValueError, msg=text):
                    load(text)
                continue
            self.assertEqual(repr(load(text)), expected, text)
            read += 1
        self.assertGreater(read, 100)

    def test_json_bombs_are_harmless(self):
        self.assertEqual(load("[1e999999]"), ["1e999999"])
        self.assertEqual(load(f"[{'9' * 5000}]"), ["9" * 5000])
        for text in ("[NaN]", "[Infinity]", "[" * 100_000, "", "{"):
            with self.assertRaises(ValueError):
                load(text)

    def test_unstorable_text_is_found(self):
        values = [{"a": "x"}, {"a": "\ud800"}, {"a": "\\u0000"}, {"a\x00": 1}, None]
        texts, bad = dump_storable(values)
        self.assertEqual(bad, [1, 3])
        self.assertEqual(
            [json.loads(text) for text in texts], [{"a": "x"}, {"a": "\\u0000"}, None]
        )
