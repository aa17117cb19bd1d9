# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Start programs, keep what they say, find the ones that run."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools import paths
from tools.errors import CommandError, DiskFullError

TAIL_LINES = 25
DISK_FULL = "No space left on device"


def tail(path: Path, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a text file, or nothing when it is not there."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Copy the environment without what would redirect Odoo or PostgreSQL.

    Compiled Python goes into `.local`: the addons stay clean, and Odoo, which comes
    without, is not compiled anew at every start.
    """
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PG") and name not in REDIRECTS
    }
    env["PYTHONPYCACHEPREFIX"] = str(paths.LOCAL / "pycache")
    env.update(extra or {})
    return env


REDIRECTS = {
    "ODOO_RC",
    "OPENERP_SERVER",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHOME",
    "PYTHONPATH",
    "VIRTUAL_ENV",
}


def run(
    command: Sequence[str | Path],
    *,
    what: str,
    log: Path,
    cwd: Path | str | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    user: str | None = None,
    check: bool = True,
) -> int:
    """Run a program to its end, with all output in a log file.

    :param what: the step, for the message when it fails
    :param log: the file its output is written to, replaced each time
    :param stdin: text to feed it
    :param user: the user to run it as; only root may ask
    :param check: raise when it fails
    :return: its exit status
    :raise CommandError: it failed, and ``check`` is set
    :raise DiskFullError: it failed because the disk is full
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as output:
        done = subprocess.run(
            [os.fspath(part) for part in command],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=dict(env) if env is not None else clean_environment(),
            input=stdin.encode() if stdin is not None else None,
            stdin=subprocess.DEVNULL if stdin is None else None,
            check=False,
            **as_user(user),
        )
    if check and done.returncode:
        raise_failure(what, done.returncode, log)
    return done.returncode


def raise_failure(what: str, status: int, log: Path) -> None:
    """Turn a bad end into the error that names its cure."""
    said = tail(log)
    if DISK_FULL in said:
        raise DiskFullError(
            f"{what} filled the disk", "free some space, then run the command again"
        )
    raise CommandError(what, status, log, said)


def as_user(user: str | None) -> dict[str, object]:
    """Build the arguments of `subprocess` that run a program as another user."""
    if not user:
        return {}
    import pwd

    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def output_of(
    command: Sequence[str | Path], env: Mapping[str, str] | None = None
) -> str:
    """Return what a short program prints, or nothing when it fails."""
    try:
        done = subprocess.run(
            [os.fspath(part) for part in command],
            capture_output=True,
            text=True,
            env=dict(env) if env is not None else None,
            check=False,
        )
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that waits to be reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return True
    return state != "Z"


def command_line(pid: int) -> str:
    """Return the command line of a process, or nothing when it is gone."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return raw.replace(b"\0", b" ").decode(errors="replace")


def read_pid(path: Path, mark: str) -> int | None:
    """Return the process a pid file stands for, and forget a stale file.

    :param path: the pid file
    :param mark: a text in the command line of our process; after a restart of the
        machine the same number may belong to anything
    """
    try:
        pid = int(path.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None
    if is_alive(pid) and mark in command_line(pid):
        return pid
    path.unlink(missing_ok=True)
    return None


def stop_process(pid: int, patience: float = 20.0) -> None:
    """Ask a process group to end, and insist after a while."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            return
        except PermissionError:
            os.kill(pid, number)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if not is_alive(pid):
                return
            time.sleep(0.1)
