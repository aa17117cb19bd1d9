# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""`make screenshots`: the pictures of the documentation, from a real run."""

from __future__ import annotations

import os

from tools import paths
from tools.progress import say
from tools.testing import test

PICTURES = paths.ROOT / "docs" / "screenshots"


def take() -> int:
    """Walk through the main job with a browser and keep its pictures.

    :return: exit status
    """
    PICTURES.mkdir(parents=True, exist_ok=True)
    os.environ["SAAS_SCREENSHOTS"] = str(PICTURES)
    status = test(["e2e"], ["-k", "browser"])
    say(f"pictures are in {PICTURES}")
    return status
