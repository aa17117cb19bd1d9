# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Read the addons of the project: which there are, what they depend on."""

from __future__ import annotations

import ast
from pathlib import Path

from tools import paths

DEMO = "saas_demo"


def all_addons(folder: Path | None = None) -> list[Path]:
    """Return the directories of the installable addons, by name."""
    folder = folder or paths.ADDONS
    found = (path.parent for path in folder.glob("*/__manifest__.py"))
    return sorted(path for path in found if manifest(path).get("installable", True))


def manifest(addon: Path) -> dict:
    """Read an addon's manifest, a literal."""
    return ast.literal_eval((addon / "__manifest__.py").read_text(encoding="utf-8"))


def depends(addon: Path) -> list[str]:
    """Return the modules the manifest names."""
    return manifest(addon).get("depends", ["base"])


def own_names(folder: Path | None = None) -> list[str]:
    """Return the names of the project's addons."""
    return [addon.name for addon in all_addons(folder)]


def foreign_depends(names: list[str] | None = None) -> list[str]:
    """Return what Odoo and OCA must provide to install these addons.

    :param names: addons of the project, all when not given
    :return: sorted module names that are not the project's own
    """
    known = {addon.name: addon for addon in all_addons()}
    todo = list(known if names is None else names)
    seen: set[str] = set()
    foreign: set[str] = set()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in known:
            todo += depends(known[name])
        else:
            foreign.add(name)
    return sorted(foreign) or ["base"]


def own_closure(name: str) -> list[str]:
    """Return an addon and the project's addons it depends on, sorted."""
    known = {addon.name: addon for addon in all_addons()}
    todo, seen = [name], set()
    while todo:
        current = todo.pop()
        if current in known and current not in seen:
            seen.add(current)
            todo += depends(known[current])
    return sorted(seen)
