# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from unittest.mock import patch

from odoo import Command
from odoo.exceptions import UserError
from odoo.tests import tagged

from ..models import saas_usage_counting, saas_usage_event_counting
from ..models.usage_bucket import touched
from ..models.usage_bucket_state import sync_states
from .common_counting import FIRST, NOW, CountingCase


@tagged("post_install", "-at_install")
class TestUsageCountingOnce(CountingCase):
    """Whatever happens, a request is counted once; what changed is counted anew."""

    def test_others_are_read_from_the_events(self):
        percentile = self.create_meter("p", "p", "percentile", "n")
        hours = self.create_meter("h", "h", "window", "n", window_unit="hour")
        self.assertFalse(percentile._get_counted() + hours._get_counted())
        product = self.create_product("p", percentile)
        subscription = self.create_subscription(self.create_partner("P"), product)
        self.tie("p", subscription)
        self.store(3, "2026-03-10", subject="p", n=5)
        self.count_all()
        (row,) = subscription._get_current_usage(NOW)
        self.assertEqual(row["quantity"], 5)
        # the same key may be in several groups
        users = self.create_meter(
            *("u", "u", "unique", "user"),
            dimension_ids=[Command.create({"key": "plan", "name": "Plan"})],
        )
        users_of = self.create_product("u", users)
        other = self.create_subscription(self.create_partner("U"), users_of)
        self.tie("u", other)
        self.store(2, "2026-03-10", subject="u", user="a", plan="x", n=1)
        self.store(2, "2026-03-10", subject="u", user="a", plan="y", n=1)
        self.count_all()
        self.assertTrue(self.is_countable(users, other))
        self.assertFalse(self.is_countable(users, other, by_dimension=True))
        self.assertEqual(other._get_current_usage(NOW)[0]["quantity"], 1)

    # Once ---------------------------------------------------------------
    def get_calls(self):
        return self.subscription._get_current_usage(NOW)[0]["quantity"]

    def test_counts_once(self):
        self.count_all()
        self.store(5, "2026-03-10")
        self.assertEqual(self.counting._count(), 1)
        self.counting._extend()
        self.count_all()
        self.assertEqual(self.counting._count(), 0)
        self.assertEqual(self.get_calls(), 5)
        self.store(2, "2026-03-10")
        # not counted yet, and not missed either
        self.assertEqual(self.get_calls(), 5)
        self.count_all()
        self.assertEqual(self.get_calls(), 7)

    def test_a_failure_counts_nothing(self):
        self.store(5, "2026-03-10")
        self.count_all()
        self.store(2, "2026-03-11")

        def fail(_self, _ids):
            raise ValueError("killed")

        with (
            patch.object(type(self.counting), "_after_count", fail),
            self.assertRaises(ValueError),
        ):
            self.counting._count()
        self.assertEqual(self.get_calls(), 5)
        self.count_all()
        self.assertEqual(self.get_calls(), 7)

    def test_one_that_ended_late(self):
        """Numbers are drawn at the start: who has the lowest may be seen last."""
        late = self.store(3, "2026-03-10").batch_id
        self.env.cr.execute(
            "UPDATE saas_usage_batch SET is_counted = TRUE WHERE id = %s", [late]
        )
        self.store(4, "2026-03-11")
        self.env.cr.execute(
            "SELECT setval('saas_usage_batch_id_seq', %s)", [late + 50_000]
        )
        self.store(5, "2026-03-12")
        self.env.cr.execute(
            "UPDATE saas_usage_batch SET is_counted = NULL WHERE id = %s", [late]
        )
        self.count_all()
        self.assertEqual(self.get_calls(), 12)

    def test_requests_without_event_numbers(self):
        """Requests of an earlier version do not know where their events lie."""
        self.store(3, "2026-03-10")
        self.env.cr.execute(
            "UPDATE saas_usage_batch SET row_min = NULL, row_max = NULL,"
            " time_min = NULL, time_max = NULL"
        )
        self.store(4, "2026-03-11")
        self.count_all()
        self.assertEqual(self.get_calls(), 7)

    def test_requests_that_only_take_back(self):
        """They have numbers, but no events whose times are known."""
        day = "2026-03-10T12:00:00Z"
        self.ingest([self.event(id=name, time=day) for name in "abc"])
        self.ingest([{"id": "v", "source": "weblog", "voids": "a"}])
        self.ingest([self.event(id="d", time=day)])
        read = []

        def note(_env, requests):
            read.append((len(requests.ids), bool(requests.times and requests.rows)))
            return touched(_env, requests)

        self.patch(saas_usage_counting, "touched", note)
        self.count_all()
        self.assertEqual(read, [(2, True)])
        self.assertEqual(self.get_calls(), 3)

    def test_behind(self):
        """Figures that would say too little are read from the events."""
        self.store(5, "2026-03-10")
        self.count_all()
        self.store(2, "2026-03-10")
        self.env.cr.execute(
            "UPDATE saas_usage_batch SET received_at = received_at - interval '1 hour'"
        )
        self.assertEqual(self.get_calls(), 7)

    # Anew ---------------------------------------------------------------
    def test_changed_meter(self):
        self.store(2, "2026-03-10", bytes=3)
        self.count_all()
        self.assertTrue(self.is_countable(self.bytes_meter))
        self.bytes_meter.filter_ids = [
            Command.create({"key": "bytes", "operator": ">", "value": "5"})
        ]
        # until it is counted anew, the events are read
        self.assertFalse(self.is_countable(self.bytes_meter))
        self.assertEqual(self.subscription._get_current_usage(NOW)[1]["quantity"], 0)
        self.count_all()
        self.assertTrue(self.is_countable(self.bytes_meter))
        self.assertEqual(self.subscription._get_current_usage(NOW)[1]["quantity"], 0)

    def test_sold_later(self):
        """A line of the past finds the events that came before it."""
        self.store(2, "2026-03-10", path="/")
        self.count_all()
        users = self.create_meter("Users", "users", "unique", "path")
        product = self.create_product("Users", users)
        self.subscription.line_ids = [
            Command.create({"product_id": product.id, "date_start": FIRST})
        ]
        self.assertEqual(self.subscription._get_current_usage(NOW)[2]["quantity"], 1)
        self.count_all()
        self.assertTrue(self.is_countable(users))
        self.assertEqual(self.subscription._get_current_usage(NOW)[2]["quantity"], 1)

    def test_waiting_requests_are_not_counted_twice(self):
        """Buckets made anew leave out what counting will add."""
        self.store(2, "2026-03-10")
        self.count_all()
        self.store(3, "2026-03-10")
        self.env.cr.execute("DELETE FROM saas_usage_bucket_state")
        meters = self.counting._get_counted()

        sync_states(self.env, meters, NOW.date())
        while self.counting._extend():
            pass
        self.assertEqual(self.get_calls(), 2)
        self.count_all()
        self.assertEqual(self.get_calls(), 5)

    def test_taken_back(self):
        """What was voided is in no bucket, whichever request is counted first."""
        events = [self.event(time="2026-03-10T10:00:00Z") for _n in range(5)]
        self.ingest(events[:4])
        self.count_all()
        self.ingest(
            [
                {"id": "v1", "source": "weblog", "voids": events[0]["id"]},
                self.event(
                    time="2026-03-12T10:00:00Z",
                    data={"bytes": 7, "path": "/"},
                    replaces=events[1]["id"],
                ),
            ]
        )
        self.count_all()
        period = self.get_days()
        for meter, wanted in ((self.calls_meter, 3), (self.bytes_meter, 27)):
            self.assertTrue(self.is_countable(meter))
            [groups] = self.subscription._measure_live(
                meter, meter._get_spec(), [period]
            )
            self.assertEqual(groups[()].quantity, wanted)
        # given an event and its void, both not counted yet, the void first
        stored = self.ingest(events[4:]).batch_id
        void = {"id": "v2", "source": "weblog", "voids": events[4]["id"]}
        taken = self.ingest([void]).batch_id
        mark = "UPDATE saas_usage_batch SET is_counted = %s WHERE id = %s"
        self.env.cr.execute(mark, [True, stored])
        self.counting._count()
        self.env.cr.execute(mark, [None, stored])
        self.counting._count()
        self.assertEqual(self.get_calls(), 3)
        self.assertGreater(taken, stored)
        self.counting._check(1)
        self.assertTrue(self.is_countable(self.calls_meter))

    # Shown --------------------------------------------------------------
    def test_answer_by_day(self):
        now = datetime.now(timezone.utc)
        for days, number in ((0, 2), (1, 3)):
            at = now - timedelta(days=days)
            self.ingest(
                [self.event(time=at.isoformat()) for _n in range(number)], at=now
            )
        self.assertNotIn(
            "days", self.subscription._get_current_usage_answer()["usage"][0]
        )
        answer = self.subscription._get_current_usage_answer(by_day=True)["usage"][0]
        self.assertEqual(answer["days"][-1], {"day": str(now.date()), "quantity": "2"})
        self.assertEqual(
            sum(Decimal(row["quantity"]) for row in answer["days"]),
            Decimal(answer["quantity"]),
        )
        self.assertEqual(answer["days"][0]["day"], answer["period_start"])

    def test_facts_of_the_tab(self):
        self.create_price(self.calls, model="standard", unit_price=1, free_units=8)
        self.store(6, "2026-03-10")
        self.count_all()
        now = datetime(2026, 3, 16, 12, tzinfo=timezone.utc)
        row = self.subscription._get_current_usage(now)[0]
        facts = self.subscription._prepare_live_facts(row, self.calls_meter, now)
        # half of the month has passed
        self.assertEqual((facts["forecast"], facts["allowance_percent"]), (12, 75))
        self.assertEqual(facts["allowance"], 8)
        self.assertIn("3/10/26", facts["last_event"])
        self.assertFalse(facts["held"])
        self.env["saas.usage.hold"].create(
            {
                "subscription_id": self.subscription.id,
                "kind": "manual",
                "date_from": FIRST,
                "reason": "Counted twice at the sender",
            }
        )
        html = str(self.subscription._render_current_usage(now))
        for text in ("75% of", "Forecast", "held"):
            self.assertIn(text, html)

    # Check --------------------------------------------------------------
    def test_check(self):
        self.store(5, "2026-03-10")
        self.count_all()
        self.counting._check(1)
        Exceptions = self.env["saas.exception"]
        domain = [("code", "=", "usage.bucket_difference")]
        self.assertFalse(Exceptions.search(domain))
        # given a bucket that is wrong, and a day that is missing
        self.env.cr.execute(
            "UPDATE saas_usage_bucket SET events = events + 1 WHERE meter_id = %s"
            " AND subscription_id = %s",
            [self.calls_meter.id, self.subscription.id],
        )
        self.assertEqual(self.get_calls(), 6)
        with self.assertRaises(UserError):
            self.subscription.saas_retry_bucket_difference()
        self.counting._check(1)
        found = Exceptions.search(domain)
        self.assertEqual(found.res_id, self.subscription.id)
        self.assertIn("2026-03-10", found.name)
        # then it is read from the events until it is counted anew
        self.assertFalse(self.is_countable(self.calls_meter))
        self.assertEqual(self.get_calls(), 5)
        self.count_all()
        self.assertTrue(self.is_countable(self.calls_meter))
        self.assertEqual(self.get_calls(), 5)
        self.subscription.saas_retry_bucket_difference()
        self.assertEqual(found.state, "resolved")

    def test_check_of_what_is_taken_back_just_now(self):
        """A day whose void is not counted yet is right as soon as it is."""
        day = "2026-03-10T12:00:00Z"
        self.ingest([self.event(id="a", time=day), self.event(id="b", time=day)])
        self.count_all()
        self.ingest([{"id": "v", "source": "weblog", "voids": "a"}])
        self.counting._check(1)
        domain = [("code", "=", "usage.bucket_difference")]
        self.assertFalse(self.env["saas.exception"].search(domain))
        self.assertTrue(self.is_countable(self.calls_meter))
        self.count_all()
        self.assertEqual(self.get_calls(), 1)
        self.counting._check(1)
        self.assertFalse(self.env["saas.exception"].search(domain))

    # Wake ---------------------------------------------------------------
    def test_woken_by_events(self):
        cron = self.env.ref("saas_usage_billing.ir_cron_saas_usage_count")
        triggers = self.env["ir.cron.trigger"]
        domain = [("cron_id", "=", cron.id)]
        before = triggers.search_count(domain)
        with patch.object(saas_usage_event_counting, "_woken", {}):
            self.ingest([self.event()], dry_run=True)
            self.ingest([self.event(subject="nobody")])
            self.assertEqual(triggers.search_count(domain), before)
            self.store(1, "2026-03-10")
            self.store(1, "2026-03-10")
        self.assertEqual(triggers.search_count(domain), before + 1)

    def test_job(self):
        self.store(4, "2026-03-10")
        with self.enter_registry_test_mode():
            self.env.ref(
                "saas_usage_billing.ir_cron_saas_usage_count"
            ).method_direct_trigger()
            self.env.ref(
                "saas_usage_billing.ir_cron_saas_usage_count_check"
            ).method_direct_trigger()
        self.assertTrue(self.is_countable(self.calls_meter))
        self.assertEqual(self.get_calls(), 4)
