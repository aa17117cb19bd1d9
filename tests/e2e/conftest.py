# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The server and the stage of the end-to-end tests."""

import io
import os
import shlex
import sys
from pathlib import Path

import pytest

from .server import Server

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.story.report import Report  # noqa: E402
from tools.story.world import Access, World, choose_log  # noqa: E402


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
    """The stage the story's steps play on; what they print is in ``report.out``."""
    made = tmp_path_factory.mktemp("log") / "access.log.gz"
    path, _origin = choose_log(ROOT, os.environ.get("SAAS_ACCESS_LOG"), made)
    stage = World(
        url=server.url,
        database=server.database,
        access=Access.load(server.access),
        log=path,
        report=Report(out=io.StringIO()),
    )
    stage.month = stage.default_month()
    return stage
