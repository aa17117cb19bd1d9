# License AGPL-3.0 or later (https://www.gnu.org/licenses/agpl).
"""Send usage to the suite the way a product system does.

CloudEvents in batches over one kept connection, gzipped, with an API key. A batch
is repeated as it is until the server has answered: repeating is harmless, since the
server knows an event by (source, id).
"""

import gzip
import http.client
import json
import random
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import urlsplit

from .access_log import Request, moved

PATH = "/saas/v1/usage/events"
EVENT_TYPE = "api.request"
_LOST = (OSError, http.client.HTTPException, socket.timeout)


class UsageError(Exception):
    """The server refused a request, or did not come back in time."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer of the usage endpoint.

    :ivar body: decoded JSON, or the text when it is not JSON
    """

    status: int
    body: dict | list | str


@dataclass
class Totals:
    """What the server said about everything sent in one replay."""

    sent: int = 0
    requests: int = 0
    repeats: int = 0
    seconds: float = 0.0
    counts: Counter = field(default_factory=Counter)


def cloud_event(request: Request, month: date, source: str) -> dict:
    """Return the CloudEvents 1.0 form of one line of the log.

    The id holds month and line number: stable for repeats, and another one when
    the same log is moved into another month.
    """
    return {
        "specversion": "1.0",
        "id": f"{month:%Y-%m}/{request.number:06d}",
        "source": source,
        "type": EVENT_TYPE,
        "subject": request.host,
        "time": moved(request.at, month).isoformat().replace("+00:00", "Z"),
        "data": {
            "bytes": request.size,
            "method": request.method,
            "path": request.path,
            "status": request.status,
        },
    }


def with_duplicates(events: list[dict], share: float, seed: int = 7) -> list[dict]:
    """Return the events with a share of them repeated, all in a shuffled order.

    :param share: part repeated, 0 to 1, rounded to whole events
    :param seed: same seed, same order
    """
    pick = random.Random(seed)  # noqa: S311 - repeatable on purpose
    repeated = pick.sample(events, round(len(events) * share))
    mixed = events + repeated
    pick.shuffle(mixed)
    return mixed


def batches(events: list[dict], size: int) -> Iterator[list[dict]]:
    """Yield the events in lists of at most ``size``."""
    for start in range(0, len(events), size):
        yield events[start : start + size]


class UsageClient:
    """Connection of one product system to the usage endpoint."""

    def __init__(self, url: str, key: str | None, timeout: float = 60.0):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(
                f"Give the server's address as http://host:port, not {url!r}."
            )
        self._kind = (
            http.client.HTTPSConnection
            if parts.scheme == "https"
            else http.client.HTTPConnection
        )
        self._host, self._port, self._timeout = parts.hostname, parts.port, timeout
        self._key = key
        self._connection = None
        self.repeats = 0

    def close(self) -> None:
        """Close the connection; the next call opens another one."""
        if self._connection:
            self._connection.close()
        self._connection = None

    def post(
        self,
        body: bytes,
        content_type: str = "application/cloudevents-batch+json",
        zipped: bool = False,
        path: str = PATH,
    ) -> Answer:
        """Send one body once.

        :raise OSError: no connection, or it was lost before the answer came
        """
        headers = {"Content-Type": content_type}
        if zipped:
            headers["Content-Encoding"] = "gzip"
        return self._ask("POST", path, headers, body)

    def get(self, path: str) -> Answer:
        """Ask something once.

        :raise OSError: no connection, or it was lost before the answer came
        """
        return self._ask("GET", path, {})

    def _ask(self, method: str, path: str, headers: dict, body=None) -> Answer:
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        if not self._connection:
            self._connection = self._kind(self._host, self._port, timeout=self._timeout)
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        text = response.read().decode("utf-8", "replace")
        try:
            return Answer(response.status, json.loads(text))
        except ValueError:
            return Answer(response.status, text)

    def send(self, events: list[dict], patience: float = 60.0) -> dict:
        """Send a batch until the server has answered it.

        :param patience: seconds to go on trying while the server is away or overloaded
        :return: the server's answer with its counts
        :raise UsageError: refused (the answer is in the text), or not back in time
        """
        body = gzip.compress(json.dumps(events).encode(), mtime=0)
        deadline = time.monotonic() + patience
        pause = 0.1
        while True:
            answer = self._try(body)
            if answer and answer.status < 500 and answer.status != 429:
                break
            if time.monotonic() > deadline:
                raise UsageError(
                    f"The server did not take the batch within {patience:.0f} s"
                    f" (last answer: {answer}). Start it and run the replay again:"
                    " what is stored already is not stored twice."
                )
            self.repeats += 1
            time.sleep(pause)
            pause = min(2 * pause, 2.0)
        if answer.status >= 300 or not isinstance(answer.body, dict):
            raise UsageError(f"The server refused the batch: {answer}")
        return answer.body

    def _try(self, body: bytes) -> Answer | None:
        try:
            return self.post(body, zipped=True)
        except _LOST:
            self.close()
            return None


def replay(
    client: UsageClient,
    events: Iterable[dict],
    size: int = 500,
    patience: float = 60.0,
    progress: Callable[[Totals], None] | None = None,
) -> Totals:
    """Send all events in batches and add up what the server answers.

    :param progress: called with the totals after each batch
    """
    totals, started = Totals(), time.monotonic()
    for batch in batches(list(events), size):
        answer = client.send(batch, patience)
        totals.sent += len(batch)
        totals.requests += 1
        totals.counts.update({key: n for key, n in answer.items() if type(n) is int})
        totals.repeats = client.repeats
        totals.seconds = time.monotonic() - started
        if progress:
            progress(totals)
    return totals
