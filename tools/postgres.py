# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Private PostgreSQL clusters: one durable for the demo, one fast for tests.

Only the server's programs are the system's. The clusters listen on a socket in a
directory that nobody else can enter, never on the network.
"""

from __future__ import annotations

import functools
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools import paths, system
from tools.errors import MissingProgramError, PostgresError
from tools.process import as_user, clean_environment, command_line, is_alive, run, tail
from tools.progress import Step

OLDEST = 13
PROGRAMS = ("initdb", "pg_ctl", "postgres")

PLACES = (
    "/usr/lib/postgresql",
    "/usr/pgsql-*",
    "/opt/homebrew/opt",
    "/usr/local/pgsql",
)
SERVICE_USERS = ("postgres", "nobody")
# Odoo refuses to work as "postgres", and its role shall be no superuser.
OWNER = "postgres"
ROLE = "odoo"

# For two cores and a few gigabytes beside other programs.
SETTINGS = {
    "listen_addresses": "''",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "256MB",
    "effective_cache_size": "2GB",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "log_min_messages": "warning",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
}
# A test database may be lost with the power; the demo's and the bench's may not.
VOLATILE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
# Tests crash this one: what was committed survives that.
BREAKABLE = ("faults", 5434, {**VOLATILE, "synchronous_commit": "on"})
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


@dataclass(frozen=True)
class Binaries:
    """The programs of one PostgreSQL version.

    :param int major: like 15
    :param Path folder: where they are
    """

    major: int
    folder: Path

    def __getitem__(self, name: str) -> Path:
        return self.folder / name


def parse_major(text: str) -> int | None:
    """Read the major version from what `postgres --version` prints."""
    found = re.search(r"\(PostgreSQL\)\s+(\d+)", text)
    return int(found[1]) if found else None


def _candidate_folders() -> Iterator[Path]:
    for pattern in PLACES:
        base = Path(pattern)
        for place in sorted(base.parent.glob(base.name)):
            yield place / "bin"
            yield from sorted(place.glob("*/bin"))
    config = shutil.which("pg_config")
    if config:
        yield Path(_output([config, "--bindir"]).strip() or "/nonexistent")
    for program in PROGRAMS:
        found = shutil.which(program)
        if found:
            yield Path(os.path.realpath(found)).parent


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout


@functools.cache
def all_binaries() -> list[Binaries]:
    """Return the complete servers of this system, newest first."""
    found = {}
    for folder in _candidate_folders():
        if all(os.access(folder / name, os.X_OK) for name in PROGRAMS):
            major = parse_major(_output([str(folder / "postgres"), "--version"]))
            if major:
                found[folder] = Binaries(major, folder)
    return sorted(found.values(), key=lambda binaries: -binaries.major)


def choose_binaries(found: list[Binaries], wanted: int | None = None) -> Binaries:
    """Pick the server to use.

    :param found: what the system has, newest first
    :param wanted: the version the data was made with, if there is data
    :raise PostgresError: too old, or not the version of the data
    """
    usable = [binaries for binaries in found if binaries.major >= OLDEST]
    if not usable:
        raise PostgresError(
            f"PostgreSQL {found[0].major} is too old, Odoo 19 needs {OLDEST} or newer",
            f"install the server of PostgreSQL {OLDEST} or newer beside it",
        )
    if wanted is None:
        return usable[0]
    for binaries in usable:
        if binaries.major == wanted:
            return binaries
    raise PostgresError(
        f"the databases here were made by PostgreSQL {wanted}, "
        f"this system has {usable[0].major}",
        f"install PostgreSQL {wanted} again, or drop the databases with: make clean",
    )


def ensure_binaries(wanted: int | None = None) -> Binaries:
    """Return a server, installing the distribution's when root.

    :raise PostgresError: there is none to be had; the message says what to do
    """
    found = all_binaries()
    if not found:
        try:
            system.apt_install("postgresql")
        except MissingProgramError as error:
            raise PostgresError(
                "no PostgreSQL server (initdb, pg_ctl, postgres) was found",
                "as root: apt-get install postgresql (or your system's package); "
                "its own cluster may stay off",
            ) from error
        all_binaries.cache_clear()
        found = all_binaries()
    if not found:
        raise PostgresError(
            "PostgreSQL was installed, but its server is not where it should be",
            "put the directory with initdb and pg_ctl on PATH",
        )
    return choose_binaries(found, wanted)


def service_user() -> str | None:
    """Return the user the server runs as: ourselves, but never root."""
    if not system.is_root():
        return None
    for name in SERVICE_USERS:
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise PostgresError(
        "PostgreSQL refuses to run as root, and there is no user for it",
        "create one: useradd --system postgres; or run make as a plain user",
    )


def can_enter(path: Path, user: str | None) -> bool:
    """Tell whether a user gets into a directory, parents included."""
    done = subprocess.run(
        ["test", "-x", str(path)], check=False, cwd="/", **as_user(user)
    )
    return done.returncode == 0


class Cluster:
    """One private cluster.

    :param str name: `demo` or `test`
    :param int port: only names the socket file; nothing listens on the network
    :param dict settings: on top of what both clusters share
    """

    def __init__(self, name: str, port: int, settings: dict[str, str]) -> None:
        self.name = name
        self.port = port
        self.settings = settings
        self.user = service_user()

    @property
    def base(self) -> Path:
        """Where clusters are: `.local`, unless their user cannot get there."""
        if self.user and not can_enter(paths.LOCAL, self.user):
            return paths.ensure_private_dir()
        return paths.LOCAL

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.base / "pg" / self.name

    @property
    def sockets(self) -> Path:
        """The directory of the socket, short enough for the system's limit."""
        path = self.base / "pg" / "run"
        if not paths.fits_socket(path):
            path = paths.ensure_private_dir() / "run"
        return path

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.base / "pg" / f"{self.name}.log"

    def is_running(self) -> bool:
        """Tell whether our server answers for this data directory."""
        pid = self._pid()
        return pid is not None and (self.sockets / f".s.PGSQL.{self.port}").exists()

    def _pid(self) -> int | None:
        """Return the server's process, ignoring a stale file.

        After a restart of the machine the number may be anybody's.
        """
        try:
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None
        ours = is_alive(pid) and str(self.data) in command_line(pid)
        return pid if ours else None

    def ensure(self) -> Cluster:
        """Start the server unless it runs, creating the cluster the first time.

        :return: itself
        :raise PostgresError: it cannot be created or started
        """
        with paths.locked(f"cluster-{self.name}"):
            if not self.is_running():
                self._ensure_started()
        return self

    def _ensure_started(self) -> None:
        binaries = ensure_binaries(self._data_version())
        if self._data_version() is None:
            system.check_room(self.base)
            with Step(f"PostgreSQL {binaries.major} cluster for the {self.name}"):
                self._create(binaries)
                self._start(binaries)
                self._create_role()
        else:
            self._start(binaries)

    def _data_version(self) -> int | None:
        # The mark is written last, so a cluster killed half-way is made again.
        if not (self.data / "saas_ready").exists():
            return None
        return int((self.data / "PG_VERSION").read_text().strip())

    def _folder(self, path: Path) -> None:
        """Make a directory that only the server's user can enter (and root)."""
        path.mkdir(parents=True, exist_ok=True)
        if self.user:
            entry = pwd.getpwnam(self.user)
            os.chown(path, entry.pw_uid, entry.pw_gid)
        path.chmod(0o700)

    def _create(self, binaries: Binaries) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        self._folder(self.data.parent)
        self._folder(self.data)
        log = paths.LOGS / f"initdb-{self.name}.log"
        base = [binaries["initdb"], "-D", self.data, "-U", OWNER, "--encoding=UTF8"]
        base += ["--auth=trust", "--lc-collate=C"]
        env = clean_environment({"LC_ALL": "C"})
        for locale in ("C.UTF-8", "C"):
            command = [*base, "--locale=C", f"--lc-ctype={locale}"]
            last = locale == "C"
            arguments = {"log": log, "cwd": "/", "env": env, "user": self.user}
            if run(command, what="initdb", check=last, **arguments) == 0:
                return

    def _write_settings(self) -> None:
        lines = [f"{key} = {value}" for key, value in self._all_settings().items()]
        path = self.data / "postgresql.auto.conf"
        path.write_text("# Written at every start by tools/postgres.py\n")
        with open(path, "a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        if self.user:
            entry = pwd.getpwnam(self.user)
            os.chown(path, entry.pw_uid, entry.pw_gid)

    def _all_settings(self) -> dict[str, str]:
        place = {
            "port": str(self.port),
            "unix_socket_directories": f"'{self.sockets}'",
            "unix_socket_permissions": "0700",
        }
        return {**SETTINGS, **self.settings, **place}

    def _start(self, binaries: Binaries) -> None:
        self._folder(self.sockets)
        self._write_settings()
        if self._pid() is None:
            (self.data / "postmaster.pid").unlink(missing_ok=True)
        log = paths.LOGS / f"pg_ctl-{self.name}.log"
        command = [binaries["pg_ctl"], "start", "-D", self.data, "-l", self.log]
        status = run(
            [*command, "-w", "-t", "120", "-s"],
            what=f"starting the {self.name} cluster",
            log=log,
            cwd="/",
            env=clean_environment({"LC_ALL": "C"}),
            user=self.user,
            check=False,
        )
        if status:
            raise PostgresError(
                f"the {self.name} cluster does not start:\n{_tail_of(self.log, log)}",
                f"read {self.log}; `make clean` starts afresh and drops the data",
            )

    def _create_role(self) -> None:
        self.sql(f"CREATE ROLE {ROLE} LOGIN CREATEDB", user=OWNER)
        (self.data / "saas_ready").touch()

    def stop(self) -> bool:
        """Stop the server if it runs.

        :return: whether it ran
        """
        if not self.data.exists() or self._pid() is None:
            return False
        binaries = ensure_binaries(self._data_version())
        command = [binaries["pg_ctl"], "stop", "-D", self.data, "-m", "fast", "-s"]
        log = paths.LOGS / f"pg_ctl-{self.name}.log"
        run(command, what="pg_ctl stop", log=log, cwd="/", user=self.user)
        return True

    def environment(self, **extra: str) -> dict[str, str]:
        """Return the environment that client programs and Odoo connect with."""
        return clean_environment(
            {
                "PGHOST": str(self.sockets),
                "PGPORT": str(self.port),
                "PGUSER": ROLE,
                **extra,
            }
        )

    def sql(self, query: str, database: str = "postgres", user: str = ROLE) -> str:
        """Run a query with psql.

        :return: its rows, one a line, columns separated by a bar
        :raise PostgresError: it failed
        """
        psql = self.client("psql")
        done = subprocess.run(
            [psql, "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", query],
            env=self.environment(PGUSER=user),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise PostgresError(f"psql: {done.stderr.strip()}", f"read {self.log}")
        return done.stdout.strip()

    def client(self, name: str) -> str:
        """Return a client program, the one of the server's own version if it is there.

        :raise PostgresError: there is none
        """
        for binaries in all_binaries():
            own = binaries.major == self._data_version()
            if own and os.access(binaries[name], os.X_OK):
                return str(binaries[name])
        found = shutil.which(name)
        if found:
            return found
        raise PostgresError(
            f"{name} is missing", "install the client programs of PostgreSQL"
        )

    def odoo_options(self) -> dict[str, object]:
        """Return the Odoo options that connect to this cluster."""
        return {"db_host": self.sockets, "db_port": self.port, "db_user": ROLE}


def _tail_of(*logs: Path) -> str:
    return "\n".join(filter(None, (tail(log, 10) for log in logs)))


def demo_cluster() -> Cluster:
    """The durable cluster of demo and bench."""
    return Cluster("demo", 5432, DURABLE)


def test_cluster() -> Cluster:
    """The fast cluster of the tests."""
    return Cluster("test", 5433, VOLATILE)


def all_clusters() -> list[Cluster]:
    """Every cluster a project may have."""
    return [demo_cluster(), test_cluster(), Cluster(*BREAKABLE)]
