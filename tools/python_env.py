# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Private Python environments with pinned libraries."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tools import paths, stamps, system
from tools.errors import CommandError, MissingProgramError, PythonError
from tools.process import clean_environment, raise_failure, run, tail
from tools.progress import Step


class PythonEnv:
    """A virtual environment below `.local`.

    :param str name: its directory there
    :param list[Path] requirements: files with pinned libraries, complete closures:
        nothing is resolved, so nothing unpinned comes in
    """

    def __init__(self, name: str, requirements: list[Path]) -> None:
        self.name = name
        self.home = paths.LOCAL / name
        self.python = self.home / "bin" / "python"
        self.requirements = requirements

    @property
    def key(self) -> str:
        """What the environment is made of: interpreter, place and libraries."""
        return stamps.digest(
            sys.version,
            os.path.realpath(sys.base_prefix),
            str(self.home),
            stamps.file_digest(*sorted(paths.ROOT.glob("requirements*.txt"))),
        )

    def ensure(self) -> None:
        """Build the environment unless it is there already.

        :raise PythonError: the standard library's venv is missing
        :raise NetworkError: libraries cannot be downloaded
        """
        if self._is_ours():
            return
        with paths.locked(self._stamp):
            key = self.key
            if not stamps.is_done(self._stamp, key) or not self.python.exists():
                self._build()
                stamps.mark_done(self._stamp, key)

    @property
    def _stamp(self) -> str:
        return f"python-{self.name}"

    def _build(self) -> None:
        system.check_room(paths.LOCAL)
        names = ", ".join(path.name for path in self.requirements)
        with Step(f"Python libraries of {names}", "half a minute the first time"):
            self._create()
            self._install()

    def _is_ours(self) -> bool:
        """Tell whether this very process runs in it; it cannot rebuild itself."""
        return Path(sys.prefix).resolve() == self.home.resolve()

    def _create(self) -> None:
        log = paths.LOGS / f"venv-{self.name}.log"
        command = [sys.executable, "-m", "venv", "--clear", self.home]
        try:
            run(command, what="python -m venv", log=log)
        except CommandError as error:
            if "ensurepip" not in error.tail:
                raise
            self._install_venv_module()
            run(command, what="python -m venv", log=log)

    def _install_venv_module(self) -> None:
        package = "python%d.%d-venv" % sys.version_info[:2]
        try:
            system.apt_install(package)
        except MissingProgramError as error:
            raise PythonError(
                "this Python has no ensurepip, so no environment can be made",
                f"as root: apt-get install {package}",
            ) from error

    def _install(self) -> None:
        log = paths.LOGS / f"pip-{self.name}.log"
        command: list[str | Path] = [self.python, "-m", "pip", "install", "--no-deps"]
        command += ["--no-compile"]
        command += ["--disable-pip-version-check", "--no-input"]
        for path in self.requirements:
            command += ["-r", path]
        status = run(
            command,
            what="pip install",
            log=log,
            env=clean_environment({"PIP_REQUIRE_VIRTUALENV": "0"}),
            check=False,
        )
        if status:
            raise_network_or_failure("pip install", status, log)

    @property
    def site_packages(self) -> Path:
        """The directory its libraries are in."""
        version = "python%d.%d" % sys.version_info[:2]
        return self.home / "lib" / version / "site-packages"


def raise_network_or_failure(what: str, status: int, log: Path) -> None:
    """Tell "no network" from other failures of a download.

    :raise ToolError: always
    """
    error = system.network_error(what, tail(log))
    if error:
        raise error
    raise_failure(what, status, log)


def lint_env() -> PythonEnv:
    """The environment of `make lint`, which needs no Odoo."""
    return PythonEnv("lint", [paths.ROOT / "requirements-lint.txt"])


def odoo_env() -> PythonEnv:
    """The environment that Odoo, its tests and benches run in."""
    return PythonEnv(
        "venv",
        [paths.ROOT / "requirements.txt", paths.ROOT / "requirements-dev.txt"],
    )
