# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""A database server and an Odoo of their own, to be broken: nobody else notices."""

import configparser
import os
import shlex
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.server import Server
from tools import paths, postgres
from tools.process import is_alive, run
from tools.server import choose_port, is_free


class PrivateCluster(postgres.Cluster):
    """A cluster that may crash."""

    def __init__(self) -> None:
        super().__init__(*postgres.BREAKABLE)

    def crash(self) -> None:
        """End the server as a crash does: no checkpoint, clients cut off."""
        binaries = postgres.ensure_binaries(self._data_version())
        run(
            [binaries["pg_ctl"], "stop", "-D", self.data, "-m", "immediate", "-s"],
            what="pg_ctl stop -m immediate",
            log=paths.LOGS / "pg_ctl-faults-crash.log",
            cwd="/",
            user=self.user,
        )

    def kill(self) -> None:
        """Kill every process of the server, as ``kill -9`` does, and start again."""
        master = int((self.data / "postmaster.pid").read_text().split()[0])
        # Stopped, it starts no others in their place.
        os.kill(master, signal.SIGSTOP)
        processes = [*children(master), master]
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        while any(map(is_alive, processes)):
            time.sleep(0.05)
        # Where nobody reaps the dead, their numbers look alive to the next server.
        for lock in self.sockets.glob(f".s.PGSQL.{self.port}*"):
            lock.unlink()
        self.ensure()

    def restart_crashed(self) -> None:
        """Crash, and start again."""
        self.crash()
        self.ensure()

    def copy_database(self, source: postgres.Cluster, name: str, target: str) -> None:
        """Copy a database of another cluster."""
        self.sql(f'DROP DATABASE IF EXISTS "{target}" WITH (FORCE)')
        self.sql(f"CREATE DATABASE \"{target}\" TEMPLATE template0 LC_COLLATE 'C'")
        folder = paths.LOCAL / "data" / f"{target}.dump"
        shutil.rmtree(folder, ignore_errors=True)
        log = paths.LOGS / "copy-faults.log"
        dump = [source.client("pg_dump"), "-Fd", "-Z0", "-j2", "-f", folder, name]
        restore = [self.client("pg_restore"), "--no-owner", "--no-comments", "-j2"]
        restore += ["--exit-on-error", "-d", target, folder]
        try:
            run(dump, what="pg_dump", log=log, env=source.environment())
            run(restore, what="pg_restore", log=log, env=self.environment())
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def remove(self) -> None:
        """Stop the server and drop its data."""
        self.stop()
        shutil.rmtree(self.data, ignore_errors=True)


@dataclass
class BreakableServer(Server):
    """A server whose worker processes can be killed apart from their master."""

    def workers(self) -> list[int]:
        """Return the processes the master of Odoo started."""
        return [
            worker
            for master in children(self._process.pid)
            for worker in children(master)
        ]

    def kill_workers(self) -> None:
        """Kill every worker, the one for jobs included; the master starts others."""
        for worker in self.workers():
            try:
                os.kill(worker, signal.SIGKILL)
            except ProcessLookupError:
                continue
        # The socket's queue holds requests until there are new ones.
        self.wait()

    def restart_killed(self) -> None:
        """Kill the whole server and start it again."""
        self.kill()
        # The front was waited for, its children are gone a moment later.
        port = int(self.url.rpartition(":")[2])
        while not all(map(is_free, (port, port + 1, port + 2))):
            time.sleep(0.05)
        self.start()

    def ensure(self) -> None:
        """Wait until the server answers, as its supervisor start it if it ended.

        The master of Odoo ends when it wants to start a worker and has no database.
        """
        while not self.answers():
            if self._process is None or self._process.poll() is not None:
                self._process = None
                self.start()
            time.sleep(0.2)

    def wait(self, patience: float = 120.0) -> None:
        """Return when the server answers.

        :raise RuntimeError: it did not in time
        """
        deadline = time.monotonic() + patience
        while not self.answers():
            if time.monotonic() > deadline:
                raise RuntimeError(f"The server does not answer, see {self.log}")
            time.sleep(0.1)


def children(parent: int) -> list[int]:
    """Return the processes a process started and that still run."""
    done = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(parent)],
        capture_output=True,
        text=True,
        check=False,
    )
    return [int(pid) for pid in done.stdout.split()]


@contextmanager
def private_server(folder: Path):
    """Copy the tests' database to a cluster of its own and serve it.

    :param folder: for the server's log
    :return: (cluster, server), both running
    """
    source = os.environ["SAAS_E2E_DATABASE"]
    database = "faults"
    cluster = PrivateCluster()
    cluster.remove()
    server = None
    try:
        cluster.ensure()
        cluster.copy_database(postgres.test_cluster(), source, database)
        command, data = serve_command(cluster, source, database)
        copy_filestore(data / "filestore", source, database)
        server = BreakableServer(
            command=command,
            url=f"http://127.0.0.1:{command[-1].rpartition('=')[2]}",
            database=database,
            access=Path(os.environ["SAAS_E2E_ACCESS"]),
            log=folder / "server.log",
            env=cluster.environment(),
        )
        server.start()
        yield cluster, server
    finally:
        if server:
            server.kill()
        cluster.remove()
        shutil.rmtree(data / "filestore" / database, ignore_errors=True)


def serve_command(cluster, source: str, database: str) -> tuple[list[str], Path]:
    """Derive the command of the private server from the one of the shared server.

    :return: command, and Odoo's data directory
    """
    command = shlex.split(os.environ["SAAS_E2E_COMMAND"])
    position = next(n for n, part in enumerate(command) if part.endswith(".conf"))
    parser = configparser.RawConfigParser()
    parser.read(command[position])
    port = choose_port(first=8269)
    pages = choose_port(first=port + 1)
    parser["options"].update(
        {
            **{name: str(value) for name, value in cluster.odoo_options().items()},
            "db_name": database,
            "http_port": str(pages),
            "gevent_port": str(choose_port(first=pages + 1)),
        }
    )
    path = Path(command[position]).with_name("faults.conf")
    path.touch(mode=0o600)
    with path.open("w") as file:
        parser.write(file)
    command[position] = str(path)
    command = [part for part in command if not part.startswith("--port=")]
    return [*command, f"--port={port}"], Path(parser["options"]["data_dir"])


def copy_filestore(folder: Path, source: str, target: str) -> None:
    """Link the attachments of a copied database: they are never changed."""
    shutil.rmtree(folder / target, ignore_errors=True)
    if (folder / source).exists():
        shutil.copytree(folder / source, folder / target, copy_function=os.link)
