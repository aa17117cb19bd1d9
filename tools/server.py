# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Start, find and stop Odoo's web server."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tools import paths
from tools.database import Databases
from tools.errors import CommandError, PortTakenError
from tools.process import is_alive, read_pid, stop_process, tail

FIRST_PORT = 8069
PORTS_TRIED = 100
PATIENCE = 120.0
# Our own server is never behind the proxy that the machine may need for others.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Tell whether a port can be listened on."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def choose_port(wanted: str = "", first: int = FIRST_PORT, taken: int = 0) -> int:
    """Pick a port.

    :param wanted: the port the reader insists on, if any
    :param first: where to begin looking
    :param taken: a port already given away
    :raise PortTakenError: the wanted one, or all of them, belong to others
    """
    if wanted:
        if not wanted.isdigit() or not 1 <= int(wanted) <= 65535:
            raise PortTakenError(
                f"PORT={wanted} is no port", "give a number, like PORT=8070"
            )
        if not is_free(int(wanted)):
            raise PortTakenError(
                f"port {wanted} is taken by another program",
                "stop it, or choose another: make demo PORT=8070",
            )
        return int(wanted)
    for port in range(first, first + PORTS_TRIED):
        if port != taken and is_free(port):
            return port
    raise PortTakenError(
        f"ports {first} to {first + PORTS_TRIED - 1} are all taken",
        "choose another: make demo PORT=9000",
    )


@dataclass
class RunningServer:
    """What a script needs to work with a started server.

    :param str url: like http://127.0.0.1:8069
    :param str database: its only database
    :param str login: an administrator
    :param str password: of that administrator
    :param int pid: the server's process, 0 when it is not ours
    :param str log: the server's log file
    :param str python: the interpreter that has Odoo's libraries
    :param list shell_command: starts an Odoo shell on the database, script on stdin
    :param dict environment: variables this command needs
    """

    url: str
    database: str
    login: str
    password: str
    pid: int
    log: str
    python: str
    shell_command: list[str]
    environment: dict[str, str] = field(repr=False)

    def save(self, path: Path) -> None:
        """Write it to a file that only its owner reads."""
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, path: Path | str) -> RunningServer:
        """Read what `save` wrote."""
        return cls(**json.loads(Path(path).read_text()))

    def odoo_shell(self, script: str, timeout: float = 600) -> str:
        """Run Python in `odoo shell` on the server's database.

        :param script: code that finds `env`; it commits what it wants kept
        :param timeout: seconds
        :return: what it printed
        :raise CommandError: it raised
        """
        mark = f"shell-finished-{secrets.token_hex(4)}"
        done = subprocess.run(
            self.shell_command,
            input=f"exec(compile({script!r}, '<script>', 'exec'))\nprint('{mark}')\n",
            capture_output=True,
            text=True,
            env={**os.environ, **self.environment},
            cwd=paths.ROOT,
            timeout=timeout,
            check=False,
        )
        output, found, _rest = done.stdout.partition(mark)
        if done.returncode or not found:
            said = f"{done.stdout}\n{done.stderr}".strip()
            raise CommandError("a script in odoo shell", 1, Path(self.log), said)
        return output

    def is_up(self) -> bool:
        """Tell whether the server answers and serves its database."""
        try:
            with DIRECT.open(f"{self.url}/web/health", timeout=10) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> None:
        """Stop the server, its workers and its jobs."""
        if self.pid:
            stop_process(self.pid)


def serve_command(
    databases: Databases,
    database: str,
    *,
    name: str,
    port: int,
    host: str = "127.0.0.1",
    workers: int = 2,
    options: dict[str, object] | None = None,
) -> tuple[list[str], Path]:
    """Prepare a web server for one database.

    :param name: of its configuration file
    :param port: where people connect; two more are found for Odoo behind it
    :param workers: processes; jobs run in them, at most two at a time
    :param options: Odoo options on top
    :return: the command that runs it in the foreground, and its configuration
    """
    pages = choose_port(first=port + 1)
    config = databases.environment.write_config(
        f"{name}.conf",
        {
            **databases.cluster.odoo_options(),
            "data_dir": databases.data_dir,
            "db_name": database,
            "http_port": pages,
            "gevent_port": choose_port(first=pages + 1),
            "workers": workers,
            "max_cron_threads": 1,
            "limit_time_cpu": 600,
            "limit_time_real": 1200,
            "limit_time_real_cron": 1200,
            "db_maxconn": 24,
            "admin_passwd": secrets.token_urlsafe(24),
            "log_level": "info",
            **(options or {}),
        },
    )
    python = str(databases.environment.python)
    command = [python, str(paths.ROOT / "tools" / "front.py"), str(config)]
    return [*command, f"--host={host}", f"--port={port}"], config


def shell_command(databases: Databases, database: str, config: Path) -> list[str]:
    """Return the command of an Odoo shell beside a running server."""
    shell = databases.environment.odoo("shell", "-c", config, "-d", database)
    shell += ["--no-http", "--workers=0", "--log-level=error"]
    return list(map(str, shell))


def start(
    databases: Databases,
    database: str,
    *,
    name: str,
    port: int,
    host: str = "127.0.0.1",
    login: str = "admin",
    password: str = "admin",
    **settings: object,
) -> RunningServer:
    """Start the web server in the background and wait until it answers.

    :param name: of its configuration, log and pid files
    :param settings: see `serve_command`
    :raise CommandError: it did not come up
    """
    command, config = serve_command(
        databases, database, name=name, port=port, host=host, **settings
    )
    log = paths.LOGS / f"{name}.log"
    environment = databases.cluster.environment()
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=paths.ROOT,
            env=environment,
            start_new_session=True,
        )
    running = RunningServer(
        url=f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}",
        database=database,
        login=login,
        password=password,
        pid=process.pid,
        log=str(log),
        python=str(databases.environment.python),
        shell_command=shell_command(databases, database, config),
        environment={k: v for k, v in environment.items() if k.startswith("PG")},
    )
    (paths.STATE / f"{name}.pid").write_text(f"{process.pid}\n")
    running.save(paths.STATE / f"{name}.json")
    _wait(running, process)
    return running


def _wait(running: RunningServer, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if running.is_up():
            return
        time.sleep(0.3)
    running.stop()
    log = Path(running.log)
    raise CommandError("starting the web server", process.poll() or 1, log, tail(log))


def find_running(name: str) -> RunningServer | None:
    """Return the server that was started under this name, if it still answers."""
    pid = read_pid(paths.STATE / f"{name}.pid", f"{name}.conf")
    if not pid or not is_alive(pid):
        return None
    try:
        running = RunningServer.load(paths.STATE / f"{name}.json")
    except (OSError, ValueError, TypeError):
        return None
    return running if running.pid == pid else None


def stop_running(name: str) -> bool:
    """Stop the server of this name.

    :return: whether it ran
    """
    pid = read_pid(paths.STATE / f"{name}.pid", f"{name}.conf")
    if not pid:
        return False
    stop_process(pid)
    (paths.STATE / f"{name}.pid").unlink(missing_ok=True)
    return True
