# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""An Odoo server the tests start, kill and start again."""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Server:
    """One server process group on a database of its own.

    :ivar command: program and arguments that start it in the foreground
    :ivar access: file with the demo people's logins and the usage key
    """

    command: list[str]
    url: str
    database: str
    access: Path
    log: Path
    env: dict[str, str] | None = None
    _process: subprocess.Popen | None = field(default=None, repr=False)

    def start(self, patience: float = 120.0) -> None:
        """Start the server and return when it answers.

        :raise RuntimeError: it ended, or did not answer in time; names its log
        """
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=self.env,
                start_new_session=True,
            )
        deadline = time.monotonic() + patience
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"The server did not start, see {self.log}")
            time.sleep(0.2)

    def answers(self) -> bool:
        """Return whether the server takes requests."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{self.url}/web/health", timeout=5) as answer:
                return answer.status == 200
        except (OSError, urllib.error.URLError):
            return False

    def kill(self) -> None:
        """End the server and its workers at once, as ``kill -9`` does."""
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    def stop(self, patience: float = 20.0) -> None:
        """Ask the server to end, and end it when it does not."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(patience)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process = None
