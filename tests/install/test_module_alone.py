# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Each addon alone: installed on nothing but what its manifest names, upgraded,
uninstalled without a trace, and without a warning of ours in the server's log.

The tier runner names one addon at a time in SAAS_INSTALL_MODULE; by hand, all of
them are tried one after the other.
"""

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

TABLES = (
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
)
STATE = "SELECT 'state ' || state FROM ir_module_module WHERE name = '{module}'"
NAMES = """
SELECT 'external id ' || model || ' ' || name FROM ir_model_data
 WHERE module = '{module}'
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
    wanted = addons.foreign_depends([module])
    # The template of the other tests serves where it holds that and no more.
    made = is_template_of_tests(closure) and addons.foreign_depends(closure) == wanted
    base = databases.suite(closure) if made else databases.base(wanted)
    with databases.passing_clone(base, f"alone_{module}") as name:
        if closure and not made:
            databases.modules(name, install=closure)
        yield module, name


def is_template_of_tests(closure):
    """Tell whether the tests of addons run on a database with just these."""
    return sorted([*closure, addons.DEMO]) == sorted(addons.own_names())


def rows(databases, database, query):
    """Return the rows of a query with one column."""
    return set(databases.cluster.sql(query, database).splitlines())


def leftovers(databases, database, module, tables):
    """Return what an addon left behind.

    :param tables: those of before it came
    """
    left = rows(databases, database, TABLES) - tables
    state = rows(databases, database, STATE.format(module=module))
    return {
        *(state ^ {"state uninstalled"}),
        *rows(databases, database, NAMES.format(module=module)),
        *(f"table {name}" for name in left),
    }


def complaints(log):
    """Return the warnings and errors of a server's log."""
    lines = log.read_text(errors="replace").splitlines()
    found = [line for line in lines if COMPLAINT.match(line)]
    return [line for line in found if not any(text in line for text in HARMLESS)]


def test_installs_upgrades_and_uninstalls(alone, databases):
    """One story, since each step needs the one before."""
    module, database = alone
    before = rows(databases, database, TABLES)
    for step in ("install", "update"):
        log = paths.LOGS / f"alone-{module}-{step}.log"
        databases.modules(database, log=log, **{step: [module]})
        assert not complaints(log), f"{step} of {module} complains, see {log}"
    log = paths.LOGS / f"alone-{module}-uninstall.log"
    databases.shell(database, UNINSTALL.format(module=module), log=log)
    assert not leftovers(databases, database, module, before)
    log = paths.LOGS / f"alone-{module}-again.log"
    databases.modules(database, log=log, install=[module])
    assert not complaints(log), f"a second install of {module} complains, see {log}"
