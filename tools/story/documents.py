# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Step 2: the customer hands in documents; what waits for them can be billed."""

import re

from .billing import money
from .odoo_client import Odoo, ServerError
from .report import StoryError
from .sales import Deal
from .world import World

#: What the customer uploads in the portal, and delivery accepts.
ACCEPTED = ("Export of the former system", "Data processing agreement")
#: Accepted in its second version.
MENDED, FAULT = "Mapping of fields", "The columns of the table of invoices are empty."
#: Refused, so the customer's turn.
REFUSED, REASON = "Network plan", "The addresses of the test systems are missing."
#: Not looked at yet, so ours.
RECEIVED = "Retention rules"
#: What the accepted documents free, and its part of the price of the migration.
MILESTONE, PRICE, PERCENT = "Source data accepted", 2400, 40
DOCUMENT = "saas.onboarding.document"


def play(world: World, deals: dict[int, Deal]) -> None:
    """Ask for the documents, have them uploaded and reviewed, reach the milestone."""
    report, csm = world.report, world.as_("csm")
    project = deals[0].project_id
    request(csm, project)
    asked = documents(csm, project)
    report.fact(f"{len(asked)} documents asked for with one mail")
    look_around(world, project, other=deals[1].project_id)
    refuse_too_early(world, project)
    for name in ACCEPTED:
        hand_in(world, project, name)
        accept(csm, project, name)
    if documents(csm, project)[MENDED]["state"] != "accepted":
        hand_in(world, project, MENDED)
        refuse(csm, project, MENDED, FAULT)
        hand_in(world, project, MENDED, version=2)
        accept(csm, project, MENDED)
    hand_in(world, project, REFUSED)
    refuse(csm, project, REFUSED, REASON)
    hand_in(world, project, RECEIVED)
    check_documents(world, project)
    bill_milestone(world, project)
    report.link("Onboarding of the customer", page_address(world, project))
    report.link("Documents", csm.link("saas-onboarding-documents"))


def request(csm: Odoo, project: int) -> None:
    """Ask the customer for what was not asked for yet, with one mail."""
    if csm.count(DOCUMENT, [("project_id", "=", project), ("state", "=", "draft")]):
        csm.call("project.project", "action_saas_request_documents", [project])


def documents(csm: Odoo, project: int) -> dict[str, dict]:
    """Return the documents of a project by name."""
    rows = csm.rows(
        DOCUMENT,
        [("project_id", "=", project)],
        ["name", "state", "version_count", "refuse_reason", "current_version_id"],
    )
    return {row["name"]: row for row in rows}


def page_address(world: World, project: int) -> str:
    """Return the address of an onboarding in the portal."""
    return f"{world.url}/my/onboarding/{project}"


def look_around(world: World, project: int, other: int) -> None:
    """Check that the customer sees the own onboarding and nobody else's."""
    customer = world.as_("customer")
    status, page = customer.get(f"/my/onboarding/{project}")
    world.report.true(
        f"{world.main.signatory} sees plan, tasks and documents in the portal",
        status == 200 and MILESTONE in page and RECEIVED in page,
        f"status {status}",
    )
    world.report.same(
        "another customer's onboarding answers",
        customer.get(f"/my/onboarding/{other}")[0],
        404,
    )


def refuse_too_early(world: World, project: int) -> None:
    """Check that the milestone waits for its documents."""
    csm = world.as_("csm")
    milestone = find_milestone(csm, project)
    if milestone["is_reached"]:
        return
    try:
        csm.write("project.milestone", milestone["id"], {"is_reached": True})
    except ServerError as refusal:
        world.report.true("the milestone waits for its documents", True)
        world.report.detail(str(refusal).splitlines()[0])
    else:
        raise StoryError(f"{MILESTONE} could be reached without its documents.")


def hand_in(world: World, project: int, name: str, version: int = 1) -> None:
    """Upload a file for a document in the portal, unless that version is there.

    :raise StoryError: the page does not take it
    """
    row = documents(world.as_("csm"), project)[name]
    if row["version_count"] >= version:
        return
    customer = world.as_("customer")
    path = f"/my/onboarding/{project}"
    _status, page = customer.get(path)
    token = re.search(r'name="csrf_token"\s+value="([^"]+)"', page)
    if not token:
        raise StoryError(f"{path} has no form to upload to.")
    status, answer = customer.submit(
        f"{path}/documents/{row['id']}",
        {"csrf_token": token[1]},
        ("file", f"{name}.pdf", paper(name, version)),
    )
    if status != 200 or "o_saas_done" not in answer:
        raise StoryError(f"{name} could not be uploaded: status {status}.")


def paper(name: str, version: int) -> bytes:
    """Return a small PDF file, the same bytes every time."""
    return (
        f"%PDF-1.4\n% {name}, version {version}\n"
        "1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n"
    ).encode()


def accept(csm: Odoo, project: int, name: str) -> None:
    """Accept what was handed in."""
    row = documents(csm, project)[name]
    if row["state"] == "received":
        csm.call(DOCUMENT, "action_accept", [row["id"]])


def refuse(csm: Odoo, project: int, name: str, reason: str) -> None:
    """Refuse what was handed in, and say why."""
    row = documents(csm, project)[name]
    if row["state"] == "received":
        decide(csm, "refuse", [row["id"]], reason, row["current_version_id"][0])


def decide(
    csm: Odoo, decision: str, ids: list[int], reason: str, version: int = 0
) -> None:
    """Refuse or waive documents in the dialog that asks for the reason."""
    wizard = csm.create(
        f"{DOCUMENT}.decide.wizard",
        {
            "document_ids": [(6, 0, ids)],
            "version_id": version or False,
            "decision": decision,
            "reason": reason,
        },
    )
    csm.call(f"{DOCUMENT}.decide.wizard", "action_confirm", [wizard])


def check_documents(world: World, project: int) -> None:
    """Check where the documents stand, and who has to do something."""
    report, csm = world.report, world.as_("csm")
    rows = documents(csm, project)
    names = (*ACCEPTED, MENDED, REFUSED, RECEIVED)
    report.same(
        "documents accepted, refused, to be reviewed",
        [rows[name]["state"] for name in names],
        ["accepted"] * 3 + ["refused", "received"],
    )
    report.same(f"versions kept of: {MENDED}", rows[MENDED]["version_count"], 2)
    _status, page = world.as_("customer").get(f"/my/onboarding/{project}")
    report.true("the customer reads why one was refused", REASON in page)
    waits = csm.row("project.project", project, ["saas_waiting_on"])
    report.same("the onboarding waits for", waits["saas_waiting_on"], "both")


def find_milestone(csm: Odoo, project: int) -> dict:
    """Return the milestone the documents belong to."""
    return csm.rows(
        "project.milestone",
        [("project_id", "=", project), ("name", "=", MILESTONE)],
        ["is_reached"],
    )[0]


def bill_milestone(world: World, project: int) -> None:
    """Reach the milestone; finance sees what it is worth."""
    report, csm = world.report, world.as_("csm")
    milestone = find_milestone(csm, project)
    if not milestone["is_reached"]:
        csm.write("project.milestone", milestone["id"], {"is_reached": True})
    finance = world.as_("billing_operator")
    row = finance.row(
        "project.milestone", milestone["id"], ["saas_billing_state", "saas_amount"]
    )
    report.same(
        f"reached and billable: {MILESTONE}", row["saas_billing_state"], "to_bill"
    )
    worth = money(PRICE * PERCENT / 100)
    report.same("finance sees", money(row["saas_amount"]), worth)
    report.link("Milestones to bill", finance.link("saas-milestones-to-bill"))
    report.row(f"Milestone to bill, {world.main.name}", worth)
