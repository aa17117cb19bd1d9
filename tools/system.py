# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""What the machine offers: programs, packages, room on the disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tools import paths
from tools.errors import DiskFullError, MissingProgramError, NetworkError
from tools.process import clean_environment, run, tail
from tools.progress import Step

GIB = 1024**3
ROOM_FOR_SETUP = 4 * GIB
BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
NETWORK_TROUBLE = (
    "Temporary failure resolving",
    "Could not resolve",
    "Could not connect",
    "Network is unreachable",
    "Connection refused",
    "NewConnectionError",
    "NameResolutionError",
    "getaddrinfo",
    "ECONNREFUSED",
    "EAI_AGAIN",
    "ENETUNREACH",
    "Failed to fetch",
    "ProxyError",
    "Connection timed out",
)


def is_root() -> bool:
    """Tell whether we may install packages."""
    return os.geteuid() == 0


def check_room(path: Path, needed: int = ROOM_FOR_SETUP) -> None:
    """Refuse to begin a big step on a disk that is nearly full.

    :param needed: bytes that must be free
    :raise DiskFullError: there are fewer
    """
    while not path.exists():
        path = path.parent
    free = shutil.disk_usage(path).free
    if free < needed:
        raise DiskFullError(
            f"{free / GIB:.1f} GiB are free on the disk of {path}, "
            f"{needed / GIB:.1f} are needed",
            "free some space, or move the project to a larger disk",
        )


def network_error(what: str, said: str) -> NetworkError | None:
    """Recognise a failure that means "no network" in a program's last words."""
    if any(mark in said for mark in NETWORK_TROUBLE):
        return NetworkError(
            f"{what} needs the network, which does not answer",
            "connect this machine (or set its proxy) for the first set-up; "
            "later starts work offline",
        )
    return None


def apt_install(*packages: str) -> None:
    """Install packages of the distribution; only root can.

    :raise MissingProgramError: not root, or no apt-get here
    :raise NetworkError: the mirror does not answer
    """
    names = " ".join(packages)
    if not shutil.which("apt-get"):
        raise MissingProgramError(
            f"{names} is missing, and this system has no apt-get to install it",
            f"install {names} (or your system's package of the same purpose)",
        )
    if not is_root():
        raise MissingProgramError(
            f"{names} is missing, and only root may install it",
            f"ask for: apt-get install {names}",
        )
    log = paths.LOGS / "apt.log"
    env = clean_environment({"DEBIAN_FRONTEND": "noninteractive"})
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    with Step(f"installing {names} with apt-get"):
        if run(install, what="apt-get", log=log, env=env, check=False) == 0:
            return
        # The lists may be old, or missing on a fresh machine.
        run(["apt-get", "update"], what="apt-get", log=log, env=env, check=False)
        status = run(install, what="apt-get", log=log, env=env, check=False)
    if status:
        said = tail(log)
        raise network_error(f"installing {names}", said) or MissingProgramError(
            f"apt-get could not install {names}", f"read {log}"
        )


def find_browser() -> str | None:
    """Return the browser that Odoo's tours use, if there is one."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def ensure_browser() -> str:
    """Return the browser, installing it when root.

    :raise MissingProgramError: there is none and it cannot be installed
    """
    found = find_browser()
    if not found:
        apt_install("chromium")
        found = find_browser()
    if not found:
        raise MissingProgramError("no Chromium was found", "install chromium")
    return found


def ensure_pdf_program() -> str | None:
    """Return wkhtmltopdf, installing it when root; work goes on without it."""
    if not shutil.which("wkhtmltopdf") and is_root() and shutil.which("apt-get"):
        try:
            apt_install("wkhtmltopdf")
        except (MissingProgramError, NetworkError):
            return None
    return shutil.which("wkhtmltopdf")
