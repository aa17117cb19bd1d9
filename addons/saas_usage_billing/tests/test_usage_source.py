# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import datetime, timedelta, timezone
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import freeze_time, tagged

from .common import UsageCase

START = datetime(2026, 4, 10, 12, 0)


@tagged("post_install", "-at_install")
class TestUsageSource(UsageCase):
    """Sources that fall silent, watermarks, and who may send for a source."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.source.cadence_minutes = 60

    def exceptions(self, source=None):
        return self.env["saas.exception"].search(
            [
                ("code", "=", "usage.source_silent"),
                ("res_id", "=", (source or self.source).id),
            ]
        )

    def names(self):
        events = self.env["saas.event"].search(
            [("res_model", "=", self.source._name), ("res_id", "=", self.source.id)],
            order="id",
        )
        return events.mapped("name")

    def check(self, minutes):
        self.env.flush_all()
        self.env.invalidate_all()
        with freeze_time(START + timedelta(minutes=minutes)):
            self.env["saas.usage.source"]._cron_check_sources()

    def send(self, minutes):
        with freeze_time(START + timedelta(minutes=minutes)):
            now = datetime.now(timezone.utc)
            self.ingest([self.event(time=now.isoformat())], at=now)

    # Silence ------------------------------------------------------------
    def test_source_that_fails_stops_no_other(self):
        self.send(0)
        other = self.env["saas.usage.source"].create(
            {"name": "Other", "code": "other", "cadence_minutes": 1}
        )
        Source, check = type(other), type(other)._check_silence

        def fail(source, now):
            if source == self.source:
                raise ValueError("broken")
            return check(source, now)

        # Longer than the age of the other one.
        minutes = 365 * 24 * 60
        with patch.object(Source, "_check_silence", fail):
            self.check(minutes)
        issue = self.env["saas.exception"].search(
            [("code", "=", "usage.source_check_failed")]
        )
        self.assertEqual(issue.res_id, self.source.id)
        self.assertTrue(other.is_silent)
        self.assertFalse(self.source.is_silent)
        self.check(minutes + 5)
        self.assertEqual(issue.state, "resolved")
        self.assertTrue(self.source.is_silent)

    def test_tolerance_follows_the_cadence(self):
        self.assertEqual(self.source.tolerance_minutes, 60)
        self.source.tolerance_minutes = 5
        self.source.name = "Renamed"
        self.assertEqual(self.source.tolerance_minutes, 5)

    def test_silent_source_is_told_once_and_ends_by_itself(self):
        self.send(0)
        self.check(120)
        self.assertFalse(self.source.is_silent)
        self.check(121)
        self.assertTrue(self.source.is_silent)
        exception = self.exceptions()
        self.assertEqual(exception.state, "open")
        self.assertEqual((exception.queue, exception.severity), ("integration", "high"))
        self.assertIn("2026-04-10 12:00:00 UTC", exception.name)
        self.check(126)
        self.assertEqual(exception.occurrences, 1)
        self.send(130)
        self.check(131)
        self.assertFalse(self.source.is_silent)
        self.assertEqual(exception.state, "resolved")
        self.assertEqual(
            self.names(), ["usage.source_silenced", "usage.source_resumed"]
        )
        self.check(400)
        self.assertEqual(len(self.exceptions()), 2)

    def test_source_without_cadence_is_never_silent(self):
        self.source.cadence_minutes = 0
        self.send(0)
        self.check(100_000)
        self.assertFalse(self.source.is_silent)

    def test_source_that_never_sent_is_silent(self):
        new = self.env["saas.usage.source"].create(
            {"name": "New", "code": "new", "cadence_minutes": 10}
        )
        later = (new.create_date - START + timedelta(minutes=30)) / timedelta(minutes=1)
        self.check(later)
        self.assertTrue(new.is_silent)
        self.assertIn("never", self.exceptions(new).name)

    def test_nobody_waits_for_an_archived_source(self):
        self.send(0)
        self.check(300)
        self.assertTrue(self.source.is_silent)
        self.source.active = False
        self.check(305)
        self.assertFalse(self.source.is_silent)
        self.assertEqual(self.exceptions().state, "resolved")

    def test_watermark_is_a_sign_of_life(self):
        self.send(0)
        self.source._note_watermark(START + timedelta(minutes=180))
        self.check(200)
        self.assertFalse(self.source.is_silent)
        self.check(400)
        self.assertTrue(self.source.is_silent)

    def test_retry_looks_again(self):
        self.send(0)
        self.check(300)
        exception = self.exceptions()
        with freeze_time(START + timedelta(minutes=310)):
            with self.assertRaises(UserError):
                self.source.saas_retry_silent_source()
            self.send(311)
            self.env.invalidate_all()
            exception.action_retry()
        self.assertEqual(exception.state, "resolved")
        self.assertFalse(self.source.is_silent)

    def test_who_says_what_is_expected(self):
        operator = self.new_user("usage_operator", "billing_operator")
        self.source.with_user(operator).cadence_minutes = 30
        for role in ("user", "auditor"):
            reader = self.new_user(f"usage_{role}", role)
            source = self.source.with_user(reader)
            self.assertEqual(source.cadence_minutes, 30)
            with self.assertRaises(AccessError):
                source.cadence_minutes = 5

    # Watermarks -----------------------------------------------------------
    def test_watermark_never_goes_back(self):
        later = START + timedelta(hours=1)
        self.assertEqual(self.source._note_watermark(later), later)
        self.assertTrue(self.source.sends_watermarks)
        self.assertEqual(self.source._note_watermark(START), later)
        self.assertEqual(self.source.complete_until, later)

    # Codes ------------------------------------------------------------------
    def test_codes_may_have_capitals(self):
        # External ids are kept in small letters, events as the sender writes them.
        source = self.source.copy({"code": "App.Example"})
        self.tie("Tenant-1", self.subscription, source="App.Example")
        result = self.ingest([self.event(source="App.Example", subject="Tenant-1")])
        self.assertEqual(result.counts["stored"], 1)
        self.assertEqual(source._get_dependents(self.subscription), self.subscription)

    def test_codes_are_texts_a_sender_may_write(self):
        for code in (" ", "weblog\t", "web\nlog"):
            with self.assertRaises(ValidationError) as caught:
                self.source.code = code
            self.assertIn("printable text", str(caught.exception))

    # Senders ----------------------------------------------------------------
    def test_source_is_unknown_to_other_senders(self):
        own = self.new_user("usage_own", "integration")
        other = self.new_user("usage_other", "integration")
        self.source.user_ids = own
        Event = self.env["saas.usage.event"]
        at = START.replace(tzinfo=timezone.utc)
        result = Event.with_user(other)._ingest([self.event(id="a")], at=at)
        self.assertEqual(result.outcomes[0].code, "unknown_source")
        result = Event.with_user(own)._ingest([self.event(id="b")], at=at)
        self.assertEqual(result.counts["stored"], 1)
        # People who mend what waits are no senders.
        result = Event.with_user(other)._ingest(
            [self.event(id="a")], at=at, kind="replay"
        )
        self.assertEqual(result.counts["stored"], 1)
        self.source.user_ids = False
        result = Event.with_user(other)._ingest([self.event(id="c")], at=at)
        self.assertEqual(result.counts["stored"], 1)

    def test_senders_ask_by_their_own_sources(self):
        own = self.new_user("usage_own", "integration")
        other = self.new_user("usage_other", "integration")
        reader = self.new_user("usage_reader", "integration")
        self.source.copy({"code": "Elsewhere", "user_ids": other.ids})
        self.source.user_ids = own
        Subscription = self.env["saas.subscription"]
        by_subject = {"subject": "client-1", "source": "weblog"}
        for user, is_known in ((own, True), (reader, True), (other, False)):
            subscriptions = Subscription.with_user(user)
            for given in (by_subject, {"subscription": self.subscription.name}):
                found = subscriptions._find_for_usage(**given)
                self.assertEqual(bool(found), is_known, (user.login, given))
            for given in (by_subject, {"subject": "client-1"}):
                answer = subscriptions._get_entitlement_answer(**given)
                self.assertEqual(bool(answer), is_known, (user.login, given))
        # A name of the whole account, from a source of theirs.
        self.tie("acme", partner=self.partner, source="Elsewhere")
        subscriptions = Subscription.with_user(other)
        for given in (
            {"subject": "acme", "source": "Elsewhere"},
            {"subscription": self.subscription.name},
        ):
            self.assertEqual(subscriptions._find_for_usage(**given), self.subscription)
        self.assertTrue(
            subscriptions._get_entitlement_answer("acme", source="Elsewhere")
        )
