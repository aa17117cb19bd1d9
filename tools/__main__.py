# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Entry point: pick a supported Python, then hand over to the command line.

This file must parse on any Python 3, so that an old one gets a message, not a
syntax error.
"""

import os
import shutil
import sys

OLDEST = (3, 10)
NEWEST = (3, 13)


def supported(version):
    """Tell whether Odoo 19 runs on this ``(major, minor)``."""
    return OLDEST <= tuple(version[:2]) <= NEWEST


def other_python():
    """Find a supported interpreter on the search path, newest first."""
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        found = shutil.which("python3.%d" % minor)
        if found:
            return found
    return None


def version_message(version):
    """Say what is wrong with this interpreter, and what to do."""
    return (
        "error: Python %d.%d cannot run Odoo 19, which needs %d.%d to %d.%d.\n"
        "  cure: install one of them and name it, "
        "for example: make demo PYTHON=python3.12"
        % (tuple(version[:2]) + OLDEST + NEWEST)
    )


if not supported(sys.version_info):
    python = other_python()
    if not python:
        sys.exit(version_message(sys.version_info))
    os.execv(python, [python, "-m", "tools"] + sys.argv[1:])

from tools.cli import main  # noqa: E402

sys.exit(main(sys.argv[1:]))
