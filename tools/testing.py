# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""`make test`: five tiers, one table, one last line.

A tier is a list of jobs. The jobs of all tiers run side by side, each on databases of
its own, and write to logs of their own; the first ones run while the templates of the
others are made. A job or tier that fails stops no other.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import time
import traceback
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools import addons, demo, environment, paths, postgres, server, system
from tools.database import Databases
from tools.errors import ToolError
from tools.process import clean_environment, run, tail
from tools.progress import Step, say, seconds

TIERS = ("engines", "conformance", "addons", "install", "e2e")
# What needs no template comes first, small addons last: no core waits at the end.
RUN_ORDER = ("engines", "conformance", "install", "e2e", "addons")
# For two cores: a job waits often, for a browser, a server that starts, the database.
PARALLEL = 3
# Characters of test code in one job: a large addon is tested in several at a time.
PART_SIZE = 180_000
NO_TESTS = 5
COUNTS = re.compile(r"^(\d+) passed, (\d+) failed", re.MULTILINE)
TESTS = paths.ROOT / "tests"


@dataclass(frozen=True)
class Result:
    """What came of a job.

    :param str name: the job
    :param int passed: tests
    :param int failed: tests; at least 1 when the job itself failed
    :param float elapsed: seconds
    :param str details: what to show of a failed one
    """

    name: str
    passed: int
    failed: int
    elapsed: float
    details: str = ""


@dataclass(frozen=True)
class Job:
    """Something to run that counts tests.

    :param str name: unique in its tier
    :param Callable work: returns (passed, failed, details)
    """

    name: str
    work: Callable[[], tuple[int, int, str]]


class Tests:
    """The tiers of one run.

    :param list arguments: pytest options from the command line, like `-k usage`
    """

    def __init__(self, arguments: list[str]) -> None:
        self.arguments = arguments
        self.environment = environment.ensure()
        self._databases: Databases | None = None

    @property
    def databases(self) -> Databases:
        """The databases of the test cluster, which is started on first use."""
        if self._databases is None:
            cluster = postgres.test_cluster().ensure()
            self._databases = Databases(self.environment, cluster)
            self._databases.prune_clones()
        return self._databases

    # Tiers

    def engines(self) -> list[Job]:
        """Engines, architecture and tooling: plain pytest, no database."""
        apart = [f"--ignore={TESTS / name}" for name in ("e2e", "install")]
        return [
            Job("engines", lambda: self.pytest("engines", [TESTS, *apart], odoo=False))
        ]

    def conformance(self) -> list[Job]:
        """The numeric cases against the engines."""
        return [Job("conformance", self._conformance)]

    def addons(self) -> Iterator[Job]:
        """The addons' own tests with HTTP and browser, large addons in parts."""
        _ensure_programs()
        for addon in chosen_addons():
            template = self._template(with_demo=addon.name == addons.DEMO)
            parts = test_parts(addon)
            for number, files in enumerate(parts, 1):
                label = f"{addon.name}_{number}" if len(parts) > 1 else addon.name
                yield self._addon_job(label, files, template)

    def _template(self, with_demo: bool) -> str:
        """Return a template with all addons, or all but the demo company's."""
        names = addons.own_names()
        wanted = [name for name in names if with_demo or name != addons.DEMO]
        return self.databases.suite(wanted)

    def install(self) -> list[Job]:
        """Each addon alone: installed, upgraded, uninstalled."""
        return [self._install_job(addon.name) for addon in chosen_addons()]

    def e2e(self) -> list[Job]:
        """The main job over HTTP against a started server."""
        _ensure_programs()
        template = self._template(with_demo=True)
        return [Job("e2e", lambda: self._e2e(template))]

    # Jobs

    def _conformance(self) -> tuple[int, int, str]:
        files = sorted((TESTS / "cases").glob("*.yaml"))
        if not files:
            return 0, 1, "there are no case files in tests/cases"
        log = paths.LOGS / "test-conformance.log"
        status = run(
            [self.environment.python, "-m", "tests.conformance", *files],
            what="conformance",
            log=log,
            cwd=paths.ROOT,
            check=False,
        )
        text = log.read_text(errors="replace")
        found = COUNTS.findall(text)
        if not found:
            return 0, 1, f"{tail(log)}\n{log}"
        passed, failed = map(int, found[-1])
        wrong = [line for line in text.splitlines() if line.startswith("FAIL")]
        details = "\n".join([*wrong[:20], str(log)]) if status else ""
        return passed, max(failed, 1) if status else failed, details

    def _addon_job(self, label: str, files: list[Path], template: str) -> Job:
        def work() -> tuple[int, int, str]:
            with self.databases.passing_clone(template, label) as name:
                options = [f"--odoo-database={name}", "--odoo-http"]
                options.append(f"--odoo-config={self.databases.config}")
                extra = self.databases.cluster.environment()
                arguments = [*options, *files]
                return self.pytest(label, arguments, odoo=True, extra=extra)

        return Job(label, work)

    def _install_job(self, module: str) -> Job:
        def work() -> tuple[int, int, str]:
            extra = {"SAAS_INSTALL_MODULE": module}
            label = f"install-{module}"
            return self.pytest(label, [TESTS / "install"], odoo=False, extra=extra)

        return Job(module, work)

    def _e2e(self, template: str) -> tuple[int, int, str]:
        with self.databases.passing_clone(template, "e2e") as name:
            with self.server_variables(name) as variables:
                extra = {**self.databases.cluster.environment(), **variables}
                return self.pytest("e2e", [TESTS / "e2e"], odoo=False, extra=extra)

    @contextmanager
    def server_variables(self, database: str) -> Iterator[dict[str, str]]:
        """Prepare a server that the end-to-end tests start, kill and start again.

        :return: the variables tests/e2e reads
        """
        port = server.choose_port(first=8169)
        command, config = server.serve_command(
            self.databases, database, name="e2e", port=port
        )
        access = paths.STATE / "e2e_access.json"
        access.unlink(missing_ok=True)
        secret = secrets.token_urlsafe(9)
        demo.issue_access(self.databases, database, access, secret)
        shell = server.shell_command(self.databases, database, config)
        try:
            yield {
                "SAAS_E2E_COMMAND": shlex.join(command),
                "SAAS_E2E_SHELL": shlex.join(shell),
                "SAAS_E2E_URL": f"http://127.0.0.1:{port}",
                "SAAS_E2E_DATABASE": database,
                "SAAS_E2E_ACCESS": str(access),
            }
        finally:
            access.unlink(missing_ok=True)

    def pytest(
        self,
        label: str,
        arguments: list[str | Path],
        *,
        odoo: bool,
        extra: dict[str, str] | None = None,
    ) -> tuple[int, int, str]:
        """Run pytest and count from its report file, not from its words.

        :param label: names the log and the report
        :param odoo: with pytest-odoo, which needs a database
        :param extra: environment variables on top
        """
        report = paths.STATE / f"report-{label}.xml"
        report.unlink(missing_ok=True)
        log = paths.LOGS / f"test-{label}.log"
        command: list[str | Path] = [self.environment.python, "-m", "pytest"]
        command += ["-q", "-p", "tools.no_skips", "-p", "no:cacheprovider"]
        command += [f"--junitxml={report}", f"--rootdir={paths.ROOT}"]
        command += [] if odoo else ["-p", "no:odoo"]
        env = clean_environment(extra)
        command += [*arguments, *self.arguments]
        status = run(command, what=label, log=log, cwd=paths.ROOT, env=env, check=False)
        return self._count(report, status, log)

    def _count(self, report: Path, status: int, log: Path) -> tuple[int, int, str]:
        if status == NO_TESTS:
            # A selection need not hit every addon; no selection must.
            return (0, 0, "") if self.arguments else (0, 1, f"no tests found, {log}")
        passed, failed = count_report(report)
        if status and not failed:
            failed = 1
        return passed, failed, f"{failures_of(log)}\n{log}" if status else ""


def _ensure_programs() -> None:
    """Have what tours need, and PDF files where that is possible."""
    system.ensure_browser()
    if system.ensure_pdf_program() is None:
        say("  note: wkhtmltopdf is not installed, so there will be no PDF files")


def chosen_addons() -> list[Path]:
    """Return the addons to test, longest tests first; MODULES names some of them.

    :raise ToolError: one does not exist
    """
    found = {addon.name: addon for addon in addons.all_addons()}
    wanted = os.environ.get("MODULES", "").replace(",", " ").split() or list(found)
    unknown = sorted(set(wanted) - set(found))
    if unknown:
        raise ToolError(
            f"there is no addon {', '.join(unknown)}", f"choose from {', '.join(found)}"
        )
    return sorted((found[name] for name in wanted), key=_size, reverse=True)


def _size(addon: Path) -> int:
    return sum(map(_file_size, addon.glob("tests/**/*.py")))


def test_parts(addon: Path) -> list[list[Path]]:
    """Share the test files of an addon out over jobs of about the same size.

    :param addon: folder of the addon
    :return: at least one list of files per job
    """
    files = sorted(addon.glob("tests/**/test_*.py"), key=_file_size, reverse=True)
    count = max(1, round(sum(map(_file_size, files)) / PART_SIZE))
    parts: list[list[Path]] = [[] for _ in range(count)]
    for path in files:
        min(parts, key=lambda part: sum(map(_file_size, part))).append(path)
    return [sorted(part) for part in parts] if files else [[addon]]


def _file_size(path: Path) -> int:
    return path.stat().st_size


def count_report(report: Path) -> tuple[int, int]:
    """Count passed and failed tests in a JUnit file."""
    try:
        root = ElementTree.parse(report).getroot()
    except (OSError, ElementTree.ParseError):
        return 0, 0
    passed = failed = 0
    for case in root.iter("testcase"):
        bad = any(child.tag in ("failure", "error") for child in case)
        passed, failed = passed + (not bad), failed + bad
    return passed, failed


def failures_of(log: Path) -> str:
    """Return pytest's lines about what failed, else the end of the log."""
    lines = log.read_text(errors="replace").splitlines()
    found = [line for line in lines if line.startswith(("FAILED ", "ERROR "))]
    return "\n".join(found[:40]) or tail(log)


def run_job(job: Job) -> Result:
    """Run a job; trouble of its own counts as one failed test."""
    start = time.monotonic()
    try:
        passed, failed, details = job.work()
    except ToolError as error:
        passed, failed, details = 0, 1, str(error)
    except Exception:  # noqa: BLE001 - it must not take the other results along
        passed, failed, details = 0, 1, traceback.format_exc()
    return Result(job.name, passed, failed, time.monotonic() - start, details)


def jobs_of(name: str, prepare: Callable[[], Iterable[Job]]) -> list[Job]:
    """Prepare the jobs of a tier; one that can't be is a job that fails.

    :param name: the tier
    :param prepare: makes what its jobs share, and returns them
    """
    try:
        return list(prepare())
    except ToolError as error:
        details = str(error)
        return [Job(name, lambda: (0, 1, details))]


def run_all(jobs: Iterable[tuple[str, Job]]) -> dict[str, list[Result]]:
    """Run jobs side by side, in their order, and say at once which failed.

    :param jobs: pairs of tier and job; the first run while later ones are prepared
    :return: results by tier, in the order of its jobs
    """

    def work(tier: str, job: Job) -> Result:
        with Step(f"{tier}: {job.name}"):
            result = run_job(job)
        if result.failed:
            say(f"\n--- {tier} / {result.name}\n{result.details}\n")
        return result

    results: dict[str, list[Result]] = {}
    with ThreadPoolExecutor(PARALLEL) as pool:
        begun = [(tier, pool.submit(work, tier, job)) for tier, job in jobs]
        for tier, future in begun:
            results.setdefault(tier, []).append(future.result())
    return results


def table(rows: list[tuple[str, int, int, float]]) -> str:
    """Lay the results out.

    :param rows: name, passed, failed, seconds of work
    """
    lines = [f"  {'':24} {'passed':>7} {'failed':>7}  time"]
    for name, passed, failed, elapsed in rows:
        lines.append(f"  {name:24} {passed:7} {failed:7}  {seconds(elapsed)}")
    return "\n".join(lines)


def summary(tiers: dict[str, list[Result]]) -> tuple[str, int]:
    """Write the table of all tiers and the closing line.

    :param tiers: results by tier
    :return: the text, and the number of failed tests
    """
    rows = []
    for name, results in tiers.items():
        rows.append(_sum_of(name, results))
        if len(results) > 1:
            rows += [_sum_of(f"  {result.name}", [result]) for result in results]
    _, passed, failed, _ = _sum_of("", [r for found in tiers.values() for r in found])
    return f"\n{table(rows)}\n\n{passed} passed, {failed} failed", failed


def _sum_of(name: str, results: list[Result]) -> tuple[str, int, int, float]:
    passed = sum(result.passed for result in results)
    failed = sum(result.failed for result in results)
    return name, passed, failed, sum(result.elapsed for result in results)


def check_tiers(wanted: list[str]) -> list[str]:
    """Return the tiers to run, in their order.

    :raise ToolError: one does not exist
    """
    unknown = sorted(set(wanted) - set(TIERS))
    if unknown:
        raise ToolError(
            f"there is no tier {', '.join(unknown)}", f"choose from {', '.join(TIERS)}"
        )
    return [name for name in TIERS if not wanted or name in wanted]


def test(wanted: list[str], arguments: list[str]) -> int:
    """Run the tests.

    :param wanted: names of tiers, all when empty
    :param arguments: options for pytest
    :return: exit status, 1 when anything failed
    """
    chosen = check_tiers(wanted)
    tests = Tests(arguments)
    order = sorted(chosen, key=RUN_ORDER.index)
    results = run_all(
        (name, job) for name in order for job in jobs_of(name, getattr(tests, name))
    )
    text, failed = summary({name: results.get(name, []) for name in chosen})
    say(text)
    return 1 if failed else 0
