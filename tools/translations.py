# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""`make pot`: write the translation template of every addon."""

from __future__ import annotations

import re

from tools import addons, environment, paths, postgres
from tools.database import Databases
from tools.process import run
from tools.progress import Step, say

# Two exports of the same sources shall be equal.
DATES = re.compile(r'^"(POT-Creation-Date|PO-Revision-Date): .*\\n"\n', re.MULTILINE)


def export_pot() -> int:
    """Export `i18n/<addon>.pot` of every addon.

    :return: exit status
    """
    built = environment.ensure()
    databases = Databases(built, postgres.test_cluster().ensure())
    names = addons.own_names()
    template = databases.suite(names)
    with databases.passing_clone(template, "pot") as database, Step("exporting terms"):
        for name in names:
            _export(databases, database, name)
    say(f"wrote i18n/*.pot of {', '.join(names)}")
    return 0


def _export(databases: Databases, database: str, name: str) -> None:
    # The module comes first: `-l pot` would swallow a name behind it.
    command = databases.environment.odoo("i18n", "export", "-c", databases.config)
    run(
        [*command, "-d", database, name],
        what=f"exporting the terms of {name}",
        log=paths.LOGS / f"pot-{name}.log",
        cwd=paths.ROOT,
        env=databases.cluster.environment(),
    )
    target = paths.ADDONS / name / "i18n" / f"{name}.pot"
    if target.exists():
        target.write_text(DATES.sub("", target.read_text()))
