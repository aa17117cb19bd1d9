# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import date, datetime
from unittest.mock import patch

from odoo.exceptions import AccessError
from odoo.tests import tagged

from .test_hold import APRIL, MARCH, MAY, HoldCase


@tagged("post_install", "-at_install")
class TestSilentHold(HoldCase):
    """Usage waits for the source that sends it, and for no other."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.source.cadence_minutes = 60
        cls.send("2026-03-10T00:30:00")

    @classmethod
    def send(cls, at, number=1, **changes):
        """Send events of a moment at this moment."""
        now = datetime.fromisoformat(f"{at}+00:00")
        time = changes.pop("time", now.isoformat())
        events = [cls.event(time=time, **changes) for _n in range(number)]
        result = cls.ingest(events, at=now)
        assert result.counts["stored"] == number, result.outcomes[:1]
        # The clock of the request; nothing else of it depends on it.
        cls.env.cr.execute(
            "UPDATE saas_usage_batch SET received_at = %s WHERE id = %s",
            [now.replace(tzinfo=None), result.batch_id],
        )

    def holds(self, state="open"):
        return self.env["saas.usage.hold"].search(
            [("kind", "=", "silent"), ("state", "=", state)], order="date_from, id"
        )

    def kinds(self):
        return sorted(set(self.subscription.charge_ids.mapped("kind")))

    def test_usage_waits_and_everything_else_is_billed(self):
        run = self.bill_usage()
        self.assertEqual(run.line_ids.mapped("state"), ["posted"], run.line_ids.reason)
        self.assertEqual(self.kinds(), ["recurring"])
        holds = self.holds()
        self.assertEqual(holds.meter_id, self.calls_meter | self.bytes_meter)
        self.assertEqual(holds.source_id, self.source)
        self.assertEqual(
            {(hold.date_from, hold.date_to) for hold in holds}, {(MARCH, APRIL)}
        )
        self.assertIn("Web Log", holds[0].reason)
        self.assertEqual(len(self.events(holds[0], "usage.held")), 1)
        self.assertIn("Silent Source", str(run.message_ids.mapped("body")))
        # A second run finds the same holds.
        self.bill_usage(APRIL, date(2026, 4, 2))
        self.assertEqual(self.holds(), holds)

    def test_released_by_itself_when_the_source_is_back(self):
        self.bill_usage()
        holds = self.holds()
        self.send("2026-03-31T23:59:59")
        self.env["saas.usage.source"]._cron_check_sources()
        self.assertEqual(self.holds(), holds)
        self.send("2026-04-01T00:00:00")
        self.env["saas.usage.source"]._cron_check_sources()
        self.assertEqual(self.holds("released"), holds)
        self.assertIn("has sent everything", holds[0].release_note)
        self.assertEqual(len(self.events(holds[0], "usage.released")), 1)
        self.bill_usage(APRIL, date(2026, 4, 2))
        self.assertEqual(self.booked(), 2)
        self.assertFalse(self.holds())

    def test_hold_that_fails_keeps_no_other(self):
        self.bill_usage()
        broken, other = self.holds()
        self.send("2026-04-01T00:00:00")
        Hold, release = type(other), type(other)._release

        def fail(hold, note):
            if hold == broken:
                raise ValueError("broken")
            return release(hold, note)

        with patch.object(Hold, "_release", fail):
            self.env["saas.usage.source"]._cron_check_sources()
        self.assertEqual((broken.state, other.state), ("open", "released"))
        issue = self.env["saas.exception"].search(
            [("code", "=", "usage.release_failed")]
        )
        self.assertEqual(issue.res_id, broken.id)
        self.env["saas.usage.source"]._cron_check_sources()
        self.assertEqual((broken.state, issue.state), ("released", "resolved"))

    def test_computing_releases_what_is_complete(self):
        self.bill_usage()
        self.send("2026-04-01T01:00:00")
        self.bill_usage(APRIL, date(2026, 4, 2))
        self.assertEqual(self.booked(), 1)
        self.assertFalse(self.holds())

    def test_feed_that_comes_back_after_the_approval(self):
        run = self.approve(self.prepare())
        self.send("2026-03-20T00:00:00", 5)
        self.send("2026-04-01T00:10:00")
        self.env["saas.usage.source"]._cron_check_sources()
        self.assertFalse(self.holds())
        # What was approved is posted.
        run = self.post(run)
        self.assertEqual(run.line_ids.mapped("state"), ["posted"], run.line_ids.reason)
        self.assertEqual(self.kinds(), ["recurring"])
        self.bill_usage(APRIL, date(2026, 4, 2))
        self.assertEqual(self.booked(), 6)

    def test_booked_usage_is_not_corrected_while_its_source_is_silent(self):
        self.send("2026-04-01T00:10:00")
        self.bill_usage()
        self.assertEqual(self.booked(), 1)
        # Complete once is complete: what comes later is late usage of March.
        self.send("2026-04-05T00:00:00")
        self.send("2026-04-06T00:00:00", time="2026-03-20T00:00:00Z")
        self.bill_usage(MAY, date(2026, 5, 1))
        self.assertEqual(self.booked(), 2)
        held = self.holds()
        self.assertEqual(set(held.mapped("date_from")), {APRIL})
        self.send("2026-05-01T00:00:00")
        self.bill_usage(MAY, date(2026, 5, 2))
        self.assertEqual(self.booked(), 4)

    def test_watermark_says_what_was_sent(self):
        self.send("2026-04-02T00:00:00")
        self.source._note_watermark(datetime(2026, 3, 31, 22))
        self.bill_usage()
        self.assertEqual(len(self.holds()), 2)
        self.source._note_watermark(datetime(2026, 4, 1))
        self.env["saas.usage.source"]._cron_check_sources()
        self.assertFalse(self.holds())

    def test_end_of_the_period_is_the_customer_s(self):
        self.subscription.tz = "America/New_York"
        self.send("2026-04-01T03:59:59")
        self.bill_usage()
        self.assertEqual(len(self.holds()), 2)
        self.send("2026-04-01T04:00:00")
        self.env["saas.usage.source"]._cron_check_sources()
        self.assertFalse(self.holds())

    def test_nobody_waits_for_a_source_without_expectations(self):
        self.source.cadence_minutes = 0
        self.bill_usage()
        self.assertFalse(self.holds())
        self.assertEqual(self.booked(), 1)

    def test_a_source_that_is_waited_for_no_more_lets_go(self):
        self.bill_usage()
        self.source.cadence_minutes = 0
        self.env["saas.usage.source"]._cron_check_sources()
        self.assertFalse(self.holds())
        self.assertIn("not waited for", self.holds("released")[0].release_note)

    def test_only_meters_the_source_sends_wait(self):
        self.env["saas.usage.source"].create(
            {"name": "Other", "code": "other", "cadence_minutes": 5}
        )
        self.tie("client-1", self.subscription, source="other")
        self.send("2026-04-01T00:10:00")
        self.bill_usage()
        # The other one has never sent anything: nothing of it can be missing.
        self.assertFalse(self.holds())
        self.assertEqual(self.booked(), 1)

    def test_only_subjects_of_the_source_wait(self):
        partner = self.create_partner("Named by account")
        by_account = self.create_subscription(
            [{"product_id": self.calls.id}],
            partner_id=partner.id,
            date_start=MARCH,
            tz="UTC",
        )
        stranger = self.create_subscription(
            [{"product_id": self.calls.id}],
            partner_id=self.create_partner("Stranger").id,
            date_start=MARCH,
            tz="UTC",
        )
        self.tie("client-2", partner=partner)
        (self.subscription | by_account | stranger)._hold_lagging_usage(APRIL)
        self.assertEqual(self.holds().subscription_id, self.subscription | by_account)

    def test_what_a_person_released_is_not_held_again(self):
        self.bill_usage()
        for hold in self.holds():
            self.release(hold)
        self.bill_usage(APRIL, date(2026, 4, 2))
        self.assertFalse(self.holds())
        self.assertEqual(self.booked(), 1)

    def test_reading_and_releasing_are_for_those_who_may(self):
        self.bill_usage()
        hold = self.holds()[0].with_user(self.success)
        self.assertTrue(hold.reason)
        with self.assertRaises(AccessError):
            self.release(hold, self.success)
