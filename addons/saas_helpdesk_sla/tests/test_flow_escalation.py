# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import timedelta
from unittest.mock import patch

from psycopg2.errors import UniqueViolation

from odoo import Command
from odoo.tests import freeze_time, tagged
from odoo.tools import mute_logger

from .common import MONDAY, SlaCase

WARNING = "ticket.sla_warning"
BREACH = "ticket.sla_breached"
ESCALATED = "ticket.escalated"


@tagged("post_install", "-at_install")
class TestFlowEscalation(SlaCase):
    """Time passes: warning, breach and every step of the ladder happen once."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.remind = cls.make_step("Due soon", "first_response", -20)
        cls.leader = cls.make_step(
            "Tell the leader", "first_response", 0, "activity", recipient="leader"
        )
        cls.follow = cls.make_step("Leader follows", "first_response", 30, "leader")

    def ran(self, ticket):
        """List what ran for the first response, oldest first."""
        logs = self.clock(ticket, "first_response").log_ids.sorted("id")
        return [(log.name, log.planned_at) for log in logs]

    def test_warning_breach_and_steps_once_each(self):
        with freeze_time(MONDAY) as frozen:
            ticket = self.make_ticket()
            first = self.clock(ticket, "first_response")
            self.assertEqual(first.next_action_at, MONDAY + timedelta(minutes=40))
            frozen.tick(timedelta(minutes=39))
            self.run_cron()
            self.assertFalse(self.ran(ticket))
            frozen.tick(timedelta(minutes=2))
            self.run_cron()
            self.assertEqual([name for name, _at in self.ran(ticket)], ["Due soon"])
            frozen.tick(timedelta(minutes=10))
            self.run_cron()
            self.assertEqual(ticket.saas_sla_status, "warning")
            self.assertEqual(len(self.events(ticket, WARNING)), 1)
            frozen.tick(timedelta(minutes=10))
            self.run_cron()
            self.run_cron()
            self.assertEqual(ticket.saas_sla_status, "breached")
            self.assertEqual((first.state, first.is_open), ("breached", True))
            self.assertEqual(first.breached_at, MONDAY + timedelta(hours=1))
            self.assertEqual(first.overdue_minutes, 1)
            frozen.tick(timedelta(minutes=30))
            self.run_cron()
            self.run_cron()
        self.assertEqual(
            self.ran(ticket),
            [
                ("Due soon", MONDAY + timedelta(minutes=40)),
                ("Warning", MONDAY + timedelta(minutes=48)),
                ("Breach", MONDAY + timedelta(minutes=60)),
                ("Tell the leader", MONDAY + timedelta(minutes=60)),
                ("Leader follows", MONDAY + timedelta(minutes=90)),
            ],
        )
        self.assertEqual(len(self.events(ticket, WARNING)), 1)
        self.assertEqual(len(self.events(ticket, BREACH)), 1)
        self.assertEqual(len(self.events(ticket, ESCALATED)), 3)
        self.assertIn(self.lead.partner_id, ticket.message_partner_ids)
        self.assertFalse(first.next_action_at)

    def test_after_downtime_everything_once_and_in_order(self):
        with freeze_time(MONDAY) as frozen:
            ticket = self.make_ticket()
            frozen.tick(timedelta(minutes=95))
            self.run_cron()
            self.run_cron()
        self.assertEqual(
            [name for name, _at in self.ran(ticket)],
            ["Due soon", "Warning", "Breach", "Tell the leader", "Leader follows"],
        )
        for name, times in ((WARNING, 1), (BREACH, 1), (ESCALATED, 3)):
            self.assertEqual(len(self.events(ticket, name)), times)

    def test_breach_opens_an_exception_until_the_answer(self):
        with freeze_time(MONDAY) as frozen:
            ticket = self.make_ticket()
            frozen.tick(timedelta(minutes=61))
            self.Clock._process_due(MONDAY + timedelta(minutes=61))
            exceptions = self.env["saas.exception"].search(
                [("res_id", "=", ticket.id), ("code", "=", "sla.breached")]
            )
            self.assertEqual((len(exceptions), exceptions.state), (1, "open"))
            self.assertEqual(ticket.activity_ids.user_id, self.lead)
            self.clock(ticket, "first_response").saas_notify_breach()
            self.assertEqual(exceptions.state, "open")
            self.reply(ticket)
        self.assertEqual(exceptions.state, "resolved")
        self.assertEqual(ticket.saas_sla_status, "on_track")

    def test_late_answer_completes_the_breach(self):
        with freeze_time(MONDAY) as frozen:
            ticket = self.make_ticket()
            frozen.tick(timedelta(minutes=61))
            self.run_cron()
            frozen.tick(timedelta(minutes=14))
            self.reply(ticket)
            frozen.tick(timedelta(hours=1))
            self.run_cron()
        first = self.clock(ticket, "first_response")
        result = first.result_ids
        self.assertEqual((result.outcome, result.overdue_minutes), ("breached", 15))
        self.assertEqual(result.decided_at, MONDAY + timedelta(minutes=60))
        self.assertEqual(result.reached_at, MONDAY + timedelta(minutes=75))
        self.assertEqual((first.state, first.is_open), ("breached", False))
        self.assertNotIn("Leader follows", [name for name, _at in self.ran(ticket)])

    def test_late_answer_while_the_cron_is_down_is_a_breach_too(self):
        with freeze_time(MONDAY) as frozen:
            ticket = self.make_ticket()
            frozen.tick(timedelta(minutes=90))
            self.reply(ticket)
            self.run_cron()
        result = self.clock(ticket, "first_response").result_ids
        self.assertEqual((result.outcome, result.overdue_minutes), ("breached", 30))
        self.assertEqual(len(self.events(ticket, BREACH)), 1)
        self.assertFalse(self.events(ticket, WARNING))
        self.assertFalse(self.events(ticket, ESCALATED))

    def test_paused_clock_is_left_alone(self):
        with freeze_time(MONDAY) as frozen:
            ticket = self.make_ticket()
            self.reply(ticket)
            ticket.stage_id = self.stage_waiting
            frozen.tick(timedelta(days=4))
            self.run_cron()
        self.assertEqual(ticket.saas_sla_status, "paused")
        self.assertFalse(self.events(ticket, BREACH))

    def test_new_round_warns_and_breaches_anew(self):
        with freeze_time(MONDAY) as frozen:
            ticket = self.make_ticket()
            self.reply(ticket)
            for _round in range(2):
                self.customer_writes(ticket)
                frozen.tick(timedelta(hours=2, minutes=1))
                self.run_cron()
                self.reply(ticket)
        clock = self.clock(ticket, "next_reply")
        self.assertEqual(clock.result_ids.mapped("outcome"), ["breached"] * 2)
        self.assertEqual(
            [
                event.payload["round"]
                for event in self.events(ticket, BREACH)
                if event.payload["metric"] == "next_reply"
            ],
            [2, 1],
        )

    def test_steps_act_on_the_ticket(self):
        other = self.lead
        self.make_step("Up", "first_response", 10, "priority")
        self.make_step("Over", "first_response", 10, "reassign", user_id=other.id)
        self.make_step(
            "Mark",
            "first_response",
            10,
            "server_action",
            server_action_id=self.env["ir.actions.server"]
            .create(
                {
                    "name": "Mark",
                    "model_id": self.env["ir.model"]._get_id("helpdesk.ticket"),
                    "state": "code",
                    "code": "record.write({'name': record.name + '!'})",
                }
            )
            .id,
        )
        with freeze_time(MONDAY) as frozen:
            ticket = self.make_ticket()
            frozen.tick(timedelta(minutes=71))
            self.run_cron()
        self.assertEqual(ticket.priority, "2")
        self.assertEqual(ticket.user_id, other)
        self.assertEqual(ticket.name, "Login fails!")

    def test_step_without_anybody_to_inform_asks_a_person(self):
        self.team.user_id = False
        with freeze_time(MONDAY) as frozen:
            ticket = self.make_ticket(user_id=False)
            frozen.tick(timedelta(minutes=61))
            self.run_cron()
        exception = self.env["saas.exception"].search(
            [("res_id", "=", ticket.id), ("code", "=", "sla.no_recipient")]
        )
        self.assertTrue(exception)
        self.assertIn("Breach", [name for name, _at in self.ran(ticket)])

    def test_database_refuses_a_second_run(self):
        with freeze_time(MONDAY) as frozen:
            ticket = self.make_ticket()
            frozen.tick(timedelta(minutes=61))
            self.run_cron()
        first = self.clock(ticket, "first_response")
        for action in (("breach", None), ("warning", None), ("step", self.remind)):
            with (
                mute_logger("odoo.sql_db"),
                self.assertRaises(UniqueViolation),
                self.cr.savepoint(),
            ):
                first._log_action(action[0], MONDAY, MONDAY, action[1])

    def test_failing_clock_does_not_stop_the_others(self):
        with freeze_time(MONDAY) as frozen:
            bad, good = self.make_ticket(), self.make_ticket()
            run = type(self.leader)._run_activity

            def fail(step, clock, at):
                if clock.ticket_id == bad:
                    raise ValueError("mail server on fire")
                return run(step, clock, at)

            frozen.tick(timedelta(minutes=61))
            with patch.object(type(self.leader), "_run_activity", fail):
                self.run_cron()
            self.assertEqual(good.saas_sla_status, "breached")
            self.assertFalse(self.events(bad, BREACH), "rolled back as a whole")
            clock = self.clock(bad, "first_response")
            self.assertEqual(clock.failure_count, 1)
            self.assertEqual(clock.next_action_at, MONDAY + timedelta(minutes=62))
            exception = self.env["saas.exception"].search(
                [("res_id", "=", bad.id), ("code", "=", "sla.clock_failed")]
            )
            self.assertEqual(exception.state, "open")
            self.assertIn("mail server on fire", exception.name)
            frozen.tick(timedelta(minutes=2))
            self.run_cron()
        self.assertEqual(len(self.events(bad, BREACH)), 1)
        self.assertEqual(clock.failure_count, 0)
        self.assertEqual(exception.state, "resolved")

    def test_nothing_due_is_cheap(self):
        with freeze_time(MONDAY):
            for number in range(5):
                self.make_ticket(name=str(number))
        self.env.flush_all()
        with self.assertQueryCount(1):
            self.assertEqual(self.Clock._process_due(MONDAY), 0)

    def test_escalation_off_working_time_runs_at_night(self):
        self.policy.escalation_ids.unlink()
        self.make_step("Night", "resolution", 240, "priority", is_working_time=False)
        self.make_step("Morning", "resolution", 240, "priority")
        with freeze_time(MONDAY + timedelta(hours=4)):
            ticket = self.make_ticket()
            resolution = self.clock(ticket, "resolution")
        # due at closing time, 17:00
        self.assertEqual(resolution.due_at, MONDAY + timedelta(hours=8))
        history = self.env["saas.sla.history"]._read_ticket(ticket)
        steps = {
            step.name: at
            for at, _rank, kind, step in resolution._get_plan(history)
            if kind == "step"
        }
        self.assertEqual(steps["Night"], MONDAY + timedelta(hours=12))
        self.assertEqual(steps["Morning"], MONDAY + timedelta(days=1, hours=4))

    def test_users_step_notifies_them(self):
        self.make_step(
            "Bell",
            "first_response",
            -30,
            recipient="users",
            user_ids=[Command.set(self.lead.ids)],
        )
        with freeze_time(MONDAY) as frozen:
            ticket = self.make_ticket()
            frozen.tick(timedelta(minutes=31))
            self.run_cron()
        message = self.env["mail.message"].search(
            [("model", "=", ticket._name), ("res_id", "=", ticket.id)], limit=1
        )
        self.assertEqual(message.message_type, "user_notification")
        self.assertEqual(message.notified_partner_ids, self.lead.partner_id)
        self.assertEqual(self.clock(ticket, "first_response").state, "running")
