# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""People work on the onboarding projects, so that the board looks like one."""

from .odoo_client import Odoo
from .sales import Deal
from .world import World

#: Customers whose onboarding is finished; the main one is on its way.
LIVE = (5, 6, 7)
STARTED = (0, 1, 2)
STARTED_TASKS = 3


def work(world: World, deals: dict[int, Deal]) -> int:
    """Close tasks and reach milestones; return how many customers are live."""
    csm = world.as_("csm")
    for index in STARTED:
        _close(csm, deals[index].project_id, tasks=STARTED_TASKS, milestones=1)
    for index in LIVE:
        _close(csm, deals[index].project_id)
    return csm.count(
        "project.project",
        [("saas_live_on", "!=", False)]
        + [("id", "in", [deal.project_id for deal in deals.values()])],
    )


def _close(
    csm: Odoo, project: int, tasks: int | None = None, milestones: int | None = None
) -> None:
    """Close the first tasks of a project and reach its first milestones.

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
    reached = csm.rows(
        "project.milestone",
        [("project_id", "=", project)],
        ["is_reached"],
        order="deadline, id",
        limit=milestones,
    )
    for milestone in reached:
        if not milestone["is_reached"]:
            csm.write("project.milestone", milestone["id"], {"is_reached": True})
