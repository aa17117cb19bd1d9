# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date

from odoo.exceptions import AccessError, ValidationError
from odoo.tests import Form, tagged
from odoo.tools import mute_logger

from .common import UsageCase


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
            for forbidden in (lambda row: row.write({"value": "x"}), self.unlink):
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
    def unlink(record):
        record.unlink()
