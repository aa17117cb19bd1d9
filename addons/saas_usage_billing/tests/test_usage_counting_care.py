# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from contextlib import ExitStack
from datetime import date, timedelta
from unittest.mock import patch

from odoo import Command
from odoo.tests import tagged
from odoo.tools import SQL

from ..models import saas_usage_counting, usage_bucket_groups, usage_bucket_state
from ..models.usage_bucket import find_differences
from .common_counting import FIRST, NOW, CountingCase


@tagged("post_install", "-at_install")
class TestUsageCountingCare(CountingCase):
    """Buckets are checked, forgotten and kept small, and counting goes on meanwhile."""

    def get_calls(self):
        return self.subscription._get_current_usage(NOW)[0]["quantity"]

    # Check --------------------------------------------------------------
    def test_check_reads_only_the_days_it_looks_at(self):
        for day in range(1, 29):
            self.store(20, f"2026-03-{day:02}")
        self.count_all()
        (counted,) = self.calls_meter._get_counted()
        days = [(self.subscription.id, date(2026, 3, day)) for day in (1, 28)]
        read = (
            "SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_xact_user_tables"
            " WHERE relname LIKE 'saas_usage_event_store%%'"
        )
        self.env.cr.execute("SET LOCAL enable_seqscan = off")
        [[before]] = self.env.execute_query(SQL(read))
        self.assertFalse(find_differences(self.env, counted, days))
        [[after]] = self.env.execute_query(SQL(read))
        # Of 560: those of the days and of the hours around them.
        self.assertLessEqual(after - before, 80)

    def test_check_waits_for_nobody(self):
        self.store(5, "2026-03-10")
        self.count_all()
        self.env.cr.execute(
            "UPDATE saas_usage_bucket SET events = events + 1 WHERE meter_id = %s",
            [self.calls_meter.id],
        )
        with patch.object(type(self.counting), "_begin", lambda _self: False):
            commits = []
            self.counting._check(1, lambda: commits.append(1))
        self.assertTrue(commits)
        issue = self.env["saas.exception"].search(
            [
                ("code", "=", "usage.bucket_difference"),
                ("res_id", "=", self.subscription.id),
            ]
        )
        self.assertEqual(len(issue), 1)
        self.assertEqual(self.get_calls(), 5)
        self.count_all()
        self.assertTrue(self.is_countable(self.calls_meter))
        self.assertEqual(self.get_calls(), 5)

    # States -------------------------------------------------------------
    def test_counting_locks_only_what_changes(self):
        self.store(1, "2026-03-10")
        self.count_all()
        locked = SQL("SELECT count(*) FROM saas_usage_bucket_state WHERE xmax != 0")
        self.assertEqual(self.env.execute_query(locked), [(0,)])
        self.store(1, "2026-03-10")
        self.count_all()
        self.assertEqual(self.env.execute_query(locked), [(0,)])

    # Forget -------------------------------------------------------------
    def test_old_buckets_are_forgotten(self):
        users = self.create_meter("Users", "users", "unique", "path")
        self.subscription.line_ids = [
            Command.create(
                {
                    "product_id": self.create_product("Users", users).id,
                    "date_start": FIRST,
                }
            )
        ]
        for day in ("2026-02-10", "2026-03-10"):
            self.store(3, day, path="/")
        self.count_all()
        tables = ("saas_usage_bucket", "saas_usage_bucket_key")

        def get_days():
            return [
                self.env.execute_query(
                    SQL(
                        "SELECT DISTINCT to_char(day, 'YYYY-MM') FROM %s"
                        " WHERE subscription_id = %s",
                        SQL.identifier(table),
                        self.subscription.id,
                    )
                )
                for table in tables
            ]

        before = get_days()
        self.assertFalse(self.counting._forget())
        self.assertEqual(get_days(), before)
        self.assertIn(("2026-03",), before[0])
        # 400 days after: what is older than the first of that month.
        later = FIRST + timedelta(days=431)
        with patch.object(type(self.counting), "_get_today", lambda _self: later):
            while self.counting._forget():
                pass
            self.assertEqual(get_days(), [[], []])
            # Nothing is made again, and what is asked for is read from the events.
            self.count_all()
            self.assertEqual(get_days(), [[], []])
        self.assertFalse(self.is_countable(self.calls_meter))
        self.assertEqual(self.get_calls(), 3)

    # Failures -----------------------------------------------------------
    def test_meter_that_fails_stops_no_other(self):
        self.store(2, "2026-03-10", bytes=3)
        self.count_all()
        broken = self.bytes_meter.id

        def fail(function):
            def step(env, counted, *args):
                if counted.meter_id == broken:
                    raise ValueError("broken meter")
                return function(env, counted, *args)

            return step

        places = (
            (saas_usage_counting, "add_requests"),
            (usage_bucket_state, "rebuild_days"),
        )
        with ExitStack() as stack:
            for module, name in places:
                step = fail(getattr(module, name))
                stack.enter_context(patch.object(module, name, step))
            self.store(1, "2026-03-11", bytes=4)
            while self.counting._count():
                pass
            failed = set()
            while self.counting._extend(failed):
                pass
            self.assertEqual(failed, {broken})
        self.assertTrue(self.is_countable(self.calls_meter))
        self.assertFalse(self.is_countable(self.bytes_meter))
        calls, size = self.subscription._get_current_usage(NOW)
        self.assertEqual((calls["quantity"], size["quantity"]), (3, 10))
        issue = self.env["saas.exception"].search([("code", "=", "usage.count_failed")])
        self.assertEqual((issue.res_id, issue.occurrences), (broken, 1))
        # Mended: counted again by the next counting.
        self.count_all()
        self.assertTrue(self.is_countable(self.bytes_meter))
        self.patch(type(self.env["ir.cron"]), "_commit_progress", lambda _cron: 9)
        self.counting._cron_check()
        self.assertEqual(issue.state, "resolved")

    # Groups -------------------------------------------------------------
    def make_crowd(self, values, day="2026-03-10"):
        self.ingest(
            [
                self.event(
                    time=f"{day}T12:00:00Z",
                    data={"bytes": 1, "n": n + 1, "key": f"k{n}"},
                )
                for n in values
            ]
        )

    def get_groups(self, meter):
        query = SQL(
            "SELECT grp::text, events, total::integer FROM saas_usage_bucket"
            " WHERE meter_id = %s AND subscription_id = %s ORDER BY 1",
            *(meter.id, self.subscription.id),
        )
        return self.env.execute_query(query)

    def test_too_many_groups_become_one(self):
        self.patch(usage_bucket_groups, "MAX_GROUPS", 3)
        meter = self.create_meter(
            *("Crowd", "crowd", "sum", "n"),
            dimension_ids=[Command.create({"key": "key", "name": "Key"})],
        )
        self.subscription.line_ids = [
            Command.create(
                {
                    "product_id": self.create_product("Crowd", meter).id,
                    "date_start": FIRST,
                }
            )
        ]
        self.count_all()
        spec, period = meter._get_spec(), self.get_days()
        by_value = meter._get_spec(by_dimension=True)
        issues = self.env["saas.exception"]
        domain = [
            ("code", "=", "usage.too_many_groups"),
            ("res_id", "=", self.subscription.id),
        ]
        self.make_crowd(range(3))
        self.count_all()
        self.assertEqual(len(self.get_groups(meter)), 3)
        self.assertFalse(issues.search(domain))
        self.assertTrue(self.is_countable(meter, by_dimension=True))
        # One more with the next request; then what comes behind it.
        for number in (3, 4, 5):
            self.make_crowd([number])
            self.count_all()
            total = sum(range(1, number + 2))
            self.assertEqual(self.get_groups(meter), [("{}", number + 1, total)])
        issue = issues.search(domain)
        self.assertIn("take the dimension off", issue.name)
        self.assertEqual(issue.occurrences, 1)
        # Sums are right; who asks by value gets the events.
        [groups] = self.subscription._measure_live(meter, spec, [period])
        self.assertEqual(groups[()].quantity, 21)
        self.assertFalse(self.is_countable(meter, by_dimension=True))
        [groups] = self.subscription._measure_live(meter, by_value, [period])
        self.assertEqual(len(groups), 6)
        # Many at once, on a day that has groups of its own already.
        self.make_crowd([0], "2026-03-11")
        self.count_all()
        self.make_crowd(range(5), "2026-03-11")
        self.count_all()
        self.assertEqual(len(self.get_groups(meter)), 2)
        # The order makes no difference.
        self.counting._check(1)
        self.assertTrue(self.is_countable(meter))
        self.assertFalse(
            issues.search_count([("code", "=", "usage.bucket_difference")])
        )
        # Nothing of the kind for a week.
        self.patch(type(self.env["ir.cron"]), "_commit_progress", lambda _cron: 9)
        self.counting._cron_check()
        self.assertEqual(issue.state, "resolved")
