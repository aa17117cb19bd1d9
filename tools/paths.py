# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Where things are: the project, its private environment, short socket paths."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.errors import UnsafeDirectoryError

ROOT = Path(__file__).resolve().parent.parent
LOCAL = ROOT / ".local"
ADDONS = ROOT / "addons"
LOGS = LOCAL / "log"
STATE = LOCAL / "state"

# A socket's path may have 107 bytes; PostgreSQL adds "/.s.PGSQL.65535".
LONGEST_SOCKET_DIR = 107 - len("/.s.PGSQL.65535")
PLAIN_PATH = re.compile(r"[A-Za-z0-9_./-]+\Z")


def private_dir(root: Path = ROOT) -> Path:
    """Return the directory outside the project that belongs to it.

    Used for what cannot stay in ``.local``: sockets of a project with a long
    path, data of a server that runs as another user. The name is derived from
    the project's path, so `make clean` finds it again.
    """
    key = hashlib.sha256(os.fsencode(root)).hexdigest()[:12]
    return Path("/var/tmp") / f"saas-suite-{os.getuid()}-{key}"


def ensure_private_dir() -> Path:
    """Create the private directory, refusing one that somebody else made.

    :raise UnsafeDirectoryError: the name is taken by another user or a link
    """
    path = private_dir()
    try:
        path.mkdir(mode=0o711)
        path.chmod(0o711)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise UnsafeDirectoryError(
                f"{path} is not a directory of yours", "remove it and try again"
            ) from None
    return path


def fits_socket(path: Path) -> bool:
    """Tell whether PostgreSQL can keep its socket in this directory."""
    text = str(path)
    return len(os.fsencode(text)) <= LONGEST_SOCKET_DIR and bool(PLAIN_PATH.match(text))


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Let one process do something while others wait for it.

    :param name: of what is done
    """
    ensure_local()
    with open(STATE / f"{name}.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"  .. waiting for another command to finish {name}", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def ensure_local() -> None:
    """Create the private environment's directory with the parts all steps use."""
    for path in (LOCAL, LOGS, STATE):
        path.mkdir(parents=True, exist_ok=True)
