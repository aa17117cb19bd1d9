# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""``python -m generator`` writes the files; ``--check`` only compares them."""

import argparse
import sys
from pathlib import Path

from . import executive, operations
from .checker import check

FOLDER = Path(__file__).resolve().parent.parent / "data" / "files"


def generate() -> dict:
    """Return the text of every dashboard file, by file name."""
    return {
        "saas_executive_dashboard.json": executive.build().dumps(),
        "saas_operations_dashboard.json": operations.build().dumps(),
    }


def stale(folder: Path = FOLDER) -> list:
    """Return the names of the files that differ from what would be written."""
    return [
        name
        for name, text in generate().items()
        if not (folder / name).is_file() or (folder / name).read_text() != text
    ]


def main(arguments=None) -> int:
    """Write or compare the files; return the exit code (1: something is wrong)."""
    parser = argparse.ArgumentParser(prog="generator", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args(arguments)
    errors = [
        f"{name}: {problem}"
        for name, text in generate().items()
        for problem in check(name, text)
    ]
    if options.check:
        errors += [f"{name}: run python -m generator" for name in stale()]
    elif not errors:
        for name, text in generate().items():
            (FOLDER / name).write_text(text)
    sys.stdout.write("".join(f"{error}\n" for error in errors))
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
