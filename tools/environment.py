# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Odoo with its libraries in the private environment, ready to run."""

from __future__ import annotations

import configparser
import functools
from dataclasses import dataclass
from pathlib import Path

from tools import odoo_source, paths, stamps
from tools.odoo_source import OdooSource
from tools.process import output_of
from tools.progress import say
from tools.python_env import odoo_env

PTH = "odoo_source.pth"


@dataclass(frozen=True)
class Environment:
    """What is needed to run Odoo.

    :param Path python: the interpreter that has everything
    :param OdooSource source: where Odoo is
    """

    python: Path
    source: OdooSource

    @property
    def addons_path(self) -> str:
        """The addons path; OCA addons are found without an entry."""
        return ",".join(map(str, [paths.ADDONS, *self.source.addons_paths]))

    @property
    def key(self) -> str:
        """What databases are made of: Odoo and the addons of OCA."""
        return stamps.digest(
            stamps.file_digest(paths.ROOT / "requirements-oca.txt"),
            str(self.source.parent),
            stamps.file_digest(self.source.parent / "odoo" / "release.py"),
        )

    def odoo(self, command: str, *arguments: str | Path) -> list[str | Path]:
        """Build the command line of an Odoo sub-command."""
        return [self.python, "-m", "odoo", command, *arguments]

    def write_config(self, name: str, options: dict[str, object]) -> Path:
        """Write an Odoo configuration file, readable by its owner only.

        :param name: file name below `.local/conf`
        :param options: options on top of what all servers here share
        """
        path = paths.LOCAL / "conf" / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        parser = configparser.RawConfigParser()
        shared = {
            "addons_path": self.addons_path,
            "http_interface": "127.0.0.1",
            "server_wide_modules": "base,rpc,web,queue_job",
            "list_db": False,
            "proxy_mode": False,
        }
        parser["options"] = {
            key: str(value) for key, value in {**shared, **options}.items()
        }
        parser["queue_job"] = {"channels": "root:2"}
        path.touch(mode=0o600)
        with open(path, "w", encoding="utf-8") as file:
            parser.write(file)
        return path


@functools.cache
def ensure() -> Environment:
    """Build the environment unless it is there, and return it.

    :raise ToolError: something is missing; the message names the cure
    """
    paths.ensure_local()
    env = odoo_env()
    env.ensure()
    source = odoo_source.find()
    link = env.site_packages / PTH
    if not link.exists() or link.read_text().strip() != str(source.parent):
        link.write_text(f"{source.parent}\n")
        say(f"  Odoo {source.version}: {source.origin}")
    return Environment(env.python, source)


def odoo_release(environment: Environment) -> str:
    """Ask Odoo itself for its version, as a check that it can be imported."""
    code = "import odoo.release; print(odoo.release.version)"
    return output_of([environment.python, "-c", code]).strip()
