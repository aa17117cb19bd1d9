# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import datetime, timedelta, timezone

from odoo import Command
from odoo.tests import freeze_time, tagged

from ..engine import deadline as due_dates
from .common import MONDAY, SlaCase

BERLIN_LUNCH = {"blocks": ((8, 13), (14, 18)), "tz": "Europe/Berlin"}
ALWAYS = {"blocks": ((0, 24),), "days": range(7)}


def iso(text):
    """Read an instant."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


@tagged("post_install", "-at_install")
class TestSaasSlaCalendar(SlaCase):
    """Odoo's calendars through the adapter give the published deadlines."""

    def working_time(self, company=None, holidays=(), **vals):
        """Build a calendar with whole-day holidays (local dates) and adapt it."""
        calendar = self.make_calendar("Case", **vals)
        offset = 1 if calendar.tz == "Europe/Berlin" else 0
        for day in holidays:
            start = datetime.fromisoformat(day) - timedelta(hours=offset)
            self.env["resource.calendar.leaves"].create(
                {
                    "name": day,
                    "calendar_id": calendar.id,
                    "company_id": (company or self.company).id,
                    "date_from": start,
                    # the way people enter a day: until 23:59:59
                    "date_to": start + timedelta(hours=23, minutes=59, seconds=59),
                }
            )
        return self.env["saas.sla.calendar"]._get_working_time(calendar, self.company)

    def test_published_deadlines(self):
        monday_late = {"blocks": ((8, 18),), "tz": "Europe/Berlin"}
        cases = [
            # id, calendar, holidays, start, minutes, expected
            ("ZM-01", monday_late, (), "2013-03-21T09:30Z", 60, "2013-03-21T10:30Z"),
            (
                "FH-05",
                {"blocks": ((10, 18),)},
                (),
                "2025-06-02T20:00Z",
                120,
                "2025-06-03T12:00Z",
            ),
            (
                "FH-07",
                {"blocks": ((10, 18),)},
                (),
                "2025-06-07T15:00Z",
                4320,
                "2025-06-19T18:00Z",
            ),
            ("ZN-01", BERLIN_LUNCH, (), "2015-03-27T11:00Z", 900, "2015-03-31T07:00Z"),
            (
                "ZN-07",
                ALWAYS,
                ("2015-05-01",),
                "2015-02-17T12:00Z",
                129600,
                "2015-05-19T12:00Z",
            ),
            (
                "ZN-09",
                {**ALWAYS, "tz": "America/Sao_Paulo"},
                (),
                "2015-02-21T22:00-02:00",
                300,
                "2015-02-22T02:00-03:00",
            ),
            (
                "ZN-11",
                {**ALWAYS, "tz": "Australia/Sydney"},
                (),
                "2016-04-02T12:00+11:00",
                2460,
                "2016-04-04T04:00+10:00",
            ),
            (
                "EN-05",
                {"blocks": ((10, 18),)},
                ("2019-03-05",),
                "2019-03-04T14:00Z",
                360,
                "2019-03-06T12:00Z",
            ),
        ]
        for case, calendar, holidays, start, minutes, expected in cases:
            with self.subTest(case):
                due = due_dates.deadline(
                    self.working_time(holidays=holidays, **calendar),
                    iso(start),
                    timedelta(minutes=minutes),
                )
                self.assertEqual(due, iso(expected))

    def test_working_days_and_back(self):
        office = self.working_time(blocks=((9, 17),), holidays=("2026-01-14",))
        start = MONDAY.replace(tzinfo=timezone.utc)
        due = due_dates.deadline_days(office, start, 3)
        self.assertEqual(due, start + timedelta(days=4))
        self.assertEqual(
            due_dates.shift(office, start, timedelta(hours=-9)),
            iso("2026-01-08T16:00Z"),
        )

    def test_around_the_clock_has_no_seams(self):
        always = self.working_time(**ALWAYS)
        start = iso("2026-01-01T00:00Z")
        spent = due_dates.elapsed(always, start, start + timedelta(days=400))
        self.assertEqual(spent, timedelta(days=400))

    def test_two_weeks_calendar(self):
        calendar = self.make_calendar("Odd weeks")
        calendar.switch_calendar_type()
        calendar.attendance_ids.filtered(
            lambda line: not line.display_type and line.week_type == "1"
        ).unlink()
        hours = self.env["saas.sla.calendar"]._get_working_time(calendar, self.company)
        first = iso("2026-01-05T00:00Z")
        weeks = [
            due_dates.elapsed(
                hours, first + timedelta(weeks=w), first + timedelta(weeks=w + 1)
            )
            for w in range(4)
        ]
        self.assertEqual(sorted(weeks[:2]), sorted(weeks[2:]))
        self.assertEqual(weeks.count(timedelta(0)), 2)

    def test_holidays_of_another_company_do_not_count(self):
        other = self.env["res.company"].create({"name": "Other Ltd"})
        leave = (
            self.env["resource.calendar.leaves"]
            .with_company(other)
            .create(
                {
                    "name": "Their holiday",
                    "calendar_id": False,
                    "date_from": MONDAY.replace(hour=0),
                    "date_to": MONDAY.replace(hour=23, minute=59, second=59),
                }
            )
        )
        # computed from the environment that reads it first
        self.assertEqual(leave.company_id, other)
        with freeze_time(MONDAY):
            mine = self.make_ticket()
            as_robot = self.Ticket.sudo().create(
                {
                    "name": "By the gateway",
                    "description": "x",
                    "team_id": self.team.id,
                    "partner_id": self.customer.id,
                }
            )
            theirs = self.Ticket.sudo().create(
                {
                    "name": "Theirs",
                    "description": "x",
                    "company_id": other.id,
                    "partner_id": self.customer.id,
                }
            )
            other.resource_calendar_id = self.calendar
            theirs.saas_retry_sla()
        due = MONDAY + timedelta(hours=1)
        self.assertEqual(self.clock(mine, "first_response").due_at, due)
        self.assertEqual(self.clock(as_robot, "first_response").due_at, due)
        self.assertEqual(
            self.clock(theirs, "first_response").due_at, due + timedelta(days=1)
        )

    def test_order_contract_policy_team_company(self):
        ticket = self.make_ticket()
        self.company.resource_calendar_id = self.make_calendar("Company")
        self.assertEqual(ticket._saas_working_calendar()[0], self.calendar)
        self.team.saas_calendar_id = False
        self.assertEqual(
            ticket._saas_working_calendar()[0], self.company.resource_calendar_id
        )
        self.policy.calendar_mode = "always"
        self.assertFalse(ticket._saas_working_calendar()[0])
        mine = self.make_calendar("Policy")
        self.policy.write({"calendar_mode": "calendar", "calendar_id": mine.id})
        self.assertEqual(ticket._saas_working_calendar()[0], mine)
        contract = self.make_calendar("Contract")
        self.patch(type(ticket), "_saas_contract_calendar", lambda _ticket: contract)
        calendar, text = ticket._saas_working_calendar()
        self.assertEqual(calendar, contract)
        self.assertIn("contract", text)

    def test_days_target_warns_by_share_of_working_time(self):
        self.policy.target_ids.unlink()
        self.policy.target_ids = [
            Command.create({"metric": "resolution", "duration": 2, "unit": "days"})
        ]
        with freeze_time(MONDAY):
            ticket = self.make_ticket()
        clock = self.clock(ticket, "resolution")
        self.assertEqual(clock.due_at, MONDAY + timedelta(days=2))
        # 80 % of 16 working hours
        self.assertEqual(clock.warn_at, MONDAY + timedelta(days=1, hours=4, minutes=48))
