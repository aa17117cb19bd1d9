# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""People work on the onboarding projects, so that the board looks like one."""

import base64

from . import documents
from .odoo_client import Odoo
from .sales import Deal
from .world import World

#: Customers whose onboarding is finished, and those on their way. What the main one
#: does with its documents is told apart, in ``documents``.
LIVE = (5, 6, 7)
STARTED = (1, 2)
MAIN = 0
STARTED_TASKS = 3


def work(world: World, deals: dict[int, Deal]) -> int:
    """Close tasks and reach milestones; return how many customers are live."""
    csm = world.as_("csm")
    for deal in deals.values():
        documents.request(csm, deal.project_id)
    for index in (MAIN, *STARTED):
        _close(csm, deals[index].project_id, STARTED_TASKS)
    for index in STARTED:
        _reach(csm, deals[index].project_id, 1)
    for index in LIVE:
        _close(csm, deals[index].project_id)
        _reach(csm, deals[index].project_id)
    return csm.count(
        "project.project",
        [("saas_live_on", "!=", False)]
        + [("id", "in", [deal.project_id for deal in deals.values()])],
    )


def _close(csm: Odoo, project: int, tasks: int | None = None) -> None:
    """Close the first tasks of a project.

    :param tasks: how many, counting closed ones; None for all
    """
    chosen = csm.rows(
        "project.task",
        [("project_id", "=", project)],
        ["state"],
        order="date_deadline, id",
        limit=tasks,
    )
    waiting = [task["id"] for task in chosen if task["state"] != "1_done"]
    if waiting:
        stage = csm.ref("saas_demo.project_task_type_4")
        csm.call("project.task", "write", waiting, {"stage_id": stage})
        csm.call("project.task", "write", waiting, {"state": "1_done"})


def _reach(csm: Odoo, project: int, milestones: int | None = None) -> None:
    """Reach the first milestones of a project, once their documents are in.

    :param milestones: how many, counting reached ones; None for all
    """
    rows = csm.rows(
        "project.milestone",
        [("project_id", "=", project)],
        ["is_reached"],
        order="deadline, id",
        limit=milestones,
    )
    for milestone in rows:
        if not milestone["is_reached"]:
            _settle_documents(csm, milestone["id"])
            csm.write("project.milestone", milestone["id"], {"is_reached": True})


def _settle_documents(csm: Odoo, milestone: int) -> None:
    """Take in what these customers sent by mail, and do without what is optional."""
    rows = csm.rows(
        documents.DOCUMENT,
        [("milestone_id", "=", milestone), ("state", "in", ["draft", "requested"])],
        ["name", "is_required"],
    )
    for row in rows:
        if not row["is_required"]:
            documents.decide(csm, "waive", [row["id"]], "They do not need it.")
            continue
        wizard = f"{documents.DOCUMENT}.upload.wizard"
        made = csm.create(
            wizard,
            {
                "document_id": row["id"],
                "file_name": f"{row['name']}.pdf",
                "content": base64.b64encode(documents.paper(row["name"], 1)).decode(),
            },
        )
        csm.call(wizard, "action_confirm", [made])
        csm.call(documents.DOCUMENT, "action_accept", [row["id"]])
