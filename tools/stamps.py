# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Keys of what was built from what, so that nothing is built twice."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from tools import paths

# Not part of what a database is made of.
IGNORED_DIRS = {"__pycache__", "tests", "readme", ".git", "scripts"}
IGNORED_SUFFIXES = {".pyc", ".md", ".pot", ".orig", ".swp"}


def digest(*parts: str | bytes) -> str:
    """Return a short key of some texts; their borders count."""
    total = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        total.update(len(raw).to_bytes(8, "big") + raw)
    return total.hexdigest()[:12]


def file_digest(*files: Path) -> str:
    """Return a key of the contents of some files."""
    return digest(*(path.read_bytes() for path in files))


def addon_files(addon: Path) -> Iterator[Path]:
    """Yield the files of an addon that a database depends on, in a fixed order."""
    for folder, names, files in os.walk(addon):
        names[:] = sorted(set(names) - IGNORED_DIRS)
        for name in sorted(files):
            path = Path(folder) / name
            if path.suffix not in IGNORED_SUFFIXES:
                yield path


def addon_digest(addon: Path) -> str:
    """Return a key of an addon's own sources, without its tests and readme."""
    total = hashlib.sha256()
    for path in addon_files(addon):
        name = path.relative_to(addon).as_posix().encode()
        content = path.read_bytes()
        total.update(b"%d:%s:%d:" % (len(name), name, len(content)))
        total.update(content)
    return total.hexdigest()[:12]


def addon_digests(addons: Iterable[Path]) -> dict[str, str]:
    """Return the key of each addon by its name."""
    return {addon.name: addon_digest(addon) for addon in addons}


def is_done(name: str, key: str) -> bool:
    """Tell whether a step was finished with this very key."""
    try:
        return (paths.STATE / name).read_text().strip() == key
    except OSError:
        return False


def mark_done(name: str, key: str) -> None:
    """Remember that a step was finished."""
    paths.ensure_local()
    (paths.STATE / name).write_text(key + "\n")
