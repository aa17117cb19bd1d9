# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""One line per step, with the seconds it takes."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType

PLAIN_INTERVAL = 30.0
LIVE_INTERVAL = 1.0


def say(text: str = "") -> None:
    """Print a line at once, also into a pipe."""
    print(text, flush=True)


def seconds(value: float) -> str:
    """Write a duration for people: 4.2 s, 75 s, 6 min 20 s."""
    if value < 10:
        return f"{value:.1f} s"
    if value < 120:
        return f"{value:.0f} s"
    return f"{int(value) // 60} min {int(value) % 60} s"


class Step:
    """Show that something long is going on.

    On a terminal the line counts the seconds; in a log file it is repeated now
    and then, so that nobody takes a long step for a dead one.

    :param str title: what is being done
    :param str hint: how long it usually takes, if long
    """

    def __init__(self, title: str, hint: str = "") -> None:
        self.title = f"{title} ({hint})" if hint else title
        self.live = sys.stdout.isatty()
        self.elapsed = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Step:
        self._start = time.monotonic()
        if not self.live:
            say(f"  .. {self.title}")
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()
        self.elapsed = time.monotonic() - self._start
        start = "\r\033[K" if self.live else ""
        mark = "ok" if kind is None else "!!"
        say(f"{start}  {mark} {self.title}, {seconds(self.elapsed)}")

    def _tick(self) -> None:
        interval = LIVE_INTERVAL if self.live else PLAIN_INTERVAL
        while not self._done.wait(interval):
            spent = seconds(time.monotonic() - self._start)
            if self.live:
                print(f"\r\033[K  .. {self.title}, {spent}", end="", flush=True)
            else:
                say(f"  .. {self.title}, {spent}")
