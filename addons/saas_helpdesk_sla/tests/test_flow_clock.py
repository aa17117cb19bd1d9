# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import datetime, timedelta

from psycopg2.errors import UniqueViolation

from odoo import Command
from odoo.tests import freeze_time, tagged
from odoo.tools import mute_logger

from ..exceptions import SlaLogError
from .common import MONDAY, SlaCase


@tagged("post_install", "-at_install")
class TestFlowClock(SlaCase):
    """A ticket's life: what starts, pauses, meets and reopens its clocks."""

    def test_created_ticket_gets_policy_and_clocks(self):
        with freeze_time(MONDAY):
            ticket = self.make_ticket()
        self.assertEqual(ticket.saas_policy_id, self.policy)
        self.assertIn("tier Premium", ticket.saas_policy_reason)
        self.assertEqual(ticket.saas_support_tier_id, self.tier)
        self.assertEqual(ticket.saas_standing, "good")
        first = self.clock(ticket, "first_response")
        self.assertEqual(first.state, "running")
        self.assertEqual(first.due_at, MONDAY + timedelta(hours=1))
        self.assertEqual(first.warn_at, MONDAY + timedelta(minutes=48))
        resolution = self.clock(ticket, "resolution")
        self.assertEqual(resolution.due_at, MONDAY + timedelta(hours=4))
        self.assertFalse(self.clock(ticket, "next_reply"))
        self.assertEqual(ticket.saas_next_due_at, first.due_at)
        self.assertEqual(ticket.saas_sla_status, "on_track")
        self.assertEqual(
            ticket.saas_sla_event_ids.mapped("kind"), ["created", "policy_changed"]
        )

    def test_applying_twice_changes_nothing(self):
        with freeze_time(MONDAY):
            ticket = self.make_ticket()
            before = ticket.saas_clock_ids.read()
            log = ticket.saas_sla_event_ids
            ticket.saas_apply_sla()
            ticket.saas_reevaluate_sla()
        self.assertEqual(ticket.saas_clock_ids.read(), before)
        self.assertEqual(ticket.saas_sla_event_ids, log)

    def test_agent_reply_meets_first_response(self):
        with freeze_time(MONDAY) as frozen:
            ticket = self.make_ticket()
            frozen.tick(timedelta(minutes=30))
            self.reply(ticket)
        first = self.clock(ticket, "first_response")
        self.assertEqual((first.state, first.elapsed_minutes), ("met", 30))
        self.assertFalse(first.is_open)
        self.assertEqual(first.result_ids.outcome, "met")
        self.assertEqual(
            ticket.saas_next_due_at, self.clock(ticket, "resolution").due_at
        )

    def test_internal_note_is_no_answer(self):
        with freeze_time(MONDAY):
            ticket = self.make_ticket()
            ticket.with_user(self.agent).message_post(
                body="Looks like the proxy", subtype_xmlid="mail.mt_note"
            )
            ticket.message_post(
                body="robot",
                author_id=self.env.ref("base.partner_root").id,
                message_type="comment",
                subtype_xmlid="mail.mt_comment",
            )
        self.assertEqual(self.clock(ticket, "first_response").state, "running")

    def test_next_reply_hangs_on_the_oldest_unanswered_message(self):
        with freeze_time(MONDAY) as frozen:
            ticket = self.make_ticket()
            frozen.tick(timedelta(minutes=10))
            self.reply(ticket)
            frozen.tick(timedelta(minutes=10))
            self.customer_writes(ticket)
            oldest = MONDAY + timedelta(minutes=20)
            frozen.tick(timedelta(minutes=30))
            self.customer_writes(ticket, "Hello?")
            clock = self.clock(ticket, "next_reply")
            self.assertEqual(clock.due_at, oldest + timedelta(hours=2))
            frozen.tick(timedelta(minutes=10))
            self.reply(ticket)
            self.assertEqual(clock.state, "met")
            frozen.tick(timedelta(minutes=10))
            self.customer_writes(ticket)
        self.assertEqual((clock.state, clock.round), ("running", 2))
        self.assertEqual(clock.due_at, MONDAY + timedelta(hours=3, minutes=10))
        self.assertEqual(clock.result_ids.mapped("outcome"), ["met"])

    def test_waiting_for_the_customer_pauses_resolution_only(self):
        with freeze_time(MONDAY) as frozen:
            ticket = self.make_ticket()
            frozen.tick(timedelta(minutes=15))
            ticket.with_user(self.agent).stage_id = self.stage_waiting
            first = self.clock(ticket, "first_response")
            resolution = self.clock(ticket, "resolution")
            self.assertEqual(first.due_at, MONDAY + timedelta(hours=1))
            self.assertEqual((resolution.state, resolution.due_at), ("paused", False))
            self.assertFalse(resolution.next_action_at)
            frozen.tick(timedelta(hours=2))
            ticket.with_user(self.agent).stage_id = self.stage_progress
        self.assertEqual(resolution.state, "running")
        self.assertEqual(resolution.due_at, MONDAY + timedelta(hours=6))

    def test_pause_over_night_takes_only_working_time(self):
        with freeze_time(MONDAY) as frozen:
            ticket = self.make_ticket()
            frozen.move_to(datetime(2026, 1, 12, 12, 30))
            ticket.stage_id = self.stage_waiting
            # the old deadline passes while the ticket waits: no false breach
            frozen.move_to(datetime(2026, 1, 13, 9, 30))
            ticket.stage_id = self.stage_done
        resolution = self.clock(ticket, "resolution")
        self.assertEqual((resolution.state, resolution.elapsed_minutes), ("met", 210))

    def test_solved_then_reopened_goes_on_without_the_closed_time(self):
        with freeze_time(MONDAY) as frozen:
            ticket = self.make_ticket()
            self.reply(ticket)
            frozen.tick(timedelta(hours=1))
            ticket.stage_id = self.stage_done
            resolution = self.clock(ticket, "resolution")
            self.assertEqual(resolution.state, "met")
            self.assertEqual(ticket.saas_sla_status, "met")
            self.assertFalse(ticket.saas_next_due_at)
            self.assertTrue(ticket.closed_date)
            frozen.tick(timedelta(hours=3))
            ticket.with_user(self.agent).saas_reopen()
        self.assertEqual(ticket.stage_id, self.stage_progress)
        self.assertFalse(ticket.closed_date)
        self.assertEqual((resolution.state, resolution.round), ("running", 1))
        self.assertEqual(resolution.due_at, MONDAY + timedelta(hours=7))
        self.assertFalse(resolution.result_ids)
        self.assertEqual(len(self.events(ticket, "ticket.reopened")), 1)
        self.assertFalse(ticket.saas_reopen())

    def test_cancelled_is_neither_met_nor_missed(self):
        with freeze_time(MONDAY) as frozen:
            ticket = self.make_ticket()
            frozen.tick(timedelta(minutes=5))
            ticket.stage_id = self.stage_cancelled
            frozen.tick(timedelta(days=3))
            self.Clock._process_due(datetime(2026, 1, 15, 9))
        self.assertEqual(set(ticket.saas_clock_ids.mapped("state")), {"cancelled"})
        self.assertFalse(ticket.saas_clock_ids.result_ids)
        self.assertFalse(ticket.saas_sla_status)

    def test_priority_change_keeps_elapsed_time(self):
        self.env["saas.sla.policy.target"].create(
            {
                "policy_id": self.policy.id,
                "metric": "resolution",
                "priority": "3",
                "duration": 120,
                "unit": "minutes",
            }
        )
        with freeze_time(MONDAY) as frozen:
            ticket = self.make_ticket()
            frozen.tick(timedelta(minutes=90))
            ticket.with_user(self.agent).priority = "3"
        resolution = self.clock(ticket, "resolution")
        self.assertEqual(resolution.elapsed_minutes, 90)
        self.assertEqual(resolution.due_at, MONDAY + timedelta(hours=2))
        self.assertEqual(
            ticket.saas_sla_event_ids.filtered(
                lambda event: event.kind == "policy_changed"
            ).mapped("occurred_at"),
            [MONDAY, MONDAY + timedelta(minutes=90)],
        )

    def test_customer_change_chooses_another_policy(self):
        other = self.make_policy(
            "Everybody", {"first_response": (3, "hours")}, sequence=99
        )
        stranger = self.env["res.partner"].create({"name": "Somebody"})
        with freeze_time(MONDAY) as frozen:
            ticket = self.make_ticket()
            frozen.tick(timedelta(minutes=30))
            ticket.partner_id = stranger
        self.assertEqual(ticket.saas_policy_id, other)
        first = self.clock(ticket, "first_response")
        self.assertEqual(first.due_at, MONDAY + timedelta(hours=3))
        resolution = self.clock(ticket, "resolution")
        self.assertEqual((resolution.state, resolution.is_open), ("cancelled", False))

    def test_editing_a_policy_leaves_running_tickets_alone(self):
        with freeze_time(MONDAY) as frozen:
            ticket = self.make_ticket()
            self.policy.target_ids.duration = 1
            frozen.tick(timedelta(minutes=5))
            self.customer_writes(ticket)
            first = self.clock(ticket, "first_response")
            self.assertEqual(first.due_at, MONDAY + timedelta(hours=1))
            ticket.saas_reevaluate_sla()
        self.assertEqual(first.due_at, MONDAY + timedelta(minutes=1))

    def test_team_change_moves_the_stage_by_compute_and_is_logged(self):
        waiting = self.env["helpdesk.ticket.stage"].create(
            {
                "name": "Second line waits",
                "sequence": -1,
                "saas_clock": "pause_vendor",
                "company_id": False,
            }
        )
        other = self.env["helpdesk.ticket.team"].create(
            {"name": "Second Line", "user_ids": [Command.link(self.agent.id)]}
        )
        waiting.team_ids = other
        mine = self.env["helpdesk.ticket.stage"].create(
            {"name": "First line only", "team_ids": self.team.ids, "company_id": False}
        )
        with freeze_time(MONDAY) as frozen:
            ticket = self.make_ticket(stage_id=mine.id)
            frozen.tick(timedelta(minutes=20))
            ticket.with_user(self.agent).team_id = other
        self.assertEqual(ticket.stage_id, waiting)
        self.assertEqual(ticket.saas_sla_event_ids[-2:-1].meaning, "pause_vendor")
        self.assertEqual(self.clock(ticket, "resolution").state, "paused")

    def test_calendar_without_hours_is_an_exception_not_a_crash(self):
        empty = self.make_calendar("Never", days=())
        self.policy.write({"calendar_mode": "calendar", "calendar_id": empty.id})
        with freeze_time(MONDAY):
            ticket = self.make_ticket()
            self.assertEqual(ticket.saas_policy_id, self.policy)
            exceptions = self.env["saas.exception"].search(
                [("res_model", "=", ticket._name), ("res_id", "=", ticket.id)]
            )
            self.assertEqual(exceptions.code, "sla.no_deadline")
            self.assertIn("Never", exceptions.name)
            self.policy.calendar_mode = "always"
            ticket.saas_retry_sla()
        self.assertEqual(
            self.clock(ticket, "first_response").due_at, MONDAY + timedelta(hours=1)
        )

    def test_log_is_append_only(self):
        ticket = self.make_ticket()
        event = ticket.saas_sla_event_ids[:1]
        for change in (
            lambda: event.sudo().write({"kind": "agent_reply"}),
            lambda: event.sudo().unlink(),
            lambda: event.sudo().copy(),
        ):
            with self.assertRaises(SlaLogError):
                change()

    def test_message_is_counted_once(self):
        ticket = self.make_ticket()
        message = self.reply(ticket)
        with (
            mute_logger("odoo.sql_db"),
            self.assertRaises(UniqueViolation),
            self.cr.savepoint(),
        ):
            ticket._saas_log("agent_reply", message=message)

    def test_ticket_goes_with_its_log_and_clocks(self):
        ticket = self.make_ticket()
        clocks = ticket.saas_clock_ids
        ticket.sudo().unlink()
        self.assertFalse(clocks.exists())

    def test_copy_starts_anew(self):
        with freeze_time(MONDAY) as frozen:
            ticket = self.make_ticket()
            frozen.tick(timedelta(hours=2))
            copied = ticket.with_user(self.agent).copy()
        self.assertEqual(
            self.clock(copied.sudo(), "first_response").due_at,
            MONDAY + timedelta(hours=3),
        )
