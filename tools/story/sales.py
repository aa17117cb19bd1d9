# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Step 1: an opportunity is won, its quotation is signed, the workflow starts."""

import base64
import struct
import zlib
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import parse_qs, urlsplit

from .odoo_client import Odoo, ServerError, wait_for
from .report import StoryError
from .world import Customer, World

#: XML ids of the products on every quotation of the story.
PRODUCTS = (
    "saas_demo.product_plan",
    "saas_demo.product_api_calls",
    "saas_demo.product_data_transfer",
    "saas_demo.product_onboarding",
)
#: What the main customer buys besides: billed by milestones, not by the run.
MIGRATION = "saas_demo.product_migration"
#: The shipped rule's actions, in its order; each may run again.
WORKFLOW = (
    "saas_create_subscription",
    "saas_create_onboarding",
    "saas_link_handover",
    "saas_store_signed_pdf",
    "saas_notify_handover",
    "saas_accept_change_requests",
    "saas_grant_credits",
)


#: What the workflow writes into the event ledger, once each.
EVENTS = ("subscription.created", "subscription.activated", "onboarding.started")
#: Dated tasks and milestones of the templates of onboarding and migration, together,
#: and of the onboarding that was sold before there was a migration.
TASKS, MILESTONES = 11, 4
FORMER_TASKS, FORMER_MILESTONES = 7, 2
#: Calendar days from the start to the go-live that sales promises.
HANDOVER_DAYS = 45


@dataclass(frozen=True)
class Deal:
    """What a signed quotation led to."""

    order_id: int
    subscription_id: int
    project_id: int


def signature_png(width: int = 240, height: int = 80) -> str:
    """Return a hand-drawn looking line as a base64 PNG."""
    rows = []
    for y in range(height):
        row = bytearray(b"\xff" * width)
        for x in range(10, width - 10):
            if abs(y - _pen(x, height)) <= 1:
                row[x] = 0x20
        rows.append(b"\0" + bytes(row))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(b"".join(rows))
    chunks = ((b"IHDR", head), (b"IDAT", data), (b"IEND", b""))
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body))
        + name
        + body
        + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
    return base64.b64encode(png).decode()


def _pen(x: int, height: int) -> int:
    # A zigzag of two speeds: whole numbers only, the same picture everywhere.
    fast, slow = abs(x % 40 - 20), abs(x % 110 - 55)
    return height // 4 + fast + slow // 3


def find_month(world: World) -> date | None:
    """Return the month an earlier run has used, from the main customer's order."""
    orders = world.as_("sales").rows(
        "sale.order",
        [("partner_id", "=", world.main.partner_id), ("state", "=", "sale")],
        ["saas_start_date"],
        limit=1,
    )
    if not orders or not orders[0]["saas_start_date"]:
        return None
    return date.fromisoformat(orders[0]["saas_start_date"])


def find_order(world: World, customer: Customer) -> dict | None:
    """Return the newest order or quotation of a customer that is not cancelled."""
    orders = world.as_("sales").rows(
        "sale.order",
        [("partner_id", "=", customer.partner_id), ("state", "!=", "cancel")],
        ["name", "state", "signed_by"],
        limit=1,
        order="id desc",
    )
    return orders[0] if orders else None


def quote(world: World, customer: Customer) -> int:
    """Win the customer's opportunity and write its quotation; return the order's id."""
    sales = world.as_("sales")
    lead_id = sales.search(
        "crm.lead",
        [("partner_id", "child_of", customer.partner_id), ("type", "=", "opportunity")],
        limit=1,
    )[0]
    sales.call("crm.lead", "action_set_won_rainbowman", [lead_id])
    more = (MIGRATION,) if customer == world.main else ()
    products = [sales.ref(xml_id) for xml_id in (*PRODUCTS, *more)]
    order_id = sales.create(
        "sale.order",
        {
            "partner_id": customer.partner_id,
            "opportunity_id": lead_id,
            "saas_start_date": world.month.isoformat(),
            "require_signature": True,
            "require_payment": False,
            "order_line": [
                (0, 0, {"product_id": variant, "product_uom_qty": 1})
                for variant in products
            ],
        },
    )
    promise(world, customer, lead_id)
    sales.call("sale.order", "action_quotation_sent", [order_id])
    return order_id


def promise(world: World, customer: Customer, lead_id: int) -> int:
    """Write down what the customer was promised; return the handover's id."""
    sales = world.as_("sales")
    known = sales.search("saas.handover", [("lead_id", "=", lead_id)], limit=1)
    if known:
        return known[0]
    go_live = max(world.month, date.today()) + timedelta(days=HANDOVER_DAYS)
    return sales.create(
        "saas.handover",
        {
            "lead_id": lead_id,
            "scope": "Platform for one site, two integrations, one training day.",
            "goals": "The first monthly report comes from the platform.",
            "date_go_live": go_live.isoformat(),
            "special_terms": "none",
            "contact_ids": [
                (0, 0, {"partner_id": customer.signatory_id, "role": "lead"})
            ],
        },
    )


def portal_path(world: World, order_id: int) -> str:
    """Return the portal address of a quotation, with its access token."""
    return world.as_("sales").call("sale.order", "get_portal_url", [order_id])


def sign(world: World, order_id: int, name: str) -> dict:
    """Sign a quotation as a visitor who only has the link.

    :return: the portal's answer; ``error`` is its refusal
    """
    path = portal_path(world, order_id)
    visitor = Odoo(world.url)
    status, page = visitor.get(path)
    if status != 200 or customer_text(world, order_id) not in page:
        raise StoryError(f"The quotation does not open in the portal: {path} {status}")
    token = parse_qs(urlsplit(path).query)["access_token"][0]
    return visitor.jsonrpc(
        f"/my/orders/{order_id}/accept",
        access_token=token,
        name=name,
        signature=signature_png(),
    )


def customer_text(world: World, order_id: int) -> str:
    """Return the order number a customer sees."""
    return world.as_("sales").row("sale.order", order_id, ["name"])["name"]


def read_deal(world: World, order_id: int) -> Deal:
    """Return the one subscription and the one project of an order.

    :raise StoryError: there are none, or several
    """
    order = world.as_("administrator").row(
        "sale.order", order_id, ["saas_subscription_ids", "saas_onboarding_project_ids"]
    )
    subscriptions = order["saas_subscription_ids"]
    projects = order["saas_onboarding_project_ids"]
    if len(subscriptions) != 1 or len(projects) != 1:
        raise StoryError(
            f"Order {order_id} has {len(subscriptions)} subscriptions and "
            f"{len(projects)} onboarding projects instead of one each."
        )
    return Deal(order_id, subscriptions[0], projects[0])


def is_sold_with_migration(world: World, deal: Deal) -> bool:
    """Return whether the migration was sold, as demos of an older version have not."""
    seller = world.as_("sales")
    lines = [
        ("order_id", "=", deal.order_id),
        ("product_id", "=", seller.ref(MIGRATION)),
    ]
    return bool(seller.count("sale.order.line", lines))


def fingerprint(world: World, deal: Deal) -> dict[str, int]:
    """Count everything a second run of the workflow could have made twice."""
    admin = world.as_("administrator")
    partner = admin.row("sale.order", deal.order_id, ["partner_id"])["partner_id"][0]
    project = [("project_id", "=", deal.project_id)]
    return {
        "subscriptions": admin.count("saas.subscription", []),
        "subscription lines": admin.count("saas.subscription.line", []),
        "projects": admin.count("project.project", []),
        "tasks": admin.count("project.task", project),
        "milestones": admin.count("project.milestone", project),
        "signed documents": len(signed_documents(admin, deal)),
        "events": admin.count(
            "saas.event",
            [("account_id", "=", partner), ("name", "!=", "invoice.posted")],
        ),
        "activities": admin.count(
            "mail.activity",
            ["|", "&", ("res_model", "=", "sale.order"), ("res_id", "=", deal.order_id)]
            + ["&", ("res_model", "=", "project.project")]
            + [("res_id", "=", deal.project_id)],
        ),
        "messages": admin.count(
            "mail.message",
            [("model", "=", "project.project"), ("res_id", "=", deal.project_id)],
        ),
    }


def signed_documents(admin: Odoo, deal: Deal) -> list[int]:
    """Return the signed PDF files at the onboarding project, for who may see prices."""
    project = admin.row(
        "project.project", deal.project_id, ["saas_signed_attachment_ids"]
    )
    return project["saas_signed_attachment_ids"]


def run_again(world: World, deal: Deal) -> None:
    """Confirm, sign and start the workflow a second time, in every way there is."""
    admin = world.as_("administrator")
    try:
        admin.call("sale.order", "action_confirm", [deal.order_id])
    except ServerError as refusal:
        world.report.fact(
            f"confirming twice is answered: {str(refusal).splitlines()[0]}"
        )
    answer = sign(world, deal.order_id, "Somebody Else")
    world.report.true("signing twice is refused", answer.get("error"), str(answer))
    for method in WORKFLOW:
        admin.call("sale.order", method, [deal.order_id])


def wait_for_document(world: World, order_id: int, patience: float = 120.0) -> None:
    """Wait until the job has stored the signed PDF of an order.

    :raise StoryError: it did not come in time
    """
    admin = world.as_("administrator")
    stored = wait_for(
        lambda: admin.row("sale.order", order_id, ["saas_signed_attachment_id"])[
            "saas_signed_attachment_id"
        ],
        patience,
    )
    if not stored:
        raise StoryError(
            f"The signed PDF of order {order_id} was not made within {patience:.0f} s. "
            "Look at the queue jobs and the exceptions; is wkhtmltopdf installed?"
        )


def events_of(world: World, deal: Deal) -> list[dict]:
    """Return the ledger rows of order, subscription and project, in their order."""
    domain = ["|", "|"]
    for model, record in (
        ("sale.order", deal.order_id),
        ("saas.subscription", deal.subscription_id),
        ("project.project", deal.project_id),
    ):
        domain += ["&", ("res_model", "=", model), ("res_id", "=", record)]
    return world.as_("administrator").rows(
        "saas.event", domain, ["name", "correlation_id"], order="id"
    )


def tasks_of(admin: Odoo, deal: Deal) -> list[dict]:
    """Return the tasks of the onboarding project."""
    return admin.rows(
        "project.task",
        [("project_id", "=", deal.project_id)],
        ["name", "date_deadline", "user_ids", "state"],
        order="sequence, id",
    )


def people_told(admin: Odoo, deal: Deal) -> list[str]:
    """Return the names of those who were notified of the hand-over."""
    messages = admin.rows(
        "mail.message",
        [("model", "=", "sale.order"), ("res_id", "=", deal.order_id)]
        + [("partner_ids", "!=", False)],
        ["partner_ids"],
    )
    partners = sorted({p for message in messages for p in message["partner_ids"]})
    rows = admin.rows("res.partner", [("id", "in", partners)], ["name"], order="name")
    return [row["name"] for row in rows]
