# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from decimal import Decimal

from odoo import Command
from odoo.exceptions import AccessError
from odoo.tests import BaseCase, tagged

from ..models.saas_subscription_usage_periods import CACHE
from ..models.usage_bounds import BOUNDS, GivenBounds
from ..models.usage_reading_book import contains
from ..models.usage_store import PostgresUsageStore
from ..models.usage_store_api import Bounds, Window, get_store
from .test_hold import APRIL, MAY, HoldCase

JUNE = date(2026, 6, 1)


@tagged("post_install", "-at_install")
class TestReading(HoldCase):
    """A closed period is read once; whatever touches it later is noticed."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.store(600, "2026-03-10")
        cls.store(200, "2026-04-10")

    def setUp(self):
        super().setUp()
        self.read = []
        aggregate = PostgresUsageStore.aggregate

        def counting(store, spec, windows, bounds=None):
            windows = list(windows)
            self.read += [(spec.aggregation, one.start.month) for one in windows]
            return aggregate(store, spec, windows, bounds)

        self.patch(PostgresUsageStore, "aggregate", counting)

    def compute(self, cutoff=MAY, **vals):
        """Compute a run as another transaction would.

        :return: quantities of calls per month, what was read from the events
        """
        self.env.cr.cache.pop(CACHE, None)
        self.read.clear()
        run = self.create_run(cutoff, date_invoice=cutoff, usage_sigma=0, **vals)
        run.with_user(self.operator).action_compute()
        self.assertNotIn("failed", run.line_ids.mapped("state"), run.line_ids.why)
        return run, self.quantities(run), sorted(set(self.read))

    def quantities(self, run, product=None):
        rows = run.line_ids.charge_ids.filtered(
            lambda row: row.product_id == (product or self.calls)
        )
        return {row.service_start.month: row.quantity for row in rows}

    def readings(self, meter=None):
        return self.env["saas.usage.reading"].search(
            [("meter_id", "=", (meter or self.calls_meter).id)]
        )

    # Remembered ------------------------------------------------------
    def test_periods_are_read_once(self):
        _run, first, read = self.compute()
        both = [("count", 3), ("count", 4), ("sum", 3), ("sum", 4)]
        self.assertEqual(read, both)
        run, again, read = self.compute()
        self.assertEqual(read, [])
        self.assertEqual(first, {3: 600, 4: 200})
        self.assertEqual(again, first)
        self.assertEqual(self.quantities(run, self.traffic), {3: 6000, 4: 2000})
        # only the new month is read
        self.store(50, "2026-05-10")
        _run, quantities, read = self.compute(JUNE)
        self.assertEqual(read, [("count", 5), ("sum", 5)])
        self.assertEqual(quantities, {3: 600, 4: 200, 5: 50})

    def test_reading_says_what_it_is(self):
        self.compute()
        april, march = self.readings()
        self.assertEqual(march.subscription_id, self.subscription)
        self.assertEqual((march.quantity_text, march.event_count), ("600", 600))
        self.assertEqual(march.time_end, april.time_start)
        self.assertEqual(march.company_id, self.company)
        self.assertFalse(march.is_shared)

    def test_deleted_readings_cost_time_only(self):
        _run, first, _read = self.compute()
        self.env["saas.usage.reading"].search([]).with_user(self.operator).unlink()
        _run, again, read = self.compute()
        self.assertEqual((len(read), again), (4, first))

    def test_periods_that_go_on_are_not_remembered(self):
        self.compute()
        self.readings().unlink()
        book = self.env["saas.usage.reading"]._open(
            [self.window(APRIL, MAY)], get_store(self.env).bounds()
        )
        book.aggregate(
            self.calls_meter.id, self.calls_meter._get_spec(), [self.window(APRIL, MAY)]
        )
        book.close(book.new[0].window.end.replace(year=2025))
        self.assertFalse(self.readings())
        book.close(book.new[0].window.end)
        self.assertEqual(len(self.readings()), 1)

    def test_who_only_looks_writes_nothing(self):
        self.subscription._get_unbooked_charges(MAY)
        self.assertFalse(self.readings())
        self.compute()
        self.env.cr.cache.pop(CACHE, None)
        self.read.clear()
        due = self.subscription._get_unbooked_charges(MAY)
        self.assertEqual(self.read, [])
        self.assertEqual(sum(row.quantity for row in due if row.kind == "usage"), 8800)

    # Noticed ---------------------------------------------------------
    def test_late_event(self):
        self.compute()
        self.store(1, "2026-03-20", bytes=5)
        run, quantities, read = self.compute()
        self.assertEqual(quantities, {3: 601, 4: 200})
        self.assertEqual(self.quantities(run, self.traffic), {3: 6005, 4: 2000})
        self.assertEqual(read, [("count", 3), ("sum", 3)])
        self.assertEqual(self.compute()[1:], (quantities, []))

    def test_void_and_replacement(self):
        event = self.event(time="2026-03-21T10:00:00Z", data={"bytes": 7})
        self.ingest([event])
        self.compute()
        self.ingest([{"id": "v1", "source": "weblog", "voids": event["id"]}])
        _run, quantities, read = self.compute()
        self.assertEqual(quantities, {3: 600, 4: 200})
        self.assertEqual(read, [("count", 3), ("sum", 3)])
        # replaced by one of another period: both change
        event = self.event(time="2026-03-22T10:00:00Z", data={"bytes": 7})
        self.ingest([event])
        self.assertEqual(self.compute()[1], {3: 601, 4: 200})
        later = self.event(time="2026-04-09T10:00:00Z", data={"bytes": 7})
        self.ingest([{**later, "replaces": event["id"]}])
        _run, quantities, read = self.compute()
        self.assertEqual(quantities, {3: 600, 4: 201})
        self.assertEqual(len(read), 4)

    def test_request_that_was_open(self):
        late = self.store(1, "2026-03-20").batch_id
        last = get_store(self.env).bounds()
        before = Bounds(last.batch_max, (*last.batch_open, late), None)
        windows = [self.window(date(2026, 3, 1), APRIL)]
        spec = self.calls_meter._get_spec()

        def ask(bounds):
            book = self.env["saas.usage.reading"]._open(windows, bounds)
            [groups] = book.aggregate(self.calls_meter.id, spec, windows)
            book.close(last.stored_at.replace(year=2030))
            return groups[()].quantity

        self.assertEqual(ask(before), 600)
        self.assertEqual(ask(before), 600)
        self.assertEqual(len(self.read), 1)
        self.assertEqual(ask(last), 601)
        # what is newer than asked for neither answers nor is overwritten
        self.assertEqual(ask(before), 600)
        self.assertEqual(len(self.read), 3)
        self.assertEqual(ask(last), 601)
        self.assertEqual(len(self.read), 3)

    def test_posting_with_the_bounds_of_the_line(self):
        run = self.compute()[0]
        self.approve(run)
        self.store(10, "2026-03-20")
        # another run sees the late events, and its readings are newer
        self.assertEqual(self.compute()[1], {3: 610, 4: 200})
        self.env.cr.cache.pop(CACHE, None)
        self.post(run)
        self.assertEqual(run.line_ids.state, "posted", run.line_ids.why)
        self.assertEqual(self.booked(), 800)
        self.assertEqual(self.compute()[1], {3: 10})

    def test_readings_in_between_answer_for_a_line(self):
        run = self.compute()[0]
        self.approve(run)
        # later requests that touch nothing
        self.store(1, "2026-05-20")
        self.compute()
        self.env.cr.cache.pop(CACHE, None)
        self.read.clear()
        self.post(run)
        self.assertEqual(run.line_ids.state, "posted", run.line_ids.why)
        self.assertEqual(self.read, [])

    def test_late_event_of_another_subscription_or_type(self):
        self.compute()
        other = self.create_subscription(
            [{"product_id": self.calls.id}], date_start=date(2026, 3, 1), tz="UTC"
        )
        self.tie("client-2", other)
        self.create_meter("Other", "other", "count", event_type="test.other")
        self.store(3, "2026-03-20", subject="client-2")
        self.ingest([self.event(type="test.other", time="2026-03-20T10:00:00Z")])
        self.env.cr.cache.pop(CACHE, None)
        self.read.clear()
        self.subscription._get_unbooked_charges(MAY)
        self.assertEqual(self.read, [])

    # Definitions -----------------------------------------------------
    def test_changed_meter(self):
        self.compute()
        self.calls_meter.filter_ids = [
            Command.create({"key": "bytes", "operator": ">", "value": "100"})
        ]
        _run, quantities, read = self.compute()
        self.assertEqual(quantities, {})
        self.assertEqual(read, [("count", 3), ("count", 4)])

    def test_price_for_values_of_a_dimension(self):
        self.calls_meter.dimension_ids = [
            Command.create({"name": "Region", "key": "region"})
        ]
        self.compute()
        self.store(40, "2026-03-15", region="eu")
        price = self.create_price(
            model="standard",
            unit_price=1,
            date_start="2026-03-01",
            match_ids=[
                Command.create(
                    {
                        "dimension_id": self.calls_meter.dimension_ids.id,
                        "value": "eu",
                    }
                )
            ],
        )
        run, _quantities, read = self.compute()
        self.assertIn(("count", 3), read)
        parts = {
            row.ref.split(":")[1]: row.quantity
            for row in run.line_ids.charge_ids
            if row.product_id == self.calls and row.service_start.month == 3
        }
        self.assertEqual(sorted(parts.values()), [40, 600])
        self.assertEqual(parts[str(price.root_id.id)], 40)
        self.assertTrue(any(self.readings().mapped("is_shared")))
        run, _quantities, read = self.compute()
        self.assertEqual(read, [])

    def test_time_zone_of_the_subscription(self):
        self.compute()
        self.ingest([self.event(time="2026-03-31T23:00:00Z", data={"bytes": 0})])
        self.assertEqual(self.compute()[1], {3: 601, 4: 200})
        self.subscription.sudo().tz = "Europe/Paris"
        _run, quantities, read = self.compute()
        self.assertEqual(quantities, {3: 600, 4: 201})
        self.assertEqual(len(read), 4)

    def test_dimensions_of_the_checks_are_read_once(self):
        self.calls_meter.dimension_ids = [
            Command.create({"name": "Region", "key": "region"})
        ]
        for month in (5, 6):
            self.store(100, f"2026-{month:02}-10", bytes=0, region="eu")
        for month in (APRIL, MAY, JUNE):
            self.bill_usage(month, month)
        self.compute(date(2026, 7, 1), variance_tolerance=10**6)
        run = self.create_run(date(2026, 7, 1), date_invoice=date(2026, 7, 1))
        self.read.clear()
        run.with_user(self.operator).action_compute()
        by_dimension = sorted(self.read)
        self.assertEqual([month for _kind, month in by_dimension], [3, 4, 5, 6])
        self.read.clear()
        run.with_user(self.operator).action_compute()
        self.assertEqual(self.read, [])

    def test_levels_are_not_remembered(self):
        level = self.create_meter(
            "Seats", "seats", "sum", "bytes", company_id=False, is_level=True
        )
        self.traffic.product_tmpl_id.saas_meter_id = level
        run, *_rest = self.compute()
        self.assertEqual(self.quantities(run, self.traffic), {3: 6000, 4: 8000})
        # an event of March changes what April begins with
        self.store(1, "2026-03-20", bytes=50)
        run, *_rest = self.compute()
        self.assertEqual(self.quantities(run, self.traffic), {3: 6050, 4: 8050})
        self.assertFalse(self.readings(level))

    # Exactly ---------------------------------------------------------
    def test_all_digits_and_spans_are_kept(self):
        self.store(1, "2026-03-20", bytes="12345678901234567890.123456789012")
        self.store(1, "2026-03-20", bytes="0.5")
        spans = self.create_meter(
            "Peak",
            "peak",
            "window",
            "bytes",
            company_id=False,
            window_unit="hour",
            window_size=1,
            window_aggregation="sum",
            window_outer="max",
        )
        store, bounds = get_store(self.env), get_store(self.env).bounds()
        windows = [self.window(date(2026, 3, 1), APRIL)]
        for meter in (spans, self.bytes_meter):
            spec = meter._get_spec()
            [wanted] = store.aggregate(spec, windows, bounds)
            for _turn in range(2):
                book = self.env["saas.usage.reading"]._open(windows, bounds)
                [groups] = book.aggregate(meter.id, spec, windows)
                book.close(windows[0].end)
                self.assertEqual(groups, wanted)
            self.assertFalse(book.new)
        self.assertEqual(
            groups[()].quantity, Decimal("12345678901234573890.623456789012")
        )

    def test_given_bounds_are_those_of_the_line(self):
        _run, _quantities, _read = self.compute()
        bounds = get_store(self.env).bounds()
        self.store(1, "2026-03-20")
        given = self.subscription.with_context(
            **{BOUNDS: GivenBounds(bounds, frozenset())}
        )
        due = given._get_unbooked_charges(APRIL)
        self.assertEqual(
            [row.quantity for row in due if row.kind == "usage"], [600, 6000]
        )

    def test_bounds_of_a_caller_leave_no_readings(self):
        late = {"batch_max": 2**60, "batch_open": [], "stored_at": None}
        caller = self.subscription.with_user(self.auditor)
        caller.with_context(**{BOUNDS: late})._get_unbooked_charges(MAY)
        self.assertFalse(self.readings())
        self.store(1, "2026-03-20")
        _run, quantities, _read = self.compute()
        self.assertEqual(quantities, {3: 601, 4: 200})

    def test_bounds_of_a_caller_do_not_bill(self):
        hold = self.hold()
        self.release(hold)
        self.env.cr.cache.pop(CACHE, None)
        early = {
            "batch_max": 0,
            "batch_open": [],
            "stored_at": None,
            "holds": hold.ids,
        }
        run = self.create_run(MAY, date_invoice=MAY, usage_sigma=0)
        caller = run.with_user(self.operator).with_context(**{BOUNDS: early})
        caller.action_compute()
        self.assertEqual(self.quantities(run), {3: 600, 4: 200})
        seen = get_store(self.env).bounds()
        self.assertEqual(run.line_ids.usage_bounds, seen.as_dict())
        caller.line_ids.action_recompute()
        self.assertEqual(self.quantities(run), {3: 600, 4: 200})
        self.assertEqual(run.line_ids.usage_bounds, seen.as_dict())
        self.assertFalse(
            self.subscription.with_context(**{BOUNDS: early})._get_usage_holds()
        )

    # Rights ----------------------------------------------------------
    def test_rights(self):
        self.compute()
        reading = self.readings()[:1]
        self.assertTrue(reading.with_user(self.auditor).quantity_text)
        with self.assertRaises(AccessError):
            reading.with_user(self.auditor).unlink()
        with self.assertRaises(AccessError):
            reading.with_user(self.operator).write({"groups": []})
        with self.assertRaises(AccessError):
            reading.with_user(self.operator).copy()
        reading.with_user(self.operator).unlink()

    def window(self, start, end):
        periods = self.subscription._get_usage_periods(JUNE)
        [found] = {
            one.window for one in periods if (one.start, one.end) == (start, end)
        }
        return Window(found.subscription_id, found.start, found.end, found.tz)


@tagged("post_install", "-at_install")
class TestMoments(BaseCase):
    """Which of two moments has seen all of the other."""

    def test_contains(self):
        early = Bounds(10, (7,), None)
        for later, wanted in (
            (Bounds(10, (7,), None), True),
            (Bounds(12, (), None), True),
            (Bounds(12, (7, 11), None), True),
            (Bounds(12, (8,), None), False),
            (Bounds(9, (7,), None), False),
        ):
            with self.subTest(later=later):
                self.assertEqual(contains(later, early), wanted)
