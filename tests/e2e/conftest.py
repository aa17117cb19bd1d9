# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The server, the stage, and the story told once for all end-to-end tests.

Each fixture plays one more step of the main job; a test asks for the step it needs.
"""

import io
import os
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.e2e.server import Server  # noqa: E402
from tools.story import (  # noqa: E402
    changes,
    kpis,
    metering,
    renewals,
    sales,
    simulation,
    support,
    tell,
)
from tools.story.report import Report  # noqa: E402
from tools.story.world import Access, World, choose_log  # noqa: E402


@dataclass
class Told:
    """What the steps of the story have made so far."""

    deals: dict[int, sales.Deal] = field(default_factory=dict)
    tickets: list[int] = field(default_factory=list)
    run_id: int = 0
    metered: metering.Metered | None = None
    figures: dict = field(default_factory=dict)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A started server on a database with the demo company installed."""
    folder = tmp_path_factory.mktemp("server")
    running = Server(
        command=shlex.split(os.environ["SAAS_E2E_COMMAND"]),
        url=os.environ["SAAS_E2E_URL"],
        database=os.environ["SAAS_E2E_DATABASE"],
        access=Path(os.environ["SAAS_E2E_ACCESS"]),
        log=folder / "server.log",
    )
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def world(server, tmp_path_factory):
    """The stage the steps play on; what they print is in ``report.out``."""
    made = tmp_path_factory.mktemp("log") / "access.log.gz"
    path, origin = choose_log(ROOT, os.environ.get("SAAS_ACCESS_LOG"), made)
    stage = World(
        url=server.url,
        database=server.database,
        access=Access.load(server.access),
        log=path,
        origin=origin,
        report=Report(out=io.StringIO()),
    )
    tell.open_story(stage)
    yield stage
    sys.stdout.write(stage.report.out.getvalue())


@pytest.fixture(scope="session")
def signed(world):
    """Steps 1 and 2, and the customers' mails: their clocks run during the others."""
    told = Told(deals={0: tell.win_and_sign(world)})
    told.tickets = support.customers_write(world)
    told.deals |= tell.confirm_others(world)
    tell.work_on_projects(world, told.deals)
    return told


@pytest.fixture(scope="session")
def metered(world, signed):
    """Step 3."""
    tell.receive_usage(world, signed.deals)
    return signed


@pytest.fixture(scope="session")
def billed(world, metered):
    """Step 4."""
    metered.run_id = tell.bill(world, metered.deals)
    # Told twice: what is asked for again must not be done again.
    for _attempt in range(2):
        changes.play(world, metered.deals)
    return metered


@pytest.fixture(scope="session")
def watched(world, billed):
    """Step 5."""
    billed.metered = metering.play(world, billed.deals)
    simulation.play(world, billed.metered)
    return billed


@pytest.fixture(scope="session")
def renewed(world, watched):
    """Step 6."""
    renewals.play(world)
    return watched


@pytest.fixture(scope="session")
def escalated(world, renewed):
    """Step 7."""
    tell.watch_clock(world, renewed.tickets)
    return renewed


@pytest.fixture(scope="session")
def story(world, escalated):
    """Step 8: the whole story."""
    tell.compare_figures(world)
    escalated.figures = kpis.stored(world)
    return escalated
