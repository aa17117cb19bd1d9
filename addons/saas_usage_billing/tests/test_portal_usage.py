# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
import csv
import io
from datetime import date, datetime
from decimal import Decimal
from unittest.mock import patch

from odoo import Command, http
from odoo.tests import HttpCase, TransactionCase, new_test_user, tagged
from odoo.tools import mute_logger

from ..controllers.csv_stream import guard, write_csv
from .drill_fixture import DrillFixture


def read_csv(response):
    """Return the rows of an answer, which begins with the mark of UTF-8."""
    assert response.content.startswith(b"\xef\xbb\xbf")
    text = response.content.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


@tagged("post_install", "-at_install")
class TestUsagePages(DrillFixture, HttpCase):
    """Days, dimensions and events of an amount, for its own customer only."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.create_drill()
        journal = cls.env["account.journal"].create(
            {"name": "Sales", "code": "SALE", "type": "sale"}
        )
        cls.journal = journal
        cls.charge = cls.invoice(cls.charge)
        # The same subject's events went to another subscription of the account before.
        cls.second = cls.create_subscription(cls.partner, cls.calls)
        cls.other_partner = cls.create_partner("Other GmbH")
        cls.other = cls.create_subscription(cls.other_partner, cls.calls)
        cls.tie("client-2", cls.other)
        cls.store(9, "2026-03-11", "client-2", region="secret")
        cls.other_charge = cls.invoice(cls.book(cls.other))
        for login, partner in (
            ("usage_own", cls.partner),
            ("usage_other", cls.other_partner),
        ):
            new_test_user(
                cls.env,
                login=login,
                groups="base.group_portal",
                partner_id=partner.id,
                company_id=cls.company.id,
                company_ids=[Command.set(cls.company.ids)],
            )

    @classmethod
    def invoice(cls, charge, state="posted"):
        """Book the same charge again, as one a posted invoice shows."""
        move = cls.env["account.move"].create(
            {
                "move_type": "out_invoice",
                "journal_id": cls.journal.id,
                "partner_id": charge.partner_id.id,
                "company_id": cls.company.id,
            }
        )
        cls.env.flush_all()
        cls.env.cr.execute(
            "UPDATE account_move SET state = %s WHERE id = %s", (state, move.id)
        )
        move.invalidate_recordset()
        # sudo: only billing runs book charges
        return (
            charge.sudo()
            .copy({"revision": charge.revision + 50 + move.id, "move_id": move.id})
            .sudo(False)
        )

    def get(self, charge, subscription=None, rest="", login="usage_own"):
        self.authenticate(login, login)
        subscription = subscription or charge.subscription_id
        url = f"/my/subscriptions/{subscription.id}/usage/{charge.id}{rest}"
        return self.url_open(url, allow_redirects=False)

    def assert_refused(self, answer):
        self.assertEqual(answer.status_code, 303)
        self.assertTrue(answer.headers["Location"].endswith("/my"))

    def test_days_dimensions_and_tiers_are_shown(self):
        self.authenticate("usage_own", "usage_own")
        page = self.url_open(f"/my/subscriptions/{self.subscription.id}")
        link = f"/my/subscriptions/{self.subscription.id}/usage/{self.charge.id}"
        self.assertIn(link, page.text)
        page = self.get(self.charge)
        self.assertEqual(page.status_code, 200)
        for words in ("Region eu", "03/11/2026", "140 events", "22.40", "17.34"):
            self.assertIn(words, page.text)
        self.assertIn(f"{link}?day=2026-03-11", page.text)

    def test_events_of_a_day_page_by_page(self):
        first = self.get(self.charge, rest="?day=2026-03-11")
        self.assertEqual(first.text.count(">client-1<"), 100)
        self.assertIn("2026-03-11 00:30:00", first.text)
        self.assertNotIn("weblog", first.text)
        after = first.text.split("&amp;after=")[1].split('"')[0]
        second = self.get(self.charge, rest=f"?day=2026-03-11&after={after}")
        self.assertEqual(second.text.count(">client-1<"), 40)
        self.assertNotIn("&amp;after=", second.text)
        empty = self.get(self.charge, rest="?day=2026-03-12")
        self.assertIn("no more events", empty.text)

    def test_detached_days_say_that_their_events_are_gone(self):
        partitions = type(self.env["saas.usage.partition"])
        until = patch.object(
            partitions, "_get_detached_until", return_value=datetime(2026, 3, 11)
        )
        # Nothing is detached here: what was measured comes from the events.
        readings = self.env["saas.usage.reading"]
        kept = patch.object(
            type(self.charge), "_get_kept_evidence", return_value=readings
        )
        with until, kept:
            page = self.get(self.charge)
            for words in ("22.40", "Single events before 03/11/2026", "events.csv"):
                self.assertIn(words, page.text)
            self.assertNotIn("?day=2026-03-10", page.text)
            self.assertIn("?day=2026-03-11", page.text)
            gone = self.get(self.charge, rest="?day=2026-03-10")
            self.assertIn("no longer kept", gone.text)
            self.assertNotIn("no more events", gone.text)
            there = self.get(self.charge, rest="?day=2026-03-11")
            self.assertNotIn("no longer kept", there.text)
            last = read_csv(self.get(self.charge, rest="/events.csv"))[-1]
            self.assertIn("no longer kept", last[0])
        until = patch.object(
            partitions, "_get_detached_until", return_value=datetime(2026, 4, 1)
        )
        with until, kept:
            page = self.get(self.charge)
            for words in ("22.40", "60 events", "events of this time are no longer"):
                self.assertIn(words, page.text)
            self.assertNotIn("events.csv", page.text)

    def test_odd_parameters_do_no_harm(self):
        for rest in ("?day=0", "?day=9999-12-31", "?day=2026-03-11&after=1_x", "?x=1"):
            self.assertEqual(self.get(self.charge, rest=rest).status_code, 200, rest)
        rest = "?day=2026-03-11&after=2026-03-11T00:30:00%2B05:00_99999999999999999999"
        self.assertEqual(self.get(self.charge, rest=rest).text.count(">client-1<"), 100)

    def test_all_events_as_csv(self):
        answer = self.get(self.charge, rest="/events.csv")
        self.assertEqual(answer.headers["Content-Type"], "text/csv; charset=utf-8")
        header, *rows = read_csv(answer)
        self.assertEqual(header, ["Time (UTC)", "Subject", "Event", "Region"])
        self.assertEqual(len(rows), 620)
        self.assertEqual({row[3] for row in rows}, {"eu", "us"})

    def test_what_is_not_the_visitor_s_is_not_there(self):
        draft = self.invoice(self.charge, "draft")
        plain = self.subscription.charge_ids - self.charge - draft
        tries = [
            # another customer's, under their own subscription or mine
            (self.other_charge, self.other),
            (self.other_charge, self.subscription),
            # mine, under another subscription of mine or of another customer
            (self.charge, self.second),
            (self.charge, self.other),
            # not invoiced yet
            (draft, self.subscription),
            (plain[0], self.subscription),
        ]
        for charge, subscription in tries:
            for rest in ("", "?day=2026-03-11", "/events.csv"):
                self.assert_refused(self.get(charge, subscription, rest))
        self.assert_refused(self.get(self.charge, login="usage_other"))
        own = self.get(self.other_charge, login="usage_other")
        self.assertIn("secret", own.text)

    def test_a_subject_of_several_subscriptions_shows_its_own_events(self):
        # From now on the subject belongs to the second subscription.
        self.env["saas.external.id"].search(
            [("value", "=", "client-1"), ("company_id", "=", self.company.id)]
        ).subscription_id = self.second
        self.store(5, "2026-03-11", region="other")
        charge = self.invoice(self.book(self.second))
        _header, *rows = read_csv(self.get(charge, rest="/events.csv"))
        self.assertEqual([row[3] for row in rows], ["other"] * 5)
        _header, *rows = read_csv(self.get(self.charge, rest="/events.csv"))
        self.assertEqual(len(rows), 620)

    # Disputes ----------------------------------------------------------
    def dispute(self, charge, reason="The 140 of 11 March were a test", **options):
        login = options.get("login", "usage_own")
        self.authenticate(login, login)
        subscription = options.get("subscription") or charge.subscription_id
        return self.url_open(
            f"/my/subscriptions/{subscription.id}/usage/{charge.id}/dispute",
            data={"reason": reason, "csrf_token": http.Request.csrf_token(self)},
            allow_redirects=False,
        )

    def get_disputes(self):
        return self.env["saas.usage.hold"].search([("kind", "=", "dispute")])

    def test_customer_disputes_an_amount_once(self):
        manager = new_test_user(
            self.env, "dispute_csm", groups="saas_core.group_saas_core_customer_success"
        )
        self.partner.saas_csm_id = manager
        self.assertIn("Dispute this usage", self.get(self.charge).text)
        answer = self.dispute(self.charge, "  The <b>140</b> were a test  ")
        self.assertEqual(answer.status_code, 303)
        self.assertIn("dispute=sent", answer.headers["Location"])
        hold = self.get_disputes()
        self.assertRecordValues(
            hold,
            [
                {
                    "subscription_id": self.subscription.id,
                    "meter_id": self.calls_meter.id,
                    "date_from": date(2026, 3, 1),
                    "date_to": date(2026, 4, 1),
                    "charge_id": self.charge.id,
                    "reason": "The <b>140</b> were a test",
                    "state": "open",
                }
            ],
        )
        self.assertEqual(hold.opened_by_id.login, "usage_own")
        self.assertNotIn(self.partner, hold.message_partner_ids)
        self.assertEqual(hold.activity_ids.user_id, manager)
        self.assertIn("&lt;b&gt;140", hold.activity_ids.note)
        page = self.get(self.charge, rest="?dispute=sent").text
        for words in ("You disputed this usage", "In review", "The &lt;b&gt;140"):
            self.assertIn(words, page)
        self.assertNotIn("<textarea", page)
        self.authenticate("usage_own", "usage_own")
        listed = self.url_open(f"/my/subscriptions/{self.subscription.id}")
        self.assertIn(">Disputed<", listed.text)
        # Again, and after the decision, it is the same one.
        self.dispute(self.charge)
        self.assertEqual(self.get_disputes(), hold)
        hold.write({"release_note": "Inside words", "decision": "credited"})
        hold._release(hold.release_note)
        page = self.get(self.charge).text
        for words in ("Decided", "Money is given back"):
            self.assertIn(words, page)
        self.assertNotIn("Inside words", page)
        self.dispute(self.charge)
        self.assertEqual(self.get_disputes(), hold)

    def test_usage_of_one_meter_and_period_is_disputed_once(self):
        self.dispute(self.charge)
        hold = self.get_disputes()
        other = self.invoice(self.charge.sudo().copy({"ref": "usage:0:2026-03-01"}))
        self.assertIn("You disputed this usage", self.get(other).text)
        answer = self.dispute(other)
        self.assertIn("dispute=sent", answer.headers["Location"])
        self.assertEqual(self.get_disputes(), hold)
        # Decided, the other one can still be disputed.
        hold.write({"release_note": "Right", "decision": "confirmed"})
        hold._release(hold.release_note)
        self.dispute(other)
        self.assertEqual((self.get_disputes() - hold).charge_id, other)

    def test_dispute_opened_by_staff_holds_it_already(self):
        vals = {**self.charge._prepare_dispute_vals(), "reason": "By phone"}
        hold = self.get_disputes().create({**vals, "charge_id": False})
        self.assertIn("This usage is disputed", self.get(self.charge).text)
        self.dispute(self.charge)
        self.assertEqual(self.get_disputes(), hold)

    def test_words_of_staff_are_not_shown(self):
        vals = {**self.charge._prepare_dispute_vals(), "reason": "They never pay"}
        hold = self.get_disputes().create(vals)
        page = self.get(self.charge).text
        self.assertIn("This usage is disputed", page)
        self.assertNotIn("They never pay", page)
        self.assertNotIn("<textarea", page)
        self.dispute(self.charge)
        self.assertEqual(self.get_disputes(), hold)

    def test_dispute_needs_words(self):
        for reason, fault in ((" \n ", "empty"), ("x" * 2001, "long")):
            answer = self.dispute(self.charge, reason)
            self.assertIn(f"dispute={fault}", answer.headers["Location"])
        self.assertFalse(self.get_disputes())
        self.assertIn(
            "say what is wrong", self.get(self.charge, rest="?dispute=empty").text
        )
        self.assertEqual(self.get(self.charge, rest="?dispute=odd").status_code, 200)

    def test_others_dispute_nothing(self):
        self.assert_refused(self.dispute(self.charge, login="usage_other"))
        self.assert_refused(
            self.dispute(self.charge, login="usage_other", subscription=self.other)
        )
        self.assert_refused(self.dispute(self.other_charge))
        self.assert_refused(self.dispute(self.invoice(self.charge, "draft")))
        # Staff has its own way.
        self.new_user("dispute_staff", "billing_operator")
        self.assert_refused(self.dispute(self.charge, login="dispute_staff"))
        self.assertNotIn(
            "Dispute this usage", self.get(self.charge, login="dispute_staff").text
        )
        self.assertFalse(self.get_disputes())

    def test_logged_out_or_without_the_form_nothing_is_disputed(self):
        url = f"/my/subscriptions/{self.subscription.id}/usage/{self.charge.id}/dispute"
        self.authenticate("usage_own", "usage_own")
        with mute_logger("odoo.http"):
            answer = self.url_open(url, data={"reason": "No token"})
        self.assertEqual(answer.status_code, 400)
        self.logout(keep_db=True)
        answer = self.url_open(
            url,
            data={"reason": "x", "csrf_token": http.Request.csrf_token(self)},
            allow_redirects=False,
        )
        self.assertEqual(answer.status_code, 303)
        self.assertIn("/web/login", answer.headers["Location"])
        self.assertFalse(self.get_disputes())

    def test_files_for_staff(self):
        self.new_user("csv_auditor", "auditor")
        self.authenticate("csv_auditor", "csv_auditor")
        url = f"/saas/usage/charge/{self.charge.id}"
        with patch("odoo.addons.saas_usage_billing.models.saas_usage_listing.PAGE", 7):
            header, *rows = read_csv(self.url_open(f"{url}/events.csv"))
        self.assertEqual(header[2:4], ["Source", "Event"])
        self.assertEqual(len({row[3] for row in rows}), 620)
        self.assertEqual(rows[0][2], "weblog")
        _header, *rows = read_csv(self.url_open(f"{url}/days.csv"))
        self.assertEqual(
            [row[:2] + row[3:] for row in rows],
            [
                ["2026-03-10", "60", "60", "0.00", "EUR"],
                ["2026-03-11", "140", "140", "5.00", "EUR"],
                ["2026-03-31", "420", "420", "17.40", "EUR"],
            ],
        )

    def test_files_are_not_for_others(self):
        elsewhere = self.create_company("Elsewhere Ltd")
        self.new_user("csv_foreign", "billing_operator", elsewhere)
        self.new_user("csv_plain", "base.group_user")
        self.new_user("csv_finance", "account.group_account_readonly")
        url = f"/saas/usage/charge/{self.charge.id}"
        for login in ("csv_foreign", "csv_plain", "csv_finance", "usage_own"):
            self.authenticate(login, login)
            answer = self.url_open(f"{url}/events.csv")
            self.assertEqual(answer.status_code, 403, login)
            self.assertNotIn("client-1", answer.text)
        self.authenticate("csv_foreign", "csv_foreign")
        missing = self.url_open("/saas/usage/charge/2000000000/events.csv")
        self.assertEqual(missing.status_code, 404)


@tagged("post_install", "-at_install")
class TestCsv(TransactionCase):
    """Cells are text to a spreadsheet, whatever a sender wrote."""

    def test_cells_that_would_be_formulas_are_text(self):
        for text in ("=1+1", "+1", "-1", "@x", "\t=1", "\r=1"):
            self.assertEqual(guard(text), f"'{text}")
        for text in ("a=1", " =1", "", "0"):
            self.assertEqual(guard(text), text)

    def test_numbers_keep_all_digits_and_their_sign(self):
        self.assertEqual(guard(None), "")
        self.assertEqual(guard(-5), "-5")
        self.assertEqual(guard(Decimal("-0.10")), "-0.10")
        self.assertEqual(guard(Decimal("1E+3")), "1000")

    def test_many_rows_come_in_pieces(self):
        pieces = list(write_csv([[date(2026, 3, 1), "é"]] * 1001))
        self.assertEqual(len(pieces), 3)
        text = b"".join(pieces).decode("utf-8-sig")
        self.assertEqual(text.count("2026-03-01,é\r\n"), 1001)
