# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Databases with their filestores: cached templates, and clones made in a second.

Two layers of templates. A *base* has modules of Odoo and OCA only, is slow to make,
and changes with the pinned requirements. A *suite* is a clone of it with the
project's addons on top, and changes with their sources. Tests and the demo work on
clones. A template's name ends in the key of what it holds.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tools import addons, paths, stamps, system
from tools.environment import Environment
from tools.errors import CommandError, PostgresError
from tools.postgres import Cluster, all_clusters
from tools.process import is_alive, raise_failure, run, tail
from tools.progress import Step

CLONE = re.compile(r"clone_\w+?_(\d+)\Z")
KEPT_SUITES = 3
KEPT_BASES = 8
# Every server here loads it, so every database has it.
ALWAYS = ("queue_job",)
# Compiled once here: a page of a test would compile them for half a minute, and roll
# them back with the test, so that the next page does it again.
SCRIPTS = (
    "web.assets_web",
    "web.assets_backend_lazy",
    "web.assets_emoji",
    "web.assets_frontend",
    "web.assets_frontend_minimal",
    "web.assets_frontend_lazy",
    "web.assets_tests",
    "bus.websocket_worker_assets",
    "portal.assets_chatter",
    "spreadsheet.o_spreadsheet",
    "web.chartjs_lib",
)
STYLES = (
    "web.assets_web",
    "web.assets_web_print",
    "web.assets_backend_lazy",
    "web.assets_frontend",
    "web.report_assets_common",
    "portal.assets_chatter",
    "portal.assets_chatter_style",
)
PAGES = f"""
for name in {SCRIPTS}:
    env["ir.qweb"]._get_asset_bundle(name, css=False, js=True).js()
for name in {STYLES}:
    env["ir.qweb"]._get_asset_bundle(name, css=True, js=False).css()
env.cr.commit()
"""


class Databases:
    """The databases of one cluster.

    :param Environment environment: the Odoo that makes them
    :param Cluster cluster: a running cluster
    """

    def __init__(self, environment: Environment, cluster: Cluster) -> None:
        self.environment = environment
        self.cluster = cluster
        self.data_dir = paths.LOCAL / "data" / cluster.name
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.config = environment.write_config(
            f"{cluster.name}-tools.conf",
            {
                **cluster.odoo_options(),
                "data_dir": self.data_dir,
                "max_cron_threads": 0,
                "log_level": "warn",
            },
        )

    # Names

    def names(self) -> list[str]:
        """Return all databases of the cluster, oldest first."""
        query = "SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY oid"
        return self.cluster.sql(query).splitlines()

    def exists(self, name: str) -> bool:
        """Tell whether there is such a database."""
        return name in self.names()

    def filestore(self, name: str) -> Path:
        """Where Odoo keeps a database's attachments."""
        return self.data_dir / "filestore" / name

    # Making and dropping

    def clone(self, template: str, name: str) -> str:
        """Copy a database with its filestore, replacing one of that name.

        Attachments are written once and never changed, so links to the same files
        serve as copies.

        :return: the new name
        """
        self.drop(name)
        self.cluster.sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        self._copy_filestore(self.filestore(template), name)
        return name

    def _copy_filestore(self, source: Path, name: str) -> None:
        if source.exists():
            shutil.copytree(source, self.filestore(name), copy_function=_link_or_copy)

    def drop(self, name: str) -> None:
        """Remove a database and its filestore, also while somebody is connected."""
        try:
            self.cluster.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        except PostgresError as error:
            if "pg_signal_backend" not in str(error):
                raise
            # An autovacuum worker is in it, which only a superuser may end by force.
            # The ordinary command asks it to leave and waits.
            self.cluster.sql(f'DROP DATABASE IF EXISTS "{name}"')
        shutil.rmtree(self.filestore(name), ignore_errors=True)

    def rename(self, name: str, new_name: str) -> None:
        """Give a finished database its final name."""
        self.drop(new_name)
        self.cluster.sql(f'ALTER DATABASE "{name}" RENAME TO "{new_name}"')
        if self.filestore(name).exists():
            self.filestore(name).rename(self.filestore(new_name))

    def modules(
        self,
        name: str,
        *,
        install: Iterable[str] = (),
        update: Iterable[str] = (),
        log: Path | None = None,
        check: bool = True,
    ) -> int:
        """Install or upgrade modules, without demo data.

        :param name: the database; Odoo creates it when it is not there
        :param log: where to write the server's log, at level info
        :param check: raise when it fails
        :return: the server's exit status; an error in the log counts as one
        """
        log = log or paths.LOGS / f"modules-{name}.log"
        arguments: list[str | Path] = ["-c", self.config, "-d", name, "--no-http"]
        arguments += ["--stop-after-init", "--log-level=info"]
        for option, names in (("-i", install), ("-u", update)):
            if names:
                arguments += [option, ",".join(names)]
        status = run(
            self.environment.odoo("server", *arguments),
            what=f"Odoo on {name}",
            log=log,
            cwd=paths.ROOT,
            env=self.cluster.environment(**_hurry(name)),
            check=False,
        )
        # The server ends well when a module could not be loaded at all.
        status = status or int("Some modules are not loaded" in tail(log, 40))
        if status and check:
            raise_failure(f"Odoo on {name}", status, log)
        return status

    def shell(self, name: str, script: str, log: Path | None = None) -> str:
        """Run Python in `odoo shell` on a database.

        :param script: code that finds `env`; nothing is committed unless it does
        :return: what it printed
        :raise CommandError: it raised
        """
        log = log or paths.LOGS / f"shell-{name}.log"
        arguments = ["-c", self.config, "-d", name, "--no-http", "--log-level=error"]
        ending = "\nprint('saas-shell-finished')\n"
        guarded = f"exec(compile({script!r}, '<script>', 'exec')){ending}"
        status = run(
            self.environment.odoo("shell", *arguments),
            what=f"Odoo shell on {name}",
            log=log,
            cwd=paths.ROOT,
            env=self.cluster.environment(),
            stdin=guarded,
            check=False,
        )
        output, mark, _rest = log.read_text(errors="replace").partition(
            "saas-shell-finished"
        )
        if status or not mark:
            raise CommandError(f"a script on {name}", status or 1, log, tail(log))
        return output

    # Templates

    def base(self, modules: Iterable[str]) -> str:
        """Return a template with these modules of Odoo and OCA, made if needed.

        :param modules: names; their order does not matter
        """
        wanted = sorted({*modules, *ALWAYS})
        key = stamps.digest(self.environment.key, *wanted)
        name = f"base_{key}"
        with paths.locked(f"{self.cluster.name}-{name}"):
            if not self.exists(name):
                system.check_room(self.data_dir)
                self._prune("base_", KEPT_BASES)
                self._make_base(name, wanted)
        return name

    def _make_base(self, name: str, modules: list[str]) -> None:
        sibling = self._sibling_with(name)
        if sibling:
            title = f"database template, from the {sibling.cluster.name} cluster"
            with Step(title), self._draft(name) as draft:
                self._copy(sibling, name, draft)
            return
        title = f"database template with {len(modules)} modules of Odoo and OCA"
        with Step(title, "up to 3 minutes, once"), self._draft(name) as draft:
            self.modules(draft, install=modules, log=paths.LOGS / f"{name}.log")

    def _sibling_with(self, name: str) -> Databases | None:
        """Return the other cluster's databases, if a template is there already."""
        for cluster in all_clusters():
            if cluster.name != self.cluster.name and cluster.is_running():
                sibling = Databases(self.environment, cluster)
                if sibling.exists(name):
                    return sibling
        return None

    def _copy(self, source: Databases, name: str, draft: str) -> None:
        """Copy a database from another cluster."""
        dump = self.data_dir / f"{draft}.dump"
        log = paths.LOGS / f"copy-{name}.log"
        try:
            run(
                [source.cluster.client("pg_dump"), "-Fc", "-Z1", "-f", dump, name],
                what="pg_dump",
                log=log,
                env=source.cluster.environment(),
            )
            self.cluster.sql(
                f"CREATE DATABASE \"{draft}\" TEMPLATE template0 LC_COLLATE 'C'"
            )
            restore = [self.cluster.client("pg_restore"), "--no-owner", "--no-comments"]
            run(
                [*restore, "--jobs=2", "--exit-on-error", "-d", draft, dump],
                what="pg_restore",
                log=log,
                env=self.cluster.environment(),
            )
        finally:
            dump.unlink(missing_ok=True)
        self._copy_filestore(source.filestore(name), draft)

    def suite(self, names: Iterable[str]) -> str:
        """Return a template with addons of the project on top of their base.

        :param names: addons to install
        """
        wanted = sorted({own for name in names for own in addons.own_closure(name)})
        rest = [name for name in wanted if name != addons.DEMO]
        if rest != wanted:
            # The demo company goes on top of what the tests use anyhow.
            base = self.suite(rest)
        else:
            base = self.base(addons.foreign_depends(wanted))
        sources = stamps.addon_digests(paths.ADDONS / name for name in wanted)
        parts = (f"{n}={d}" for n, d in sorted(sources.items()))
        key = stamps.digest(base, PAGES, *parts)
        name = f"suite_{key}"
        with paths.locked(f"{self.cluster.name}-{name}"):
            if not self.exists(name):
                self._prune("suite_", KEPT_SUITES, spare=base)
                title = f"database template with {', '.join(wanted)}"
                with Step(title), self._draft(name) as draft:
                    self.clone(base, draft)
                    log = paths.LOGS / f"{name}.log"
                    self.modules(draft, install=wanted, log=log)
                    if rest == wanted:
                        self.shell(draft, PAGES)
        return name

    @contextmanager
    def _draft(self, name: str) -> Iterator[str]:
        """Build under a passing name, so that a killed build is never used."""
        draft = f"clone_draft_{name}_{os.getpid()}"
        self.drop(draft)
        try:
            yield draft
            self.rename(draft, name)
        except BaseException:
            self.drop(draft)
            raise

    def _prune(self, prefix: str, keep: int, spare: str = "") -> None:
        """Drop the oldest templates, leaving room for one more.

        :param spare: the template that is about to be copied
        """
        found = [
            name for name in self.names() if name.startswith(prefix) and name != spare
        ]
        for name in found[: max(0, len(found) - keep + 1)]:
            self.drop(name)

    def prune_clones(self) -> None:
        """Drop clones whose makers are gone."""
        for name in self.names():
            found = CLONE.match(name)
            if found and not is_alive(int(found[1])):
                self.drop(name)

    @contextmanager
    def passing_clone(self, template: str, label: str) -> Iterator[str]:
        """Lend a clone that is dropped afterwards.

        :param label: letters for its name
        """
        name = self.clone(template, f"clone_{label}_{os.getpid()}")
        try:
            yield name
        finally:
            if not os.environ.get("KEEP"):
                self.drop(name)


def _hurry(name: str) -> dict[str, str]:
    """Let a draft be written without waiting for the disk: it is copied, or lost."""
    if not CLONE.match(name):
        return {}
    return {"PGOPTIONS": "-c synchronous_commit=off"}


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
