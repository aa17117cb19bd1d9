# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Step 7: customers write to the support address, and one of them waits too long."""

import time
from datetime import datetime, timezone
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape

from .odoo_client import Odoo, wait_for
from .report import StoryError
from .world import Customer, World

ADDRESS = "support@northwind-cloud.example"
CRON = "saas_helpdesk_sla.ir_cron_saas_sla_clock_process"
POLICY = "Enterprise, at demo pace"
#: What happens to a first response nobody gives, sorted.
KINDS = ["breach", "step", "warning"]
#: (customer index, subject, text, agent's answer or None)
MAILS = (
    (
        0,
        "Production API answers with errors",
        "Since this morning every second call of the search API fails.",
        None,
    ),
    (
        1,
        "Question about the export format",
        "Does the export keep the order of the columns?",
        "Yes, columns come in the order of the view. The manual has a page on it.",
    ),
    (
        4,
        "New colleague needs access",
        "Please tell us how to invite a second administrator.",
        "Open Settings, then Members, and choose Invite. I have sent you the steps.",
    ),
    (
        3,
        "Webhook arrives twice",
        "Some webhooks reach us two times. Is that expected?",
        "It can happen after a time-out. Use the id in the header to drop repeats.",
    ),
)


def sender(world: World, customer: Customer) -> tuple[str, str]:
    """Return name and address of the person who writes for a customer."""
    people = world.as_("administrator").rows(
        "res.partner",
        [("parent_id", "=", customer.partner_id)],
        ["name", "email"],
        order="id desc",
        limit=1,
    )
    return people[0]["name"], people[0]["email"]


def message_id(world: World, customer: Customer) -> str:
    """Return the Message-Id of a customer's mail: the same in every run."""
    return f"<story-{world.month:%Y-%m}-{customer.ref.lower()}@customers.example>"


def write_mail(world: World, customer: Customer, subject: str, text: str) -> bytes:
    """Return the raw mail a customer sends to the support address."""
    name, address = sender(world, customer)
    mail = EmailMessage()
    mail["From"] = f"{name} <{address}>"
    mail["To"] = f"Support <{ADDRESS}>"
    mail["Subject"] = subject
    mail["Date"] = format_datetime(datetime.now(timezone.utc))
    mail["Message-Id"] = message_id(world, customer)
    mail.set_content(f"Hello,\n\n{text}\n\nRegards\n{name}\n")
    body = f"<p>Hello,</p><p>{escape(text)}</p><p>Regards<br>{escape(name)}</p>"
    mail.add_alternative(body, subtype="html")
    return mail.as_bytes()


def find_ticket(world: World, customer: Customer) -> int | None:
    """Return the ticket a customer's mail has become, if it has arrived."""
    found = world.as_("administrator").rows(
        "mail.message",
        [
            ("model", "=", "helpdesk.ticket"),
            ("message_id", "=", message_id(world, customer)),
        ],
        ["res_id"],
        limit=1,
    )
    return found[0]["res_id"] if found else None


def deliver(world: World, raw: bytes) -> None:
    """Hand a mail to the gateway as a mail server does, with Odoo's mail script."""
    # The script calls this very method; text, since JSON has no bytes.
    world.as_("administrator").call(
        "mail.thread", "message_process", False, raw.decode("ascii")
    )


def customers_write(world: World) -> list[int]:
    """Deliver the mails that have not arrived yet; agents answer all but the first.

    :return: tickets in the order of :data:`MAILS`
    """
    tickets = []
    for index, subject, text, answer in MAILS:
        customer = world.customers[index]
        ticket = find_ticket(world, customer)
        if not ticket:
            deliver(world, write_mail(world, customer, subject, text))
            ticket = find_ticket(world, customer)
            if not ticket:
                raise StoryError(
                    f"The mail of {customer.name} to {ADDRESS} has made no ticket. "
                    "Check the team's alias and the server's log."
                )
            if answer:
                reply(world, ticket, answer)
        tickets.append(ticket)
    return tickets


def reply(world: World, ticket: int, text: str) -> None:
    """Answer a ticket's customer as an agent."""
    world.as_("support_agent_1").call(
        "helpdesk.ticket",
        "message_post",
        [ticket],
        body=text,
        message_type="comment",
        subtype_xmlid="mail.mt_comment",
    )


def clocks(admin: Odoo, ticket: int) -> dict[str, dict]:
    """Return the clocks of a ticket by metric."""
    rows = admin.rows(
        "saas.sla.clock",
        [("ticket_id", "=", ticket)],
        ["metric", "state", "warn_at", "due_at", "next_action_at"],
    )
    return {row["metric"]: row for row in rows}


def log(admin: Odoo, ticket: int, metric: str = "first_response") -> list[dict]:
    """Return what has run for a ticket's clock: warning, breach, steps."""
    return admin.rows(
        "saas.sla.escalation.log",
        [("ticket_id", "=", ticket), ("metric", "=", metric)],
        ["kind", "name", "outcome", "run_at"],
        order="id",
    )


def wait_for_escalation(world: World, ticket: int, patience: float = 300.0) -> list:
    """Wait until warning, breach and escalation have happened by the server's cron.

    :param patience: seconds; the cron looks every minute
    :return: the rows of the log
    """
    admin = world.as_("administrator")
    said = set()

    def done() -> list:
        rows = log(admin, ticket)
        for row in rows:
            if row["id"] not in said:
                said.add(row["id"])
                world.report.fact(f"{row['run_at']} UTC  {row['kind']}: {row['name']}")
        return (
            rows if {"warning", "breach", "step"} <= {r["kind"] for r in rows} else []
        )

    return wait_for(done, patience, pause=2.0)


def run_cron(world: World, times: int = 1) -> None:
    """Start the clock cron by hand, as the button "Run Manually" does."""
    admin = world.as_("administrator")
    for _run in range(times):
        admin.run_job(CRON)
        time.sleep(0.1)


def ticket(admin: Odoo, ticket_id: int) -> dict:
    """Return what the agent sees on a ticket."""
    return admin.row(
        "helpdesk.ticket",
        ticket_id,
        [
            "number",
            "name",
            "commercial_partner_id",
            "saas_support_tier_id",
            "saas_policy_id",
            "user_id",
            "priority",
        ],
    )


def answered(admin: Odoo, tickets: list[int]) -> int:
    """Return how many tickets had their first response in time."""
    return admin.count(
        "saas.sla.clock",
        [("ticket_id", "in", tickets), ("metric", "=", "first_response")]
        + [("state", "=", "met")],
    )
