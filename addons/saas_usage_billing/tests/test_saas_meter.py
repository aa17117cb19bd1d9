# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, datetime
from decimal import Decimal

from psycopg2.errors import UniqueViolation

from odoo import Command
from odoo.exceptions import AccessError, ValidationError
from odoo.tests import Form, new_test_user, tagged
from odoo.tools import mute_logger

from ..engine.meter import Measured, Spans
from ..exceptions import UsageStoreError
from ..models.usage_store_api import Window, get_store
from .common import UsageCase

TYPE = "test.request"


@tagged("post_install", "-at_install")
class TestSaasMeter(UsageCase):
    """Meters say what they count, and refuse what cannot be counted."""

    def add_filter(self, key, operator, value=False, meter=None):
        return self.env["saas.meter.filter"].create(
            {
                "meter_id": (meter or self.calls_meter).id,
                "key": key,
                "operator": operator,
                "value": value,
            }
        )

    # ------------------------------------------------------------------
    # Codes
    # ------------------------------------------------------------------
    def create_coded(self, code, company=None, user=None):
        return (
            self.env["saas.meter"]
            .with_user(user or self.env.user)
            .create(
                {
                    "name": f"Meter {code}",
                    "code": code,
                    "event_type": TYPE,
                    "company_id": company.id if company else False,
                }
            )
        )

    def assertTaken(self, other, step, *args):
        with self.assertRaises(ValidationError) as caught:
            step(*args)
        self.assertIn("Enter another Code", caught.exception.args[0])
        self.assertIn(other, caught.exception.args[0])

    def test_code_of_a_shared_meter_is_taken_in_every_company(self):
        shared = self.create_coded("shared")
        own = self.create_coded("own", self.company)
        other = self.create_coded("own", self.env["res.company"].create({"name": "B"}))
        shared.active = False
        self.assertTaken(shared.name, self.create_coded, "shared", self.company)
        self.assertTaken(own.name, self.create_coded, "own")
        self.assertTaken(shared.name, own.write, {"code": "shared"})
        self.assertTaken(own.name, shared.write, {"code": "own"})
        self.assertTaken(own.name, other.write, {"company_id": False})
        # of two companies it may be
        self.assertEqual(own.code, other.code)

    def test_meters_of_companies_one_may_not_see_are_not_named(self):
        company = self.env["res.company"].create({"name": "B"})
        self.create_coded("hidden", company)
        operator = new_test_user(
            self.env,
            "meter_operator",
            groups="saas_core.group_saas_core_billing_operator",
            company_id=self.company.id,
            company_ids=[Command.set(self.company.ids)],
        )
        self.assertTaken("another meter", self.create_coded, "hidden", None, operator)

    def test_codes_that_were_the_same_before_can_be_worked_on(self):
        shared = self.create_coded("shared")
        own = self.create_coded("own", self.company)
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE saas_meter SET code = 'shared' WHERE id = %s", [own.id]
        )
        own.invalidate_recordset()
        (shared | own).write({"name": "Still here", "code": "shared"})
        own.code = "own"
        self.assertTaken(shared.name, own.write, {"code": "shared"})

    # ------------------------------------------------------------------
    # Conditions
    # ------------------------------------------------------------------
    def test_conditions_in_the_form(self):
        with Form(self.calls_meter) as form:
            with form.filter_ids.new() as row:
                row.key = "region"
                row.operator = "in"
                row.value = 'eu, "Paris, France"'
            with form.filter_ids.new() as row:
                row.key = "test"
                row.operator = "missing"
        first, second = self.calls_meter._get_spec().conditions
        self.assertEqual(first.values, ("eu", "Paris, France"))
        self.assertEqual((second.operator, second.values), ("missing", ()))
        self.assertEqual(
            self.calls_meter.filter_ids.mapped("display_name"),
            ['region is one of eu, "Paris, France"', "test is not there"],
        )

    def test_unusable_conditions_say_what_to_enter(self):
        for key, operator, value, message in (
            (" ", "=", "eu", "which key"),
            ("region", "=", False, "enter the value"),
            ("region", "in", " , ", "enter the value"),
            ("size", ">", "1,000", "“1,000” is none"),
            ("region", "exists", "eu", "needs no value"),
        ):
            with self.assertRaisesRegex(ValidationError, message):
                self.add_filter(key, operator, value)

    def test_only_events_that_fulfil_the_conditions_are_billed(self):
        self.add_filter("path", "starts_with", "/api")
        for product in self.calls, self.traffic:
            self.create_price(product, model="standard", unit_price=1)
        self.store(3, "2026-03-05", path="/api/x")
        self.store(2, "2026-03-06", path="/other")
        proposed = self.subscription._get_proposed_charges(date(2026, 4, 1))
        quantities = [one.quantity for one in proposed if one.kind == "usage"]
        self.assertEqual(sorted(quantities), [3, 50])
        counted = self.env["saas.usage.event"].search(
            self.calls_meter.action_view_events()["domain"]
        )
        self.assertEqual([event.data["path"] for event in counted], ["/api/x"] * 3)
        self.assertEqual(
            self.env["saas.usage.event"].search_count(
                self.bytes_meter.action_view_events()["domain"]
            ),
            5,
        )

    def test_only_events_that_count_need_the_value(self):
        self.add_filter("kind", "=", "download", self.bytes_meter)
        events = [
            self.event(data={"kind": "download", "bytes": 5}),
            self.event(data={"kind": "download"}),
            self.event(data={"kind": "login"}),
            self.event(data=None),
        ]
        result = self.ingest(events)
        self.assertEqual(result.counts["stored"], 3)
        [refused] = result.outcomes
        self.assertEqual((refused.index, refused.code), (1, "missing_value"))
        self.bytes_meter.filter_ids.unlink()
        self.assertEqual(self.ingest([self.event(data={})]).counts["stored"], 0)

    def test_conditions_follow_the_meter(self):
        condition = self.add_filter("region", "=", "eu")
        operator = self.new_user("meter_operator", "billing_operator")
        condition.with_user(operator).value = "us"
        for role in ("user", "auditor"):
            reader = condition.with_user(self.new_user(f"meter_{role}", role))
            self.assertEqual(reader.read(["value"])[0]["value"], "us")
            for forbidden in (lambda row: row.write({"value": "x"}), self.delete):
                with self.assertRaises(AccessError):
                    forbidden(reader)
        elsewhere = self.create_company("Elsewhere")
        stranger = self.new_user("meter_elsewhere", "billing_operator", elsewhere)
        rows = self.env["saas.meter.filter"].with_user(stranger)
        rows = rows.with_context(allowed_company_ids=elsewhere.ids)
        self.assertFalse(rows.search([("meter_id", "=", self.calls_meter.id)]))
        with (
            mute_logger("odoo.addons.base.models.ir_rule"),
            self.assertRaises(AccessError),
        ):
            rows.browse(condition.id).value = "x"

    @staticmethod
    def delete(record):
        record.unlink()

    # ------------------------------------------------------------------
    # Aggregations
    # ------------------------------------------------------------------
    def test_aggregations_say_what_they_need(self):
        for vals, message in (
            ({"aggregation": "percentile", "value_key": False}, "which key"),
            ({"aggregation": "window", "value_key": False}, "which key"),
            ({"aggregation": "percentile", "percentile": 0}, "above 0"),
            ({"aggregation": "percentile", "percentile": 100.5}, "above 0"),
            ({"aggregation": "window", "window_size": 0}, "how long"),
            ({"aggregation": "window", "window_unit": False}, "how long"),
            ({"decimals": 13}, "0 to 12"),
            ({"decimals": -1}, "0 to 12"),
        ):
            with (
                self.assertRaisesRegex(ValidationError, message),
                self.env.cr.savepoint(),
            ):
                self.create_meter(
                    **{
                        "name": "Odd",
                        "code": "odd",
                        "aggregation": "sum",
                        "value_key": "n",
                        **vals,
                    }
                )

    def test_event_types_are_texts_a_source_may_send(self):
        for event_type in (" ", "api.request\t", "api\nrequest"):
            with (
                self.assertRaises(ValidationError) as caught,
                self.env.cr.savepoint(),
            ):
                self.calls_meter.event_type = event_type
            self.assertIn("printable text", str(caught.exception))

    def test_meters_map_to_the_engine(self):
        meter = self.create_meter("P95", "p95", "percentile", "n", percentile=99.9)
        self.assertEqual(meter._get_spec().percentile, Decimal("99.9"))
        meter = self.create_meter(
            *("Peak", "peak", "window", "n"),
            window_unit="day",
            window_size=7,
            window_aggregation="max",
            window_outer="avg",
            decimals=2,
        )
        self.assertEqual(meter._get_spec().spans, Spans("day", 7, "max", "avg"))
        self.assertEqual(meter._get_spec().decimals, 2)
        meter = self.create_meter("Seats", "seats", "unique_days", "user")
        meter.operation_key = "op"
        self.assertEqual(meter._get_spec().operation_key, "op")
        meter.aggregation = "sum"
        self.assertFalse(meter._get_spec().operation_key)
        calls = {"aggregation": "window", "window_aggregation": "count"}
        meter = self.create_meter("Busy", "busy", **calls)
        self.assertFalse(meter.needs_key)

    def test_values_below_zero_are_taken_when_every_meter_allows_them(self):
        meter = self.create_meter(
            *("Stock", "stock", "sum", "value"),
            event_type="test.stock",
            allow_negative=True,
        )

        def ingest(value):
            event = self.event(type="test.stock", data={"value": value})
            result = self.ingest([event])
            return [outcome.code for outcome in result.outcomes]

        for value in (-5, "-2.5", Decimal("-0.5")):
            self.assertEqual(ingest(value), [])
        window = Window(
            self.subscription.id, datetime(2026, 4, 1), datetime(2026, 5, 1)
        )
        [groups] = get_store(self.env).aggregate(meter._get_spec(), [window])
        self.assertEqual(groups[()], Measured(Decimal(0), 3))
        self.assertEqual(ingest(10), [])
        [groups] = get_store(self.env).aggregate(meter._get_spec(), [window])
        self.assertEqual(groups[()], Measured(Decimal(2), 4))
        self.create_meter("Peak", "peak", "max", "value", event_type="test.stock")
        self.assertEqual(ingest(-5), ["negative_value"])
        self.assertEqual(
            self.ingest([self.event(data={"bytes": -1})]).outcomes[0].code,
            "negative_value",
        )

    # ------------------------------------------------------------------
    # What was invoiced stays
    # ------------------------------------------------------------------
    def book(self):
        for product in self.calls, self.traffic:
            self.create_price(product, model="standard", unit_price=1)
        self.store(3, "2026-03-05", path="/")
        subscription = self.subscription
        charges = subscription._get_unbooked_charges(date(2026, 4, 1))
        # sudo: the ledger is written by billing runs only
        return (
            self.env["saas.charge"]
            .sudo()
            .create(
                [
                    subscription._prepare_charge_vals(charge)
                    for charge in charges
                    if charge.kind == "usage"
                ]
            )
        )

    def test_definition_with_booked_charges_stays(self):
        condition = self.add_filter("path", "=", "/")
        self.assertFalse(self.calls_meter.is_booked)
        self.book()
        self.env.invalidate_all()
        meter = self.calls_meter
        self.assertTrue(meter.is_booked)
        for change in (
            lambda: meter.write({"event_type": "other"}),
            lambda: meter.write({"aggregation": "sum", "value_key": "bytes"}),
            lambda: meter.write({"decimals": 2}),
            lambda: condition.write({"value": "/x"}),
            lambda: self.add_filter("path", "!=", "/x"),
            condition.unlink,
            lambda: self.calls.product_tmpl_id.write({"saas_meter_id": False}),
        ):
            with self.assertRaises(UsageStoreError), self.env.cr.savepoint():
                change()
        meter.write({"name": "Calls", "aggregation": "count", "event_type": TYPE})
        self.calls.product_tmpl_id.write({"saas_meter_id": meter.id})
        self.calls.product_tmpl_id.saas_usage_price_ids.active = False
        with self.assertRaises(UsageStoreError):
            meter.value_key = "other"

    def test_a_copy_can_be_changed(self):
        self.add_filter("path", "=", "/")
        self.book()
        first, second = self.calls_meter.copy(), self.calls_meter.copy()
        self.assertEqual((first.code, second.code), ("calls_2", "calls_3"))
        self.assertEqual(first.filter_ids.key, "path")
        first.write({"aggregation": "sum", "value_key": "bytes"})
        first.filter_ids.value = "/x"

    # ------------------------------------------------------------------
    # Dimensions
    # ------------------------------------------------------------------
    def add_dimension(self, key, name, meter=None):
        return self.env["saas.meter.dimension"].create(
            {"meter_id": (meter or self.bytes_meter).id, "key": key, "name": name}
        )

    def test_charges_show_usage_by_dimension(self):
        self.store(2, "2026-03-07", region="eu", tier="gold")
        self.store(3, "2026-03-08", region="us")
        charges = self.book()
        [charge] = charges.filtered(lambda one: one.quantity == 80)
        self.assertFalse(charge.usage_group_text)
        self.add_dimension("region", "Region")
        self.add_dimension("tier", "Tier")
        # what came after the charge is not its evidence
        self.store(1, "2026-03-09", region="ap")
        self.env.invalidate_all()
        self.assertEqual(
            charge.usage_group_text.split("\n"),
            [
                "Region none, Tier none: 30 Traffic, 3 events",
                "Region us, Tier none: 30 Traffic, 3 events",
                "Region eu, Tier gold: 20 Traffic, 2 events",
            ],
        )
        self.assertEqual(charge._get_usage_recomputed(), 80)

    def test_many_groups_are_summed_up(self):
        self.add_dimension("region", "Region")
        events = [
            self.event(
                time="2026-03-10T10:00:00Z", data={"bytes": 1, "region": f"r{n}"}
            )
            for n in range(25)
        ]
        self.ingest(events)
        [charge] = self.book().filtered(lambda one: one.quantity == 55)
        lines = charge.usage_group_text.split("\n")
        self.assertEqual(lines[0], "Region none: 30 Traffic, 3 events")
        self.assertEqual((len(lines), lines[-1]), (21, "6 more, 6 events"))

    def test_dimensions_are_few_and_differ(self):
        for number in range(4):
            self.add_dimension(f"key{number}", "Key")
        with (
            self.assertRaisesRegex(ValidationError, "4 dimensions at most"),
            self.env.cr.savepoint(),
        ):
            self.add_dimension("key5", "Key")
        with (
            self.assertRaisesRegex(ValidationError, "which key"),
            self.env.cr.savepoint(),
        ):
            self.add_dimension(" ", "Key", self.calls_meter)
        self.add_dimension("a", "A", self.calls_meter)
        with (
            mute_logger("odoo.sql_db"),
            self.assertRaises(UniqueViolation),
            self.env.cr.savepoint(),
        ):
            self.add_dimension("a", "A", self.calls_meter)
        copy = self.bytes_meter.copy()
        self.assertEqual(copy._get_spec(True).keys, ("key0", "key1", "key2", "key3"))
        self.assertEqual(copy._get_spec().keys, ())

    def test_dimensions_follow_the_meter(self):
        dimension = self.add_dimension("region", "Region")
        operator = self.new_user("meter_operator", "billing_operator")
        dimension.with_user(operator).name = "Area"
        for role in ("user", "auditor"):
            reader = dimension.with_user(self.new_user(f"meter_{role}", role))
            self.assertEqual(reader.read(["name"])[0]["name"], "Area")
            for forbidden in (lambda row: row.write({"name": "x"}), self.delete):
                with self.assertRaises(AccessError):
                    forbidden(reader)
        elsewhere = self.create_company("Elsewhere")
        stranger = self.new_user("meter_elsewhere", "billing_operator", elsewhere)
        rows = self.env["saas.meter.dimension"].with_user(stranger)
        rows = rows.with_context(allowed_company_ids=elsewhere.ids)
        self.assertFalse(rows.search([("meter_id", "=", self.bytes_meter.id)]))
        with (
            mute_logger("odoo.addons.base.models.ir_rule"),
            self.assertRaises(AccessError),
        ):
            rows.browse(dimension.id).name = "x"
