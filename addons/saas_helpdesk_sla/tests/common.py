# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Factories for the tests: a calendar, a policy, agents, a customer, mails."""

from datetime import datetime

from odoo import Command
from odoo.tests import TransactionCase, new_test_user

#: A Monday, 09:00 UTC; the test calendar works 09:00 to 17:00 UTC.
MONDAY = datetime(2026, 1, 12, 9, 0)

MAIL = """\
Return-Path: <{sender}>
To: {to}
From: Customer <{sender}>
Subject: {subject}
Date: Mon, 12 Jan 2026 09:00:00 +0000
Message-ID: <{message_id}@customer.example>
{headers}MIME-Version: 1.0
Content-Type: text/plain; charset="utf-8"

{body}
"""


class SlaCase(TransactionCase):
    """Base of the support tests."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env = cls.env(
            context=dict(
                cls.env.context, tracking_disable=False, no_reset_password=True
            )
        )
        cls.company = cls.env.company
        cls.Clock = cls.env["saas.sla.clock"]
        cls.Ticket = cls.env["helpdesk.ticket"]
        # Only the policies a test makes are looked at.
        cls.env["saas.sla.policy"].search([]).active = False
        cls.calendar = cls.make_calendar("Office")
        cls.tier = cls.env.ref("saas_core.saas_support_tier_premium")
        cls.agent = new_test_user(
            cls.env,
            "sla_agent",
            "saas_core.group_saas_core_support_agent",
            email="agent@suite.example",
        )
        cls.lead = new_test_user(
            cls.env,
            "sla_lead",
            "saas_core.group_saas_core_support_lead",
            email="lead@suite.example",
        )
        cls.team = cls.env["helpdesk.ticket.team"].create(
            {
                "name": "First Line",
                "alias_name": "sla-support",
                "user_ids": [Command.set([cls.agent.id, cls.lead.id])],
                "user_id": cls.lead.id,
                "saas_calendar_id": cls.calendar.id,
            }
        )
        cls.account = cls.env["res.partner"].create(
            {
                "name": "Acme",
                "is_company": True,
                "saas_support_tier_id": cls.tier.id,
                "saas_standing": "good",
                "saas_lifecycle": "live",
            }
        )
        cls.customer = cls.env["res.partner"].create(
            {
                "name": "Ada Acme",
                "email": "ada@acme.example",
                "parent_id": cls.account.id,
            }
        )
        cls.policy = cls.make_policy(
            "Premium test",
            {
                "first_response": (60, "minutes"),
                "resolution": (4, "hours"),
                "next_reply": (2, "hours"),
            },
            tier_ids=[Command.set(cls.tier.ids)],
        )
        Stage = cls.env.ref
        cls.stage_new = Stage("helpdesk_mgmt.helpdesk_ticket_stage_new")
        cls.stage_progress = Stage("helpdesk_mgmt.helpdesk_ticket_stage_in_progress")
        cls.stage_waiting = Stage("helpdesk_mgmt.helpdesk_ticket_stage_awaiting")
        cls.stage_done = Stage("helpdesk_mgmt.helpdesk_ticket_stage_done")
        cls.stage_cancelled = Stage("helpdesk_mgmt.helpdesk_ticket_stage_cancelled")

    @classmethod
    def make_calendar(cls, name, blocks=((9, 17),), days=range(5), tz="UTC", **vals):
        """Create a working calendar from blocks of hours."""
        return cls.env["resource.calendar"].create(
            {
                "name": name,
                "tz": tz,
                "company_id": False,
                "attendance_ids": [Command.clear()]
                + [
                    Command.create(
                        {
                            "name": f"{day} {start}",
                            "dayofweek": str(day),
                            "hour_from": start,
                            "hour_to": stop,
                            "day_period": "morning" if start < 12 else "afternoon",
                        }
                    )
                    for day in days
                    for start, stop in blocks
                ],
                **vals,
            }
        )

    @classmethod
    def make_policy(cls, name, targets, **vals):
        """Create a policy with one target per metric, any priority."""
        return cls.env["saas.sla.policy"].create(
            {
                "name": name,
                "sequence": 1,
                "target_ids": [
                    Command.create(
                        {"metric": metric, "duration": duration, "unit": unit}
                    )
                    for metric, (duration, unit) in targets.items()
                ],
                **vals,
            }
        )

    @classmethod
    def make_step(cls, name, metric, offset, action="notify", policy=None, **vals):
        """Add a ladder step, ``offset`` minutes after (or before) the deadline."""
        return cls.env["saas.sla.escalation"].create(
            {
                "policy_id": (policy or cls.policy).id,
                "name": name,
                "metric": metric,
                "offset_minutes": abs(offset),
                "direction": "before" if offset < 0 else "after",
                "action": action,
                **vals,
            }
        )

    def make_ticket(self, user=None, **vals):
        """Create a ticket the way an agent does."""
        return (
            self.Ticket.with_user(user or self.agent)
            .create(
                {
                    "name": "Login fails",
                    "description": "<p>Since this morning</p>",
                    "partner_id": self.customer.id,
                    "team_id": self.team.id,
                    "user_id": self.agent.id,
                    **vals,
                }
            )
            .with_user(self.env.user)
        )

    def mail(self, message_id, to="sla-support@suite.example", reply_to=None, **vals):
        """Feed a raw e-mail of the customer to the gateway; return the ticket."""
        headers = f"In-Reply-To: {reply_to.message_id}\n" if reply_to else ""
        source = MAIL.format(
            sender=vals.get("sender", "ada@acme.example"),
            to=to,
            subject=vals.get("subject", "Cannot log in"),
            body=vals.get("body", "Please help."),
            message_id=message_id,
            headers=headers,
        )
        thread = self.env["mail.thread"].message_process("helpdesk.ticket", source)
        return self.Ticket.browse(thread)

    def reply(self, ticket, body="We are on it", **vals):
        """Answer as the agent, visible to the customer."""
        return ticket.with_user(self.agent).message_post(
            body=body,
            message_type="comment",
            subtype_xmlid="mail.mt_comment",
            **vals,
        )

    def customer_writes(self, ticket, body="Still broken"):
        """Post as the customer, as the mail gateway does."""
        return ticket.message_post(
            body=body,
            author_id=self.customer.id,
            message_type="email",
            subtype_xmlid="mail.mt_comment",
        )

    def clock(self, ticket, metric):
        """Return one clock of a ticket."""
        return ticket.saas_clock_ids.filtered(lambda clock: clock.metric == metric)

    def events(self, ticket, name):
        """Return the ledger events of a ticket with that name."""
        return self.env["saas.event"].search(
            [
                ("res_model", "=", "helpdesk.ticket"),
                ("res_id", "=", ticket.id),
                ("name", "=", name),
            ]
        )

    def run_cron(self):
        """Run the cron the way the scheduler does."""
        cron = self.env.ref("saas_helpdesk_sla.ir_cron_saas_sla_clock_process")
        with self.enter_registry_test_mode():
            cron.method_direct_trigger()
        self.env.invalidate_all()
