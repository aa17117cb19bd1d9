# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Replay a web access log as usage events, one CloudEvent per request.

    SAAS_USAGE_KEY=... python -m tools.replay_log --url http://127.0.0.1:8069 \\
        --log access.log.gz [--month 2026-10] [--duplicates 0.03] [--shuffle]

The client address is the subject, the bytes sent are the value. Sending the same log
again is harmless: the server knows every event by source and id. A lost connection,
a restart of the server and "busy" answers are waited for.
"""

import argparse
import os
import random
import sys
from pathlib import Path

from tools.story.access_log import LogError, parse_month, read_log
from tools.story.usage_client import (
    UsageClient,
    UsageError,
    cloud_event,
    replay,
    with_duplicates,
)
from tools.story.world import SOURCE


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="replay_log", description=__doc__)
    parser.add_argument("--url", required=True, help="address of the server")
    parser.add_argument("--log", required=True, type=Path, help="plain or gzipped log")
    parser.add_argument("--source", default=SOURCE, help="code of the usage source")
    parser.add_argument(
        "--month",
        type=_month,
        help="move the log into this month, YYYY-MM; day and time of day stay "
        "(default: the month of its first line)",
    )
    parser.add_argument("--batch", type=int, default=500, help="events a request")
    parser.add_argument(
        "--duplicates", type=float, default=0.0, help="share of events sent twice"
    )
    parser.add_argument("--shuffle", action="store_true", help="send out of order")
    parser.add_argument(
        "--patience", type=float, default=60.0, help="seconds to wait for the server"
    )
    return parser.parse_args(arguments)


def _month(text: str):
    try:
        return parse_month(text)
    except LogError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def main(arguments: list[str] | None = None) -> int:
    """Replay the log; return the exit status."""
    options = parse_arguments(arguments)
    key = os.environ.get("SAAS_USAGE_KEY")
    if not key:
        print("Put the API key of the usage feed into SAAS_USAGE_KEY.", file=sys.stderr)
        return 2
    try:
        requests = read_log(options.log)
        if not requests:
            raise LogError(f"The log {options.log} is empty.")
        month = options.month or requests[0].at.date().replace(day=1)
        events = [cloud_event(request, month, options.source) for request in requests]
        if options.duplicates:
            events = with_duplicates(events, options.duplicates)
        elif options.shuffle:
            random.shuffle(events)
        client = UsageClient(options.url, key)
        totals = replay(client, events, options.batch, options.patience, _progress)
    except (LogError, UsageError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    counts = ", ".join(f"{totals.counts[name]:,} {name}" for name in _SHOWN)
    print(f"\r{totals.sent:,} sent in {totals.seconds:.1f} s: {counts}")
    return 0


_SHOWN = ("stored", "duplicate", "quarantined")


def _progress(totals) -> None:
    print(f"\r{totals.sent:,} sent", end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
