# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Find Odoo 19: a checkout that is named, an installed one, else the package.

Odoo is no Python package of the usual index. Debian's unstable suite has it as
`odoo-19`; it is unpacked, never installed, into `.local/odoo`, with the few packages
that its static files link to.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tools import paths, stamps, system
from tools.errors import CommandError, OdooSourceError
from tools.process import clean_environment, output_of, run, tail
from tools.progress import Step

SERIES = "19.0"
DISTRIBUTION = "Debian"
PACKAGE = "odoo-19"
# The package's static files are relative links to what these packages hold.
LINKED_PACKAGES = (
    "libjs-jquery",
    "libjs-jquery-form",
    "libjs-underscore",
    "fonts-roboto-unhinted",
    "fonts-inconsolata",
    "fonts-montserrat",
    "fonts-ocr-b",
)
# The links fit version 4.7, which stable has; unstable has version 7.
STABLE_SUITE = "bookworm"
STABLE_PACKAGE = "fonts-font-awesome"
KEYRINGS = (
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
)
# Not free, hence not in the package; without the file every page logs an error.
MISSING_SCRIPT = "addons/mail/static/lib/selfie_segmentation/selfie_segmentation.js"
OTHER_WAYS = "get Odoo 19 in another way, and set ODOO_SRC to its directory"


@dataclass(frozen=True)
class OdooSource:
    """A usable Odoo.

    :param Path parent: the directory that holds the package `odoo`
    :param str version: the release, like 19.0
    :param str origin: how it was found, for people
    """

    parent: Path
    version: str
    origin: str

    @property
    def addons_paths(self) -> list[Path]:
        """Addons directories beside the package, which only a checkout has."""
        beside = self.parent / "addons"
        return [beside] if (beside / "web" / "__manifest__.py").exists() else []


def read_series(parent: Path) -> str | None:
    """Read the series from `odoo/release.py` without importing it.

    :return: like "19.0", or nothing when there is no Odoo in the directory
    """
    try:
        text = (parent / "odoo" / "release.py").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r"^version_info\s*=\s*\((\d+)\s*,\s*(\d+)", text, re.MULTILINE)
    return f"{found[1]}.{found[2]}" if found else None


def from_variable(value: str) -> OdooSource:
    """Take the Odoo that ODOO_SRC names.

    :param value: a checkout with `odoo-bin`, or a directory with the package `odoo`
    :raise OdooSourceError: there is none, or it is another version
    """
    given = Path(value).expanduser().resolve()
    parent = given.parent if (given / "release.py").exists() else given
    series = read_series(parent)
    if series is None:
        raise OdooSourceError(
            f"ODOO_SRC is {given}, which holds no Odoo",
            "set it to a checkout of Odoo 19 (with odoo-bin), or unset it",
        )
    _check_series(series, f"ODOO_SRC ({given})", "set ODOO_SRC to Odoo 19, or unset it")
    if not _has_addons(parent):
        raise OdooSourceError(
            f"ODOO_SRC is {given}, which holds Odoo without its addons",
            "set it to a complete checkout of Odoo 19, or unset it",
        )
    return OdooSource(parent, series, f"ODOO_SRC, {parent}")


def _has_addons(parent: Path) -> bool:
    places = (parent / "addons", parent / "odoo" / "addons")
    return any((place / "web" / "__manifest__.py").exists() for place in places)


def _check_series(series: str, where: str, cure: str) -> None:
    if series != SERIES:
        raise OdooSourceError(f"{where} is Odoo {series}, not {SERIES}", cure)


def installed() -> OdooSource | None:
    """Find an Odoo 19 that this Python can import, outside of any environment."""
    code = (
        "import odoo.release as r, pathlib; print(pathlib.Path(r.__file__).parents[1])"
    )
    for python in (sys.executable, shutil.which("python3") or ""):
        found = output_of([python, "-I", "-c", code]).strip() if python else ""
        if found and read_series(Path(found)) == SERIES and _has_addons(Path(found)):
            return OdooSource(Path(found), SERIES, f"installed in {found}")
    return None


def find() -> OdooSource:
    """Return Odoo 19, fetching the distribution's package when there is no other.

    :raise OdooSourceError: none is to be had; the message says what to do
    :raise NetworkError: it must be downloaded, and nothing answers
    """
    value = os.environ.get("ODOO_SRC", "")
    if value:
        return from_variable(value)
    with paths.locked("odoo-package"):
        return _find_or_fetch(paths.LOCAL / "odoo")


def _find_or_fetch(prefix: Path) -> OdooSource:
    unpacked = prefix / "usr" / "lib" / "python3" / "dist-packages"
    package = OdooSource(unpacked, SERIES, f"the distribution's {PACKAGE}")
    if stamps.is_done("odoo-package", _package_key()) and read_series(unpacked):
        return package
    found = installed()
    if found:
        return found
    _fetch_package(prefix)
    _check_series(read_series(unpacked) or "nothing", PACKAGE, OTHER_WAYS)
    stamps.mark_done("odoo-package", _package_key())
    return package


def _package_key() -> str:
    return stamps.digest(PACKAGE, *LINKED_PACKAGES, STABLE_PACKAGE, MISSING_SCRIPT)


def _fetch_package(prefix: Path) -> None:
    for program in ("apt-get", "dpkg"):
        if not shutil.which(program):
            raise OdooSourceError(
                f"Odoo 19 is not here, and without {program} it cannot be fetched",
                "get a checkout of Odoo 19 (branch 19.0), and set ODOO_SRC to it",
            )
    system.check_room(paths.LOCAL)
    apt = PrivateApt(paths.LOCAL / "apt")
    with Step("Odoo 19 from the distribution", "122 MB"):
        debs = apt.download()
        shutil.rmtree(prefix, ignore_errors=True)
        prefix.mkdir(parents=True)
        for deb in debs:
            log = paths.LOGS / "dpkg.log"
            run(["dpkg", "-x", deb, prefix], what=f"unpacking {deb.name}", log=log)
        _fill_gaps(prefix)
        shutil.rmtree(apt.home)


def _fill_gaps(prefix: Path) -> None:
    odoo = prefix / "usr" / "lib" / "python3" / "dist-packages" / "odoo"
    script = odoo / MISSING_SCRIPT
    if not script.exists():
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text("// Not part of the distribution's package.\n")


class PrivateApt:
    """apt-get with lists and caches of its own; the system's stay untouched.

    Needs no root. Mirrors are the system's own, so none is named here.

    :param Path home: its directory, removed after use
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.debs = home / "debs"

    def download(self) -> list[Path]:
        """Fetch Odoo and what it links to.

        :return: the package files
        :raise OdooSourceError: no mirror of this system has them
        """
        mirrors = self._mirrors()
        if not mirrors:
            said = tail(paths.LOGS / "apt-lists.log")
            raise system.network_error(f"fetching {PACKAGE}", said) or OdooSourceError(
                f"this system's apt-get knows no mirror of {DISTRIBUTION}", OTHER_WAYS
            )
        failures = []
        for mirror in mirrors:
            self._write_sources(mirror)
            failure = self._try_download()
            if not failure:
                return sorted(self.debs.glob("*.deb"))
            failures.append(failure)
        said = "\n".join(failures)
        raise system.network_error(f"fetching {PACKAGE}", said) or OdooSourceError(
            f"no mirror of this system has {PACKAGE}:\n{said}", OTHER_WAYS
        )

    def _mirrors(self) -> list[str]:
        """Return the mirrors of the distribution itself, as the system names them."""
        return self._labelled_mirrors([]) or self._labelled_mirrors(self._own_lists())

    def _labelled_mirrors(self, options: list[str]) -> list[str]:
        command = ["apt-get", "indextargets", "--format", "$(LABEL)|$(REPO_URI)"]
        lines = dict.fromkeys(output_of([*command, *options]).splitlines())
        pairs = [line.split("|", 1) for line in lines]
        return [uri for label, uri in pairs if label == DISTRIBUTION]

    def _own_lists(self) -> list[str]:
        """Fetch the system's lists into a place of ours: a fresh machine has none."""
        lists = self.home / "system"
        (lists / "partial").mkdir(parents=True, exist_ok=True)
        options = ["-o", f"Dir::State::Lists={lists}"]
        if system.is_root():
            options += ["-o", "APT::Sandbox::User=root"]
        log = paths.LOGS / "apt-lists.log"
        command = ["apt-get", "update", *options]
        run(command, what="apt-get update", log=log, check=False)
        return options

    def _write_sources(self, mirror: str) -> None:
        shutil.rmtree(self.home, ignore_errors=True)
        for name in ("lists/partial", "cache/archives/partial", "debs"):
            (self.home / name).mkdir(parents=True)
        keyring = next(filter(os.path.exists, KEYRINGS), None)
        signed = f"[signed-by={keyring}] " if keyring else ""
        suites = ("sid", STABLE_SUITE)
        lines = [f"deb {signed}{mirror} {suite} main\n" for suite in suites]
        (self.home / "sources.list").write_text("".join(lines))

    def _command(self, *arguments: str) -> list[str]:
        options = {
            "Dir::Etc::SourceList": self.home / "sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::Preferences": "/dev/null",
            "Dir::Etc::PreferencesParts": "/dev/null",
            "Dir::State::Lists": self.home / "lists",
            "Dir::Cache": self.home / "cache",
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
            "APT::Get::List-Cleanup": "0",
        }
        if system.is_root():
            # The user that apt changes to may have no access to the project.
            options["APT::Sandbox::User"] = "root"
        pairs = [
            part
            for name, value in options.items()
            for part in ("-o", f"{name}={value}")
        ]
        return ["apt-get", "-q", *pairs, *arguments]

    def _try_download(self) -> str:
        """Try the mirror in the sources file; return why it failed, if so."""
        log = paths.LOGS / "apt-odoo.log"
        packages = [PACKAGE, *LINKED_PACKAGES, f"{STABLE_PACKAGE}/{STABLE_SUITE}"]
        env = clean_environment({"LC_ALL": "C"})
        for arguments in (("update",), ("download", *packages)):
            command = self._command(*arguments)
            try:
                run(command, what="apt-get", log=log, cwd=self.debs, env=env)
            except CommandError:
                return tail(log, 8)
        return ""
