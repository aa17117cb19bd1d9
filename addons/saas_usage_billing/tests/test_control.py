# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, datetime, timedelta, timezone

from odoo.exceptions import UserError
from odoo.tests import freeze_time, tagged

from ..models.usage_store_api import get_store
from .common import UsageCase
from .test_hold import APRIL, MARCH, HoldCase


@tagged("post_install", "-at_install")
class TestControlIntake(UsageCase):
    """Received = stored + duplicate + quarantined, counted in the store itself."""

    def control(self, day=None):
        day = day or datetime.now(timezone.utc).date()
        self.env["saas.usage.control"]._control_intake(day)
        return self.env["saas.usage.control"].search(
            [("company_id", "=", self.company.id), ("day", "=", day)]
        )

    def test_clean_day(self):
        event = self.event()
        self.ingest([event, self.event(subject="nobody"), "x"])
        self.ingest([event, {"id": "v", "source": "weblog", "voids": event["id"]}])
        rows = self.control()
        self.assertEqual(
            [
                sum(rows.mapped(name))
                for name in ("received", "stored", "in_store", "duplicate")
            ],
            [5, 2, 2, 1],
        )
        self.assertEqual(sum(rows.mapped("quarantined")), 2)
        self.assertEqual(set(rows.mapped("has_difference")), {False})
        # Once per company and source, however often it runs.
        self.assertEqual(self.control(), rows)
        self.assertEqual(len(rows), 2)

    def test_event_that_is_missing_is_told_until_it_is_back(self):
        self.ingest([self.event(), self.event()])
        number = self.env["saas.usage.batch"].search([], limit=1).id
        self.env.cr.execute(
            "UPDATE saas_usage_batch SET stored = 3, received = 3 WHERE id = %s",
            [number],
        )
        self.env.invalidate_all()
        row = self.control()
        self.assertEqual((row.stored, row.in_store, row.difference), (3, 2, 1))
        issue = self.env["saas.exception"].search(
            [("code", "=", "usage.control_difference"), ("res_id", "=", row.id)]
        )
        self.assertEqual(
            (issue.state, issue.severity, issue.queue), ("open", "critical", "finance")
        )
        with self.assertRaises(UserError):
            row.saas_retry_control()
        self.env.cr.execute(
            "UPDATE saas_usage_batch SET stored = 2, received = 2 WHERE id = %s",
            [number],
        )
        self.env.invalidate_all()
        self.patch(
            type(self.env["ir.cron"]), "_commit_progress", lambda *_args, **_kw: 9
        )
        # Long after the last days: a difference is looked at until it is gone.
        with freeze_time("2027-06-01"):
            self.env["saas.usage.control"]._cron_control()
        self.assertFalse(row.has_difference)
        self.assertEqual(issue.state, "resolved")

    def test_job_goes_on_where_its_time_was_over(self):
        control, cron = self.env["saas.usage.control"], self.env["ir.cron"]
        job = self.env.ref("saas_usage_billing.ir_cron_saas_usage_control")
        tasks, times = [], []

        def rate(_control, month, _meters=None):
            tasks.append(month)

        def intake(_control, day):
            tasks.append(day)
            control._keep(
                ("company_id", "source_id"),
                [{"kind": "intake", "day": day, "company_id": self.company.id}],
            )
            if len(tasks) == 1:
                raise ValueError("broken day")

        def progress(model, _processed=0, *, remaining=None):
            left = times.pop(0)
            if not left:
                model.env["ir.cron.progress"].browse(
                    model.env.context["ir_cron_progress_id"]
                ).remaining = 1
            return left

        self.patch(type(control), "_control_intake", intake)
        self.patch(type(control), "_control_rating", rate)
        self.patch(type(control), "_get_booked_months", lambda _self, _since: set())
        self.patch(type(cron), "_commit_progress", progress)
        for at, left in (
            ("2026-05-20 10:00:00", [9, 9, 0]),
            ("2026-05-20 10:02:00", [0, 0]),
            ("2026-05-20 10:04:00", [9] * 4),
            ("2026-05-20 16:00:00", [9] * 6),
        ):
            times[:] = left
            run, current = job._add_progress(timed_out_counter=0)
            self.env.cr.execute(
                "UPDATE ir_cron_progress SET create_date = %s::timestamp - interval"
                " '30 seconds' WHERE id = %s",
                [at, current.id],
            )
            current.invalidate_recordset()
            with freeze_time(at):
                control.with_env(run.env)._cron_control()
            self.assertFalse(times)
        days = [date(2026, 5, day) for day in (17, 18, 17, 19)]
        months = [date(2026, 4, 1), date(2026, 5, 1)]
        # The last run begins anew, with what waits longest; then what has no row.
        again = [date(2026, 5, day) for day in (18, 17, 19)]
        self.assertEqual(tasks, [*days, *months, *again, *months])
        issue = self.env["saas.exception"].search(
            [("code", "=", "usage.control_failed"), ("dedup_key", "=", "2026-05-17")]
        )
        # The day that failed was controlled by a later run.
        self.assertEqual(issue.state, "resolved")
        self.assertIn("broken day", issue.name)

    def test_figures_open_their_records(self):
        self.ingest([self.event(), self.event(subject="nobody")])
        row = self.control()
        for action, number in (
            (row.action_view_requests(), 1),
            (row.action_view_events(), 1),
            (row.action_view_quarantine(), 1),
        ):
            found = self.env[action["res_model"]].search_count(action["domain"])
            self.assertEqual(found, number, action["res_model"])

    def test_requests_of_long_ago_are_deleted(self):
        control, batches = self.env["saas.usage.control"], self.env["saas.usage.batch"]
        first = batches.browse(self.ingest([self.event(), self.event()]).batch_id)
        self.ingest([self.event(subject="nobody")])
        waiting = self.env["saas.usage.quarantine"].search([], limit=1).batch_id
        self.env.cr.execute(
            "UPDATE saas_usage_batch SET is_counted = TRUE;"
            "SELECT setval('saas_usage_batch_id_seq', %s)",
            [waiting.id + 300_000],
        )
        last = batches.browse(self.ingest([self.event()]).batch_id)
        today = datetime.now(timezone.utc).date()
        later = today + timedelta(days=420)
        row = self.control().filtered(lambda one: one.source_id == self.source)
        # The day has a request whose number bounds may look for.
        self.assertFalse(control._forget_requests(later))
        self.env.cr.execute(
            "UPDATE saas_usage_batch SET received_at = received_at + interval '419 d'"
            " WHERE id = %s",
            [last.id],
        )
        self.env.invalidate_all()
        bounds, count = get_store(self.env).bounds(), self.source.event_count
        event = self.events_of().filtered(lambda one: one.batch_id == first)[0]
        self.assertFalse(control._forget_requests(today + timedelta(days=380)))
        row.has_difference = True
        self.assertFalse(control._forget_requests(later))
        row.has_difference = False
        while control._forget_requests(later):
            pass
        self.env.invalidate_all()
        # Quarantined events keep theirs, the source its last one.
        self.assertFalse(first.exists())
        self.assertEqual((waiting + last).exists(), waiting + last)
        self.assertTrue(row.is_forgotten)
        self.assertEqual(get_store(self.env).bounds(), bounds)
        self.assertEqual((count, self.source.event_count), (3, 3))
        self.assertIn("no longer kept", event.batch_id.display_name)
        # The job goes on with days it had no time for, whatever is deleted.
        said = []
        self.patch(
            type(self.env["ir.cron"]),
            "_commit_progress",
            lambda _cron, processed=0, **_kw: said.append(processed) or 9,
        )
        row.is_forgotten = False
        self.patch(type(control), "_get_tasks", lambda _self: [])
        with freeze_time(later):
            control._cron_control()
        self.assertEqual(set(said), {0})
        self.assertGreater(len(said), 1)
        # What is not there any more is no difference.
        control._control_intake(today)
        self.assertFalse(row.has_difference)

    def test_only_the_job_writes(self):
        self.ingest([self.event()])
        operator = self.new_user("control_operator", "administrator")
        row = self.control().with_user(operator)
        for call in (
            lambda: row.write({"difference": 0}),
            lambda: row.create({"kind": "intake", "day": "2026-01-01"}),
            row.unlink,
        ):
            with self.assertRaises(UserError):
                call()

    def test_kpi_of_the_quarantine(self):
        self.ingest([self.event(subject="nobody")])
        [row] = self.env["saas.usage.quarantine"]._saas_kpi_usage_quarantine_open(
            None, self.company, date(2026, 1, 1), date(2099, 1, 1)
        )
        self.assertEqual(row["value"], 1)


@tagged("post_install", "-at_install")
class TestControlRating(HoldCase):
    """Stored = rated + unrated by reason; rated = booked."""

    def control(self, meter=None, month=MARCH):
        self.env["saas.usage.control"]._control_rating(month)
        return self.env["saas.usage.control"].search(
            [
                ("kind", "=", "rating"),
                ("day", "=", month),
                ("meter_id", "=", (meter or self.calls_meter).id),
                ("company_id", "=", self.subscription.company_id.id),
            ]
        )

    def figures(self, row):
        names = (
            "events",
            "rated",
            "open",
            "held",
            "not_sold",
            "voided",
            "filtered_out",
        )
        return {name: row[name] for name in names if row[name]}

    def test_from_open_to_rated_with_late_and_void(self):
        self.store(620, "2026-03-10", bytes=3)
        row = self.control()
        self.assertEqual(self.figures(row), {"events": 620, "open": 620})
        self.bill_usage()
        row = self.control()
        self.assertEqual(self.figures(row), {"events": 620, "rated": 620})
        self.assertEqual((row.quantity_rated, row.quantity_booked), (620, 620))
        self.assertAlmostEqual(row.amount_booked, row.amount_rated)
        self.assertTrue(row.amount_booked)
        self.assertFalse(row.has_difference)
        traffic = self.control(self.bytes_meter)
        self.assertEqual(traffic.quantity_booked, 1860)
        self.assertFalse(traffic.has_difference)
        # Late, and taken back: unrated until the next run.
        self.store(2, "2026-03-20", bytes=1)
        first = self.events_of().sorted("event_time")[0]
        self.ingest([{"id": "v1", "source": "weblog", "voids": first.event_id}])
        row = self.control()
        self.assertFalse(row.has_difference)
        self.assertEqual(row.rated + row.open, 621)
        self.assertEqual(row.voided, 1)
        self.bill_usage(date(2026, 5, 1), date(2026, 5, 1))
        row = self.control()
        self.assertEqual(self.figures(row), {"events": 622, "rated": 621, "voided": 1})
        self.assertEqual((row.quantity_rated, row.quantity_booked), (621, 621))
        self.assertFalse(row.has_difference)

    def test_reasons(self):
        self.store(3, "2026-03-10", bytes=0)
        self.hold()
        self.assertEqual(self.figures(self.control()), {"events": 3, "held": 3})
        self.calls_meter.filter_ids = [(0, 0, {"key": "path", "value": "/x"})]
        self.assertEqual(self.figures(self.control()), {"events": 3, "filtered_out": 3})
        spare = self.create_meter("Spare", "spare", "count", company_id=False)
        self.assertEqual(
            self.figures(self.control(spare)), {"events": 3, "not_sold": 3}
        )

    def test_meter_that_fails_stops_no_other(self):
        self.store(3, "2026-03-10", bytes=1)
        model = type(self.env["saas.usage.control"])
        count_events, broken = model._count_events, self.calls_meter

        def fail(control, meters, month):
            if broken in meters:
                raise ValueError("broken meter")
            return count_events(control, meters, month)

        self.patch(model, "_count_events", fail)
        self.assertFalse(self.control())
        self.assertEqual(
            self.figures(self.control(self.bytes_meter)), {"events": 3, "open": 3}
        )
        [issue] = self.env["saas.exception"].search(
            [
                ("code", "=", "usage.control_failed"),
                ("res_model", "=", broken._name),
                ("res_id", "=", broken.id),
            ]
        )
        self.assertIn("broken meter", issue.name)
        with self.assertRaises(UserError):
            broken.with_user(self.operator).saas_retry_control()
        self.patch(model, "_count_events", count_events)
        broken.with_user(self.operator).saas_retry_control()
        self.assertEqual(issue.state, "resolved")

    def test_charges_that_fail_stop_no_other_meter(self):
        self.store(3, "2026-03-10", bytes=1)
        model = type(self.env["saas.usage.control"])
        find_charges, broken = model._find_charges, self.calls_meter

        def fail(control, meter, month):
            if meter == broken:
                raise ValueError("broken charges")
            return find_charges(control, meter, month)

        self.patch(model, "_find_charges", fail)
        self.assertFalse(self.control())
        self.assertEqual(self.control(self.bytes_meter).events, 3)
        issue = self.env["saas.exception"].search(
            [("code", "=", "usage.control_failed"), ("res_id", "=", broken.id)]
        )
        self.assertIn("broken charges", issue.name)

    def test_company_that_fails_stops_no_other(self):
        self.store(3, "2026-03-10", bytes=1)
        model = type(self.env["saas.usage.control"])
        control_meter, own = model._control_meter, self.subscription.company_id
        other = self.env["res.company"].create({"name": "Elsewhere Ltd"})
        self.env["saas.usage.control"]._control_rating(MARCH, self.calls_meter)
        row = self.control()
        self.env.cr.execute(
            "UPDATE saas_usage_control SET company_id = %s WHERE id = %s",
            [other.id, row.id],
        )
        self.env.invalidate_all()

        def fail(control, meter, month, company, *args):
            if company == own:
                raise ValueError("broken company")
            return control_meter(control, meter, month, company, *args)

        self.patch(model, "_control_meter", fail)
        self.assertFalse(self.control())
        # Nothing of it is stored there.
        self.assertEqual(row.events, 0)

    def test_events_are_read_once_for_all_meters(self):
        self.store(3, "2026-03-10", bytes=1, path="/")
        for number in range(3):
            self.create_meter(
                *(f"Spare {number}", f"spare_{number}", "count"),
                company_id=False,
                filter_ids=[(0, 0, {"key": "path", "value": f"/{number}"})],
            )
        control = self.env["saas.usage.control"]
        statements, count_definitions = [], type(control)._count_definitions

        def note(model, definitions, month):
            statements.append(definitions)
            return count_definitions(model, definitions, month)

        self.patch(type(control), "_count_definitions", note)
        spare = self.env["saas.meter"].search([("code", "=like", "spare_%")])
        for meter in spare:
            row = self.control(meter)
            self.assertEqual(self.figures(row), {"events": 3, "filtered_out": 3})
        self.assertEqual(self.figures(self.control()), {"events": 3, "open": 3})
        self.assertEqual(len(statements), len(spare) + 1)
        statements.clear()
        self.control()
        self.assertEqual(len(statements), 1)
        # The retry of a row is of its meter.
        self.control().saas_retry_control()
        self.assertEqual([len(one) for one in statements[2:]], [1])

    def test_ledger_that_differs_is_told(self):
        self.store(10, "2026-03-10", bytes=0)
        self.bill_usage()
        charge = self.subscription.charge_ids.filtered(
            lambda one: one.line_id.product_id == self.calls
        )
        self.env.flush_all()
        self.env.cr.execute("ALTER TABLE saas_charge DISABLE TRIGGER USER")
        self.env.cr.execute(
            "UPDATE saas_charge SET quantity = 11 WHERE id = %s", [charge.id]
        )
        self.env.cr.execute("ALTER TABLE saas_charge ENABLE TRIGGER USER")
        self.env.invalidate_all()
        row = self.control()
        self.assertEqual((row.difference, row.quantity_difference), (0, 1))
        self.assertTrue(row.has_difference)
        self.assertEqual(
            self.env["saas.exception"].search_count(
                [("code", "=", "usage.control_difference"), ("res_id", "=", row.id)]
            ),
            1,
        )
        action = row.action_view_charges()
        self.assertEqual(self.env["saas.charge"].search(action["domain"]), charge)

    def test_kpi_of_unbilled_usage(self):
        self.store(600, "2026-03-10", bytes=0)
        kpi = self.env["saas.subscription"]._saas_kpi_usage_unbilled_amount
        company = self.subscription.company_id
        [row] = kpi(None, company, MARCH, APRIL)
        self.assertTrue(row["value"])
        self.bill_usage()
        [row] = kpi(None, company, MARCH, APRIL)
        self.assertEqual((row["value"], row["inputs"]["failed"]), (0, 0))
