# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Each addon alone: installed on nothing but what its manifest names, upgraded,
uninstalled without a trace, and without a warning of ours in the server's log.

The tier runner names one addon at a time in SAAS_INSTALL_MODULE; by hand, all of
them are tried one after the other.
"""

import json
import os
import re

import pytest

from tools import addons, environment, paths, postgres
from tools.database import Databases

COMPLAINT = re.compile(r"^\S+ \S+ \d+ (WARNING|ERROR|CRITICAL) ")
# What the log of a fresh Odoo says without us.
HARMLESS = ("Running as user 'root' is a security risk",)

UNINSTALL = """
module = env["ir.module.module"].search([("name", "=", {module!r})])
module.button_immediate_uninstall()
env.cr.commit()
"""

LEFTOVERS = """
import json
module = {module!r}
found = []
env.cr.execute("SELECT state FROM ir_module_module WHERE name = %s", [module])
state = env.cr.fetchone()[0]
if state != "uninstalled":
    found.append("state " + state)
env.cr.execute(
    "SELECT model || ' ' || name FROM ir_model_data WHERE module = %s", [module])
found += ["external id " + row[0] for row in env.cr.fetchall()]
tables = {tables!r}
env.cr.execute(
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
found += ["table " + row[0] for row in env.cr.fetchall() if row[0] not in tables]
print("leftovers:" + json.dumps(found))
"""

TABLES = """
import json
env.cr.execute(
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
print("tables:" + json.dumps([row[0] for row in env.cr.fetchall()]))
"""


def wanted_modules():
    """Return the addons to try."""
    one = os.environ.get("SAAS_INSTALL_MODULE")
    return [one] if one else addons.own_names()


@pytest.fixture(scope="module")
def databases():
    """The databases of the test cluster."""
    built = environment.ensure()
    return Databases(built, postgres.test_cluster().ensure())


@pytest.fixture(scope="module", params=wanted_modules())
def alone(request, databases):
    """A database with what the addon's manifest chain names, and no more."""
    module = request.param
    closure = [name for name in addons.own_closure(module) if name != module]
    base = databases.base(addons.foreign_depends([module]))
    with databases.passing_clone(base, f"alone_{module}") as name:
        if closure:
            databases.modules(name, install=closure)
        yield module, name


def answer(databases, database, script, mark):
    """Run a script and return the JSON it prints behind a mark."""
    output = databases.shell(database, script)
    line = next(row for row in output.splitlines() if row.startswith(mark))
    return json.loads(line.removeprefix(mark))


def complaints(log):
    """Return the warnings and errors of a server's log."""
    lines = log.read_text(errors="replace").splitlines()
    found = [line for line in lines if COMPLAINT.match(line)]
    return [line for line in found if not any(text in line for text in HARMLESS)]


def test_installs_upgrades_and_uninstalls(alone, databases):
    """One story, since each step needs the one before."""
    module, database = alone
    before = answer(databases, database, TABLES, "tables:")
    for step in ("install", "update"):
        log = paths.LOGS / f"alone-{module}-{step}.log"
        databases.modules(database, log=log, **{step: [module]})
        assert not complaints(log), f"{step} of {module} complains, see {log}"
    log = paths.LOGS / f"alone-{module}-uninstall.log"
    databases.shell(database, UNINSTALL.format(module=module), log=log)
    script = LEFTOVERS.format(module=module, tables=before)
    assert answer(databases, database, script, "leftovers:") == []
    log = paths.LOGS / f"alone-{module}-again.log"
    databases.modules(database, log=log, install=[module])
    assert not complaints(log), f"a second install of {module} complains, see {log}"
