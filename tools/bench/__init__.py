# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""`make bench`: measure against the budgets, beside a peer in the same run.

Every `bench_<what>.py` in this directory has a function `run(context)` that returns
rows. It runs with the standard library; what needs Odoo goes through the context.
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools import addons, environment, paths, postgres, server
from tools.database import Databases
from tools.errors import ToolError
from tools.progress import Step, say, seconds
from tools.server import RunningServer

FIRST_PORT = 8269


@dataclass(frozen=True)
class Row:
    """One measured figure.

    :param str name: what was measured
    :param float figure: how much
    :param str unit: like events/s
    :param float peer_figure: the same of a peer, measured in this run
    :param str peer_name: the peer, like COPY
    :param str budget: what must be reached, for people, like ">= 25,000"
    :param bool ok: whether it was reached; nothing when there is no budget
    """

    name: str
    figure: float
    unit: str
    peer_figure: float | None = None
    peer_name: str = ""
    budget: str = ""
    ok: bool | None = None


class Context:
    """What a bench works with: durable databases, Odoo, a web server.

    :param Databases databases: of the demo's cluster, which keeps what it commits
    """

    def __init__(self, databases: Databases) -> None:
        self.databases = databases
        self.cluster = databases.cluster
        self.python = databases.environment.python
        self.root = paths.ROOT
        self.work = paths.LOCAL / "bench"
        self.work.mkdir(exist_ok=True)

    @contextmanager
    def database(
        self, modules: Iterable[str], extra: Iterable[str] = ()
    ) -> Iterator[str]:
        """Lend a database that is dropped afterwards.

        :param modules: addons of the project
        :param extra: modules of Odoo or OCA on top, such as a peer
        """
        template = self.databases.suite(modules)
        with self.databases.passing_clone(template, "bench") as name:
            if extra:
                self.databases.modules(name, install=extra)
            yield name

    def shell(self, database: str, script: str) -> str:
        """Run Python in `odoo shell`; return what it printed."""
        return self.databases.shell(database, script)

    def sql(self, database: str, query: str) -> str:
        """Run SQL; return its rows, one a line."""
        return self.cluster.sql(query, database)

    @contextmanager
    def server(
        self, database: str, workers: int = 2, **options: object
    ) -> Iterator[RunningServer]:
        """Run a web server on a database.

        :param options: Odoo options on top
        """
        running = server.start(
            self.databases,
            database,
            name="bench",
            port=server.choose_port(first=FIRST_PORT),
            workers=workers,
            options={"log_level": "warn", **options},
        )
        try:
            yield running
        finally:
            running.stop()


def scripts(wanted: list[str]) -> list[str]:
    """Return the names of the benches, `usage` for `bench_usage.py`.

    :param wanted: some of them, all when empty
    :raise ToolError: one does not exist
    """
    folder = Path(__file__).parent
    found = [path.stem.removeprefix("bench_") for path in folder.glob("bench_*.py")]
    unknown = sorted(set(wanted) - set(found))
    if unknown:
        raise ToolError(
            f"there is no bench {', '.join(unknown)}",
            f"choose from {', '.join(sorted(found))}",
        )
    return sorted(wanted or found)


def table(rows: list[Row]) -> str:
    """Lay the figures out, the peer's beside ours."""
    lines = [f"  {'':44} {'figure':>14} {'peer':>14}  budget"]
    for row in rows:
        mark = {True: "ok", False: "!!", None: "  "}[row.ok]
        peer = "" if row.peer_figure is None else f"{row.peer_figure:,.4g}"
        lines.append(
            f"  {mark} {row.name[:41]:41} {row.figure:14,.4g} {peer:>14}  "
            f"{row.unit}{f'; {row.peer_name}' if row.peer_name else ''}"
            f"{f'; must be {row.budget}' if row.budget else ''}"
        )
    return "\n".join(lines)


def bench(arguments: list[str]) -> int:
    """Run the benches.

    :param arguments: names of some of them, all when empty
    :return: exit status, 1 when a budget was missed
    """
    names = scripts(arguments)
    if not names:
        say("there are no benches in tools/bench")
        return 0
    built = environment.ensure()
    context = Context(Databases(built, postgres.demo_cluster().ensure()))
    context.databases.prune_clones()
    rows: list[Row] = []
    start = time.monotonic()
    for name in names:
        module = importlib.import_module(f"tools.bench.bench_{name}")
        with Step(f"bench {name}"):
            rows += module.run(context)
    load = os.getloadavg()[0]
    say(f"\n{table(rows)}\n")
    say(f"{os.cpu_count()} cores, load {load:.1f}, {seconds(time.monotonic() - start)}")
    say(f"addons: {', '.join(addons.own_names())}")
    return 1 if any(row.ok is False for row in rows) else 0
