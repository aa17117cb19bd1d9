# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Tell the main job of the suite on a started server, and check every figure.

    python -m tools.demo_story --url http://127.0.0.1:8069 --database demo \\
        --access .local/demo_access.json

Runs as often as you like: what exists is shown and checked, not made again. Ends
with status 1 at the first figure that is not what it must be.
"""

import argparse
import os
import sys
from pathlib import Path

from tools.story.access_log import LogError, parse_month
from tools.story.odoo_client import ServerError
from tools.story.report import Report, StoryError
from tools.story.tell import tell
from tools.story.usage_client import UsageError
from tools.story.world import Access, World, choose_log

ROOT = Path(__file__).resolve().parents[1]


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="demo_story", description=__doc__)
    parser.add_argument("--url", required=True, help="address of the started server")
    parser.add_argument("--database", required=True)
    parser.add_argument(
        "--access", required=True, type=Path, help="file written by demo_access.py"
    )
    parser.add_argument(
        "--log",
        default=os.environ.get("SAAS_ACCESS_LOG"),
        help="access log to replay (default: $SAAS_ACCESS_LOG, else "
        "../shared/data/apache_access.log.gz, else a generated one)",
    )
    parser.add_argument(
        "--made-log",
        type=Path,
        default=ROOT / ".local" / "access.log.gz",
        help="where a generated log is kept",
    )
    parser.add_argument(
        "--month",
        help="month the log is moved into, YYYY-MM; day and time of day stay "
        "(default: the last complete month, or that of an earlier run)",
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Tell the story; return the exit status."""
    options = parse_arguments(arguments)
    report = Report()
    try:
        path, origin = choose_log(ROOT, options.log, options.made_log)
        world = World(
            url=options.url.rstrip("/"),
            database=options.database,
            access=Access.load(options.access),
            log=path,
            origin=origin,
            report=report,
            month=parse_month(options.month) if options.month else None,
        )
        tell(world)
    except (StoryError, LogError, ServerError, UsageError, OSError) as error:
        report.say(f"\n   ✗ {error}")
        report.say("   The main job stopped here. The server's log says more.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
