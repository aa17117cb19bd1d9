# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""The command line: `python3 -m tools COMMAND`, which the Makefile calls."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from importlib import import_module

from tools.errors import ToolError
from tools.progress import say

# command: (module, function, what it does)
COMMANDS = {
    "demo": ("tools.demo", "demo", "set everything up, run the demo company, serve it"),
    "stop": ("tools.demo", "stop", "stop the web server and the databases"),
    "clean": ("tools.demo", "clean", "stop, then remove the private environment"),
    "logs": ("tools.demo", "logs", "follow the web server's log"),
    "shell": ("tools.demo", "shell", "open an Odoo shell on the demo database"),
    "test": (
        "tools.testing",
        "test",
        "run all tests; TIER=... MODULES=... ARGS=... select",
    ),
    "lint": ("tools.lint", "lint", "check the style of everything"),
    "format": ("tools.lint", "format_all", "let the formatters mend what they can"),
    "bench": ("tools.bench", "bench", "measure against the budgets"),
    "pot": ("tools.translations", "export_pot", "write the translation templates"),
    "screenshots": ("tools.screenshots", "take", "photograph the running demo"),
}
WITH_ARGUMENTS = {"test", "bench"}


def print_help() -> int:
    """List the commands."""
    say("make COMMAND, where COMMAND is one of\n")
    for name, (_module, _function, text) in COMMANDS.items():
        say(f"  {name:12} {text}")
    say("\ntools/README.md tells how they work and what they read.")
    return 0


def parser() -> argparse.ArgumentParser:
    """Build the parser."""
    result = argparse.ArgumentParser(prog="python3 -m tools", add_help=False)
    result.add_argument("command", nargs="?", default="help")
    result.add_argument("--tier", action="append", default=[])
    return result


def split(argv: list[str]) -> tuple[list[str], list[str]]:
    """Cut at the first double dash; what is behind it goes to the tests."""
    if "--" not in argv:
        return argv, []
    place = argv.index("--")
    return argv[:place], argv[place + 1 :]


def load(command: str) -> Callable[..., int]:
    """Import what a command needs, and no more.

    :raise ToolError: there is no such command
    """
    if command not in COMMANDS:
        raise ToolError(f"there is no command {command!r}", "make help lists them")
    module, function, _text = COMMANDS[command]
    return getattr(import_module(module), function)


def _end(number: int, _frame: object) -> None:
    """End as after an interrupt, so that programs we started end with us."""
    raise SystemExit(128 + number)


def main(argv: list[str]) -> int:
    """Run one command.

    :param argv: what follows the program's name
    :return: exit status
    """
    ours, rest = split(argv)
    options = parser().parse_args(ours)
    if options.command == "help":
        return print_help()
    signal.signal(signal.SIGTERM, _end)
    try:
        function = load(options.command)
        if options.command == "test":
            return function(options.tier, rest)
        if options.command in WITH_ARGUMENTS:
            return function(rest)
        return function()
    except ToolError as error:
        print(f"\n{error}", file=sys.stderr, flush=True)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr, flush=True)
        return 130
