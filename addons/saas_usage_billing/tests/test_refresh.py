# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date
from unittest.mock import patch

from odoo.tests import tagged

from ..models.usage_store_api import Bounds, Look, Window, get_store
from .test_hold import APRIL, HoldCase


@tagged("post_install", "-at_install")
class TestRefresh(HoldCase):
    """Previews nobody decided on follow the usage that arrives, no others."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other = cls.create_subscription(
            [
                {"product_id": cls.platform.id, "price_unit": 500.0},
                {"product_id": cls.calls.id},
            ],
            date_start=date(2026, 3, 10),
            tz="UTC",
        )
        cls.tie("client-2", cls.other)
        cls.store(600, "2026-03-10", bytes=0)
        cls.store(10, "2026-03-12", subject="client-2")

    def compute(self):
        run = self.create_run(APRIL, date_invoice=APRIL)
        run.with_user(self.operator).action_compute()
        return run

    def line(self, run, subscription=None):
        subscription = subscription or self.subscription
        return run.line_ids.filtered(lambda one: one.subscription_id == subscription)

    def quantity(self, run):
        charges = self.line(run).charge_ids
        return charges.filtered(lambda row: row.product_id == self.calls).quantity

    def refresh(self):
        """Run the job as cron does.

        :return: progress it reported
        """
        steps = []

        def commit(_cron, processed=0, *, remaining=None, deactivate=False):
            steps.append((processed, remaining))
            return 60.0

        with patch.object(type(self.env["ir.cron"]), "_commit_progress", commit):
            self.env["saas.billing.run"].sudo()._cron_refresh_previews()
        self.env.invalidate_all()
        return steps

    # What is computed again ------------------------------------------
    def test_late_usage_is_in_the_preview(self):
        run = self.compute()
        untouched = self.line(run, self.other).charge_ids
        seen = self.line(run).usage_bounds
        self.store(20, "2026-03-20", bytes=0)
        self.assertEqual(self.refresh(), [(0, 1), (1, None)])
        self.assertEqual(self.quantity(run), 620)
        self.assertEqual(self.line(run, self.other).charge_ids, untouched)
        self.assertNotEqual(self.line(run).usage_bounds, seen)
        body = run.message_ids[0].body
        self.assertIn(self.subscription.name, body)
        self.assertNotIn(self.other.name, body)
        # what came is in: nothing is left to do
        self.assertEqual(self.refresh(), [(0, 0)])
        self.post(self.approve(run))
        self.assertEqual(self.booked(), 620)

    def test_voided_usage_leaves_the_preview(self):
        event = self.event(time="2026-03-20T10:00:00Z", data={"bytes": 0})
        self.ingest([event])
        run = self.compute()
        self.assertEqual(self.quantity(run), 601)
        self.ingest([{"id": "v1", "source": "weblog", "voids": event["id"]}])
        self.refresh()
        self.assertEqual(self.quantity(run), 600)

    def test_usage_of_the_running_period_changes_nothing(self):
        run = self.compute()
        self.store(5, "2026-04-02", bytes=0)
        # the period of the other one runs until the 10th of April
        self.store(5, "2026-03-30", subject="client-2")
        self.assertEqual(self.refresh(), [(0, 0)])
        self.assertEqual(self.quantity(run), 600)

    def test_other_event_types_change_nothing(self):
        run = self.compute()
        self.create_meter("Other", "other", "count", event_type="test.other")
        self.ingest([self.event(type="test.other", time="2026-03-20T10:00:00Z")])
        self.assertEqual(self.refresh(), [(0, 0)])
        self.assertEqual(self.quantity(run), 600)

    # What people looked at -------------------------------------------
    def test_decided_lines_stay(self):
        run = self.compute()
        line = self.line(run).with_user(self.operator)
        line.comment = "Looked at"
        line.action_hold()
        line.action_release()
        self.store(20, "2026-03-20", bytes=0)
        self.assertEqual(self.refresh(), [(0, 0)])
        self.assertEqual(self.quantity(run), 600)

    def test_reviewed_and_approved_runs_stay(self):
        reviewed, approved = self.compute(), self.compute()
        reviewed.with_user(self.operator).action_review()
        self.approve(approved)
        self.store(20, "2026-03-20", bytes=0)
        self.assertEqual(self.refresh(), [(0, 0)])
        self.assertEqual(self.quantity(reviewed), 600)
        self.post(approved)
        self.assertEqual(self.booked(), 600)

    def test_run_that_was_reviewed_meanwhile_stays(self):
        run = self.compute()
        self.store(20, "2026-03-20", bytes=0)
        lines = run.sudo()._find_outdated_lines()
        self.assertEqual(lines, self.line(run))
        run.with_user(self.operator).action_review()
        run.sudo()._refresh_lines(lines.ids)
        self.assertEqual(self.quantity(run), 600)

    # What fails --------------------------------------------------------
    def failing(self):
        """Let the line of one subscription fail."""
        lines = type(self.env["saas.billing.run.line"])
        compute, subscription = lines._compute_preview, self.subscription

        def fail(records):
            compute(records)
            if subscription in records.subscription_id:
                raise ValueError("no")

        return patch.object(lines, "_compute_preview", fail)

    def get_failures(self):
        return self.env["saas.exception"].search(
            [("code", "=", "usage.refresh_failed")]
        )

    def test_failing_line_stops_no_other(self):
        run, later = self.compute(), self.compute()
        self.store(20, "2026-03-20", bytes=0)
        self.store(5, "2026-03-12", subject="client-2")
        with self.failing():
            self.refresh()
        for one in (run, later):
            self.assertEqual(self.quantity(one), 600)
            self.assertFalse(
                one.sudo()._find_outdated_lines() & self.line(one, self.other)
            )
        exceptions = self.get_failures()
        self.assertEqual(set(exceptions.mapped("res_id")), set((run | later).ids))
        self.assertEqual(set(exceptions.mapped("queue")), {"finance"})
        self.assertIn(self.subscription.name, exceptions[0].name)
        self.assertNotIn(self.other.name, exceptions[0].name)
        # One by hand, one by the next run of the job.
        run.saas_retry_refresh()
        self.assertEqual(self.quantity(run), 620)
        self.refresh()
        self.assertEqual(self.quantity(later), 620)
        self.assertEqual(set(exceptions.mapped("state")), {"resolved"})

    def test_run_that_cannot_be_searched_stops_no_other(self):
        run, later = self.compute(), self.compute()
        self.store(20, "2026-03-20", bytes=0)
        runs = type(run)
        find = runs._find_outdated_lines

        def fail(record):
            if record == run:
                raise ValueError("no")
            return find(record)

        with patch.object(runs, "_find_outdated_lines", fail):
            self.refresh()
        self.assertEqual((self.quantity(run), self.quantity(later)), (600, 620))
        self.assertEqual(self.get_failures().res_id, run.id)

    # The question to the store ---------------------------------------
    def test_open_request_counts_as_new(self):
        window = Window(
            self.subscription.id,
            *(day.replace(tzinfo=None) for day in self._march()),
        )
        batch = self.store(1, "2026-03-21").batch_id
        last = get_store(self.env).bounds()
        looks = [
            Look(window, "test.request", last),
            # had a number when one looked, and ended later
            Look(window, "test.request", Bounds(last.batch_max, (batch,), None)),
            Look(window, "test.other", Bounds(0, (), None)),
            Look(window, "test.request", Bounds(0, (), None)),
        ]
        store = get_store(self.env)
        self.assertEqual(store.find_newer(looks), {1, 3})
        before = Bounds(last.batch_max, (batch,), None)
        self.assertEqual(store.find_newer(looks, until=before), {3})
        self.assertEqual(store.find_newer([]), set())

    def _march(self):
        from ..models.saas_subscription_usage_periods import day_start

        return day_start(date(2026, 3, 1), "UTC"), day_start(APRIL, "UTC")
