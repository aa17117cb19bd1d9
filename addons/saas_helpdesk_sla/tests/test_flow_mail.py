# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
from datetime import timedelta

from odoo.tests import freeze_time, tagged

from .common import MONDAY, SlaCase


@tagged("post_install", "-at_install")
class TestFlowMail(SlaCase):
    """A customer writes to the support address."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        domain = cls.env["mail.alias.domain"].search([], limit=1)
        domain = domain or cls.env["mail.alias.domain"].create({"name": "x.example"})
        cls.company.alias_domain_id = domain
        cls.team.alias_domain_id = domain
        cls.team.alias_contact = "everyone"
        cls.address = cls.team.alias_email

    def test_mail_becomes_a_ticket_with_tier_policy_and_clock(self):
        with freeze_time(MONDAY):
            ticket = self.mail("m1", to=self.address)
        self.assertEqual(ticket.team_id, self.team)
        self.assertEqual(ticket.partner_id, self.customer)
        self.assertEqual(ticket.saas_support_tier_id, self.tier)
        self.assertEqual(ticket.saas_policy_id, self.policy)
        first = self.clock(ticket, "first_response")
        self.assertEqual(first.due_at, MONDAY + timedelta(hours=1))
        # the first mail is the ticket, not an unanswered message on it
        self.assertEqual(
            ticket.saas_sla_event_ids.mapped("kind"), ["created", "policy_changed"]
        )

    def test_mail_is_assigned_to_nobody_by_default(self):
        self.company.helpdesk_mgmt_ticket_auto_assign = True
        known = self.mail("m2", to=self.address)
        stranger = self.mail("m3", to=self.address, sender="x@stranger.example")
        self.assertFalse(known.user_id)
        self.assertFalse(stranger.user_id)

    def test_mail_from_stranger_gets_the_last_policy(self):
        everybody = self.make_policy(
            "Everybody", {"first_response": (1, "days")}, sequence=99
        )
        with freeze_time(MONDAY):
            ticket = self.mail("m4", to=self.address, sender="y@stranger.example")
        self.assertEqual(ticket.saas_policy_id, everybody)
        self.assertIn("every ticket", ticket.saas_policy_reason)
        self.assertEqual(
            self.clock(ticket, "first_response").due_at, MONDAY + timedelta(days=1)
        )

    def test_same_mail_twice_is_one_ticket(self):
        ticket = self.mail("m5", to=self.address)
        self.assertTrue(ticket)
        self.assertFalse(self.mail("m5", to=self.address))

    def test_answer_on_solved_ticket_reopens_it_and_waits_for_a_reply(self):
        with freeze_time(MONDAY) as frozen:
            ticket = self.mail("m6", to=self.address)
            frozen.tick(timedelta(minutes=10))
            answer = self.reply(ticket)
            ticket.stage_id = self.stage_done
            frozen.tick(timedelta(minutes=50))
            again = self.mail("m7", to=self.address, reply_to=answer)
            self.env.flush_all()
        self.assertEqual(again, ticket)
        self.assertEqual(ticket.stage_id, self.stage_progress)
        self.assertFalse(ticket.closed_date)
        self.assertEqual(
            ticket.saas_sla_event_ids.mapped("kind")[-2:],
            ["customer_message", "reopened"],
        )
        reply = self.clock(ticket, "next_reply")
        self.assertEqual(reply.due_at, MONDAY + timedelta(hours=3))
        resolution = self.clock(ticket, "resolution")
        self.assertEqual(resolution.due_at, MONDAY + timedelta(hours=4, minutes=50))

    def test_answer_on_cancelled_ticket_does_not_reopen_it(self):
        ticket = self.mail("m8", to=self.address)
        answer = self.reply(ticket)
        ticket.stage_id = self.stage_cancelled
        self.mail("m9", to=self.address, reply_to=answer)
        self.assertEqual(ticket.stage_id, self.stage_cancelled)

    def test_rule_can_be_switched_off(self):
        self.env.ref("saas_helpdesk_sla.base_automation_ticket_answered").active = False
        ticket = self.mail("m10", to=self.address)
        answer = self.reply(ticket)
        ticket.stage_id = self.stage_done
        self.mail("m11", to=self.address, reply_to=answer)
        self.assertEqual(ticket.stage_id, self.stage_done)
