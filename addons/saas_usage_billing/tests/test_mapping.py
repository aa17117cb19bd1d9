# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import json
from decimal import Decimal
from unittest.mock import patch

from odoo import Command
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import BaseCase, Form, tagged
from odoo.tools import mute_logger

from ..exceptions import UsageMappingError
from ..models import usage_mapping, usage_path
from ..models.usage_json import load_flat
from ..models.usage_mapping import (
    MappingError,
    MappingTerms,
    TooManyEventsError,
    apply,
    compile_mapping,
    read_moment,
)
from ..models.usage_origin import Origin, UnmappedPayload
from ..models.usage_path import Budget, PathError, Place, compile_path
from .common import UsageCase

ORIGIN = Origin(7)
PAYLOAD = {
    "batch": "b-1",
    "accounts": [
        {"id": "a", "calls": [{"n": 1, "at": 0}, {"n": 2, "at": 60}]},
        {"id": "b", "calls": [{"n": 1, "at": 0}]},
    ],
    "note": "kept",
}


def read(path, value, steps=usage_path.MAX_STEPS):
    return compile_path(path).look_up(Place(value, value), Budget(steps))


def make(**changes):
    terms = {
        "id_path": "id",
        "type_path": "'test.request'",
        "subject_path": "who",
        "time_path": "at",
        **changes,
    }
    return compile_mapping(MappingTerms(terms.pop("mapping_id", 1), **terms))


@tagged("post_install", "-at_install")
class TestPath(BaseCase):
    """Paths pick values out of payloads, exactly and within bounds."""

    def test_jmespath(self):
        data = {
            "a": {"b-c": [{"k": "x", "v": 1}, {"k": "y", "v": Decimal("0.10")}]},
            "t": "z",
            "ok": True,
        }
        for path, wanted in (
            ('a."b-c"[0].v', 1),
            ("a.\"b-c\"[?k=='y'].v | [0]", Decimal("0.10")),
            ('a."b-c"[?v > `0.05`].k', ["x", "y"]),
            ('a."b-c"[?v == `0.1`].k', ["y"]),
            ("missing.deep || t", "z"),
            ("'fixed'", "fixed"),
            ("not_null(missing, t)", "z"),
            ("join('-', [t, to_string(ok)])", "z-true"),
            ('contains(`["z","w"]`, t)', True),
            ("ok == `1`", False),
            (
                "to_number('0.1000000000000000000001')",
                Decimal("0.1000000000000000000001"),
            ),
            ("length(keys(a))", 1),
            ("$.t", "z"),
        ):
            self.assertEqual(read(path, data), wanted, path)

    def test_what_explodes_is_refused(self):
        for path in (
            "sum(a)",
            "sort_by(a, &b)",
            "{a: a}",
            "&a",
            "`1e999`",
            "(" * 300,
            "9" * 400,
            "a[?",
            "a." * 400 + "a",
            "[" + "a," * 220 + "a]",
        ):
            with self.assertRaises(PathError, msg=path):
                compile_path(path)
        doubled = "[@,@][]|" * 25 + "@"
        for path in (doubled, "to_string([@,@])", "[@,@] == [@,@]", "a[::0]"):
            with self.assertRaises(PathError, msg=path):
                read(path, {"a": [1]}, steps=100_000)

    def test_steps_are_counted_over_the_request(self):
        budget = Budget(100)
        path = compile_path("a[*].b")
        with self.assertRaises(usage_path.BudgetError):
            for _time in range(10):
                path.look_up(Place({"a": [{"b": 1}] * 20}, None), budget)


@tagged("post_install", "-at_install")
class TestMappingEngine(BaseCase):
    """Payloads become events, each by itself."""

    def test_items_with_what_is_around_them(self):
        mapping = make(
            items="accounts[].calls[]",
            id_path="",
            subject_path="^.id",
            time_format="epoch_s",
            value_path="n",
            data=(("batch", "$.batch"),),
        )
        events = apply([mapping], [PAYLOAD], "src", ORIGIN)
        self.assertEqual([event["subject"] for event in events], ["a", "a", "b"])
        self.assertEqual(len({event["id"] for event in events}), 3)
        self.assertEqual(events[1]["time"], "1970-01-01T00:01:00Z")
        self.assertEqual(events[1]["data"], {"batch": "b-1", "value": 2})
        self.assertEqual(events[0].origin, Origin(7, 1))
        # What is kept of each makes the same event again.
        for event in events:
            again = apply([mapping], [load_flat(event.payload())], "src", ORIGIN)
            self.assertEqual(again, [event])
        self.assertIn('"note":"kept"', events[0].payload())

    def test_large_surroundings_are_kept_once(self):
        """A small request must not become a large one by what is around its items."""
        mapping = make(items="items", subject_path="$.who")
        payload = {
            "pad": "x" * 300,
            "who": "client-1",
            "meta": {"more": ["y" * 300]},
            "items": [{"id": str(n), "at": "t"} for n in range(20)],
        }

        def keep(context, kept):
            with (
                patch.object(usage_mapping, "MAX_CONTEXT", context),
                patch.object(usage_mapping, "MAX_TEXT", 10),
                patch.object(usage_mapping, "MAX_KEPT", kept),
            ):
                events = apply([mapping], [payload], "src", ORIGIN)
                return events, [event.payload() for event in events]

        _events, texts = keep(10_000, 100_000)
        self.assertEqual(
            load_flat(texts[3]), {**payload, "items": payload["items"][3:4]}
        )
        events, texts = keep(100, 100_000)
        self.assertEqual(
            load_flat(texts[3]),
            {"pad": "x" * 10 + "…", "who": "client-1", "items": payload["items"][3:4]},
        )
        for event, text in zip(events, texts, strict=True):
            self.assertEqual(
                apply([mapping], [load_flat(text)], "src", ORIGIN), [event]
            )
        _events, texts = keep(100, 120)
        self.assertEqual(load_flat(texts[0])["who"], "client-1")
        self.assertEqual(load_flat(texts[3]), payload["items"][3:4])
        self.assertLess(sum(map(len, texts)), 1_500)
        (found,) = apply([mapping], [load_flat(texts[3])], "src", ORIGIN)
        self.assertIsInstance(found, UnmappedPayload)

    def test_same_item_is_the_same_event(self):
        mapping = make(id_path="")
        first, second, other = apply(
            [mapping],
            [{"who": "a", "at": "x"}, {"at": "x", "who": "a"}, {"who": "b", "at": "x"}],
            "src",
            ORIGIN,
        )
        self.assertEqual(first["id"], second["id"])
        self.assertNotEqual(first["id"], other["id"])

    def test_first_match_wins_and_failures_stay_alone(self):
        mappings = [
            make(match="kind == 'a'", type_path="'first'"),
            make(match="kind", mapping_id=2, type_path="'second'"),
        ]
        good = {"id": 1, "who": "w", "at": "t"}
        found = apply(
            mappings,
            [
                {**good, "kind": "a"},
                {**good, "kind": "b"},
                good,
                {**good, "kind": "a", "who": ["x"]},
                {**good, "kind": "b", "id": None},
            ],
            "src",
            ORIGIN,
        )
        self.assertEqual([event["type"] for event in found[:2]], ["first", "second"])
        self.assertEqual(found[0]["id"], "1")
        self.assertEqual({type(event) for event in found[2:]}, {UnmappedPayload})
        self.assertIn("No mapping", found[2].error)
        self.assertEqual(found[3].origin.mapping_id, 1)
        self.assertEqual(json.loads(found[3].text)["who"], ["x"])

    def test_times(self):
        for written, terms, wanted in (
            (1767225600, {"time_format": "epoch_s"}, "2026-01-01T00:00:00Z"),
            (
                Decimal("1767225600.123456789"),
                {"time_format": "epoch_s"},
                "2026-01-01T00:00:00.123456Z",
            ),
            (
                "1767225600500",
                {"time_format": "epoch_ms"},
                "2026-01-01T00:00:00.500000Z",
            ),
            (
                "01/07/2026 02:00",
                {
                    "time_format": "pattern",
                    "time_pattern": "%d/%m/%Y %H:%M",
                    "tz": "Europe/Berlin",
                },
                "2026-07-01T00:00:00Z",
            ),
            (
                "2026-07-01 02:00 +0300",
                {"time_format": "pattern", "time_pattern": "%Y-%m-%d %H:%M %z"},
                "2026-06-30T23:00:00Z",
            ),
            ("as it is", {}, "as it is"),
        ):
            found = read_moment(written, make(**terms).terms)
            self.assertEqual(found, wanted)
        for written in (True, "x", "1e99", "9" * 90, "nan", [1], 10**30):
            with self.assertRaises(PathError):
                read_moment(written, make(time_format="epoch_s").terms)
        with self.assertRaises(MappingError):
            make(time_format="pattern", time_pattern="%Q")

    def test_too_many_and_too_deep(self):
        mapping = make(items="x")
        with self.assertRaises(TooManyEventsError):
            apply([mapping], [{"x": [{}] * 11}], "src", ORIGIN, limit=10)
        with self.assertRaises(ValueError):
            load_flat("[" * 60 + "]" * 60)

    def test_items_must_be_objects_of_the_payload(self):
        for items in ("names", "`[1]`", "who"):
            (found,) = apply(
                [make(items=items)], [{"names": ["a"], "who": "x"}], "src", ORIGIN
            )
            self.assertIsInstance(found, UnmappedPayload)


@tagged("post_install", "-at_install")
class TestMapping(UsageCase):
    """Mappings are tried with samples, used by feeds, and mended after the fact."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.mapping = cls.create_mapping()

    @classmethod
    def create_mapping(cls, **vals):
        return cls.env["saas.usage.mapping"].create(
            {
                "name": "Gateway",
                "source_id": cls.source.id,
                "active": True,
                "items": "records",
                "id_path": "rid",
                "type_path": "'test.request'",
                "subject_path": "$.tenant",
                "time_path": "at",
                "data_ids": [Command.create({"key": "bytes", "path": "size"})],
                **vals,
            }
        )

    def payload(self, *sizes, tenant="client-1", prefix="r"):
        records = [
            {"rid": f"{prefix}{n}", "at": "2026-04-01T10:00:00Z", "size": size}
            for n, size in enumerate(sizes)
        ]
        return {"tenant": tenant, "records": records}

    def feed(self, *payloads, **kwargs):
        # Events of 2026: their age is not the matter here.
        return self.env["saas.usage.event"]._ingest_feed(
            self.source, list(payloads), **kwargs
        )

    def waiting(self):
        return self.env["saas.usage.quarantine"].search(
            [("company_id", "=", self.company.id), ("state", "=", "open")]
        )

    def test_feed_is_stored_and_repeats_are_duplicates(self):
        result = self.feed(self.payload(10, Decimal("0.5")))
        self.assertEqual(result.counts["stored"], 2, result.outcomes)
        self.assertEqual(self.feed(self.payload(10, 20)).counts["duplicate"], 2)
        batch = self.env["saas.usage.batch"].search([], limit=1)
        self.assertEqual((batch.kind, batch.source_id), ("feed", self.source))

    def test_what_fails_is_kept_and_mapped_again(self):
        result = self.feed(
            self.payload(1, prefix="a"),
            {"other": "shape"},
            self.payload(2, 3, tenant="nobody", prefix="b"),
        )
        self.assertEqual(tuple(result.counts.values()), (4, 1, 0, 3, 0))
        rows = self.waiting()
        self.assertEqual(
            sorted(rows.mapped("reason")),
            ["mapping_failed", "unknown_subject", "unknown_subject"],
        )
        failed = rows.filtered(lambda row: row.reason == "mapping_failed")
        self.assertEqual(failed.feed_source_id, self.source)
        self.assertEqual(json.loads(failed.raw), {"other": "shape"})
        unknown = rows - failed
        self.assertEqual(unknown.mapping_id, self.mapping)
        kept = json.loads(unknown.sorted("event_id")[0].raw)
        self.assertEqual(kept, self.payload(2, tenant="nobody", prefix="b"))
        # The subject is another one by a mended mapping.
        self.mapping.subject_path = "'client-1'"
        unknown.action_replay()
        self.assertEqual(set(unknown.mapped("state")), {"replayed"})
        self.assertEqual(len(self.events_of()), 3)

    def test_payload_without_mapping_waits_for_one(self):
        self.mapping.active = False
        self.feed(self.payload(5))
        row = self.waiting()
        row.action_replay()
        self.assertEqual((row.state, row.occurrences), ("open", 1))
        self.mapping.active = True
        row.action_replay()
        self.assertEqual(row.state, "replayed")
        self.assertEqual(len(self.events_of()), 1)
        self.assertFalse(self.waiting())

    def test_mended_ids_leave_no_row_behind(self):
        self.feed(self.payload(5, tenant="nobody"))
        row = self.waiting()
        self.mapping.id_path = "size"
        row.action_replay()
        self.assertEqual(row.state, "replayed")
        left = self.waiting()
        self.assertEqual((left.event_id, left.reason), ("5", "unknown_subject"))

    def test_payload_that_makes_nothing_any_more_stays(self):
        self.feed(self.payload(5, tenant="nobody"))
        row = self.waiting()
        self.mapping.items = "records[?size > `100`]"
        row.action_replay()
        left = self.waiting()
        self.assertEqual(left.reason, "mapping_failed")
        self.assertIn("no event", left.message)

    def test_dry_run_keeps_nothing(self):
        result = self.feed(self.payload(1), {"x": 1}, dry_run=True)
        self.assertEqual(tuple(result.counts.values())[:4], (2, 1, 0, 1))
        self.assertFalse(self.waiting())
        self.assertFalse(self.events_of())

    def test_samples_are_tried_live(self):
        with Form(self.env["saas.usage.mapping"]) as form:
            form.name = "Live"
            form.source_id = self.source
            form.type_path = "kind"
            form.subject_path = "who"
            form.time_path = "at"
            form.time_format = "epoch_s"
            with form.sample_ids.new() as sample:
                sample.payload = '{"kind": "k", "who": "w", "at": 0, "n": 0.10}'
                self.assertTrue(sample.is_ok, sample.problem)
                self.assertEqual(
                    json.loads(sample.result)[0]["time"], "1970-01-01T00:00:00Z"
                )
            form.value_path = "n"
            with form.sample_ids.edit(0) as sample:
                self.assertIn("0.10", sample.result)
            form.subject_path = "who["
            with form.sample_ids.edit(0) as sample:
                self.assertFalse(sample.is_ok)
            self.assertIn("Subject", form.problem)
            form.subject_path = "who"
        mapping = form.save()
        mapping.sample_ids.action_take_result()
        self.assertTrue(mapping.sample_ids.is_ok)
        mapping.action_unarchive()
        self.assertTrue(mapping.active)

    def test_failing_samples_keep_a_mapping_out_of_use(self):
        mapping = self.create_mapping(active=False)
        self.env["saas.usage.mapping.sample"].create(
            {
                "mapping_id": mapping.id,
                "name": "Two",
                "payload": json.dumps(self.payload(1, 2)),
                "expected": "[]",
            }
        )
        with self.assertRaisesRegex(ValidationError, r"Two: 2 events[^.]*\. Correct"):
            mapping.action_unarchive()
        with self.assertRaisesRegex(UsageMappingError, "2 events"):
            mapping.action_test_samples()
        expected = json.loads(mapping.sample_ids.result)
        expected[1]["data"]["bytes"] = 3
        mapping.sample_ids.expected = json.dumps(expected)
        self.assertIn("Event 2: data", mapping.sample_ids.problem)
        expected[1]["data"]["bytes"] = 2
        mapping.sample_ids.expected = json.dumps(expected)
        mapping.action_unarchive()
        self.assertEqual(mapping.action_test_samples()["params"]["type"], "success")
        with self.assertRaises(ValidationError):
            mapping.id_path = "at"

    def test_bad_paths_are_named(self):
        for vals, name in (
            ({"match": "a["}, "Applies If"),
            ({"value_path": "sum(x)"}, "Value"),
            ({"time_format": "pattern", "time_pattern": "%Q"}, "Pattern"),
        ):
            with self.assertRaises(ValidationError) as caught:
                self.mapping.write(vals)
            self.assertIn(name, str(caught.exception))
        with self.assertRaisesRegex(ValidationError, "bytes"):
            self.mapping.data_ids.path = "{a: b}"

    @mute_logger("odoo.addons.base.models.ir_model", "odoo.addons.base.models.ir_rule")
    def test_operators_write_others_read(self):
        operator = self.new_user("map_operator", "billing_operator")
        self.mapping.with_user(operator).name = "Renamed"
        auditor = self.new_user("map_auditor", "auditor")
        self.assertEqual(self.mapping.with_user(auditor).name, "Renamed")
        with self.assertRaises(AccessError):
            self.mapping.with_user(auditor).name = "No"
        other = self.create_company("Other Ltd")
        stranger = self.new_user("map_stranger", "billing_operator", other)
        records = self.mapping.with_user(stranger).with_context(
            allowed_company_ids=other.ids
        )
        with self.assertRaises(AccessError):
            records.read(["name"])

    @mute_logger("odoo.addons.base.models.ir_model", "odoo.addons.base.models.ir_rule")
    def test_nothing_moves_to_another_company(self):
        other = self.create_company("Other Ltd")
        source = self.env["saas.usage.source"].create(
            {"name": "Theirs", "code": "theirs", "company_id": other.id}
        )
        theirs = self.create_mapping(source_id=source.id)
        sample = self.create_sample(self.mapping)
        operator = self.new_user("map_mover", "billing_operator")
        for record, vals in (
            (self.mapping, {"source_id": source.id}),
            (self.mapping, {"company_id": other.id}),
            (self.mapping.data_ids, {"mapping_id": theirs.id, "key": "own"}),
            (sample, {"mapping_id": theirs.id}),
        ):
            with self.subTest(vals=vals), self.assertRaises(AccessError):
                record.with_user(operator).write(vals)
        own = self.create_mapping(source_id=self.source.copy({"code": "own"}).id)
        sample.with_user(operator).mapping_id = own
        self.assertEqual(own.sample_ids, sample)

    def test_samples_are_tried_where_they_move(self):
        sample = self.create_sample(self.mapping, expected="[]")
        self.assertFalse(sample.is_ok)
        draft = self.create_mapping(active=False)
        sample.mapping_id = draft
        with self.assertRaises(ValidationError):
            sample.mapping_id = self.mapping
        good = self.create_sample(self.mapping)
        good.action_take_result()
        with self.assertRaises(ValidationError):
            self.mapping.data_ids.mapping_id = self.create_mapping(
                active=False, data_ids=[]
            )

    def create_sample(self, mapping, **vals):
        return self.env["saas.usage.mapping.sample"].create(
            {
                "mapping_id": mapping.id,
                "name": "Two",
                "payload": json.dumps(self.payload(1, 2)),
                **vals,
            }
        )
