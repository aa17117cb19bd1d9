# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Shared by everything in this directory: plain pytest, no Odoo in the process."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


# The plugin pytest-odoo would load a database before every test, here too. Fixtures
# of the same names take the place of its own below this directory.
@pytest.fixture(scope="session", autouse=True)
def load_registry():
    """Load no registry."""


@pytest.fixture(scope="session", autouse=True)
def load_http():
    """Start no web server."""


@pytest.fixture(scope="module", autouse=True)
def enable_odoo_test_flag():
    """Set no flag of Odoo's."""


@pytest.fixture(scope="session")
def root():
    """The project's directory."""
    return ROOT
