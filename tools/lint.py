# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""`make lint` and `make format`: the checks of the house, pinned and private."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools import paths, stamps, system
from tools.addons import all_addons
from tools.errors import MissingProgramError
from tools.process import clean_environment, run, tail
from tools.progress import Step, say, seconds
from tools.python_env import lint_env, raise_network_or_failure

# Pinned here and in .pre-commit-config.yaml; a lock file would name registry hosts.
PRETTIER = ("prettier@3.6.2", "@prettier/plugin-xml@3.4.2")
# Tests raise errors nobody reads, and those of concurrency must commit.
NOT_IN_TESTS = ("translation-required", "invalid-commit")
NODE_HOME = paths.LOCAL / "node"
PARALLEL = 2


class Checks:
    """The checks, each run once over the whole tree."""

    def __init__(self) -> None:
        self.bin = paths.LOCAL / "lint" / "bin"
        self.failed: list[str] = []

    def run(self, name: str, command: list[str | Path]) -> None:
        """Run one check and print what it says only when it finds something."""
        log = paths.LOGS / f"lint-{name.replace(' ', '-')}.log"
        env = clean_environment({"PYTHONPATH": ""})
        start = time.monotonic()
        status = run(command, what=name, log=log, cwd=paths.ROOT, env=env, check=False)
        spent = seconds(time.monotonic() - start)
        if status:
            self.failed.append(name)
        found = f"{tail(log, 400)}\n" if status else ""
        say(f"{found}  {'!!' if status else 'ok'} {name}, {spent}")

    def check_all(self) -> None:
        """Run every check, also after one that found something, two at a time."""
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(lambda check: self.run(*check), self._all()))

    def _all(self) -> Iterator[tuple[str, list[str | Path]]]:
        """Yield names and commands, what takes longest first."""
        found = all_addons()
        if found:
            pylint = [self.bin / "pylint", f"--rcfile={paths.ROOT / '.pylintrc'}"]
            yield "pylint-odoo", [*pylint, "--ignore=tests", *found]
            tests = sorted(
                path.parent for path in paths.ADDONS.glob("*/tests/__init__.py")
            )
            lenient = f"--disable={','.join(NOT_IN_TESTS)}"
            yield "pylint-odoo of tests", [*pylint, lenient, *tests]
            manifests = [addon / "__manifest__.py" for addon in found]
            odoo_checks = self.bin / "oca-checks-odoo-module"
            yield "oca-checks-odoo-module", [odoo_checks, *manifests]
        ruff = self.bin / "ruff"
        yield "ruff check", [ruff, "check", "."]
        yield "ruff format", [ruff, "format", "--check", "."]
        translations = sorted(paths.ADDONS.glob("*/i18n/*.po*"))
        if translations:
            yield "oca-checks-po", [self.bin / "oca-checks-po", *translations]
        yield "prettier", [*prettier_command(), "--check", *web_files()]


def prettier_command() -> list[str | Path]:
    """Return the start of every prettier call."""
    return [
        NODE_HOME / "node_modules" / ".bin" / "prettier",
        "--no-error-on-unmatched-pattern",
        "--log-level=warn",
    ]


def web_files() -> list[str]:
    """Return the patterns of what prettier formats."""
    return ["addons/**/*.xml", "addons/**/*.js", "prettier.config.cjs"]


def ensure_prettier() -> None:
    """Install prettier and its XML plugin into `.local`.

    :raise MissingProgramError: there is no npm and it cannot be installed
    """
    key = stamps.digest(*PRETTIER, str(NODE_HOME))
    if stamps.is_done("node", key) and prettier_command()[0].exists():
        return
    if not shutil.which("npm"):
        try:
            system.apt_install("npm")
        except MissingProgramError as error:
            raise MissingProgramError(
                "npm is missing, which brings prettier for XML and JavaScript",
                error.cure,
            ) from error
    NODE_HOME.mkdir(parents=True, exist_ok=True)
    # Without a package.json here npm would install into a parent directory.
    (NODE_HOME / "package.json").write_text('{"private": true}\n')
    log = paths.LOGS / "npm.log"
    command = ["npm", "install", "--no-save", "--no-package-lock", "--no-audit"]
    with Step("prettier from npm"):
        status = run(
            [*command, "--no-fund", *PRETTIER],
            what="npm install",
            log=log,
            cwd=NODE_HOME,
            check=False,
        )
    if status:
        raise_network_or_failure("npm install", status, log)
    stamps.mark_done("node", key)


def prepare() -> Checks:
    """Install the checkers that are not there yet."""
    paths.ensure_local()
    lint_env().ensure()
    ensure_prettier()
    return Checks()


def _finish(checks: Checks, good: str, bad: Callable[[str], str]) -> int:
    names = ", ".join(checks.failed)
    say(bad(names) if names else good)
    return 1 if names else 0


def lint() -> int:
    """Check everything, change nothing.

    :return: exit status, 1 when a check found something
    """
    checks = prepare()
    checks.check_all()
    return _finish(
        checks, "lint: clean", "lint: findings in {}; `make format` mends some".format
    )


def format_all() -> int:
    """Let ruff and prettier rewrite what they can.

    :return: exit status
    """
    checks = prepare()
    ruff = checks.bin / "ruff"
    checks.run("ruff check --fix", [ruff, "check", "--fix-only", "."])
    checks.run("ruff format", [ruff, "format", "."])
    checks.run("prettier", [*prettier_command(), "--write", *web_files()])
    return _finish(checks, "format: done", "format: {} failed".format)
